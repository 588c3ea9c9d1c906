// SPDX-License-Identifier: Apache-2.0
#include "cli/daemonise.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

// Runs Background in a process of its own; gives what its parent half ends with.
int ExitOfParent(const std::function<void(Background&)>& child_work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    auto background = Background::Fork();
    if (!background) ::_exit(99);
    if (background->is_parent()) ::_exit(static_cast<int>(background->AwaitChild()));
    child_work(*background);
    ::_exit(98);
  }
  int status = -1;
  ::waitpid(pid, &status, 0);
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

}  // namespace
}  // namespace leadglass
