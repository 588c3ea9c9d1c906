// SPDX-License-Identifier: Apache-2.0
#include "cli/daemonise.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace leadglass {

Result<Background> Background::Fork() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError(errno, "pipe");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return SystemError(errno, "fork");
  return Background(child == 0 ? std::move(writer) : std::move(reader), child);
}

ExitCode Background::AwaitChild() {
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
  ::setsid();
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
