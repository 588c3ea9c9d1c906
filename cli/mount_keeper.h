// SPDX-License-Identifier: Apache-2.0
#pragma once

// MountKeeper: a process of root's beside one that serves a mount without the capabilities for it.
// It mounts, unmounts, and remembers heads in root's state folder, and makes the sockets in /run:
// each for the one vault and mount point that it was started with, so that who gets hold of the
// serving process gets no more than that. It sees no key, no question of a user's and no byte of a
// file.
//
// It ends when the serving process does. A mount whose process was killed it leaves in place, dead:
// what came next would else write in clear to the folder below.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "cli/control_socket.h"
#include "cli/json.h"
#include "cli/mount_options.h"
#include "cli/remembered_head.h"
#include "crypto/base/mutex.h"
#include "crypto/base/unique_fd.h"
#include "fs/fuse_mounts.h"

namespace leadglass {

struct KeptMount {
  std::string folder;      // of the vault, canonical
  std::string mountpoint;  // canonical
  std::string state_folder;
  MountOptionSet options;
  Uuid vault_id{};
};

// The calls may come from any thread; each waits for its answer.
class MountKeeper final : public HeadMemory {
 public:
  // Forks it. Before this process has threads or secrets, and as root.
  static Result<std::unique_ptr<MountKeeper>> Start(const KeptMount& kept);
  ~MountKeeper() override;

  // Mounts, and gives the connection; see MountFuseDevice().
  Result<UniqueFd> Mount();
  Status Unmount(Detach how);
  // A socket that listens; the keeper removes it when it ends.
  Result<UniqueFd> Listen(ControlDoor door);

  Result<std::optional<Head>> Load() override;
  Status Save(const Head& head) override;
  Status SaveIfNewer(const Head& head) override;

 private:
  explicit MountKeeper(UniqueFd socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}
  // The answer, and the descriptor that came with it.
  Result<Json> Ask(const Json& question, UniqueFd* came = nullptr);

  Mutex mutex_;
  UniqueFd socket_ LG_GUARDED_BY(mutex_);
  const pid_t pid_;
};

}  // namespace leadglass
