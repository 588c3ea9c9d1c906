// SPDX-License-Identifier: Apache-2.0
#pragma once

// SpareSegments: files for segments to come, written full of zeros while nobody waits for the disk.
// An fdatasync of bytes that overwrite written blocks costs about half of one that fills
// preallocated ones, whose extents it has to convert (docs/performance.md).
//
// The files are `spare-<n>` in the log's folder. They hold nothing, and their names mean nothing: a
// session removes what an earlier one left, and never opens one that it did not create itself
// (after a power cut such a name may be a second link to a segment that is in use).
//
// Thread safety: all methods may be called from any thread; Prepare() from one at a time.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/base/mutex.h"

namespace leadglass {

class SpareSegments {
 public:
  // At most `count` files of `segment_size` bytes at a time; 0: never any. `fs` outlives this.
  SpareSegments(FileSystem& fs, std::string folder, uint64_t segment_size, size_t count);

  // Removes the files of earlier sessions. Where one stays, its name is not used.
  void RemoveLeftovers() LG_EXCLUDES(mutex_);
  // Writes at most kStep bytes of the next spare. True: there is more to do now. Where the disk has
  // less room than kRoomFactor segments, or an operation fails, all spares are given back.
  bool Prepare() LG_EXCLUDES(mutex_);
  // Moves a spare to `path`, which does not exist; its file, all zeros and durable as such, under
  // a name that is not durable yet. Null when none is ready, or it cannot be moved.
  std::unique_ptr<File> Take(const std::string& path) LG_EXCLUDES(mutex_);
  // Removes all of them, the unfinished one too.
  void Drop() LG_EXCLUDES(mutex_);
  // What they take on the disk.
  uint64_t bytes() const LG_EXCLUDES(mutex_);

  static constexpr uint64_t kStep = 2u << 20;
  static constexpr uint64_t kRoomFactor = 16;

 private:
  struct Spare {
    std::string path;
    std::unique_ptr<File> file;
    uint64_t written = 0;
  };
  bool HasRoom() const;
  Result<Spare> Begin();
  Status Extend(Spare& spare) const;
  void Remove(Spare spare) const;

  FileSystem& fs_;
  const std::string folder_;
  const uint64_t segment_size_;
  const size_t count_;

  mutable Mutex mutex_;
  std::vector<Spare> ready_ LG_GUARDED_BY(mutex_);
  std::optional<Spare> unfinished_ LG_GUARDED_BY(mutex_);  // taken out while it is written
  uint64_t next_name_ LG_GUARDED_BY(mutex_) = 1;
};

}  // namespace leadglass
