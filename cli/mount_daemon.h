// SPDX-License-Identifier: Apache-2.0
#pragma once

// MountDaemon: the life of one mount, in the process that holds the keys.
//
// Order matters. The parser's zygote is forked first: it is a copy of this process and must find no
// secret and no thread in it. Then signals are blocked, so that every thread started from here on
// leaves them to one. Only then come the passphrase, the vault, the mount.

#include <functional>
#include <string>

#include "cli/exit_codes.h"
#include "cli/mount_options.h"

namespace leadglass {

struct MountPlan {
  std::string folder;      // of the vault, canonical
  std::string mountpoint;  // canonical
  std::string passphrase_file;
  std::string state_folder;
  MountOptionSet options;
  bool foreground = false;
  std::string log_level = "info";
};

// Mounts, serves until unmounted or told to end (SIGTERM, SIGINT, SIGHUP), closes the vault.
// `on_ready` is called once the mount is usable. Errors are printed; on return everything is
// closed.
ExitCode RunMountDaemon(const MountPlan& plan, const std::function<void()>& on_ready);

}  // namespace leadglass
