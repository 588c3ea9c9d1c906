// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentWriter: the segment that is being filled: its file, what of it is preallocated, what of it
// is taken, and its footer as it grows.
//
// Invariant: everything taken, and the footer for it, lies in preallocated room; so a write cannot
// run out of space and a segment can always be ended.
// Thread-compatible: guarded by the Appender's mutex; the File alone is used outside it.

#include <memory>
#include <string>

#include "crypto/base/file.h"
#include "crypto/log/footer.h"
#include "crypto/log/segment_header.h"
#include "crypto/log/space_reserve.h"
#include "crypto/log/staged_file.h"

namespace leadglass {

class SegmentWriter {
 public:
  // A footer this long rolls the segment, so that it can be made in memory.
  static constexpr uint64_t kSoftFooterLimit = 8u << 20;

  // A new, empty file for a segment with room for `need` bytes of records and footer, or for
  // `want` in all where the disk has that. kNoSpace: not even that; then there is no file.
  static Result<std::unique_ptr<SegmentWriter>> Create(FileSystem& fs, const std::string& path,
                                                       uint64_t want, uint64_t need,
                                                       SpaceReserve& reserve, bool use_reserve,
                                                       WriteBuffers& buffers,
                                                       StagedFile::Flushing flushing);
  // The same in a file that is `allocated` bytes long, and in which nothing is written but zeros.
  static std::unique_ptr<SegmentWriter> Adopt(std::unique_ptr<File> file, uint64_t allocated,
                                              WriteBuffers& buffers, StagedFile::Flushing flushing);
  // Must follow Create() or Adopt() before anything is taken. An error leaves an unusable segment.
  Status WriteHeader(const SegmentHeader& header, const HeaderBlock* previous_block);

  // Whether one more such record keeps the segment within its size. Into an empty segment, or one
  // that holds only an inherited footer, the first always fits.
  bool Fits(const Frame& frame) const;
  // Makes sure of room for such a record and the footer after it. kNoSpace: as before the call.
  Status MakeRoom(const Frame& frame, SpaceReserve& reserve, bool use_reserve);
  // Keeps so many bytes free of other records from now on: a record and its entry in the footer
  // that are still to come. They must be there, by MakeRoom() or the segment's beginning.
  void Hold(uint64_t bytes) { held_ = bytes; }
  // Takes the room for a record; gives its offset. `commit`: the record of a commit, else empty.
  uint64_t Take(const Frame& frame, ByteSpan commit);

  // Writes the footer into the room kept for it and gives unused room back. `frame` has all but
  // the lengths and digests set, and gets those. Nothing can be taken afterwards.
  Status WriteFooter(Frame& frame);

  SegmentId id() const { return id_; }
  const HeaderBlock& block() const { return block_; }
  uint64_t end() const { return end_; }
  uint64_t allocated() const { return allocated_; }
  // Preallocated bytes that records can still take.
  uint64_t unused() const;
  const std::shared_ptr<File>& file() const { return file_; }

 private:
  SegmentWriter(std::shared_ptr<File> file, uint64_t want, uint64_t allocated)
      : file_(std::move(file)), want_(want), allocated_(allocated), footer_({}, {}) {}
  uint64_t NeedAfter(const Frame& frame) const;

  std::shared_ptr<File> file_;
  const uint64_t want_;
  uint64_t allocated_;
  uint64_t end_ = kSegmentHeaderSize;
  uint64_t held_ = 0;
  SegmentId id_;
  HeaderBlock block_{};
  FooterBuilder footer_;
  bool fresh_ = true;  // nothing taken but an inherited footer
};

}  // namespace leadglass
