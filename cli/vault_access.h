// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every command that opens a vault does first.

#include <functional>
#include <memory>
#include <string>

#include "crypto/vault_keys.h"
#include "fs/vault.h"

namespace leadglass {

// Forbids core dumps and reads the passphrase (asks if `passphrase_file` is empty). Errors of
// GetPassphrase(). Not a vault is told before a passphrase is asked for.
Result<SecretBytes> PassphraseFor(const std::string& folder, const std::string& passphrase_file);
// With it unlocks the vault. Errors of RefuseToActAsRoot(), PassphraseFor() and
// VaultKeys::Unlock().
Result<std::unique_ptr<VaultKeys>> UnlockVault(const std::string& folder,
                                               const std::string& passphrase_file);

// Holds the vault's lock: no mount and no other command has the vault open meanwhile.
// kUnavailable: one has. Others as RefuseToActAsRoot().
Result<std::unique_ptr<File>> HoldVault(const std::string& folder);
// Unlocks a vault that nobody has open, lets `change` begin a key epoch, and has the log record
// that: until it does, nobody could tell the old vault file from the new one. Who has the vault
// open would go on under the old keys. Gives the new key epoch. Rebuilds the index, whose key goes
// with the epoch. Errors of HoldVault(), UnlockVault() and `change`, after which all is as before;
// errors of Vault::RecordKeyEpoch(), whose message says that the new keys are in force all the
// same.
Result<uint32_t> ChangeKeyEpoch(const std::string& folder, const std::string& passphrase_file,
                                const std::function<Status(VaultKeys&)>& change);
// True while somebody holds it. False where it cannot be told.
bool IsVaultHeld(const std::string& folder);

// Where the vault in `folder` is mounted; empty if nowhere.
std::vector<std::string> MountpointsOf(const std::string& folder);

}  // namespace leadglass
