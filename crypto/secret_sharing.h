// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shamir's secret sharing (Shamir, "How to share a secret", 1979) of a key, byte by byte over
// GF(256): each byte is the value at 0 of a random polynomial of degree threshold - 1, and a share
// has the values at its number. The field is the one of AES, as in SLIP-0039.
//
// Property: `threshold` shares give the key, fewer say nothing about it, whatever computer looks at
// them. A share that was altered gives another key without a sign: who keeps shares adds a checksum
// (crypto/recovery_code.h does), and who combines more than `threshold` learns whether they agree.
//
// Time does not depend on the secrets (crypto/internal/gf256.h); it does on the shares' numbers,
// which stand in clear.
//
// Thread safety: free functions without state.

#include <vector>

#include "crypto/aead.h"

namespace leadglass {

inline constexpr uint32_t kMaxShares = 16;

struct SecretShare {
  uint8_t number = 0;  // from 1
  Key value;
};

// Shares 1 .. `shares`. kInvalidArgument: not 2 <= threshold <= shares <= kMaxShares.
Result<std::vector<SecretShare>> SplitSecret(const Key& secret, uint32_t threshold,
                                             uint32_t shares);

// One point of every byte's polynomial: a share's number and bytes, or 0 and the secret's.
// Borrowed.
struct SharePoint {
  uint8_t x;
  ByteSpan values;
};
// The values at `x` of the polynomials of the least degree through the points, whose x differ from
// each other; at 0, of `threshold` shares, the secret. `out` has the length of each point's values.
void InterpolateShares(std::span<const SharePoint> points, uint8_t x, MutableByteSpan out);

}  // namespace leadglass
