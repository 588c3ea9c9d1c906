// SPDX-License-Identifier: Apache-2.0
#pragma once

// Host paths as a FileSystem takes them. Text only: nothing is looked up, ".." and links are not
// resolved, and "a//b" is another path than "a/b".

#include <string>

#include "crypto/base/result.h"

namespace leadglass {

// What follows the last '/'; all of a path without one.
inline std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The folder that a path's last component stands in: "/" for "/a", "." for "a". Asked again and
// again it ends at one of those, which are their own.
inline std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// What a FileSystem fails with: the operation and the last component, never the folders above it.
inline Error FileError(int posix_errno, const char* operation, const std::string& path) {
  return SystemError(posix_errno, std::string(operation) + " " + NameOf(path));
}

}  // namespace leadglass
