// SPDX-License-Identifier: Apache-2.0
#pragma once

// One slot of a vault as JSON, with the member names that docs/cli.md promises, and as a line for
// people, made from that JSON. Thread safety: free functions without state.

#include <string>

#include "cli/json.h"
#include "crypto/vault_keys.h"

namespace leadglass {

Json SlotJson(const SlotInfo& slot);
// "passphrase, scrypt 2^16, made 2026-11-25T08:00:00Z". `json` may be an older version's answer.
std::string SlotText(const Json& json);

}  // namespace leadglass
