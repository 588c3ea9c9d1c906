// SPDX-License-Identifier: Apache-2.0
#include "index/dead_space.h"

#include <algorithm>
#include <string>
#include <vector>

#include "index/index_keys.h"

namespace leadglass {
namespace {

// Bytes of a data record's frame and of its copy in the footer.
constexpr uint64_t kFrameCopies = 208;

}  // namespace

Status DeadSpace::Drop(InodeId inode, const Extent& part) {
  if (part.hole) return {};
  const RecordSpace space = SpaceOf(part.record);
  const uint64_t gain = PunchableRange(space).length;
  if (gain == 0) {
    checkpoint_.stale_bytes += part.length + kFrameCopies;
    if (space.position.segment < checkpoint_.base)
      batch_.Put(index_keys::DeadBeforeBase(space.position), EncodeRecord(space));
    return {};
  }
  const std::string key = index_keys::DeadRecord(space.position);
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(key));
  DeadRecord record{inode, part.record.file_offset, part.record.length, space.length, 0, 0};
  if (value) {
    LG_ASSIGN_OR_RETURN(record, DecodeDeadRecord(*value));
  }
  if (record.since != 0) return {};
  record.dead +=
      static_cast<uint32_t>(std::min<uint64_t>(part.length, record.length - record.dead));
  if (record.dead == record.length) {
    record.since = std::max<int64_t>(now_ ? now_() : 0, 1);
    counts_.dead_bytes += gain;
    batch_.Put(index_keys::DeadSince(record.since, space.position), "");
  }
  batch_.Put(key, EncodeDeadRecord(record));
  return {};
}

Status DeadSpace::Punched(const Position& position) {
  std::string key = index_keys::DeadRecord(position);
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(key));
  if (!value) return {};
  LG_ASSIGN_OR_RETURN(const DeadRecord record, DecodeDeadRecord(*value));
  if (record.since != 0) {
    batch_.Erase(index_keys::DeadSince(record.since, position));
    const uint64_t gain = PunchableRange({position, record.space}).length;
    counts_.dead_bytes -= std::min(counts_.dead_bytes, gain);
  }
  batch_.Erase(std::move(key));
  return {};
}

Status DeadSpace::CheckpointEnded(SegmentId base, uint64_t restated_bytes) {
  std::vector<std::string> notes;
  LG_RETURN_IF_ERROR(
      batch_.Scan("W", index_keys::After("W"), [&](std::string_view key, std::string_view) {
        notes.emplace_back(key);
        return true;
      }));
  for (std::string& key : notes) batch_.Erase(std::move(key));
  checkpoint_ = {base, now_ ? now_() : 0, checkpoint_.cleared, restated_bytes, 0};
  return {};
}

}  // namespace leadglass
