// SPDX-License-Identifier: Apache-2.0
#pragma once

// FileContent: the bytes of one file as extents: those the index has (committed) under those that
// were written since (pending). Holds places and sizes, never bytes.
//
// Invariant: pending extents never overlap, and pending over committed covers [0, size()) without a
// gap; a gap found on reading is damage. Thread-compatible: guarded by the inode's lock.

#include <map>
#include <vector>

#include "index/index.h"

namespace leadglass {

class FileContent {
 public:
  // A file as the index has it.
  FileContent(InodeId inode, uint64_t committed_size)
      : inode_(inode),
        size_(committed_size),
        committed_size_(committed_size),
        committed_limit_(committed_size) {}

  uint64_t size() const { return size_; }
  // The size that goes with the extents that the index has.
  uint64_t committed_size() const { return committed_size_; }
  bool dirty() const { return !pending_.empty() || committed_limit_ != committed_size_; }
  size_t pending_count() const { return pending_.size(); }
  // Whether a pending extent's record lies before that segment.
  bool HasPendingBefore(SegmentId segment) const;

  // Puts an extent over whatever the file has there; beyond the end the file grows, and a gap
  // between the old end and the extent becomes a hole.
  void Put(const Extent& extent);
  // Cuts, or extends with a hole.
  void Truncate(uint64_t size);

  // The extents of [from, to) clipped to it, in order, without gaps; `to` <= size().
  // kCorrupt: the index lacks a part.
  Result<std::vector<Extent>> Resolve(const Index& index, uint64_t from, uint64_t to) const;
  // How many of the bytes of [from, to) lie in data extents. The range may pass the end.
  Result<uint64_t> DataBytes(const Index& index, uint64_t from, uint64_t to) const;

  // What a commit has to say to bring the index up to this object.
  void AppendOperations(Operations& operations) const;
  // The commit happened.
  void MarkCommitted();

 private:
  void PutPending(const Extent& extent);
  Result<std::vector<Extent>> Committed(const Index& index, uint64_t from, uint64_t to) const;

  InodeId inode_;
  uint64_t size_;
  uint64_t committed_size_;
  uint64_t committed_limit_;            // the index's extents count below this offset only
  std::map<uint64_t, Extent> pending_;  // by file offset
};

}  // namespace leadglass
