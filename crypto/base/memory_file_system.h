// SPDX-License-Identifier: Apache-2.0
#pragma once

// MemoryFileSystem: files and folders in memory. What an OverlayFileSystem keeps its changes in,
// and a disk that tests can take out whole, change byte by byte, and put back:
//
//   DiskImage image = fs.Image();
//   image.files["/v/keyring"][17] ^= 1;
//   MemoryFileSystem attacked(image);
//
// Answers as a disk does (tests/support/file_system_contract.h), but never fails for want of room,
// has everything durable at once, and renames files only: a folder is EISDIR. Paths are compared
// as they are written, below "/" and ".", which are always there.
// Thread-safe. An open file may outlive its name and the file system.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/base/mutex.h"

namespace leadglass {

// What a disk holds, by path; "/" and "." are not listed. A file with two names is two files here.
struct DiskImage {
  std::map<std::string, ByteVector> files;
  std::set<std::string> folders;
};

class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem() = default;
  // Takes the image as it is, also files whose folder is missing: nothing can list those.
  explicit MemoryFileSystem(DiskImage image);

  // All that is there now; locks are no part of it.
  DiskImage Image() const;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status CreateFolder(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveFolder(const std::string& path) override;
  Status SyncFolder(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;

 private:
  friend class MemoryFile;
  // The bytes of a file: of all its names and openers, and there until the last of them goes.
  struct Node;
  using NodePtr = std::shared_ptr<Node>;

  bool IsFolder(const std::string& path) const LG_REQUIRES(mutex_);
  // ENOTDIR or ENOENT when `path` is no folder.
  Status NeedFolder(const char* operation, const std::string& path) const LG_REQUIRES(mutex_);
  // The file at `path`; EISDIR or ENOENT when there is none.
  Result<NodePtr> Find(const char* operation, const std::string& path) const LG_REQUIRES(mutex_);
  // A place where a file may get a name: its folder is there, and it is no folder itself.
  Status NeedPlace(const char* operation, const std::string& path) const LG_REQUIRES(mutex_);

  mutable Mutex mutex_;  // before a node's
  std::map<std::string, NodePtr> files_ LG_GUARDED_BY(mutex_);
  std::set<std::string> folders_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
