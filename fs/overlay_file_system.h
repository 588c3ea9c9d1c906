// SPDX-License-Identifier: Apache-2.0
#pragma once

// OverlayFileSystem: another file system, seen with changes that stay in memory. What makes an
// index usable on a read-only disk: its database cannot be opened without writing a little.
//
// Everything that is not changed is read from below; a file that is opened for writing is copied up
// whole first, so this is for small files and new ones. Nothing ever reaches the disk: Sync()
// succeeds and promises nothing.
// Thread-safe. `below` must outlive it.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/base/mutex.h"

namespace leadglass {

class OverlayFileSystem final : public FileSystem {
 public:
  explicit OverlayFileSystem(FileSystem& below) : below_(below) {}

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

  // The bytes of a file in memory, shared by its names and its openers.
  struct Node {
    Mutex mutex;
    ByteVector bytes LG_GUARDED_BY(mutex);
  };

 private:
  using NodePtr = std::shared_ptr<Node>;
  Result<bool> ExistsLocked(const std::string& path) LG_REQUIRES(mutex_);
  // The file in memory; copied from below when it is not there yet.
  Result<NodePtr> CopyUp(const std::string& path) LG_REQUIRES(mutex_);
  void Hide(const std::string& path) LG_REQUIRES(mutex_);

  FileSystem& below_;
  Mutex mutex_;
  std::map<std::string, NodePtr> files_ LG_GUARDED_BY(mutex_);
  std::set<std::string> folders_ LG_GUARDED_BY(mutex_);  // made here
  std::set<std::string> hidden_ LG_GUARDED_BY(mutex_);   // below, and removed here
};

}  // namespace leadglass
