// SPDX-License-Identifier: Apache-2.0
#pragma once

// SpaceReserve: one preallocated file in the log's folder that keeps room back, so that a full disk
// can still delete and shut down. Drawing on it makes the file shorter.
// Thread-compatible: guarded by the Appender's mutex.

#include <memory>
#include <string>
#include <utility>

#include "crypto/base/file.h"

namespace leadglass {

class SpaceReserve {
 public:
  // `bytes` 0: no reserve, and no file.
  SpaceReserve(FileSystem& fs, std::string folder, uint64_t bytes)
      : fs_(fs), folder_(std::move(folder)), bytes_(bytes) {}

  // Fills the reserve up where the disk has twice what is missing; else leaves it. Never fails: a
  // reserve that cannot be had is one that is missing.
  void Refill();
  // Gives at least `need` bytes back to the disk. False when the reserve holds less.
  bool Release(uint64_t need);
  uint64_t missing() const { return bytes_ - held_; }

 private:
  bool EnsureOpen();

  FileSystem& fs_;
  const std::string folder_;
  const uint64_t bytes_;
  uint64_t held_ = 0;
  std::unique_ptr<File> file_;
};

}  // namespace leadglass
