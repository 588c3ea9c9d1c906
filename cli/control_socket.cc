// SPDX-License-Identifier: Apache-2.0
#include "cli/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <optional>

namespace leadglass {

namespace {

constexpr size_t kMaxQuestion = 1u << 20;  // a configuration, and the groups that it names
constexpr size_t kMaxAnswer = 256u << 20;  // a list of unfiled files may be long
constexpr int kAskTimeoutSeconds = 60;

std::string RuntimeFolder(uid_t uid, ControlDoor door) {
  if (door == ControlDoor::kEmergency) return "/run/leadglass-emergency";
  if (uid == 0) return "/run/leadglass";
  const std::string user = "/run/user/" + std::to_string(uid);
  if (::access(user.c_str(), F_OK) == 0) return user + "/leadglass";
  return "/tmp/leadglass-" + std::to_string(uid);
}

std::string SocketPath(const FuseMount& mount, ControlDoor door) {
  std::string device = mount.device;
  std::replace(device.begin(), device.end(), ':', '-');
  return RuntimeFolder(mount.owner, door) + "/" + device + ".sock";
}

// The folder may lie in /tmp: it must be ours, and none of others'.
Status MakeRuntimeFolder(const std::string& folder, ControlDoor door) {
  const mode_t mode = door == ControlDoor::kEmergency ? 0755 : 0700;
  if (::mkdir(folder.c_str(), mode) == 0) {
    ::chmod(folder.c_str(), mode);  // whatever the umask is
  } else if (errno != EEXIST) {
    return SystemError(errno, "make the runtime folder");
  }
  struct stat status {};
  if (::lstat(folder.c_str(), &status) != 0) return SystemError(errno, "runtime folder");
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 022) != 0) {
    return Error(Errc::kAccessDenied, "the runtime folder belongs to somebody else");
  }
  return {};
}

// Holds back everybody else who puts a socket into the folder, or takes one out.
UniqueFd LockFolder(const std::string& folder) {
  UniqueFd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock) ::flock(lock.get(), LOCK_EX);
  return lock;
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error(Errc::kInternal, "the control socket's path is too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

std::optional<ControlPeer> PeerOf(int connection) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  std::vector<gid_t> groups(64);
  for (;;) {
    socklen_t bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int got = ::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
    if (got != 0 && errno != ERANGE) return std::nullopt;
    groups.resize(bytes / sizeof(gid_t));
    if (got == 0) break;
  }
  return ControlPeer{peer.uid, peer.gid, peer.pid, std::move(groups)};
}

void SetTimeout(int socket) {
  const timeval limit = {kAskTimeoutSeconds, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

using TimePoint = std::chrono::steady_clock::time_point;

// Until the peer has closed its side, `limit` bytes came, or it is that late.
std::string Receive(int socket, size_t limit, TimePoint end = TimePoint::max()) {
  std::string text;
  std::array<char, 65536> part{};
  // A question with a passphrase fits, so that no copy is left behind by growing.
  text.reserve(8192);
  while (text.size() < limit && std::chrono::steady_clock::now() < end) {
    const ssize_t got = ::recv(socket, part.data(), part.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(part.data(), static_cast<size_t>(got));
  }
  ::explicit_bzero(part.data(), part.size());
  return text;
}

bool Send(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

bool IsOperator(const ControlPeer& peer) { return peer.uid == 0 || peer.uid == ::geteuid(); }

Result<BoundSocket> BindControlSocket(const FuseMount& mount, ControlDoor door) {
  LG_RETURN_IF_ERROR(MakeRuntimeFolder(RuntimeFolder(mount.owner, door), door));
  BoundSocket bound;
  bound.path = SocketPath(mount, door);
  LG_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(bound.path));
  bound.listener = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!bound.listener) return SystemError(errno, "control socket");
  const UniqueFd lock = LockFolder(FolderOf(bound.path));
  ::unlink(bound.path.c_str());
  if (::bind(bound.listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
      0) {
    return SystemError(errno, "bind the control socket");
  }
  if (door == ControlDoor::kEmergency && ::chmod(bound.path.c_str(), 0666) != 0) {
    return SystemError(errno, "open the emergency socket to users");
  }
  if (::listen(bound.listener.get(), 8) != 0)
    return SystemError(errno, "listen on the control socket");
  struct stat status {};
  if (::lstat(bound.path.c_str(), &status) != 0) return SystemError(errno, "control socket");
  bound.inode = status.st_ino;
  return bound;
}

void RemoveSocket(const BoundSocket& socket) {
  const UniqueFd lock = LockFolder(FolderOf(socket.path));
  struct stat status {};
  // Once our mount is gone the next one may get its device number, and with it this path.
  if (::lstat(socket.path.c_str(), &status) == 0 && status.st_ino == socket.inode)
    ::unlink(socket.path.c_str());
}

ControlServer::ControlServer(BoundSocket socket, Handler handler, Admits admits)
    : socket_(std::move(socket)), handler_(std::move(handler)), admits_(std::move(admits)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { Serve(stop); });
}

ControlServer::~ControlServer() {
  thread_.request_stop();
  ::shutdown(socket_.listener.get(), SHUT_RDWR);  // wakes poll
  thread_.join();
  if (!socket_.path.empty()) RemoveSocket(socket_);
}

void ControlServer::Serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting = {socket_.listener.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 1000) <= 0) continue;
    if (stop.stop_requested()) return;
    const UniqueFd connection(::accept4(socket_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) continue;
    SetTimeout(connection.get());
    const auto peer = PeerOf(connection.get());
    if (!peer || !admits_(*peer)) continue;
    // Who dribbles keeps others waiting.
    const TimePoint late =
        std::chrono::steady_clock::now() + std::chrono::seconds(kAskTimeoutSeconds);
    std::string question = Receive(connection.get(), kMaxQuestion, late);
    Send(connection.get(), handler_(question, *peer));
    ::explicit_bzero(question.data(), question.size());
  }
}

Result<std::string> AskControl(const FuseMount& mount, const std::string& question,
                               ControlDoor door) {
  LG_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(SocketPath(mount, door)));
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return SystemError(errno, "control socket");
  SetTimeout(socket.get());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EACCES || errno == EPERM) {
      return Error(Errc::kAccessDenied, "only root and who mounted it may ask", errno);
    }
    return Error(Errc::kUnavailable, "the process behind the mount does not answer", errno);
  }
  if (!Send(socket.get(), question) || ::shutdown(socket.get(), SHUT_WR) != 0) {
    return SystemError(errno, "ask the process behind the mount");
  }
  std::string answer = Receive(socket.get(), kMaxAnswer);
  if (answer.empty()) {
    return Error(Errc::kAccessDenied, "the process behind the mount does not answer this user");
  }
  return answer;
}

}  // namespace leadglass
