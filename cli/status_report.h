// SPDX-License-Identifier: Apache-2.0
#pragma once

// What `leadglass status` tells, as JSON text with the member names that docs/cli.md promises, and
// as lines for people, made from that JSON.

#include <string>
#include <vector>

#include "crypto/vault_keys.h"
#include "fs/vault.h"

namespace leadglass {

// Of a running mount; asks the vault. On failure of that, {"error": "..."} beside what is known.
std::string MountReport(Vault& vault, const VaultInfo& info, const std::string& folder,
                        const std::string& mountpoint);

// Of a vault that need not be open.
struct VaultFacts {
  std::string folder;
  VaultInfo info;
  std::vector<std::string> mounted_at;
  bool held = false;  // some process has it open
  uint64_t log_bytes = 0;
  uint64_t index_bytes = 0;
};
std::string VaultReport(const VaultFacts& facts);
// The same with what only an opened vault knows.
std::string VaultReport(const VaultFacts& facts, Vault& vault);

// Prints a report for people. False if the text is not a report.
bool PrintReport(const std::string& json);

}  // namespace leadglass
