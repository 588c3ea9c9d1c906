// SPDX-License-Identifier: Apache-2.0
#pragma once

// DeadSpace: the index's books on data records of which some bytes, or all, belong to no file any
// more: overwritten, cut off, or their file erased. A record whose bytes are all dead can be
// punched (SealedLog::PunchData). Records that would give nothing back are not kept books on: their
// bytes are summed up, for the next checkpoint gives them back, and those before the newest one's
// base are noted, so that who clears a segment before the base tells what died long ago from what
// did not.
//
// Invariant: what is counted as dead here is a hint, for a batch may be applied twice. Whether a
// record is dead is answered by the extents of its file: it is read through them only, and none
// that was dropped ever comes back. A file without an inode has no extents.
//
// Thread-compatible.

#include <functional>

#include "index/index_batch.h"
#include "index/index_values.h"
#include "index/records.h"

namespace leadglass {

class DeadSpace {
 public:
  // Keeps `state.counts.dead_bytes` and `state.checkpoint`. `now` gives nanoseconds since 1970 UTC.
  DeadSpace(IndexBatch& batch, IndexState& state, const std::function<int64_t()>& now)
      : batch_(batch), counts_(state.counts), checkpoint_(state.checkpoint), now_(now) {}

  // The file loses `part`: an extent, or some of one. kCorrupt: the books cannot be read.
  Status Drop(InodeId inode, const Extent& part);
  // The record is punched, and of no more interest.
  Status Punched(const Position& position);
  // A checkpoint has ended: what died before it needs no note any more.
  Status CheckpointEnded(SegmentId base, uint64_t restated_bytes);

 private:
  IndexBatch& batch_;
  Index::Counts& counts_;
  CheckpointState& checkpoint_;
  const std::function<int64_t()>& now_;
};

}  // namespace leadglass
