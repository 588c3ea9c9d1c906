// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a command is told which study is meant, and in which vault: by two words, VAULT and STUDY, or
// by one path on a mount.

#include <string>

#include "crypto/base/result.h"

namespace leadglass {

struct NamedStudy {
  std::string vault;  // its folder, or a mount point
  // As the vault takes it: what has a '/' is a path from the root of the mount, all else an
  // identifier.
  std::string study;
};

// `study` is empty where only one word was given. A path may be relative to where we are, or begin
// at the mount's root ("/patients/..."); what lies on a mount is found there.
// kInvalidArgument: a single word that lies on no mount; a relative path that lies on another.
Result<NamedStudy> NameStudy(const std::string& vault, const std::string& study);

}  // namespace leadglass
