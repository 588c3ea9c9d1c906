// SPDX-License-Identifier: Apache-2.0
#include "index/parser_zygote.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
extern "C" {  // glibc 2.36 forgets this
#include <sys/pidfd.h>
}

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "index/character_set.h"
#include "index/header_parser.h"
#include "index/parser_protocol.h"
#include "index/parser_sandbox.h"

namespace leadglass {
namespace {

constexpr int kControl = 3;  // where ShedPrivileges puts the one descriptor it keeps

// One byte, with at most one descriptor beside it.
bool SendWithFd(int socket, uint8_t byte, int fd) {
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == 1;
}

// False at the end of the socket. The descriptor is invalid when none came.
bool ReceiveWithFd(int socket, uint8_t* byte, UniqueFd* fd) {
  iovec part{byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got != 1) return false;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int received = -1;
    std::memcpy(&received, CMSG_DATA(header), sizeof(int));
    fd->Reset(received);
  }
  return true;
}

// Whether there is something to receive, or the other side has gone.
bool Readable(int socket, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd wait{socket, POLLIN, 0};
    const int ready = poll(&wait, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// One request, one answer. False when the pool has gone.
bool Serve(int socket, const ParserZygoteOptions& options) {
  ByteVector fixed(ParseRequest::kBytes);
  if (!ReceiveAll(socket, fixed)) return false;
  const auto request = ParseRequest::Decode(fixed);
  if (!request) return false;
  ByteVector encoded(request->further_bytes);
  if (!ReceiveAll(socket, encoded)) return false;
  const auto further = DecodeFurther(encoded);
  if (!further) return false;
  ByteVector prefix(request->prefix_bytes);
  if (!ReceiveAll(socket, prefix)) return false;
  ByteVector answer;
  {
    const CpuBudget budget;
    if (options.before_parse != nullptr) {
      options.before_parse(socket, prefix.data(), prefix.size());
    }
    answer = EncodeAnswer(ParseHeader(prefix, request->file_size, request->readers, *further));
  }
  ByteWriter frame;
  frame.Bytes32(answer);
  return SendAll(socket, frame.span());
}

[[noreturn]] void WorkerMain(int socket, pid_t zygote, const SandboxProgram& program,
                             const ParserZygoteOptions& options) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != zygote) _exit(1);
  const bool safe = EnterSandbox(program, options.memory_bytes).has_value();
  const uint8_t hello = safe ? kWorkerReady : kWorkerUnsafe;
  if (!SendAll(socket, ByteSpan(&hello, 1)) || !safe) _exit(1);
  while (Serve(socket, options)) {
  }
  _exit(0);
}

// Loads what libraries load lazily, once for all workers: they can open no file.
void WarmUp() {
  WarmUpCharacterSets();
  static constexpr std::string_view kTiny(
      "\x08\x00\x60\x00"
      "CS\x02\x00OT"
      "\x10\x00\x10\x00"
      "PN\x02\x00"
      "A "
      "\x10\x00\x20\x00"
      "LO\x02\x00"
      "1 ",
      30);
  (void)ParseHeader(AsBytes(kTiny), kTiny.size());
}

[[noreturn]] void ZygoteMain(int control, const ParserZygoteOptions& options) {
  if (!ShedPrivileges(control, options.run_as)) _exit(1);
  // Without a program the worker says that it is not safe, which is what the pool reports.
  auto made = MakeSandboxProgram();
  const SandboxProgram program = made ? std::move(made).value() : SandboxProgram{};
  WarmUp();
  if (!SendWithFd(kControl, kWorkerReady, -1)) _exit(1);
  const pid_t self = getpid();
  while (true) {
    uint8_t byte = 0;
    UniqueFd socket;
    if (!ReceiveWithFd(kControl, &byte, &socket) || !socket) _exit(0);
    const pid_t worker = fork();
    if (worker == 0) {
      UniqueFd(kControl).Reset();
      WorkerMain(socket.get(), self, program, options);
    }
    const UniqueFd pidfd(worker > 0 ? pidfd_open(worker, 0) : -1);
    if (!SendWithFd(kControl, byte, pidfd.get())) _exit(0);
  }
}

Status SocketPair(UniqueFd* ours, UniqueFd* theirs) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return SystemError(errno, "parser: socketpair");
  }
  ours->Reset(pair[0]);
  theirs->Reset(pair[1]);
  return {};
}

}  // namespace

ParserProcess::~ParserProcess() {
  if (pidfd_) pidfd_send_signal(pidfd_.get(), SIGKILL, nullptr, 0);
}

Result<std::unique_ptr<ParserZygote>> ParserZygote::Start(const ParserZygoteOptions& options) {
  UniqueFd ours, theirs;
  LG_RETURN_IF_ERROR(SocketPair(&ours, &theirs));
  const pid_t zygote = fork();
  if (zygote < 0) return SystemError(errno, "parser: fork");
  if (zygote == 0) ZygoteMain(theirs.get(), options);
  theirs.Reset();
  UniqueFd pidfd(pidfd_open(zygote, 0));
  uint8_t hello = 0;
  UniqueFd none;
  if (!ReceiveWithFd(ours.get(), &hello, &none) || hello != kWorkerReady) {
    waitpid(zygote, nullptr, 0);  // its end of the socket is closed: it has ended
    return Error(Errc::kInternal, "parser: the parser process did not start");
  }
  if (!pidfd) return SystemError(errno, "parser: pidfd_open");
  return std::unique_ptr<ParserZygote>(new ParserZygote(std::move(ours), zygote, std::move(pidfd)));
}

ParserZygote::~ParserZygote() {
  pidfd_send_signal(pidfd_.get(), SIGKILL, nullptr, 0);  // one that is stopped would not end itself
  {
    MutexLock lock(mutex_);
    control_.Reset();
  }
  // Not ours to wait for where the process became a daemon since: then this fails, harmlessly.
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<ParserProcess> ParserZygote::Spawn(std::chrono::milliseconds patience) {
  const Error gone(Errc::kUnavailable,
                   "the parser process is gone: new images are not filed until the vault is "
                   "mounted again");
  const Error silent(Errc::kUnavailable,
                     "the parser process does not answer (is it stopped?): images that are written "
                     "now are not filed");
  UniqueFd ours, theirs;
  LG_RETURN_IF_ERROR(SocketPair(&ours, &theirs));
  MutexLock lock(mutex_);
  uint8_t byte = 0;
  if (owes_answer_) {
    if (!Readable(control_.get(), std::chrono::milliseconds(0))) return silent;
    UniqueFd late;  // whom nobody wants any more: it ends as its socket has
    if (!ReceiveWithFd(control_.get(), &byte, &late)) return gone;
    owes_answer_ = false;
  }
  if (!SendWithFd(control_.get(), byte, theirs.get())) return gone;
  if (!Readable(control_.get(), patience)) {
    owes_answer_ = true;
    return silent;
  }
  UniqueFd pidfd;
  if (!ReceiveWithFd(control_.get(), &byte, &pidfd)) return gone;
  if (!pidfd) return Error(Errc::kUnavailable, "parser: no process for a worker");
  return ParserProcess(std::move(ours), std::move(pidfd));
}

}  // namespace leadglass
