// SPDX-License-Identifier: Apache-2.0
#pragma once

// A recovery code: how a recovery key, or one share of it, stands on paper and is typed in again.
//
//   LGR1-7K3QX-0MZ4P-...     "LGR1" and 16 groups of 5 characters, 100 characters in all
//
// The alphabet has no letters I, L, O, U (Crockford's base 32); read in again, small letters count
// as capitals, I and L as 1, O as 0. The last character of each group checks the other four: one
// wrong character in a group, two of them swapped, and two groups swapped are found for certain and
// named; any other mistake in a group passes its check once in 32, and the whole once in 2 million.
// docs/format.md, "Recovery codes", has every bit.
//
// Encoding and decoding index no table by a secret and keep every copy in wiped memory.
// Thread safety: free functions without state.

#include <string>

#include "crypto/aead.h"

namespace leadglass {

// Which recovery kit a code is of: the first bytes of its slot's salt, which is no secret.
using RecoveryKitId = std::array<uint8_t, 4>;

struct RecoveryCode {
  RecoveryKitId kit{};
  // Of a share: its number, how many there are, how many of them give the key. Of a whole key: 0.
  uint8_t number = 0;
  uint8_t shares = 0;
  uint8_t threshold = 0;
  Key value;  // the recovery key, or this share of it

  bool is_share() const { return number != 0; }
};

inline constexpr size_t kRecoveryGroups = 16;
inline constexpr size_t kRecoveryGroupsInALine = 4;  // as sheets print them
inline constexpr size_t kRecoveryGroupSize = 5;
inline constexpr size_t kRecoveryCodeSize = 4 + kRecoveryGroups * (1 + kRecoveryGroupSize);

// One line of kRecoveryCodeSize characters, without an end.
SecretBytes EncodeRecoveryCode(const RecoveryCode& code);

// Whether `text` has the form of one, right or mistyped: it begins with LGR1 and goes on with 40 or
// more characters, spaces and hyphens not counted. No passphrase may look so.
bool LooksLikeRecoveryCode(ByteSpan text);

// Groups may be set apart by spaces, hyphens, tabs, ends of lines, or nothing.
// kInvalidArgument: it is not one, or mistyped; the message names the group, and its line on the
// sheet. kUnsupported: whole, and of a newer kind.
Result<RecoveryCode> DecodeRecoveryCode(ByteSpan text);

// "3fa81c02", as sheets and lists name a kit.
std::string KitName(const RecoveryKitId& kit);

}  // namespace leadglass
