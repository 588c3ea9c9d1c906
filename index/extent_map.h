// SPDX-License-Identifier: Apache-2.0
#pragma once

// Extents of a file that may overlap what is there: what is covered is trimmed, split, or dropped.
// Stored extents of a file never overlap.
//
// Thread-compatible.

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "index/dead_space.h"
#include "index/index_batch.h"
#include "index/records.h"

namespace leadglass {

// For files that were written to lately: an offset at or beyond which they have no extent. So
// appending to a big file reads nothing. Bounded; forgetting costs one seek.
class ExtentBounds {
 public:
  std::optional<uint64_t> Find(InodeId inode) const {
    const auto it = bounds_.find(inode);
    return it == bounds_.end() ? std::nullopt : std::optional(it->second);
  }
  void Set(InodeId inode, uint64_t bound) {
    if (bounds_.size() >= kCapacity) bounds_.clear();
    bounds_[inode] = bound;
  }
  void Forget(InodeId inode) { bounds_.erase(inode); }
  // To be called when a batch is not written: the bounds may be of what never came to be.
  void Clear() { bounds_.clear(); }

 private:
  static constexpr size_t kCapacity = 16 << 10;
  std::unordered_map<InodeId, uint64_t> bounds_;
};

// All: what the file loses goes to `dead`. kCorrupt when stored extents cannot be read; the batch
// is then to be dropped.
Status PutExtentInto(IndexBatch& batch, ExtentBounds& bounds, DeadSpace& dead, InodeId inode,
                     const Extent& extent);
Status CutExtentsFrom(IndexBatch& batch, ExtentBounds& bounds, DeadSpace& dead, InodeId inode,
                      uint64_t size);
// Tells `dead` of every extent of the file; the extents themselves stay.
Status DropAllExtents(IndexBatch& batch, DeadSpace& dead, InodeId inode);

}  // namespace leadglass
