// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading the vault file and the keyring from their two copies each: which copies decode, which one
// is in force. VaultKeys decides with it what to unlock; Inspect() what to show.
// Thread safety: free functions without state.

#include <vector>

#include "crypto/file_pair.h"
#include "crypto/keyring.h"
#include "crypto/vault_file.h"
#include "crypto/vault_keys.h"

namespace leadglass {

FilePair VaultFilePair(FileSystem& fs, const std::string& folder);
FilePair KeyringPair(FileSystem& fs, const std::string& folder);

struct VaultFileCopy {
  size_t copy = 0;
  ByteVector bytes;
  VaultFile file;
  bool other_differs = false;  // missing, damaged, or other bytes
};
// The copies that decode, newest first; equal copies once. Not empty on success.
// kNotFound: both are missing. kUnsupported, kCorrupt: neither decodes.
Result<std::vector<VaultFileCopy>> ReadVaultFile(const FilePair& pair);

struct KeyringCopy {
  size_t copy = 0;
  ByteVector bytes;
  Keyring keyring;
  bool other_differs = false;
};
// The newest copy that opens under the vault file's newest master key and is not older than the
// vault file allows. kCorrupt: there is none; the message tells apart an old keyring put back, an
// old vault file put back beside a newer keyring, another vault's, one that somebody without the
// keys made, and damage. Where a copy could not be read, that one's error: it may be the good one.
Result<KeyringCopy> ReadKeyring(const FilePair& pair, const VaultFile& file, const Key& master);

// What is shown of a vault file, without the state of the copies.
VaultInfo InfoOf(const VaultFile& file);

}  // namespace leadglass
