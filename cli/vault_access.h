// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every command that opens a vault does first.

#include <memory>
#include <string>

#include "crypto/vault_keys.h"
#include "fs/vault.h"

namespace leadglass {

// Forbids core dumps, reads the passphrase (asks if `passphrase_file` is empty), unlocks. Errors of
// GetPassphrase() and VaultKeys::Unlock(). Not a vault is told before a passphrase is asked for.
Result<std::unique_ptr<VaultKeys>> UnlockVault(const std::string& folder,
                                               const std::string& passphrase_file);

// Holds the vault's lock: no mount and no other command has the vault open meanwhile.
// kUnavailable: one has.
Result<std::unique_ptr<File>> HoldVault(const std::string& folder);
// True while somebody holds it. False where it cannot be told.
bool IsVaultHeld(const std::string& folder);

// Where the vault in `folder` is mounted; empty if nowhere.
std::vector<std::string> MountpointsOf(const std::string& folder);

}  // namespace leadglass
