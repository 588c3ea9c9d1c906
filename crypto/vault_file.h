// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of `leadglass.vault`: what it says in clear, the slots, the older master keys.
// A keyless checksum (SHA-256) finds damage; a MAC under the newest master key finds changes by
// anyone who holds no key. docs/format.md, "The vault file".
// Thread safety: free functions without state.

#include <vector>

#include "crypto/base/format_version.h"
#include "crypto/slot.h"

namespace leadglass {

inline constexpr size_t kMaxSlots = 64;
inline constexpr uint32_t kMaxKeyEpoch = 4096;
inline constexpr size_t kMaxVaultFileSize = 1u << 20;

struct VaultFile {
  uint16_t format_minor = kFormatMinor;
  Uuid vault_id{};
  uint64_t version = 0;    // counts every change of the file
  uint32_t key_epoch = 0;  // of the newest master key
  uint32_t next_slot_id = 1;
  uint64_t min_keyring_version = 0;           // an older keyring is a rolled-back one
  int64_t keyring_exported_unix_seconds = 0;  // 0: this keyring was never exported
  std::vector<Slot> slots;                    // ascending id
  // Master keys of epochs 1 .. key_epoch - 1, each under the newest.
  std::vector<std::array<uint8_t, kWrappedKeySize>> older_masters;
};

ByteVector EncodeVaultFile(const VaultFile& file, const Key& newest_master);
// Without a key: layout and checksum. kCorrupt: damaged. kUnsupported: a newer format.
Result<VaultFile> DecodeVaultFile(ByteSpan bytes);
// True when `bytes`, which decode, were made by a holder of `newest_master`.
bool IsAuthentic(ByteSpan bytes, const Uuid& vault_id, const Key& newest_master);

// The newest master key of the first slot that the passphrase opens, then all older ones; result[i]
// is of key epoch i + 1. The passphrase may be a recovery code, which is told by its form.
// kAccessDenied: no slot opens, or the code is mistyped, or a share. kCorrupt: one does, and the
// file was altered; the message names a slot of an earlier key epoch that was put back.
// kUnavailable: no slot opens, and one was not tried for want of memory.
Result<std::vector<Key>> OpenMasters(const VaultFile& file, ByteSpan bytes,
                                     const SecretBytes& passphrase);
// Fills older_masters for `masters`, the last of which is the newest.
void WrapOlderMasters(const std::vector<Key>& masters, VaultFile& file);

}  // namespace leadglass
