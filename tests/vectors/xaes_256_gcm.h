// SPDX-License-Identifier: Apache-2.0
#pragma once

// The vectors of C2SP XAES-256-GCM: one for each branch of the CMAC subkey, and the digest over
// 10,000 messages drawn from SHAKE128("").

#include <cstdint>
#include <string_view>

namespace leadglass::vectors {

struct Xaes {
  uint8_t key_byte;  // repeated 32 times
  std::string_view nonce;
  std::string_view plain;
  std::string_view associated_data;
  std::string_view sealed_hex;
};

inline constexpr Xaes kXaes[] = {
    {0x01, "ABCDEFGHIJKLMNOPQRSTUVWX", "XAES-256-GCM", "",
     "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
    {0x03, "ABCDEFGHIJKLMNOPQRSTUVWX", "XAES-256-GCM", "c2sp.org/XAES-256-GCM",
     "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
};

// For each message: key 32, nonce 24, length 1, plaintext, length 1, associated data from one
// SHAKE128; each ciphertext with tag into another.
inline constexpr int kXaesAccumulatedMessages = 10'000;
inline constexpr std::string_view kXaesAccumulatedHex =
    "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939";

}  // namespace leadglass::vectors
