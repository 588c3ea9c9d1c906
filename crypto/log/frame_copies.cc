// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/frame_copies.h"

#include <algorithm>

#include "crypto/log/segment_names.h"
#include "crypto/log/segment_scan.h"

namespace leadglass {
namespace {

std::optional<Frame> In(const Result<FoundFooter>& found, const DataRecord& record) {
  if (!found) return std::nullopt;
  const auto& entries = found->footer.entries;
  const auto at = std::lower_bound(
      entries.begin(), entries.end(), record.position.offset,
      [](const FooterEntry& entry, uint64_t offset) { return entry.offset < offset; });
  if (at == entries.end() || at->offset != record.position.offset) return std::nullopt;
  if (!Describes(at->frame, record)) return std::nullopt;
  return at->frame;
}

// The header of a segment, from its own file.
Result<SegmentHeader> HeaderIn(File& file) {
  ByteVector bytes(kSegmentHeaderSize);
  LG_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(0, bytes));
  LG_ASSIGN_OR_RETURN(const DecodedSegmentHeader header,
                      DecodeSegmentHeader(ByteSpan(bytes).first(got)));
  return header.header;
}

}  // namespace

bool Describes(const Frame& frame, const DataRecord& record) {
  return frame.kind == RecordKind::kData && frame.plain_length == record.length &&
         frame.chunk_log2 == record.chunk_log2;
}

std::optional<Frame> FrameCopies::Find(const DataRecord& record) {
  {
    MutexLock lock(mutex_);
    if (const auto kept = kept_.find(record.position); kept != kept_.end())
      return Describes(kept->second, record) ? std::optional(kept->second) : std::nullopt;
  }
  const std::optional<Frame> found = Search(record);
  if (!found.has_value()) return std::nullopt;
  MutexLock lock(mutex_);
  if (kept_.size() >= kMaxKept) kept_.erase(kept_.begin());
  kept_.insert_or_assign(record.position, *found);
  return found;
}

// What cannot be read holds no copy: the caller reports the first copy's damage either way.
std::optional<Frame> FrameCopies::Search(const DataRecord& record) {
  const SegmentId id = record.position.segment;
  const auto file = files_.Get(id);
  if (!file) return std::nullopt;
  if (const auto copy = In(ReadOwnFooter(**file, id, std::nullopt), record); copy) return copy;
  const Result<SegmentListing> listing = ListSegments(files_.fs(), files_.folder());
  if (!listing) return std::nullopt;
  const auto& all = listing->segments;
  for (auto next = std::upper_bound(all.begin(), all.end(), id); next != all.end(); ++next) {
    const auto later = files_.Get(*next);
    if (!later) continue;
    if (const auto copy = In(ReadInheritedFooter(**later, id), record); copy) return copy;
    const Result<SegmentHeader> header = HeaderIn(**later);
    if (!header) continue;
    // Bytes behind the end of the segment hid its own footer; this header says where it ends.
    if (header->previous == id)
      if (const auto copy = In(ReadOwnFooter(**file, id, header->previous_length), record); copy)
        return copy;
    // What continues `id` comes before what continues a later one.
    if (header->previous > id) break;
  }
  return std::nullopt;
}

}  // namespace leadglass
