// SPDX-License-Identifier: Apache-2.0
#include "cli/daemonise.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace leadglass {
namespace {

sigset_t PassedOn() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&signals, signal);
  return signals;
}

// Ends both. A signal that was ignored before never comes here.
[[noreturn]] void EndBoth(pid_t child, int signal) {
  ::kill(child, signal);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
  const sigset_t signals = PassedOn();
  ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  ::_exit(static_cast<int>(ExitCode::kInternal));  // not reached
}

}  // namespace

Result<Background> Background::Fork(Session session) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError(errno, "pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  // Before there is a child that would miss one.
  const sigset_t signals = PassedOn();
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t child = ::fork();
  const int why = errno;
  if (child <= 0) ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) return SystemError(why, "fork");
  if (child == 0 && session == Session::kAtOnce) ::setsid();
  return Background(child == 0 ? std::move(writer) : std::move(reader), child);
}

ExitCode Background::AwaitChild() {
  const sigset_t signals = PassedOn();
  const UniqueFd signalled(::signalfd(-1, &signals, SFD_CLOEXEC));
  // Then they end this process alone, and do so at once.
  if (!signalled) ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  std::array<pollfd, 2> ends{{{pipe_.get(), POLLIN, 0}, {signalled.get(), POLLIN, 0}}};
  while (::poll(ends.data(), ends.size(), -1) < 0 && errno == EINTR) {
  }
  signalfd_siginfo told{};
  if ((ends[1].revents & POLLIN) != 0 &&
      ::read(signalled.get(), &told, sizeof(told)) == sizeof(told))
    EndBoth(child_, static_cast<int>(told.ssi_signo));
  char ready = 0;
  ssize_t got = 0;
  do {
    got = ::read(pipe_.get(), &ready, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) return ExitCode::kOk;
  int status = 0;
  while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    return static_cast<ExitCode>(WEXITSTATUS(status));
  }
  return ExitCode::kInternal;  // killed, or gone without a word
}

void Background::Ready() {
  ::setsid();  // in vain where it was done at once
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(null.get(), stream);
  }
  if (::chdir("/") != 0) return;  // never happens; the parent then learns that something is wrong
  const char ready = 'R';
  while (::write(pipe_.get(), &ready, 1) < 0 && errno == EINTR) {
  }
  pipe_.Reset();
}

}  // namespace leadglass
