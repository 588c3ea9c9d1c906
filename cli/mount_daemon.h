// SPDX-License-Identifier: Apache-2.0
#pragma once

// MountDaemon: the life of one mount, in the process that holds the keys.
//
// Where root mounts, the vault is served as whom its folder belongs to, without capabilities: the
// mounting itself is done by a process of its own (cli/mount_keeper.h). Anybody else serves his
// own.
//
// Order matters. The parser's zygote and the keeper are forked first: they are copies of this
// process and must find no secret and no thread in it. Then signals are blocked, so that every
// thread started from here on leaves them to one. Only then come the passphrase, the vault, the
// mount.

#include <functional>
#include <string>

#include "cli/exit_codes.h"
#include "cli/mount_keeper.h"

namespace leadglass {

struct MountPlan : KeptMount {
  std::string passphrase_file;
  bool foreground = false;
  std::string log_level = "info";
  uid_t mounter_uid = 0;
  gid_t mounter_gid = 0;
};

// Mounts, serves until unmounted or told to end (SIGTERM, SIGINT, SIGHUP), closes the vault.
// `on_ready` is called once the mount is usable. Errors are printed; on return everything is
// closed.
ExitCode RunMountDaemon(const MountPlan& plan, const std::function<void()>& on_ready);

}  // namespace leadglass
