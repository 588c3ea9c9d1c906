// SPDX-License-Identifier: Apache-2.0
#pragma once

// A passphrase slot: one way from a passphrase to the newest master key.
//
//   scrypt(passphrase, salt) = slot key; it wraps the slot's X25519 private key and its sender key.
//   The newest master key is wrapped to the slot's X25519 *public* key, mixed with the sender key.
//
// The public key lets a new master key be given to the slot without its passphrase (RemoveSlot).
// The sender key, which the slot's owner and whoever holds the master key know, keeps everybody
// else from giving the slot a master key of their own: the public key alone, in clear on the disk,
// would let a thief of the disk plant one and read all that is written afterwards. docs/format.md,
// "Passphrase slots". Thread safety: free functions without state.

#include "crypto/internal/public_wrap.h"
#include "crypto/scrypt.h"

namespace leadglass {

struct Slot {
  uint32_t id = 0;
  uint8_t scrypt_log2_n = 0;
  int64_t created_unix_seconds = 0;
  ScryptSalt salt{};
  internal::X25519Public public_key{};
  std::array<uint8_t, kWrappedKeySize> private_key{};           // under the slot key
  std::array<uint8_t, kWrappedKeySize> sender_key{};            // under the slot key
  std::array<uint8_t, kWrappedKeySize> sender_key_by_master{};  // under the newest master key
  std::array<uint8_t, internal::kPublicWrapSize> master_key{};  // to the public key
};

// The encoded size, and the two halves of the encoding (docs/format.md).
inline constexpr size_t kSlotSize = 408;
void EncodeSlot(const Slot& slot, ByteWriter& out);
// kUnsupported: algorithms or cost parameters of a newer version. Reads kSlotSize bytes.
Result<Slot> DecodeSlot(ByteReader& in);

// A master key and the number of its epoch. Borrowed by the calls below.
struct MasterRef {
  const Key& key;
  uint32_t key_epoch;
};

// kInvalidArgument: empty passphrase or cost outside the limits. kUnavailable: as Scrypt().
Result<Slot> NewSlot(const Uuid& vault_id, uint32_t id, const SecretBytes& passphrase,
                     uint32_t scrypt_log2_n, int64_t created_unix_seconds, const MasterRef& master);
// The master key of `key_epoch`. kAccessDenied: another passphrase, or the slot was altered.
// kCorrupt: the passphrase fits, and the master key in the slot is not one that was put there by a
// holder of the keys. kUnavailable: as Scrypt().
Result<Key> OpenSlot(const Uuid& vault_id, const Slot& slot, const SecretBytes& passphrase,
                     uint32_t key_epoch);
// Gives the slot a new master key, without its passphrase. kCorrupt: not `old_master`'s slot.
Result<Slot> GiveNewMaster(const Uuid& vault_id, const Slot& slot, const MasterRef& old_master,
                           const MasterRef& new_master);

}  // namespace leadglass
