// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sheet of paper that a recovery key, or one share of it, is kept on: what it is, of which
// vault, made when, the code as text and as a QR code, and how it is used.
// Thread safety: a free function without state.

#include "cli/secret_output.h"
#include "crypto/recovery_code.h"

namespace leadglass {

struct SheetFacts {
  Uuid vault_id{};
  int64_t made_unix_seconds = 0;
};

// At most 78 columns and 70 lines, in UTF-8. What goes wrong with the output is told by
// SecretOutput::Finish(). kInternal: as WriteQrCode().
Status WriteRecoverySheet(const SheetFacts& facts, const RecoveryCode& code, SecretOutput& out);

}  // namespace leadglass
