// SPDX-License-Identifier: Apache-2.0
#pragma once

// A recovery kit: a random key that opens a vault without any passphrase, whole or split into
// shares. The vault keeps it as a slot (VaultKeys::AddRecoverySlot); people keep it as codes on
// paper.
// Thread safety: free functions without state.

#include <vector>

#include "crypto/recovery_code.h"

namespace leadglass {

struct RecoveryKey {
  RecoveryKitId kit{};  // random; names the kit
  Key key;
};

RecoveryKey NewRecoveryKey();

// The kit as one code.
RecoveryCode WholeCode(const RecoveryKey& key);
// The kit as `shares` codes, any `threshold` of which give it back. kInvalidArgument: as
// SplitSecret().
Result<std::vector<RecoveryCode>> ShareCodes(const RecoveryKey& key, uint32_t threshold,
                                             uint32_t shares);

// The key from one code that is whole, or from `threshold` or more shares of one kit; a share that
// is given twice counts once. kInvalidArgument, each with its own message: no codes, too few
// shares (which are there, how many are missing), codes of different kits, shares of one kit that
// was split twice, shares that do not fit together (one is forged, or was written down wrong).
Result<RecoveryKey> CombineCodes(const std::vector<RecoveryCode>& codes);

// How many shares are still missing, 0 when CombineCodes() has enough. Empty `codes`: 1.
uint32_t MissingShares(const std::vector<RecoveryCode>& codes);

}  // namespace leadglass
