// SPDX-License-Identifier: Apache-2.0
#pragma once

// Published sharings over the same field as ours: SatoshiLabs' test vectors of SLIP-0039
// (github.com/trezor/python-shamir-mnemonic, vectors.json), their words decoded to the numbers and
// bytes that they stand for. There the shared secret lies at x = 255, and at 254 a digest of it:
// four bytes of HMAC-SHA256, keyed with the bytes that follow them there. The secret encrypts the
// published master secret.

#include <cstdint>
#include <string_view>
#include <vector>

namespace leadglass::vectors {

struct Slip39Share {
  uint8_t x;
  std::string_view values_hex;
};

struct Slip39 {
  std::string_view name;
  std::vector<Slip39Share> shares;
  uint16_t identifier = 0;
  int iteration_exponent = 0;
  std::string_view master_secret_hex;  // empty: these shares give a share of a share
};

inline const std::vector<Slip39> kSlip39 = {
    {"4. Basic sharing 2-of-3 (128 bits)",
     {{2, "08fb14b66e692e25dfe2edf53289ed62"}, {0, "06ab48fef4bedc8ce58baeef0a73f76e"}},
     25653,
     2,
     "b43ceb7e57a0ea8766221624d01b0864"},
    {"23. Basic sharing 2-of-3 (256 bits)",
     {{2, "81e5473f4b7f66094f888d2f98fe0ded6a692dc72c65dc498d6e28bee6ebdfcc"},
      {1, "19e366e9b2e34851e52132c31c2b2c957321bf5ce6c9c1410ea1ddf5fef92c27"}},
     14279,
     2,
     "c938b319067687e990e05e0da0ecce1278f75ff58d9853f19dcaeed5de104aae"},
    {"17. Threshold number of groups and members in each group (128 bits), the group of 3-of-5",
     {{4, "90f25bc998346d039203971999669e96"},
      {2, "fc119ebfe32da3d688dc1f26c22c7ffc"},
      {0, "9e6afad0e741c8c1c65b2785a942808a"}},
     9497,
     0,
     ""},
};

}  // namespace leadglass::vectors
