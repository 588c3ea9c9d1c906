// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/segment_header.h"

#include "crypto/log/chain.h"
#include "crypto/log/crc32c.h"

namespace leadglass {
namespace {

constexpr std::array<uint8_t, 8> kHeaderMagic = {'L', 'G', 'S', 'E', 'G', '\r', '\n', 0};
constexpr size_t kHeaderCrcAt = kHeaderBlockSize - 4;
constexpr size_t kFirstCopyAt = 0;
constexpr size_t kPreviousAt = 512;
constexpr size_t kSecondCopyAt = 1024;

void WriteHead(ByteWriter& w, const Head& head) {
  w.U32(head.epoch);
  w.U32(0);
  w.U64(head.commit_number);
  w.Raw(head.chain);
}

Head ReadHead(ByteReader& r) {
  Head head;
  head.epoch = r.U32();
  r.U32();
  head.commit_number = r.U64();
  head.chain = r.Array<sizeof(Digest)>();
  return head;
}

void WriteSegmentId(ByteWriter& w, SegmentId id) {
  w.U32(id.epoch);
  w.U32(0);
  w.U64(id.number);
}

SegmentId ReadSegmentId(ByteReader& r) {
  SegmentId id;
  id.epoch = r.U32();
  r.U32();
  id.number = r.U64();
  return id;
}

Status CheckFormat(const SegmentHeader& header) {
  if (header.format_major != kFormatMajor)
    return Error(Errc::kUnsupported, ToString(header.id) + " has format " +
                                         std::to_string(header.format_major) +
                                         ": a newer leadglass is needed");
  if ((header.incompatible & ~kKnownIncompatible) != 0)
    return Error(Errc::kUnsupported,
                 ToString(header.id) +
                     " uses a feature that this leadglass does not know: a newer "
                     "one is needed");
  return {};
}

}  // namespace

HeaderBlock EncodeHeaderBlock(const SegmentHeader& header) {
  ByteWriter w;
  w.Raw(kHeaderMagic);
  w.U16(header.format_major);
  w.U16(header.format_minor);
  w.U8(static_cast<uint8_t>(header.segment_class));
  w.Zeros(3);
  w.U64(header.compatible);
  w.U64(header.read_only_compatible);
  w.U64(header.incompatible | (header.base.number > 0 ? kFeatureBase : 0));
  w.Raw(header.vault_id);
  WriteSegmentId(w, header.id);
  w.Raw(header.session);
  w.U64(header.first_sequence);
  WriteSegmentId(w, header.previous);
  w.U64(header.previous_length);
  WriteHead(w, header.previous_head);
  w.Raw(header.link);
  WriteHead(w, header.parent);
  WriteSegmentId(w, header.durable.segment);
  w.U64(header.durable.offset);
  WriteSegmentId(w, header.base);
  w.Zeros(kHeaderCrcAt - w.size());
  w.U32(Crc32c(w.span()));
  HeaderBlock block{};
  std::memcpy(block.data(), w.span().data(), block.size());
  return block;
}

Result<SegmentHeader> DecodeHeaderBlock(ByteSpan block) {
  if (block.size() != kHeaderBlockSize ||
      std::memcmp(block.data(), kHeaderMagic.data(), kHeaderMagic.size()) != 0 ||
      LoadLe<uint32_t>(block.data() + kHeaderCrcAt) != Crc32c(block.first(kHeaderCrcAt)))
    return Error(Errc::kCorrupt, "segment header is damaged");
  ByteReader r(block.subspan(kHeaderMagic.size()));
  SegmentHeader header;
  header.format_major = r.U16();
  header.format_minor = r.U16();
  header.segment_class = static_cast<SegmentClass>(r.U8());
  r.Raw(3);
  header.compatible = r.U64();
  header.read_only_compatible = r.U64();
  header.incompatible = r.U64();
  header.vault_id = r.Array<sizeof(Uuid)>();
  header.id = ReadSegmentId(r);
  header.session = r.Array<sizeof(Uuid)>();
  header.first_sequence = r.U64();
  header.previous = ReadSegmentId(r);
  header.previous_length = r.U64();
  header.previous_head = ReadHead(r);
  header.link = r.Array<sizeof(Digest)>();
  header.parent = ReadHead(r);
  header.durable.segment = ReadSegmentId(r);
  header.durable.offset = r.U64();
  header.base = ReadSegmentId(r);
  LG_RETURN_IF_ERROR(CheckFormat(header));
  return header;
}

Digest ChainBaseOf(const HeaderBlock& block) {
  return HashOf({AsBytes("leadglass.segment.1"), block});
}

ByteVector EncodeSegmentHeader(const HeaderBlock& block, const HeaderBlock* previous_block) {
  ByteVector out(kSegmentHeaderSize);
  std::memcpy(out.data() + kFirstCopyAt, block.data(), block.size());
  if (previous_block != nullptr)
    std::memcpy(out.data() + kPreviousAt, previous_block->data(), previous_block->size());
  std::memcpy(out.data() + kSecondCopyAt, block.data(), block.size());
  return out;
}

Result<DecodedSegmentHeader> DecodeSegmentHeader(ByteSpan bytes) {
  if (bytes.size() < kSegmentHeaderSize)
    return Error(Errc::kCorrupt, "segment is shorter than its header");
  DecodedSegmentHeader out;
  const ByteSpan first = bytes.subspan(kFirstCopyAt, kHeaderBlockSize);
  const ByteSpan second = bytes.subspan(kSecondCopyAt, kHeaderBlockSize);
  Result<SegmentHeader> one = DecodeHeaderBlock(first);
  Result<SegmentHeader> two = DecodeHeaderBlock(second);
  if (!one && one.error().code == Errc::kUnsupported) return one.error();
  if (!one && !two) return two.error();
  out.first_copy_damaged = !one;
  out.second_copy_damaged = !two;
  out.header = one ? *one : *two;
  std::memcpy(out.block.data(), (one ? first : second).data(), out.block.size());
  return out;
}

Result<HeaderBlock> PreviousBlockIn(ByteSpan bytes) {
  if (bytes.size() < kSegmentHeaderSize)
    return Error(Errc::kCorrupt, "segment is shorter than its header");
  const ByteSpan span = bytes.subspan(kPreviousAt, kHeaderBlockSize);
  if (Result<SegmentHeader> header = DecodeHeaderBlock(span); !header) return header.error();
  HeaderBlock block{};
  std::memcpy(block.data(), span.data(), block.size());
  return block;
}

}  // namespace leadglass
