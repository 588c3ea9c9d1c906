// SPDX-License-Identifier: Apache-2.0
#pragma once

// StagedFile: the file of the segment that is being filled. What is written gathers in memory and
// goes to the file beneath in large pieces of whole blocks, past the operating system's page cache
// (File::WriteDirect), since to copy an archive's worth of images into that cache costs more than
// to seal them; the few blocks of a small sync go through it. Readers are given what is staged as
// if it were in the file.
//
// The content grows from the front: each byte is written once, in any order, but nothing is left
// out for good. A byte reaches the file once all before it are there; the block in which the
// written bytes end is written again as it fills.
//
// Invariants
//   - [0, flushed_) is in the file; flushed_ is a multiple of kBlock. All bytes from there to
//     frontier_ are in pieces_, and do not change any more.
//   - Writes end at or before flushed_ + kWindow, or begin where the file ends; whoever is further
//     waits for the file. The first
//     of the bytes that are missing never waits, so somebody always gets on.
//
// Durability: WriteAt() may leave everything in memory. Sync() makes durable what was written, and
// all that stood before it. An error of the file beneath is for good: from then on every write and
// Sync() fails with it, and reads give what was staged or what the file has.
//
// Thread safety: all methods may be called from any thread; no lock is held while the file is read,
// written or synced.

#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/base/mutex.h"
#include "crypto/log/write_buffers.h"

namespace leadglass {

class StagedFile final : public File {
 public:
  static constexpr uint64_t kBlock = WriteBuffers::kAlignment;
  static constexpr uint64_t kPiece = WriteBuffers::kSize;
  static constexpr uint64_t kWindow = 8 * kPiece;
  // Whole blocks of so many bytes go to the file without being asked for.
  static constexpr uint64_t kFlushFrom = 256u << 10;

  // Who writes large pieces: a thread of the object's own, so that writers go on meanwhile, or
  // whoever fills one up.
  enum class Flushing { kInBackground, kByWriters };

  // A file whose content begins anew at 0, and that is `size` bytes long already: room for what is
  // to come. `buffers` outlives the object.
  StagedFile(std::unique_ptr<File> file, uint64_t size, WriteBuffers& buffers, Flushing flushing);
  // Writes what is staged, as far as nothing before it is missing.
  ~StagedFile() override;

  Result<size_t> ReadAt(uint64_t offset, MutableByteSpan out) override LG_EXCLUDES(mutex_);
  // See above. Waits while too much is staged. `data` may be of any length.
  Status WriteAt(uint64_t offset, ByteSpan data) override LG_EXCLUDES(mutex_);
  // The caller vouches that all is written that stands before what he wants to be durable.
  Status Sync() override LG_EXCLUDES(mutex_);
  Result<uint64_t> Size() override;
  Result<uint64_t> AllocatedBytes() override;
  // To no less than what was written.
  Status Truncate(uint64_t size) override LG_EXCLUDES(mutex_);
  Status Allocate(uint64_t offset, uint64_t length) override LG_EXCLUDES(mutex_);
  Status PunchHole(uint64_t offset, uint64_t length) override;
  Status TryLock() override;

 private:
  using Piece = std::shared_ptr<uint8_t>;
  struct Part {  // of a piece
    uint64_t offset;
    uint64_t length;
    Piece piece;
  };

  Status Reserve(uint64_t offset, uint64_t end) LG_REQUIRES(mutex_);
  std::vector<Piece> PiecesOf(uint64_t from, uint64_t to) const LG_REQUIRES(mutex_);
  void Arrived(uint64_t offset, uint64_t end) LG_REQUIRES(mutex_);
  std::vector<Part> StagedIn(uint64_t offset, uint64_t end) LG_REQUIRES(mutex_);
  bool WantsFlush() const LG_REQUIRES(mutex_);
  void FlushInBackground(const std::stop_token& stop) LG_EXCLUDES(mutex_);
  Status FlushAll() LG_REQUIRES(mutex_);
  Status Flush(uint64_t to) LG_REQUIRES(mutex_);
  Status WriteOut(uint64_t from, uint64_t to, const std::vector<Piece>& pieces, uint64_t size);

  const std::unique_ptr<File> file_;
  WriteBuffers& buffers_;
  Mutex mutex_;
  CondVar changed_;  // something arrived, or was flushed, or failed
  CondVar wanted_;   // work for the thread, or its end
  std::map<uint64_t, Piece> pieces_ LG_GUARDED_BY(mutex_);    // by offset / kPiece
  std::map<uint64_t, uint64_t> ahead_ LG_GUARDED_BY(mutex_);  // begin and end, beyond frontier_
  uint64_t frontier_ LG_GUARDED_BY(mutex_) = 0;
  uint64_t flushed_ LG_GUARDED_BY(mutex_) = 0;
  uint64_t in_file_ LG_GUARDED_BY(mutex_) = 0;  // flushed_, and the part of a block behind it
  uint64_t size_ LG_GUARDED_BY(mutex_);
  bool flushing_ LG_GUARDED_BY(mutex_) = false;
  std::optional<Error> failed_ LG_GUARDED_BY(mutex_);
  std::jthread thread_;  // none: kByWriters. Last, since it uses all that is above
};

}  // namespace leadglass
