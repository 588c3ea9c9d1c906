// SPDX-License-Identifier: Apache-2.0
#pragma once

// OverlayFileSystem: another file system, seen with changes that stay in memory. What makes an
// index usable on a read-only disk: its database cannot be opened without writing a little.
//
// What was not changed is read from below. A file that is opened for writing, renamed or linked is
// copied up whole first and kCorrupt when it has more than 64 MiB, so this is for small files and
// new ones; who had it open for reading before goes on reading the one below. Folders are not
// renamed (EISDIR). Nothing ever reaches the disk: Sync() succeeds and promises nothing, and a lock
// holds against the openers here, not against other processes.
// Thread-safe. `below` must outlive it, and stay as it is.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/base/memory_file_system.h"
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
  // Of the disk below: what is written here takes none of it.
  Result<SpaceInfo> Space(const std::string& path) override;

 private:
  enum class Kind { kNothing, kFile, kFolder };

  // What still shows through from below at this path.
  Result<Kind> KindBelow(const std::string& path) LG_REQUIRES(mutex_);
  bool IsHidden(const std::string& path) const LG_REQUIRES(mutex_);
  Result<bool> ExistsLocked(const std::string& path) LG_REQUIRES(mutex_);
  Result<std::vector<std::string>> ListLocked(const std::string& path) LG_REQUIRES(mutex_);
  // Makes the folder, or the file with its bytes, be in memory; kNotFound when there is none.
  Status CopyUp(const std::string& path) LG_REQUIRES(mutex_);
  // Lets nothing at this path show through any more.
  Status HideBelow(const std::string& path) LG_REQUIRES(mutex_);

  FileSystem& below_;
  Mutex mutex_;
  MemoryFileSystem above_;  // what was made or changed here, and the folders it stands in
  // Removed here, and below still there; what is in such a folder is hidden with it.
  std::set<std::string> hidden_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
