// SPDX-License-Identifier: Apache-2.0
#pragma once

// RecordSpace: which bytes of a segment file a data record takes, and which blocks of the disk can
// be given back once nothing needs the record any more. Its frame stays for ever: the chain runs
// over it (docs/format.md, "Punched records").

#include <cstdint>

#include "crypto/log/position.h"

namespace leadglass {

// What is given back is whole blocks of this size, counted from the start of the segment file.
inline constexpr uint64_t kPunchBlock = 4096;

struct RecordSpace {
  Position position;    // of the record's frame
  uint32_t length = 0;  // frame, body and padding
  bool operator==(const RecordSpace&) const = default;
};

// Of the data record at `position` that holds so many plain bytes in chunks of 2^chunk_log2.
RecordSpace DataRecordSpace(const Position& position, uint32_t plain_length, uint8_t chunk_log2);

// Bytes [offset, offset + length) of a segment file.
struct FileRange {
  uint64_t offset = 0;
  uint64_t length = 0;
  bool operator==(const FileRange&) const = default;
};

// The blocks that lie wholly behind the data record's frame and within the record; length 0 where
// there are none, as in most records of less than 8 KiB. Any `record`, whatever it says.
FileRange PunchableRange(const RecordSpace& record);

}  // namespace leadglass
