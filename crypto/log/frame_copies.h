// SPDX-License-Identifier: Apache-2.0
#pragma once

// FrameCopies: the second copy of a data record's frame, for a reader who found the first one
// damaged: from the footer of the record's own segment, or from a later segment that inherited it.
// docs/format.md, "Footers".
//
// A copy is no more trusted than the first: the tags of the record's chunks decide, because the
// stream prefix that it names is part of each chunk's nonce.
// Invariant: keeps at most kMaxKept copies, so that the second read of a damaged record does not
// read the footer again.
//
// Thread safety: Find() may be called from any thread; no lock is held while files are read.

#include <map>
#include <optional>

#include "crypto/base/mutex.h"
#include "crypto/log/frame.h"
#include "crypto/log/sealed_log.h"
#include "crypto/log/segment_files.h"

namespace leadglass {

class FrameCopies {
 public:
  static constexpr size_t kMaxKept = 64;

  // `files` outlives the object.
  explicit FrameCopies(SegmentFiles& files) : files_(files) {}

  // A frame for such a record at that place; nullopt: no footer that can be read has one (the
  // segment is still open, or a crash left it so; or the copy is damaged, too). May read a whole
  // footer, 8 MiB as a rule.
  std::optional<Frame> Find(const DataRecord& record) LG_EXCLUDES(mutex_);

 private:
  std::optional<Frame> Search(const DataRecord& record);

  SegmentFiles& files_;
  Mutex mutex_;
  std::map<Position, Frame> kept_ LG_GUARDED_BY(mutex_);
};

// Whether the frame is one that such a record has. The chunks' tags decide whether it is the one.
bool Describes(const Frame& frame, const DataRecord& record);

}  // namespace leadglass
