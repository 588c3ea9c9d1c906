// SPDX-License-Identifier: Apache-2.0
#include "cli/mount_options.h"

#include <array>
#include <sstream>
#include <string_view>

#include "fs/duration.h"

namespace leadglass {

namespace {

struct Switch {
  std::string_view name;
  bool MountOptionSet::*field;
  bool value;
};

constexpr std::array kSwitches = {
    Switch{"ro", &MountOptionSet::read_only, true},
    Switch{"rw", &MountOptionSet::read_only, false},
    Switch{"allow_other", &MountOptionSet::allow_other, true},
    Switch{"no_allow_other", &MountOptionSet::allow_other, false},
    Switch{"durable-close", &MountOptionSet::durable_close, true},
    Switch{"dev", &MountOptionSet::dev, true},
    Switch{"nodev", &MountOptionSet::dev, false},
    Switch{"suid", &MountOptionSet::suid, true},
    Switch{"nosuid", &MountOptionSet::suid, false},
    Switch{"noexec", &MountOptionSet::no_exec, true},
    Switch{"exec", &MountOptionSet::no_exec, false},
    Switch{"accept-rollback", &MountOptionSet::accept_rollback, true},
    Switch{"salvage", &MountOptionSet::salvage, true},
};

constexpr std::array<std::string_view, 8> kIgnored = {
    "defaults", "auto",    "noauto",   "nofail",
    "_netdev",  "noatime", "relatime", "default_permissions"};

bool Ignored(std::string_view option) {
  if (option.empty() || option.rfind("x-", 0) == 0 || option.rfind("comment=", 0) == 0) return true;
  for (const std::string_view ignored : kIgnored) {
    if (option == ignored) return true;
  }
  return false;
}

bool Set(MountOptionSet& set, std::string_view option) {
  for (const Switch& known : kSwitches) {
    if (option != known.name) continue;
    set.*known.field = known.value;
    return true;
  }
  return false;
}

constexpr std::string_view kHorizon = "horizon=";

}  // namespace

Result<MountOptionSet> ParseMountOptions(const std::vector<std::string>& lists, bool as_root) {
  MountOptionSet set;
  set.allow_other = as_root;
  for (const std::string& list : lists) {
    std::istringstream options(list);
    for (std::string option; std::getline(options, option, ',');) {
      if (Ignored(option) || Set(set, option)) continue;
      if (option.rfind(kHorizon, 0) == 0) {
        set.horizon = ParseDuration(std::string_view(option).substr(kHorizon.size()));
        if (set.horizon) continue;
        return Error(Errc::kInvalidArgument,
                     "mount option \"" + option +
                         "\": a time such as 90s, 15m, 24h or 7d is wanted, "
                         "at most 100 years");
      }
      return Error(Errc::kInvalidArgument, "mount option \"" + option + "\" is not known");
    }
  }
  if (set.salvage) set.read_only = true;
  if (!as_root && (set.dev || set.suid)) {
    return Error(Errc::kInvalidArgument, "only root may mount with the options dev and suid");
  }
  return set;
}

FuseOptions FuseOptionsOf(const MountOptionSet& options, const std::string& folder) {
  FuseOptions fuse;
  fuse.read_only = options.read_only;
  fuse.allow_other = options.allow_other;
  fuse.allow_dev = options.dev;
  fuse.allow_suid = options.suid;
  fuse.no_exec = options.no_exec;
  fuse.source = folder;
  return fuse;
}

}  // namespace leadglass
