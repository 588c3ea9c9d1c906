// SPDX-License-Identifier: Apache-2.0
#pragma once

// The field of 256 elements that AES uses: polynomials over GF(2) modulo x^8 + x^4 + x^3 + x + 1
// (FIPS 197, section 4.2). Addition is exclusive or.
//
// No branch and no memory address depends on an element: the elements are shares of a key, and a
// table of logarithms would tell the cache which of its lines were read.
//
// Thread safety: free functions without state.

#include <cstdint>

namespace leadglass::internal {

uint8_t GfMultiply(uint8_t a, uint8_t b);
// a^254, which is 1/a, and 0 for 0.
uint8_t GfInverse(uint8_t a);

}  // namespace leadglass::internal
