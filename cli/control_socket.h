// SPDX-License-Identifier: Apache-2.0
#pragma once

// How commands (`leadglass status`, `leadglass config`) ask the process behind a mount: one
// question, one answer, over a Unix socket. Only root and the user who mounted are answered
// (SO_PEERCRED), whatever the socket's modes are. A mount of root's has a second one, with a thread
// of its own, for those whom the vault's configuration lets take emergency access.
//
// The socket is named after the mount's device number, which the asker finds in the mount table:
//   /run/leadglass/0-52.sock   for root; else /run/user/<uid>/leadglass, or /tmp/leadglass-<uid>
//   /run/leadglass-emergency/0-52.sock

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "crypto/base/unique_fd.h"
#include "fs/fuse_mounts.h"

namespace leadglass {

// Who asks, as the kernel tells it of the other end: unix(7), SO_PEERCRED.
struct ControlPeer {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::vector<gid_t> groups;  // supplementary, when it connected
};

enum class ControlDoor { kOperators, kEmergency };

// Whether it is root, or the user that this process runs as.
bool IsOperator(const ControlPeer& peer);

// A socket in its place, which listens.
struct BoundSocket {
  UniqueFd listener;
  std::string path;
  ino_t inode = 0;  // of the socket that was put there
};
// Binds the mount's socket, as whom the folder of such sockets belongs to. An older socket in its
// place is removed: its mount is gone, or the device number would not be ours. Its process may
// still be closing its vault: it then leaves ours alone.
//   kAccessDenied: the folder belongs to somebody else.
Result<BoundSocket> BindControlSocket(const FuseMount& mount, ControlDoor door);
// Removes it from its place, if it is still there. Its listener is open, here or elsewhere: else
// its inode's number may be another socket's by now.
void RemoveSocket(const BoundSocket& socket);

class ControlServer {
 public:
  // Answers a question, such as "status", with a text. A question has at most 1 MiB. Called from
  // the server's own thread, one question at a time.
  using Handler = std::function<std::string(const std::string& question, const ControlPeer& peer)>;

  // Whether a peer is listened to at all; asked before anything is read.
  using Admits = std::function<bool(const ControlPeer& peer)>;

  // Answers at `socket` until destroyed.
  ControlServer(BoundSocket socket, Handler handler, Admits admits);
  // Waits for the answer that is being given.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  void Serve(const std::stop_token& stop);

  const BoundSocket socket_;  // without a path: somebody else removes it
  const Handler handler_;
  const Admits admits_;
  std::jthread thread_;
};

// kUnavailable: nobody listens (the process is gone, or not ours to ask). kAccessDenied: the
// process does not answer this user.
Result<std::string> AskControl(const FuseMount& mount, const std::string& question,
                               ControlDoor door = ControlDoor::kOperators);

}  // namespace leadglass
