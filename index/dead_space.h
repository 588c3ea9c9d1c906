// SPDX-License-Identifier: Apache-2.0
#pragma once

// DeadSpace: the index's books on data records of which some bytes, or all, belong to no file any
// more: overwritten, cut off, or their file erased. A record whose bytes are all dead can be
// punched (SealedLog::PunchData). Records that would give nothing back are not kept books on.
//
// Invariant: what is counted as dead here is a hint, for a batch may be applied twice. Whether a
// record is dead is answered by the extents of its file: it is read through them only, and none
// that was dropped ever comes back.
//
// Thread-compatible.

#include <functional>

#include "index/index_batch.h"
#include "index/index_values.h"
#include "index/records.h"

namespace leadglass {

class DeadSpace {
 public:
  // Keeps `counts.dead_bytes`. `now` gives nanoseconds since 1970 UTC.
  DeadSpace(IndexBatch& batch, Index::Counts& counts, const std::function<int64_t()>& now)
      : batch_(batch), counts_(counts), now_(now) {}

  // The file loses `part`: an extent, or some of one. kCorrupt: the books cannot be read.
  Status Drop(InodeId inode, const Extent& part);
  // The record is punched, and of no more interest.
  Status Punched(const Position& position);

 private:
  IndexBatch& batch_;
  Index::Counts& counts_;
  const std::function<int64_t()>& now_;
};

}  // namespace leadglass
