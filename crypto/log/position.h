// SPDX-License-Identifier: Apache-2.0
#pragma once

// Places and points in the sealed log, as strong types. docs/format.md, "Segments".

#include <compare>
#include <cstdint>
#include <string>

#include "crypto/base/bytes.h"

namespace leadglass {

// One segment file: log/<epoch 8 hex>/<number 16 hex>.seg. Ordered by epoch, then number; numbers
// go up across epochs and are never reused.
struct SegmentId {
  uint32_t epoch = 0;
  uint64_t number = 0;
  auto operator<=>(const SegmentId&) const = default;
};

// A byte position in the log: `offset` bytes into a segment file.
struct Position {
  SegmentId segment;
  uint64_t offset = 0;
  auto operator<=>(const Position&) const = default;
};

// A moment of the vault: the newest commit and the chain value that binds all before it.
// Commit numbers start at 1; number 0 with a zero chain is the empty log.
struct Head {
  uint32_t epoch = 0;
  uint64_t commit_number = 0;
  Digest chain{};
  bool operator==(const Head&) const = default;
};

// What makes a sealed record unique for ever: the random id of the mount session that wrote it and
// a counter within the session.
struct WriteId {
  Uuid session{};
  uint64_t counter = 0;
  bool operator==(const WriteId&) const = default;
};

// "segment 1/42", "segment 1/42 offset 4096".
std::string ToString(SegmentId id);
std::string ToString(const Position& position);

}  // namespace leadglass
