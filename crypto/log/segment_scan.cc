// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/segment_scan.h"

#include <algorithm>

namespace leadglass {
namespace {

constexpr size_t kWindow = 16u << 10;       // small records: several frames a read
constexpr size_t kSearchBlock = 64u << 10;  // behind the end

// Reads through a window, so that a segment of small records is not a system call per record.
class WindowReader {
 public:
  explicit WindowReader(File& file) : file_(file), window_(kWindow) {}

  // Up to kMaxFrameSize bytes at `offset`; fewer at the end of the file.
  Result<ByteSpan> FrameBytes(uint64_t offset) {
    if (offset < start_ || offset + kMaxFrameSize > start_ + filled_) {
      LG_ASSIGN_OR_RETURN(filled_, file_.ReadAt(offset, window_));
      start_ = offset;
    }
    const size_t skip = static_cast<size_t>(offset - start_);
    return ByteSpan(window_).subspan(skip, std::min(kMaxFrameSize, filled_ - skip));
  }

 private:
  File& file_;
  ByteVector window_;
  uint64_t start_ = 0;
  size_t filled_ = 0;
};

// Preallocated room is long: compared block by block, not byte by byte.
bool AllZero(ByteSpan bytes) {
  static constexpr std::array<uint8_t, 4096> kZeros{};
  for (; bytes.size() > kZeros.size(); bytes = bytes.subspan(kZeros.size()))
    if (std::memcmp(bytes.data(), kZeros.data(), kZeros.size()) != 0) return false;
  return std::memcmp(bytes.data(), kZeros.data(), bytes.size()) == 0;
}

void NoteDurable(const Frame& frame, Position& durable) {
  if (frame.kind != RecordKind::kData) durable = std::max(durable, frame.durable);
}

// Looks at every 16th byte from `from` on for frames that state a durable position.
Status SearchBehind(File& file, uint64_t from, uint64_t size, SegmentScan& scan) {
  ByteVector block(kSearchBlock + kMaxFrameSize);
  for (uint64_t at = from; at < size; at += kSearchBlock) {
    LG_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(at, block));
    const ByteSpan bytes = ByteSpan(block).first(got);
    if (AllZero(bytes)) continue;
    for (size_t i = 0; i < std::min(got, kSearchBlock); i += kRecordAlignment) {
      const ByteSpan cell = bytes.subspan(i, std::min(kRecordAlignment, got - i));
      if (AllZero(cell)) continue;
      scan.junk = at + i + cell.size() - scan.end;
      if (const Result<Frame> frame = DecodeFrame(bytes.subspan(i)); frame)
        NoteDurable(*frame, scan.durable);
    }
  }
  return {};
}

// The footer record at `offset`, of the given kind and segment.
Result<FoundFooter> ReadFooterAt(File& file, uint64_t offset, RecordKind kind, SegmentId of) {
  ByteVector head(kLongFrameSize);
  LG_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(offset, head));
  LG_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(ByteSpan(head).first(got)));
  if (frame.kind != kind) return Error(Errc::kNotFound, ToString(of) + " has no footer");
  LG_ASSIGN_OR_RETURN(const ByteVector record, ReadRecord(file, offset, frame));
  if (!BodyMatches(record, frame, true))
    return Error(Errc::kCorrupt, ToString(of) + ": the footer is damaged");
  LG_ASSIGN_OR_RETURN(Footer footer,
                      DecodeFooter(ByteSpan(record).subspan(frame.size(), frame.plain_length)));
  if (footer.segment != of)
    return Error(Errc::kCorrupt, ToString(of) + ": the footer is another segment's");
  return FoundFooter{std::move(footer), frame, offset};
}

}  // namespace

Result<SegmentScan> ScanSegment(File& file, uint64_t first_sequence,
                                std::optional<uint64_t> limit) {
  SegmentScan scan;
  WindowReader reader(file);
  LG_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  const uint64_t stop = std::min(size, limit.value_or(size));
  uint64_t sequence = first_sequence;
  while (scan.end < stop) {
    LG_ASSIGN_OR_RETURN(const ByteSpan bytes, reader.FrameBytes(scan.end));
    const Result<Frame> frame = DecodeFrame(bytes);
    if (!frame || frame->sequence != sequence || frame->record_length > stop - scan.end) break;
    NoteDurable(*frame, scan.durable);
    scan.records.push_back({scan.end, *frame});
    scan.end += frame->record_length;
    ++sequence;
  }
  if (limit.has_value() && scan.end == *limit) return scan;
  LG_RETURN_IF_ERROR(SearchBehind(file, scan.end, stop, scan));
  return scan;
}

Result<uint64_t> EndOfContent(File& file) {
  LG_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  ByteVector block(kSearchBlock);
  uint64_t end = (size + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
  while (end > 0) {
    const uint64_t start = end > kSearchBlock ? end - kSearchBlock : 0;
    std::fill(block.begin(), block.end(), uint8_t{0});
    LG_ASSIGN_OR_RETURN(
        const size_t got,
        file.ReadAt(start, MutableByteSpan(block).first(static_cast<size_t>(end - start))));
    for (size_t i = AllZero(ByteSpan(block).first(got)) ? 0 : got; i > 0; --i)
      if (block[i - 1] != 0)
        return start + (i + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
    end = start;
  }
  return uint64_t{0};
}

Result<ByteVector> ReadRecord(File& file, uint64_t offset, const Frame& frame) {
  ByteVector record(frame.record_length);
  LG_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(offset, record));
  if (got != record.size()) return Error(Errc::kCorrupt, "record is cut off by the file's end");
  return record;
}

Result<FoundFooter> ReadOwnFooter(File& file, SegmentId id, std::optional<uint64_t> limit) {
  uint64_t end = limit.value_or(0);
  if (!limit.has_value()) {
    LG_ASSIGN_OR_RETURN(end, EndOfContent(file));
  }
  if (end < kSegmentHeaderSize + kFooterTrailerSize)
    return Error(Errc::kNotFound, ToString(id) + " has no footer");
  std::array<uint8_t, kFooterTrailerSize> trailer{};
  LG_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(end - trailer.size(), trailer));
  const auto offset = FooterOffsetFrom(ByteSpan(trailer).first(got));
  if (!offset.has_value()) return Error(Errc::kNotFound, ToString(id) + " has no footer");
  LG_ASSIGN_OR_RETURN(FoundFooter found, ReadFooterAt(file, *offset, RecordKind::kFooter, id));
  if (found.footer.covered_length != *offset)
    return Error(Errc::kCorrupt, ToString(id) + ": the footer is not where it says");
  return found;
}

Result<FoundFooter> ReadInheritedFooter(File& file, SegmentId torn) {
  return ReadFooterAt(file, kSegmentHeaderSize, RecordKind::kInheritedFooter, torn);
}

}  // namespace leadglass
