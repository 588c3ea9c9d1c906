// SPDX-License-Identifier: Apache-2.0
#pragma once

// Walking one segment file without keys: from frame to frame, as far as they are good and in
// sequence. What lies behind the first bad one is searched for second opinions only: a commit back
// there may say that the bad place had been durable, which makes it damage and not a tear.
//
// Thread-compatible: a SegmentScan is a value, the File may be shared.

#include <optional>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/log/footer.h"
#include "crypto/log/frame.h"

namespace leadglass {

struct ScannedRecord {
  uint64_t offset = 0;
  Frame frame;
};

struct SegmentScan {
  std::vector<ScannedRecord> records;
  uint64_t end = kSegmentHeaderSize;  // first byte after the last good record
  // The highest durable position stated by any commit or footer frame, good or behind `end`.
  Position durable;
  uint64_t junk = 0;  // bytes from `end` to the last one that is not zero
};

// Hops over the records of a segment up to `limit` (nullopt: as far as they go). A record that
// would pass the limit or the file's end, or whose sequence number is not the next, ends the walk.
// Fails only when the file cannot be read.
Result<SegmentScan> ScanSegment(File& file, uint64_t first_sequence, std::optional<uint64_t> limit);

// The offset after the last 16 bytes of the file that are not all zero: preallocated room is
// behind.
Result<uint64_t> EndOfContent(File& file);

// The whole record with this frame. kCorrupt: the file is too short.
Result<ByteVector> ReadRecord(File& file, uint64_t offset, const Frame& frame);

struct FoundFooter {
  Footer footer;
  Frame frame;          // of the footer's record
  uint64_t offset = 0;  // of that
};

// The footer that ends the segment, whose last byte is the one before `limit` (nullopt: the last in
// the file that is not zero). kNotFound: there is none. kCorrupt: it is damaged, or not `id`'s.
Result<FoundFooter> ReadOwnFooter(File& file, SegmentId id, std::optional<uint64_t> limit);

// The footer of `torn` that lies at the start of the segment behind `file`. Errors as above.
Result<FoundFooter> ReadInheritedFooter(File& file, SegmentId torn);

}  // namespace leadglass
