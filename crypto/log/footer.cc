// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/footer.h"

namespace leadglass {
namespace {

constexpr uint32_t kFooterMagic = 0x7466474c;   // "LGft"
constexpr uint32_t kTrailerMagic = 0x6566474c;  // "LGfe"
constexpr size_t kCountAt = 4;
constexpr size_t kCoveredAt = 24;

Error BadFooter(const char* what) { return Error(Errc::kCorrupt, std::string("footer: ") + what); }

template <typename T>
void Append(ByteVector& out, T value) {
  const size_t at = out.size();
  out.resize(at + sizeof(T));
  StoreLe(out.data() + at, value);
}

// One entry; `expected` is the offset at which it must lie.
Result<FooterEntry> ReadEntry(ByteReader& r, uint64_t expected) {
  FooterEntry entry;
  entry.offset = r.U64();
  const uint32_t length = r.U32();
  const uint32_t zero = r.U32();
  const ByteSpan copy = r.Raw(length);
  if (r.failed() || zero != 0) return BadFooter("entry cut short");
  if (entry.offset != expected) return BadFooter("entries leave a gap");
  LG_ASSIGN_OR_RETURN(entry.frame, DecodeFrame(copy));
  const bool commit = entry.frame.kind == RecordKind::kCommit;
  if (length != (commit ? entry.frame.record_length : entry.frame.size()))
    return BadFooter("entry of a wrong length");
  if (commit) entry.commit.assign(copy.begin(), copy.end());
  return entry;
}

}  // namespace

FooterBuilder::FooterBuilder(SegmentId segment, const HeaderBlock& block)
    : record_(kLongFrameSize) {
  Append<uint32_t>(record_, kFooterMagic);
  Append<uint32_t>(record_, 0);  // count, at the end
  Append<uint32_t>(record_, segment.epoch);
  Append<uint32_t>(record_, 0);
  Append<uint64_t>(record_, segment.number);
  Append<uint64_t>(record_, 0);  // covered length, at the end
  record_.insert(record_.end(), block.begin(), block.end());
}

void FooterBuilder::Add(uint64_t offset, const Frame& frame) {
  Append<uint64_t>(record_, offset);
  Append<uint32_t>(record_, static_cast<uint32_t>(frame.size()));
  Append<uint32_t>(record_, 0);
  const EncodedFrame encoded = EncodeFrame(frame);
  record_.insert(record_.end(), encoded.span().begin(), encoded.span().end());
  ++count_;
}

void FooterBuilder::AddCommit(uint64_t offset, ByteSpan record) {
  Append<uint64_t>(record_, offset);
  Append<uint32_t>(record_, static_cast<uint32_t>(record.size()));
  Append<uint32_t>(record_, 0);
  record_.insert(record_.end(), record.begin(), record.end());
  ++count_;
}

uint64_t FooterBuilder::EntrySize(const Frame& frame) {
  return kFooterEntryHead +
         (frame.kind == RecordKind::kCommit ? frame.record_length : frame.size());
}

uint64_t FooterBuilder::RecordSize() const { return record_.size() + kFooterTrailerSize; }

ByteVector FooterBuilder::Build(RecordKind kind, uint64_t covered_length, uint64_t at,
                                Frame& frame) {
  uint8_t* body = record_.data() + kLongFrameSize;
  StoreLe<uint32_t>(body + kCountAt, count_);
  StoreLe<uint64_t>(body + kCoveredAt, covered_length);
  frame.kind = kind;
  frame.plain_length = static_cast<uint32_t>(record_.size() - kLongFrameSize + kFooterTrailerSize);
  frame.record_length = static_cast<uint32_t>(RecordLength(kind, frame.plain_length, 0));
  // All parts are multiples of 16, so there is no padding and the trailer ends the record.
  LG_CHECK(frame.record_length == RecordSize());
  Append<uint32_t>(record_, kTrailerMagic);
  Append<uint32_t>(record_, frame.record_length);
  Append<uint64_t>(record_, at);
  DescribeBody(record_, frame);
  std::memcpy(record_.data(), EncodeFrame(frame).span().data(), kLongFrameSize);
  return std::move(record_);
}

Result<Footer> DecodeFooter(ByteSpan body) {
  if (body.size() < kFooterFixedSize + kFooterTrailerSize) return BadFooter("too short");
  ByteReader r(body.first(body.size() - kFooterTrailerSize));
  if (r.U32() != kFooterMagic) return BadFooter("no magic");
  const uint32_t count = r.U32();
  Footer footer;
  footer.segment.epoch = r.U32();
  if (r.U32() != 0) return BadFooter("reserved bytes in use");
  footer.segment.number = r.U64();
  footer.covered_length = r.U64();
  footer.block = r.Array<kHeaderBlockSize>();
  uint64_t offset = kSegmentHeaderSize;
  for (uint32_t i = 0; i < count; ++i) {
    LG_ASSIGN_OR_RETURN(FooterEntry entry, ReadEntry(r, offset));
    offset += entry.frame.record_length;
    footer.entries.push_back(std::move(entry));
  }
  if (!r.Finished()) return BadFooter("bytes left over");
  if (offset != footer.covered_length) return BadFooter("does not cover its segment");
  return footer;
}

std::optional<uint64_t> FooterOffsetFrom(ByteSpan trailer) {
  if (trailer.size() != kFooterTrailerSize) return std::nullopt;
  if (LoadLe<uint32_t>(trailer.data()) != kTrailerMagic) return std::nullopt;
  return LoadLe<uint64_t>(trailer.data() + 8);
}

}  // namespace leadglass
