// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReservingFileSystem: another file system, with room kept back for those who write through it.
// What lets the index be written on a full disk, without which nothing could be deleted there.
//
// The reserve is one preallocated file. A change that meets a full disk gives the file up and is
// tried once more, except a Sync(): a failed one may have dropped what it was called for. Where the
// second attempt fails, too, the error is that one's. Once given up, the reserve is made again
// when a file is opened for writing and the disk has room. Thread-safe. `below` must outlive it.

#include <string>

#include "crypto/base/file.h"
#include "crypto/base/mutex.h"

namespace leadglass {

class ReservingFileSystem final : public FileSystem {
 public:
  // `reserve`: the path of the file that holds `bytes` of room back. 0 bytes: no reserve.
  ReservingFileSystem(FileSystem& below, std::string reserve, uint64_t bytes)
      : below_(below), reserve_(std::move(reserve)), bytes_(bytes) {}

  // Fills the reserve where the disk has twice its size free; else leaves it. Never fails: a
  // reserve that cannot be had is one that is missing.
  void Refill();
  // How often the reserve was given back to the disk.
  uint64_t times_given() const;
  // Gives the reserve back to the disk. True when there is room since times_given() was `before`,
  // by this call or by another thread's; false when there was nothing to give.
  bool GiveUp(uint64_t before);

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
  void RefillLocked() LG_REQUIRES(mutex_);

  FileSystem& below_;
  const std::string reserve_;
  const uint64_t bytes_;
  mutable Mutex mutex_;  // of the reserve's file, too
  uint64_t times_given_ LG_GUARDED_BY(mutex_) = 0;
  bool missing_ LG_GUARDED_BY(mutex_) = false;  // given up, and not filled again yet
};

}  // namespace leadglass
