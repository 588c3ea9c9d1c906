// SPDX-License-Identifier: Apache-2.0
#pragma once

// ImageFileSystem: a file system in memory that can be taken out whole, changed byte by byte, and
// put back: what somebody with the disk in his hands does to a vault.
//
//   DiskImage image = fs.Image();
//   image.files["/v/keyring"][17] ^= 1;
//   ImageFileSystem attacked(image);
//
// Nothing fails and everything is durable at once (tests/support/fault_file_system.h is for that).
// Thread-safe.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/base/mutex.h"

namespace leadglass {

struct DiskImage {
  std::map<std::string, ByteVector> files;
  std::set<std::string> folders;
};

class ImageFileSystem final : public FileSystem {
 public:
  ImageFileSystem() = default;
  explicit ImageFileSystem(DiskImage image);

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

  // The bytes of one file, shared by its names and its openers.
  struct Node {
    mutable Mutex mutex;
    ByteVector bytes LG_GUARDED_BY(mutex);
    bool locked LG_GUARDED_BY(mutex) = false;
  };

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<Node>> files_ LG_GUARDED_BY(mutex_);
  std::set<std::string> folders_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
