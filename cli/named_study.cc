// SPDX-License-Identifier: Apache-2.0
#include "cli/named_study.h"

#include <filesystem>
#include <optional>

#include "cli/output.h"
#include "fs/fuse_mounts.h"

namespace leadglass {

namespace {

// As CanonicalPath(), also where the caller may not look: then the path as it was written.
std::string WholePath(const std::string& path) {
  const auto canonical = CanonicalPath(path);
  return canonical ? *canonical : AbsolutePath(path);
}

// The part of a path below a mount point, with its '/'; nullopt: it is not on it.
std::optional<std::string> Below(const std::string& path, const std::string& mountpoint) {
  if (!path.starts_with(mountpoint + "/")) return std::nullopt;
  return path.substr(mountpoint.size());
}

}  // namespace

Result<NamedStudy> NameStudy(const std::string& vault, const std::string& study) {
  LG_ASSIGN_OR_RETURN(const auto mounts, ListFuseMounts());
  if (study.empty()) {
    const std::string path = WholePath(vault);
    std::optional<NamedStudy> named;
    size_t longest = 0;
    for (const FuseMount& mount : mounts) {
      const auto below = Below(path, mount.mountpoint);
      if (!below || mount.mountpoint.size() < longest) continue;
      longest = mount.mountpoint.size();
      named = NamedStudy{mount.mountpoint, *below};
    }
    if (named) return *std::move(named);
    return Error(Errc::kInvalidArgument,
                 "that lies on no mount: name the vault or the mount point, and then the study");
  }
  if (study.find('/') == study.npos) return NamedStudy{vault, study};
  const std::string place = WholePath(vault);
  const std::string path = WholePath(study);
  for (const FuseMount& mount : mounts) {
    if (mount.mountpoint != place && mount.source != place) continue;
    if (const auto below = Below(path, mount.mountpoint)) return NamedStudy{vault, *below};
  }
  if (study.front() == '/') return NamedStudy{vault, study};
  return Error(Errc::kInvalidArgument,
               "that path is not on this vault's mount: write it from the "
               "mount's root, as /patients/...");
}

}  // namespace leadglass
