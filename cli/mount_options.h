// SPDX-License-Identifier: Apache-2.0
#pragma once

// The -o options of `leadglass mount`, as mount(8) passes them.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/result.h"
#include "fs/fuse_session.h"

namespace leadglass {

struct MountOptionSet {
  bool read_only = false;
  bool allow_other = false;
  bool durable_close = false;
  bool dev = false;
  bool suid = false;
  bool no_exec = false;
  bool accept_rollback = false;
  bool salvage = false;  // always with read_only
  // horizon=30s, 10m, 24h, 7d, or 0: see Vault::Options. Not given: the vault's own default.
  std::optional<std::chrono::seconds> horizon;
};

// Each of `lists` is "option,option,...", later ones win. `as_root` decides the default of
// allow_other, and whether dev and suid may be asked for. What /etc/fstab needs and means nothing
// to us (defaults, noauto, nofail, _netdev, noatime, x-*) is taken and ignored.
// kInvalidArgument: an option we do not know, or a value that is none, named.
Result<MountOptionSet> ParseMountOptions(const std::vector<std::string>& lists, bool as_root);

// What of them FUSE is told, for the vault in `folder`.
FuseOptions FuseOptionsOf(const MountOptionSet& options, const std::string& folder);

}  // namespace leadglass
