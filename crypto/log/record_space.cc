// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/record_space.h"

#include <limits>

#include "crypto/log/frame.h"

namespace leadglass {

RecordSpace DataRecordSpace(const Position& position, uint32_t plain_length, uint8_t chunk_log2) {
  return {position,
          static_cast<uint32_t>(RecordLength(RecordKind::kData, plain_length, chunk_log2))};
}

FileRange PunchableRange(const RecordSpace& record) {
  constexpr uint64_t kNoSuchOffset = std::numeric_limits<uint64_t>::max() / 2;
  if (record.position.offset > kNoSuchOffset) return {};
  const uint64_t body = record.position.offset + kDataFrameSize;
  const uint64_t from = (body + kPunchBlock - 1) / kPunchBlock * kPunchBlock;
  const uint64_t to = (record.position.offset + record.length) / kPunchBlock * kPunchBlock;
  return from < to ? FileRange{from, to - from} : FileRange{};
}

}  // namespace leadglass
