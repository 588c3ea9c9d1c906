// SPDX-License-Identifier: Apache-2.0
#include "crypto/internal/gf256.h"

namespace leadglass::internal {

uint8_t GfMultiply(uint8_t a, uint8_t b) {
  // In 32 bits: the operators would widen bytes anyway, and each step back is a conversion.
  uint32_t factor = a;
  uint32_t product = 0;
  for (uint32_t bit = 0; bit < 8; ++bit) {
    product ^= factor & (0u - ((uint32_t{b} >> bit) & 1u));
    const uint32_t overflow = 0u - (factor >> 7);
    factor = ((factor << 1) & 0xffu) ^ (overflow & 0x1bu);
  }
  return static_cast<uint8_t>(product);
}

uint8_t GfInverse(uint8_t a) {
  // 254 is 2 + 4 + ... + 128.
  uint8_t power = a;
  uint8_t inverse = 1;
  for (int i = 0; i < 7; ++i) {
    power = GfMultiply(power, power);
    inverse = GfMultiply(inverse, power);
  }
  return inverse;
}

}  // namespace leadglass::internal
