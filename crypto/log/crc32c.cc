// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace leadglass {

uint32_t ExtendCrc32c(uint32_t crc, ByteSpan data) {
  // ISA-L leaves the inversion before and after to its caller, takes an int as length, and a
  // pointer to bytes that it only reads.
  constexpr size_t kStep = 1u << 30;
  uint32_t state = ~crc;
  while (!data.empty()) {
    const size_t step = std::min(data.size(), kStep);
    state = crc32_iscsi(const_cast<unsigned char*>(data.data()), static_cast<int>(step), state);
    data = data.subspan(step);
  }
  return ~state;
}

uint32_t Crc32c(ByteSpan data) { return ExtendCrc32c(0, data); }

}  // namespace leadglass
