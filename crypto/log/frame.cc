// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/frame.h"

#include "crypto/log/chain.h"
#include "crypto/log/crc32c.h"

namespace leadglass {
namespace {

// Offsets of the fields: docs/format.md, "Records".
constexpr uint32_t kFrameMagic = 0x6372474c;  // "LGrc"
constexpr size_t kFrameCrcAt = 4;
constexpr size_t kCrcFrom = 8;
constexpr size_t kDigestAt = 32;
constexpr size_t kPrefixAt = 64;
constexpr size_t kBodyCrcAt = 84;
constexpr size_t kChainAt = 128;

bool IsSealed(RecordKind kind) { return kind == RecordKind::kData || kind == RecordKind::kCommit; }

Error BadFrame(const char* what) { return Error(Errc::kCorrupt, std::string("frame: ") + what); }

void StoreCrc(EncodedFrame& out) {
  StoreLe<uint32_t>(out.bytes.data() + kFrameCrcAt, Crc32c(out.span().subspan(kCrcFrom)));
}

EncodedFrame EncodeWithoutCrc(const Frame& frame) {
  EncodedFrame out;
  out.used = frame.size();
  uint8_t* at = out.bytes.data();
  StoreLe<uint32_t>(at, kFrameMagic);
  at[8] = static_cast<uint8_t>(frame.kind);
  at[9] = frame.chunk_log2;
  StoreLe<uint16_t>(at + 10, static_cast<uint16_t>(frame.size()));
  StoreLe<uint32_t>(at + 12, frame.record_length);
  StoreLe<uint64_t>(at + 16, frame.sequence);
  StoreLe<uint32_t>(at + 24, frame.plain_length);
  StoreLe<uint32_t>(at + 28, frame.key_epoch);
  std::memcpy(at + kDigestAt, frame.body_digest.data(), frame.body_digest.size());
  std::memcpy(at + kPrefixAt, frame.stream_prefix.data(), frame.stream_prefix.size());
  StoreLe<uint32_t>(at + kBodyCrcAt, frame.body_crc);
  if (frame.kind == RecordKind::kData) return out;
  StoreLe<uint64_t>(at + 96, frame.commit_number);
  StoreLe<uint64_t>(at + 104, frame.durable.segment.number);
  StoreLe<uint64_t>(at + 112, frame.durable.offset);
  StoreLe<uint32_t>(at + 120, frame.durable.segment.epoch);
  std::memcpy(at + kChainAt, frame.chain.data(), frame.chain.size());
  return out;
}

void ReadLongFields(ByteReader& r, Frame& frame) {
  frame.commit_number = r.U64();
  frame.durable.segment.number = r.U64();
  frame.durable.offset = r.U64();
  frame.durable.segment.epoch = r.U32();
}

Status CheckLengths(const Frame& frame) {
  if (IsSealed(frame.kind)) {
    if (frame.chunk_log2 < kMinChunkLog2 || frame.chunk_log2 > kMaxChunkLog2)
      return BadFrame("chunk size out of range");
    if (frame.plain_length == 0 || frame.plain_length > kMaxSealedPlain)
      return BadFrame("length out of range");
  } else if (frame.chunk_log2 != 0 || frame.plain_length > kMaxFooterBytes) {
    return BadFrame("footer length out of range");
  }
  if (frame.record_length != RecordLength(frame.kind, frame.plain_length, frame.chunk_log2))
    return BadFrame("record length does not follow from its parts");
  return {};
}

}  // namespace

uint64_t BodyLength(RecordKind kind, uint32_t plain_length, uint8_t chunk_log2) {
  if (!IsSealed(kind)) return plain_length;
  const uint64_t chunk = uint64_t{1} << chunk_log2;
  return plain_length + (plain_length + chunk - 1) / chunk * kTagBytes;
}

uint64_t RecordLength(RecordKind kind, uint32_t plain_length, uint8_t chunk_log2) {
  const uint64_t frame = kind == RecordKind::kData ? kDataFrameSize : kLongFrameSize;
  const uint64_t length = frame + BodyLength(kind, plain_length, chunk_log2);
  return (length + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

EncodedFrame EncodeFrame(const Frame& frame) {
  EncodedFrame out = EncodeWithoutCrc(frame);
  StoreCrc(out);
  return out;
}

EncodedFrame FrameBeforeChaining(const Frame& frame) {
  EncodedFrame out = EncodeWithoutCrc(frame);
  if (frame.kind != RecordKind::kData) std::memset(out.bytes.data() + kChainAt, 0, sizeof(Digest));
  return out;
}

EncodedFrame FrameBeforeSealing(const Frame& frame) {
  EncodedFrame out = FrameBeforeChaining(frame);
  std::memset(out.bytes.data() + kDigestAt, 0, sizeof(Digest));
  std::memset(out.bytes.data() + kPrefixAt, 0, kStreamPrefixBytes);
  StoreLe<uint32_t>(out.bytes.data() + kBodyCrcAt, 0);
  return out;
}

Result<Frame> DecodeFrame(ByteSpan bytes) {
  if (bytes.size() < kDataFrameSize) return BadFrame("too short");
  if (LoadLe<uint32_t>(bytes.data()) != kFrameMagic) return BadFrame("no magic");
  const uint8_t kind = bytes[8];
  if (kind < 1 || kind > 4) return BadFrame("unknown kind");
  Frame frame;
  frame.kind = static_cast<RecordKind>(kind);
  if (bytes.size() < frame.size()) return BadFrame("too short");
  bytes = bytes.first(frame.size());
  if (LoadLe<uint32_t>(bytes.data() + kFrameCrcAt) != Crc32c(bytes.subspan(kCrcFrom)))
    return BadFrame("wrong CRC");
  ByteReader r(bytes.subspan(9));
  frame.chunk_log2 = r.U8();
  const uint16_t frame_size = r.U16();
  frame.record_length = r.U32();
  frame.sequence = r.U64();
  frame.plain_length = r.U32();
  frame.key_epoch = r.U32();
  frame.body_digest = r.Array<sizeof(Digest)>();
  frame.stream_prefix = r.Array<kStreamPrefixBytes>();
  const uint8_t zero8 = r.U8();
  frame.body_crc = r.U32();
  const uint64_t zero64 = r.U64();
  uint32_t zero32 = 0;
  if (frame.kind != RecordKind::kData) {
    ReadLongFields(r, frame);
    zero32 = r.U32();
    frame.chain = r.Array<sizeof(Digest)>();
  }
  if (!r.Finished() || frame_size != frame.size() || zero8 != 0 || zero32 != 0 || zero64 != 0)
    return BadFrame("reserved bytes in use");
  LG_RETURN_IF_ERROR(CheckLengths(frame));
  return frame;
}

namespace {

ByteSpan BodyOf(ByteSpan record, const Frame& frame) {
  return record.subspan(frame.size(), BodyLength(frame.kind, frame.plain_length, frame.chunk_log2));
}

Digest DigestOfBody(ByteSpan record, const Frame& frame) {
  const ByteSpan body = BodyOf(record, frame);
  if (frame.kind != RecordKind::kData) return HashOf({body});
  const size_t sealed_chunk = (size_t{1} << frame.chunk_log2) + kTagBytes;
  Hasher hasher;
  for (size_t at = 0; at < body.size(); at += sealed_chunk) {
    const size_t end = std::min(at + sealed_chunk, body.size());
    hasher.Update(body.subspan(end - kTagBytes, kTagBytes));
  }
  return hasher.Finish();
}

}  // namespace

void DescribeBody(ByteSpan record, Frame& frame) {
  LG_CHECK(record.size() == frame.record_length);
  frame.body_crc = Crc32c(record.subspan(frame.size()));
  frame.body_digest = DigestOfBody(record, frame);
}

bool BodyMatches(ByteSpan record, const Frame& frame, bool check_digest) {
  if (record.size() != frame.record_length) return false;
  if (Crc32c(record.subspan(frame.size())) != frame.body_crc) return false;
  return !check_digest || DigestOfBody(record, frame) == frame.body_digest;
}

}  // namespace leadglass
