// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/position.h"

namespace leadglass {

std::string ToString(SegmentId id) {
  return "segment " + std::to_string(id.epoch) + "/" + std::to_string(id.number);
}

std::string ToString(const Position& position) {
  return ToString(position.segment) + " offset " + std::to_string(position.offset);
}

}  // namespace leadglass
