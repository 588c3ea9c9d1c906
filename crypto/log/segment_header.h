// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentHeader: the first 4096 bytes of a segment file. It says what the segment is and where the
// log came from: the segment before, how much of that one counts, and the chain value at that
// point. Bytes of the earlier segment past that length do not exist for anybody.
// Byte table: docs/format.md, "Segments".
//
// The fields fill one block of 512 bytes. A header holds its own block twice and the block of the
// segment before once, so that a damaged header always has another copy.
// Thread safety: values and free functions.

#include "crypto/base/bytes.h"
#include "crypto/base/format_version.h"
#include "crypto/base/result.h"
#include "crypto/log/position.h"

namespace leadglass {

inline constexpr size_t kSegmentHeaderSize = 4096;
inline constexpr size_t kHeaderBlockSize = 512;
// Bits that this build knows, of each feature set. An unknown incompatible bit: not opened; an
// unknown read-only-compatible bit: not written to; an unknown compatible bit: ignored.
inline constexpr uint64_t kKnownCompatible = 0;
inline constexpr uint64_t kKnownReadOnlyCompatible = 0;
// SegmentHeader::base is stated: a reader that does not know it would look for commits that are not
// there any more. Set by EncodeHeaderBlock() where it has to be.
inline constexpr uint64_t kFeatureBase = 1;
inline constexpr uint64_t kKnownIncompatible = kFeatureBase;

enum class SegmentClass : uint8_t { kMain = 0, kHot = 1, kAudit = 2 };

using HeaderBlock = std::array<uint8_t, kHeaderBlockSize>;

struct SegmentHeader {
  uint16_t format_major = kFormatMajor;
  uint16_t format_minor = kFormatMinor;
  SegmentClass segment_class = SegmentClass::kMain;
  uint64_t compatible = 0;
  uint64_t read_only_compatible = 0;
  uint64_t incompatible = 0;
  Uuid vault_id{};
  SegmentId id;
  Uuid session{};  // of the writer
  uint64_t first_sequence = 1;

  // Where the log came from. All zero in the first segment of a vault.
  SegmentId previous;
  uint64_t previous_length = 0;  // bytes of `previous` that count
  Head previous_head;            // the newest commit at that point
  Digest link{};                 // the running digest at that point (crypto/log/chain.h)
  // In the first segment of a new epoch: the commit that it forks from. Else all zero.
  Head parent;
  // Everything below was durable when this header was written.
  Position durable;
  // The segment from which on the commits say all that there is to say: a checkpoint begins in it
  // and had ended when this header was written. Number 0: the log's first segment. Earlier segments
  // hold bytes of files and nothing else that counts, and may have holes where no file needs them.
  SegmentId base;

  bool operator==(const SegmentHeader&) const = default;
};

HeaderBlock EncodeHeaderBlock(const SegmentHeader& header);
// kCorrupt: not a header block, or damaged. kUnsupported: a newer format, or a feature without
// which this build cannot read.
Result<SegmentHeader> DecodeHeaderBlock(ByteSpan block);

// What the chain of a segment starts from.
Digest ChainBaseOf(const HeaderBlock& block);

// The 4096 bytes on disk. `previous_block` is that of header.previous; nullptr for none.
ByteVector EncodeSegmentHeader(const HeaderBlock& block, const HeaderBlock* previous_block);

// What 4096 bytes hold; each part may be damaged for itself.
struct DecodedSegmentHeader {
  SegmentHeader header;
  HeaderBlock block{};
  bool first_copy_damaged = false;  // the second one served
  bool second_copy_damaged = false;
};
// Errors as DecodeHeaderBlock, when neither copy decodes. Accepts any bytes of any length.
Result<DecodedSegmentHeader> DecodeSegmentHeader(ByteSpan bytes);
// The block of the segment before, as repeated in these 4096 bytes. kCorrupt: damaged or none.
Result<HeaderBlock> PreviousBlockIn(ByteSpan bytes);

}  // namespace leadglass
