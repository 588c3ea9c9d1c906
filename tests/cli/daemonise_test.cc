// SPDX-License-Identifier: Apache-2.0
#include "cli/daemonise.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using Session = Background::Session;

// Runs Background in a process of its own, the parent half, whose number it gives.
pid_t Start(Session session, const std::function<void(Background&)>& child_work) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  auto background = Background::Fork(session);
  if (!background) ::_exit(99);
  if (background->is_parent()) ::_exit(static_cast<int>(background->AwaitChild()));
  child_work(*background);
  ::_exit(98);
}

int StatusOf(pid_t pid) {
  int status = -1;
  ::waitpid(pid, &status, 0);
  return status;
}

// What the parent half ends with.
int ExitOfParent(const std::function<void(Background&)>& child_work,
                 Session session = Session::kAtOnce) {
  const int status = StatusOf(Start(session, child_work));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Background, ParentGoesWhenTheChildIsReadyAndNotBefore) {
  EXPECT_EQ(ExitOfParent([](Background& background) {
              ::usleep(50'000);
              background.Ready();
              ::_exit(7);  // too late to matter
            }),
            0);
}

TEST(Background, ParentEndsWithTheChildsExitCode) {
  EXPECT_EQ(ExitOfParent([](Background&) { ::_exit(static_cast<int>(ExitCode::kDamaged)); }), 6);
}

TEST(Background, ChildThatEndsWithoutAWordIsAFault) {
  EXPECT_EQ(ExitOfParent([](Background&) { ::_exit(0); }), static_cast<int>(ExitCode::kInternal));
  EXPECT_EQ(ExitOfParent([](Background&) { ::raise(SIGKILL); }),
            static_cast<int>(ExitCode::kInternal));
}

TEST(Background, ChildHasASessionOfItsOwnBeforeItStartsOtherProcesses) {
  const auto tell = [](Background&) { ::_exit(::getsid(0) == ::getpid() ? 11 : 12); };
  EXPECT_EQ(ExitOfParent(tell, Session::kAtOnce), 11);
  // Who is to ask on the terminal has it until then.
  EXPECT_EQ(ExitOfParent(tell, Session::kWhenReady), 12);
}

TEST(Background, ReadyChildHasLeftTheSession) {
  for (const Session session : {Session::kAtOnce, Session::kWhenReady}) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const auto tell = [&](Background& background) {
      background.Ready();
      const char leads = ::getsid(0) == ::getpid() ? 'y' : 'n';
      (void)!::write(ends[1], &leads, 1);
    };
    EXPECT_EQ(ExitOfParent(tell, session), 0);
    char leads = 0;
    EXPECT_EQ(::read(ends[0], &leads, 1), 1);
    EXPECT_EQ(leads, 'y');
    ::close(ends[0]);
    ::close(ends[1]);
  }
}

// A terminal's Ctrl-C does not reach another session.
TEST(Background, SignalThatEndsTheParentEndsTheChild) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const pid_t parent = Start(Session::kAtOnce, [&](Background&) {
      (void)!::write(ends[1], "s", 1);
      ::pause();
    });
    ::close(ends[1]);
    char started = 0;
    ASSERT_EQ(::read(ends[0], &started, 1), 1);
    ::kill(parent, signal);
    const int status = StatusOf(parent);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
    // Until the last who has the other end is gone.
    EXPECT_EQ(::read(ends[0], &started, 1), 0);
    ::close(ends[0]);
  }
}

}  // namespace
}  // namespace leadglass
