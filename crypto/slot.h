// SPDX-License-Identifier: Apache-2.0
#pragma once

// A slot: one way from a passphrase, or from a recovery key, to the newest master key.
//
//   scrypt(passphrase, salt), or HKDF(recovery key, salt), which is random and needs no cost, is
//   the slot key; it wraps the slot's X25519 private key and its sender key. The newest master key
//   is wrapped to the slot's X25519 *public* key, mixed with the sender key.
//
// The public key lets a new master key be given to the slot without its passphrase (RemoveSlot).
// The sender key, which the slot's owner and whoever holds the master key know, keeps everybody
// else from giving the slot a master key of their own: the public key alone, in clear on the disk,
// would let a thief of the disk plant one and read all that is written afterwards. docs/format.md,
// "Slots". Thread safety: free functions without state.

#include "crypto/internal/public_wrap.h"
#include "crypto/recovery_kit.h"
#include "crypto/scrypt.h"

namespace leadglass {

struct Slot {
  enum class Kind : uint8_t { kPassphrase, kRecovery };

  uint32_t id = 0;
  Kind kind = Kind::kPassphrase;
  uint8_t scrypt_log2_n = 0;  // of a passphrase; of a recovery key 0
  int64_t created_unix_seconds = 0;
  ScryptSalt salt{};  // random; of a recovery key it begins with the kit's id
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

// Which kit the slot is of; means something only where its kind is kRecovery.
RecoveryKitId KitOf(const Slot& slot);

// kInvalidArgument: empty passphrase, one that looks like a recovery code (it would never be
// tried), or cost outside the limits. kUnavailable: as Scrypt().
Result<Slot> NewSlot(const Uuid& vault_id, uint32_t id, const SecretBytes& passphrase,
                     uint32_t scrypt_log2_n, int64_t created_unix_seconds, const MasterRef& master);
// A slot for a recovery key.
Slot NewRecoverySlot(const Uuid& vault_id, uint32_t id, const RecoveryKey& recovery,
                     int64_t created_unix_seconds, const MasterRef& master);
// The key that wraps the slot's own keys, of a slot of the fitting kind. It may be another one:
// that shows in OpenSlot(). kUnavailable: as Scrypt().
Result<Key> SlotKey(const Slot& slot, const SecretBytes& passphrase);
Key SlotKey(const Uuid& vault_id, const Slot& slot, const RecoveryKey& recovery);
// The master key of `key_epoch`. kAccessDenied: another slot key, or the slot was altered.
// kCorrupt: the slot key fits, and the master key in the slot is not one that was put there by a
// holder of the keys.
Result<Key> OpenSlot(const Uuid& vault_id, const Slot& slot, const Key& slot_key,
                     uint32_t key_epoch);
// Whether the slot was given `master` by a holder of it. Needs no key of the slot's own.
bool HoldsMaster(const Uuid& vault_id, const Slot& slot, const MasterRef& master);
// Gives the slot a new master key, without its passphrase. kCorrupt: not `old_master`'s slot.
Result<Slot> GiveNewMaster(const Uuid& vault_id, const Slot& slot, const MasterRef& old_master,
                           const MasterRef& new_master);

}  // namespace leadglass
