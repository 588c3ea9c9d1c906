// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/disk_parts.h"

#include <algorithm>

#include "crypto/log/frame.h"
#include "crypto/log/segment_header.h"

namespace leadglass {
namespace {

const char* KindName(RecordKind kind) {
  switch (kind) {
    case RecordKind::kData: return "data record";
    case RecordKind::kCommit: return "commit";
    case RecordKind::kFooter: return "footer";
    case RecordKind::kInheritedFooter: return "inherited footer";
  }
  return "";
}

std::vector<uint64_t> Occurrences(const ByteVector& where, ByteSpan what) {
  std::vector<uint64_t> found;
  for (auto at = where.begin();; ++at) {
    at = std::search(at, where.end(), what.begin(), what.end());
    if (at == where.end()) return found;
    found.push_back(static_cast<uint64_t>(at - where.begin()));
  }
}

ByteSpan BytesOf(const DiskImage& image, const DiskPart& part) {
  return ByteSpan(image.files.at(part.path)).subspan(part.offset, part.length);
}

// The header's blocks: its own twice, that of the segment before once.
void AddHeaderParts(const std::string& path, const ByteVector& bytes,
                    std::vector<DiskPart>& parts) {
  const auto header = DecodeSegmentHeader(ByteSpan(bytes).first(kSegmentHeaderSize));
  if (!header) return;
  const ByteVector first(bytes.begin(), bytes.begin() + kSegmentHeaderSize);
  for (const uint64_t offset : Occurrences(first, header->block))
    parts.push_back({"segment header, block", path, offset, kHeaderBlockSize});
  const auto previous = PreviousBlockIn(first);
  if (!previous) return;
  for (const uint64_t offset : Occurrences(first, *previous))
    parts.push_back(
        {"segment header, block of the segment before", path, offset, kHeaderBlockSize});
}

}  // namespace

// The audit trail has segments, too; what they cost is its own tests' matter.
bool IsSegmentPath(const std::string& path) {
  return path.ends_with(".seg") && path.find("/log/") != std::string::npos;
}
bool IsIndexPath(const std::string& path) { return path.find("/index/") != std::string::npos; }

std::vector<DiskRecord> RecordsOf(const DiskImage& image) {
  std::vector<DiskRecord> records;
  for (const auto& [path, bytes] : image.files) {
    if (!IsSegmentPath(path)) continue;
    for (uint64_t offset = kSegmentHeaderSize; offset < bytes.size();) {
      const auto frame = DecodeFrame(ByteSpan(bytes).subspan(offset));
      if (!frame || frame->record_length > bytes.size() - offset) break;
      records.push_back({path, offset, frame->record_length, static_cast<int>(frame->kind)});
      offset += frame->record_length;
    }
  }
  return records;
}

std::vector<DiskPart> PartsOf(const DiskImage& image) {
  std::vector<DiskPart> parts;
  for (const auto& [path, bytes] : image.files) {
    if (path.ends_with("/leadglass.vault") || path.ends_with("/leadglass.vault.copy"))
      parts.push_back({"vault file", path, 0, bytes.size()});
    if (path.ends_with("/keyring") || path.ends_with("/keyring.copy"))
      parts.push_back({"keyring", path, 0, bytes.size()});
    if (IsIndexPath(path) && !bytes.empty()) parts.push_back({"index file", path, 0, bytes.size()});
    if (IsSegmentPath(path)) AddHeaderParts(path, bytes, parts);
  }
  for (const DiskRecord& record : RecordsOf(image)) {
    const auto kind = static_cast<RecordKind>(record.kind);
    const uint64_t frame = kind == RecordKind::kData ? kDataFrameSize : kLongFrameSize;
    parts.push_back({std::string(KindName(kind)) + ", frame", record.path, record.offset, frame});
    parts.push_back({std::string(KindName(kind)) + ", body", record.path, record.offset + frame,
                     record.length - frame});
  }
  return parts;
}

std::vector<DiskPart> CopiesOf(const DiskImage& image, const DiskPart& part) {
  std::vector<DiskPart> copies;
  const ByteSpan wanted = BytesOf(image, part);
  for (const auto& [path, bytes] : image.files)
    for (const uint64_t offset : Occurrences(bytes, wanted))
      copies.push_back({part.kind, path, offset, part.length});
  return copies;
}

void FlipBit(DiskImage& image, const std::string& path, uint64_t bit) {
  uint8_t& byte = image.files.at(path).at(bit / 8);
  byte = static_cast<uint8_t>(byte ^ (1u << (bit % 8)));
}

}  // namespace leadglass
