// SPDX-License-Identifier: Apache-2.0
#pragma once

// Footer: the record that ends a complete segment and repeats all of it but the data: the header
// block, every frame, every commit record whole. One damaged frame, commit or header is served from
// here, and a mirror gets all metadata of a segment with one range request. A torn segment's footer
// is written into the next segment. Byte table: docs/format.md, "Footers".
//
// Nothing in a footer is trusted for itself: the chain and the seals decide whether a copy is the
// real thing, as they do for the first one.
// Thread-compatible.

#include <optional>
#include <vector>

#include "crypto/log/frame.h"
#include "crypto/log/segment_header.h"

namespace leadglass {

inline constexpr size_t kFooterFixedSize = 32 + kHeaderBlockSize;
inline constexpr size_t kFooterEntryHead = 16;
inline constexpr size_t kFooterTrailerSize = 16;

struct FooterEntry {
  uint64_t offset = 0;  // of the record in the segment
  Frame frame;
  ByteVector commit;  // the whole record of a commit; else empty
};

struct Footer {
  SegmentId segment;
  uint64_t covered_length = 0;  // bytes of the segment that the entries tile, header included
  HeaderBlock block{};
  std::vector<FooterEntry> entries;  // in log order
};

// Collects the footer of the segment that is being written.
class FooterBuilder {
 public:
  FooterBuilder(SegmentId segment, const HeaderBlock& block);

  void Add(uint64_t offset, const Frame& frame);
  // A commit is kept whole.
  void AddCommit(uint64_t offset, ByteSpan record);
  // Bytes that an entry adds.
  static uint64_t EntrySize(const Frame& frame);
  // Length of the record that Build() would make now.
  uint64_t RecordSize() const;

  // The finished record. `at` is where it will lie; `frame` has sequence, commit number, durable
  // position and chain set by the caller and gets the rest. The builder is spent.
  ByteVector Build(RecordKind kind, uint64_t covered_length, uint64_t at, Frame& frame);

 private:
  ByteVector record_;  // space for the frame, then the body so far
  uint32_t count_ = 0;
};

// The footer in the body of a footer record (frame and padding stripped). Accepts any bytes.
// kCorrupt: malformed; entries that do not tile the covered length.
Result<Footer> DecodeFooter(ByteSpan body);

// Where the record begins that ends with these 16 bytes; nullopt when they are no footer's end.
std::optional<uint64_t> FooterOffsetFrom(ByteSpan trailer);

}  // namespace leadglass
