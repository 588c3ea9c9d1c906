// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReservingFileSystem: another file system, with room kept back for those who write through it.
// What lets the index be written on a full disk, without which nothing could be deleted there.
//
// The reserve is one preallocated file. A write that meets a full disk gives the file up and is
// tried once more; Refill() makes it again where the disk has room. Thread-safe. `below` must
// outlive it.

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
  // Gives the reserve back to the disk. False when there is nothing to give.
  bool GiveUp();

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
  FileSystem& below_;
  const std::string reserve_;
  const uint64_t bytes_;
  Mutex mutex_;  // of the reserve's file
};

}  // namespace leadglass
