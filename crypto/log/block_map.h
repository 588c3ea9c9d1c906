// SPDX-License-Identifier: Apache-2.0
#pragma once

// BlockMap: which blocks (kPunchBlock bytes each, from the start of the file) of one segment file
// somebody needs. Takes an eighth of a bit a byte of the segment: 2 KiB for 64 MiB.
//
// Thread-compatible.

#include <vector>

#include "crypto/log/record_space.h"

namespace leadglass {

class BlockMap {
 public:
  // All blocks that the record touches, its frame included. Any `record`, whatever it says.
  void Need(const RecordSpace& record) {
    if (record.length == 0 || record.position.offset > kLargestOffset) return;
    const uint64_t first = record.position.offset / kPunchBlock;
    const uint64_t last = (record.position.offset + record.length - 1) / kPunchBlock;
    if (last >= needed_.size()) needed_.resize(last + 1);
    for (uint64_t block = first; block <= last; ++block) {
      count_ += needed_[block] ? 0 : 1;
      needed_[block] = true;
    }
  }
  bool Needs(uint64_t block) const { return block < needed_.size() && needed_[block]; }
  uint64_t count() const { return count_; }  // of needed blocks

 private:
  // No segment file is that long, and no map of one would fit.
  static constexpr uint64_t kLargestOffset = uint64_t{1} << 36;

  std::vector<bool> needed_;
  uint64_t count_ = 0;
};

}  // namespace leadglass
