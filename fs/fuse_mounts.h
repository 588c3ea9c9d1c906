// SPDX-License-Identifier: Apache-2.0
#pragma once

// The machine's mounts of leadglass: which there are, whether they live, and how to take one away.
// Thread-safe: nothing is kept.

#include <string>
#include <vector>

#include "crypto/base/result.h"

namespace leadglass {

struct FuseMount {
  std::string source;      // FuseOptions::source: the vault's folder
  std::string mountpoint;  // absolute
  std::string device;      // "major:minor"
  uint32_t owner = 0;      // uid of who mounted it
};

// The mounts of type fuse.leadglass in this mount namespace, oldest first.
Result<std::vector<FuseMount>> ListFuseMounts();
// The same from the text of a mountinfo file.
std::vector<FuseMount> ParseMountInfo(const std::string& text);

// The topmost one on `mountpoint`, an absolute path. kNotFound: there is none.
Result<FuseMount> MountAt(const std::string& mountpoint);

// True if the process behind the mount is gone (ENOTCONN). Waits if it is alive but hangs.
bool IsDeadMount(const std::string& mountpoint);

enum class Detach { kNow, kLazily };
// Takes the topmost mount off `mountpoint`: as root by umount2(2), else through fusermount3.
// kUnavailable: files are open there (not with kLazily). kInvalidArgument: nothing is mounted.
// kInternal: anything else.
Status UnmountFuse(const std::string& mountpoint, Detach how);

}  // namespace leadglass
