// SPDX-License-Identifier: Apache-2.0
#include "cli/mount_keeper.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "cli/asked_vault.h"
#include "cli/head_json.h"
#include "cli/privileges.h"
#include "fs/fuse_mounter.h"

namespace leadglass {

namespace {

constexpr size_t kMessage = 64 << 10;  // a refusal may name two paths, all of them escaped
constexpr int kSocket = 3;             // where the keeper's end is

// One message, and a descriptor with it where `fd` is none of -1.
bool SendMessage(int socket, const std::string& text, int fd) {
  iovec bytes = {const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(text.size());
}

// Empty: the other end is gone.
std::string ReceiveMessage(int socket, UniqueFd* came) {
  std::string text(kMessage, '\0');
  iovec bytes = {text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return text;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(int));
  UniqueFd owned(fd);
  if (came != nullptr) *came = std::move(owned);
  return text;
}

Error KeeperIsGone() {
  return Error(Errc::kUnavailable,
               "the process that keeps the mount is gone: unmount, and mount again");
}

Error WrongQuestion() { return Error(Errc::kInvalidArgument, "the keeper is not asked for that"); }

// The keeper's own process.
class Keeper {
 public:
  explicit Keeper(const KeptMount& kept)
      : kept_(kept), head_(PosixFileSystem(), kept.state_folder, kept.vault_id) {}

  void Serve() {
    for (;;) {
      const std::string text = ReceiveMessage(kSocket, nullptr);
      if (text.empty()) break;
      UniqueFd gives;
      const std::string answer = Answer(text, &gives);
      if (!SendMessage(kSocket, answer, gives.get())) break;
    }
    for (const BoundSocket& socket : sockets_) RemoveSocket(socket);
  }

 private:
  std::string Answer(const std::string& text, UniqueFd* gives) {
    try {
      const auto done = Do(ParseJson(text), gives);
      return done ? JsonLine(*done) : Refusal(done.error());
    } catch (const Json::exception&) {
      return Refusal(WrongQuestion());
    }
  }

  Result<Json> Do(const Json& question, UniqueFd* gives) {
    const std::string what = question.at("do");
    const Json done{{"done", true}};
    if (what == "mount") {
      LG_ASSIGN_OR_RETURN(
          *gives, MountFuseDevice(kept_.mountpoint, FuseOptionsOf(kept_.options, kept_.folder)));
      return done;
    }
    if (what == "unmount") {
      LG_RETURN_IF_ERROR(
          UnmountFuse(kept_.mountpoint, question.at("lazily") ? Detach::kLazily : Detach::kNow));
      return done;
    }
    if (what == "listen") {
      LG_ASSIGN_OR_RETURN(const FuseMount mount, MountAt(kept_.mountpoint));
      LG_ASSIGN_OR_RETURN(
          BoundSocket bound,
          BindControlSocket(
              mount, question.at("emergency") ? ControlDoor::kEmergency : ControlDoor::kOperators));
      gives->Reset(::fcntl(bound.listener.get(), F_DUPFD_CLOEXEC, 0));
      if (!*gives) return SystemError(errno, "the socket's descriptor");
      // Kept open: while it is, no other socket in its place gets its inode's number, by which it
      // is told apart when it is removed.
      sockets_.push_back(std::move(bound));
      return done;
    }
    if (what == "load") {
      LG_ASSIGN_OR_RETURN(const auto head, head_.Load());
      return head ? HeadJson(*head) : done;
    }
    const auto head = HeadFromJson(question);
    // Back only where the administrator said so: else who got hold of the serving process could
    // make an older vault pass for the newest.
    const bool back = what == "save" && kept_.options.accept_rollback;
    if (!head || (what != "save if newer" && !back)) return WrongQuestion();
    LG_RETURN_IF_ERROR(back ? head_.Save(*head) : head_.SaveIfNewer(*head));
    return done;
  }

  const KeptMount kept_;
  RememberedHead head_;
  std::vector<BoundSocket> sockets_;
};

[[noreturn]] void KeeperMain(UniqueFd socket, const KeptMount& kept) {
  ::setsid();
  // The serving process is told to end; the keeper ends after it.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  // First, for its own number may be one of the standard streams', where those were closed.
  if (socket.get() != kSocket && ::dup2(socket.get(), kSocket) < 0) ::_exit(1);
  (void)socket.Release();
  const UniqueFd null(::open("/dev/null", O_RDWR));
  for (int stream = 0; stream < 3; ++stream) ::dup2(null.get(), stream);
  ::close_range(kSocket + 1, ~0u, 0);
  ::prctl(PR_SET_NAME, "leadglass-keep", 0, 0, 0);
  // Mounting, and getting at folders of whoever's: nothing else of root's.
  if (::chdir("/") != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
      !KeepCapabilities({CAP_SYS_ADMIN, CAP_DAC_OVERRIDE}))
    ::_exit(1);
  Keeper(kept).Serve();
  ::_exit(0);
}

}  // namespace

Result<std::unique_ptr<MountKeeper>> MountKeeper::Start(const KeptMount& kept) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return SystemError(errno, "socketpair");
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return SystemError(errno, "fork");
  if (pid == 0) {
    ours.Reset();
    KeeperMain(std::move(theirs), kept);
  }
  return std::unique_ptr<MountKeeper>(new MountKeeper(std::move(ours), pid));
}

MountKeeper::~MountKeeper() {
  {
    MutexLock lock(mutex_);
    socket_.Reset();
  }
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<Json> MountKeeper::Ask(const Json& question, UniqueFd* came) {
  MutexLock lock(mutex_);
  if (!SendMessage(socket_.get(), JsonLine(question), -1)) return KeeperIsGone();
  const std::string text = ReceiveMessage(socket_.get(), came);
  const Json answer = ParseJson(text);
  if (!answer.is_object()) return KeeperIsGone();
  if (auto refused = RefusalIn(answer)) return *std::move(refused);
  return answer;
}

Result<UniqueFd> MountKeeper::Mount() {
  UniqueFd device;
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const Json answer, Ask(Json{{"do", "mount"}}, &device));
  if (!device) return Error(Errc::kInternal, "the mount came without its connection");
  return device;
}

Status MountKeeper::Unmount(Detach how) {
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const Json answer,
                      Ask(Json{{"do", "unmount"}, {"lazily", how == Detach::kLazily}}));
  return {};
}

Result<UniqueFd> MountKeeper::Listen(ControlDoor door) {
  UniqueFd listener;
  LG_ASSIGN_OR_RETURN(
      [[maybe_unused]] const Json answer,
      Ask(Json{{"do", "listen"}, {"emergency", door == ControlDoor::kEmergency}}, &listener));
  if (!listener) return Error(Errc::kInternal, "the socket did not come");
  return listener;
}

Result<std::optional<Head>> MountKeeper::Load() {
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(Json{{"do", "load"}}));
  if (!answer.contains("epoch")) return std::optional<Head>();
  return HeadFromJson(answer);
}

Status MountKeeper::Save(const Head& head) {
  Json question = HeadJson(head);
  question["do"] = "save";
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const Json answer, Ask(question));
  return {};
}

Status MountKeeper::SaveIfNewer(const Head& head) {
  Json question = HeadJson(head);
  question["do"] = "save if newer";
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const Json answer, Ask(question));
  return {};
}

}  // namespace leadglass
