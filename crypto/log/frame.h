// SPDX-License-Identifier: Apache-2.0
#pragma once

// Frame: the clear head of every record in the log. It says how long the record is and where it
// stands in the sequence, and lets a reader without keys find damage and check the chain; what the
// record *is* stands inside its seal. Byte table: docs/format.md, "Records".
//
// A record is frame, body, zeros up to a multiple of 16. The body of a data or commit record is
// chunks of ciphertext, each followed by its tag, so that one chunk is one read.
//
// Invariant: EncodeFrame(DecodeFrame(x)) == x for every x that decodes, so a frame may be kept
// decoded and hashed again later.
// Thread safety: values and free functions.

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/log/position.h"

namespace leadglass {

enum class RecordKind : uint8_t {
  kData = 1,             // bytes of one file
  kCommit = 2,           // one atomic batch of metadata
  kFooter = 3,           // second copies of this segment's frames and commits; ends the segment
  kInheritedFooter = 4,  // the footer that an earlier, torn segment lacks
};

inline constexpr size_t kRecordAlignment = 16;
inline constexpr size_t kDataFrameSize = 96;
inline constexpr size_t kLongFrameSize = 160;  // commit and footers: with numbers and chain
inline constexpr size_t kMaxFrameSize = kLongFrameSize;
inline constexpr size_t kStreamPrefixBytes = 19;
inline constexpr size_t kTagBytes = 16;
inline constexpr uint32_t kMaxSealedPlain = 1u << 20;  // of a data or commit record
inline constexpr uint32_t kMaxFooterBytes = 1u << 27;  // far above what a writer makes
inline constexpr uint8_t kCommitChunkLog2 = 20;        // a commit is one chunk
inline constexpr uint8_t kMinChunkLog2 = 12;
inline constexpr uint8_t kMaxChunkLog2 = 20;

struct Frame {
  RecordKind kind = RecordKind::kData;
  uint8_t chunk_log2 = 0;  // 0 for footers
  uint32_t plain_length = 0;
  uint32_t record_length = 0;  // frame, body and padding
  uint64_t sequence = 0;       // +1 per record over the whole log; the first is 1
  uint32_t key_epoch = 0;      // of the metadata key that sealed a commit; else 0
  uint32_t body_crc = 0;       // CRC32C over all bytes after the frame, padding included
  // Data: SHA-256 over all tags in order. Else: SHA-256 over the body without padding.
  Digest body_digest{};
  std::array<uint8_t, kStreamPrefixBytes> stream_prefix{};

  // Commits and footers only.
  uint64_t commit_number = 0;  // of this commit; in a footer that of the newest one
  Position durable;            // everything below was durable when this was written
  Digest chain{};              // after this commit; in a footer after the newest one

  size_t size() const { return kind == RecordKind::kData ? kDataFrameSize : kLongFrameSize; }
  bool is_footer() const {
    return kind == RecordKind::kFooter || kind == RecordKind::kInheritedFooter;
  }
  bool operator==(const Frame&) const = default;
};

// Bytes of a body: ciphertext and tags for sealed kinds, the plain bytes of a footer.
uint64_t BodyLength(RecordKind kind, uint32_t plain_length, uint8_t chunk_log2);
// Frame, body and padding.
uint64_t RecordLength(RecordKind kind, uint32_t plain_length, uint8_t chunk_log2);

// A frame on disk, `size()` bytes of it in use.
struct EncodedFrame {
  std::array<uint8_t, kMaxFrameSize> bytes{};
  size_t used = 0;
  ByteSpan span() const { return {bytes.data(), used}; }
};
EncodedFrame EncodeFrame(const Frame& frame);

// The frame at the start of `bytes` (more may follow). Accepts any bytes.
// kCorrupt: too short, wrong CRC, a field that no writer sets, or lengths that contradict.
Result<Frame> DecodeFrame(ByteSpan bytes);

// What the chain and a commit's associated data are made of: the frame with all that is not known
// yet before sealing (prefix, digest and CRC of the body, chain, frame CRC) or, for the chain, with
// the chain value and the frame CRC only, set to zero.
EncodedFrame FrameBeforeSealing(const Frame& frame);
EncodedFrame FrameBeforeChaining(const Frame& frame);

// Sets body_crc and body_digest from a finished record (frame space, body, zeroed padding).
void DescribeBody(ByteSpan record, Frame& frame);
// True when `record` (all of it) carries the body that the frame describes. With
// `check_digest` false the CRC alone decides: what recovery asks.
bool BodyMatches(ByteSpan record, const Frame& frame, bool check_digest);

}  // namespace leadglass
