// SPDX-License-Identifier: Apache-2.0
#include "crypto/slot.h"

#include <algorithm>

#include "crypto/internal/algorithms.h"

namespace leadglass {
namespace {

void EncodeParameters(const Slot& slot, ByteWriter& out) {
  const bool scrypt = slot.kind == Slot::Kind::kPassphrase;
  out.U32(slot.id);
  out.U8(scrypt ? kKdfScrypt : kKdfRecovery);
  out.U8(kKemX25519);
  out.U8(kAeadXaes);
  out.U8(slot.scrypt_log2_n);
  out.U32(scrypt ? kScryptR : 0);
  out.U32(scrypt ? kScryptP : 0);
  out.I64(slot.created_unix_seconds);
  out.Raw(slot.salt);
  out.Raw(slot.public_key);
}

// Under the slot key: all that the slot says in clear is bound.
ByteVector BySlotKey(const Uuid& vault_id, const Slot& slot, std::string_view what) {
  ByteWriter aad;
  aad.Bytes8(AsBytes(what));
  aad.Raw(vault_id);
  EncodeParameters(slot, aad);
  return aad.Take();
}

ByteVector ByEpoch(const Uuid& vault_id, const Slot& slot, std::string_view what,
                   uint32_t key_epoch) {
  ByteWriter aad;
  aad.Bytes8(AsBytes(what));
  aad.Raw(vault_id);
  aad.U32(slot.id);
  aad.U32(key_epoch);
  aad.Raw(slot.public_key);
  return aad.Take();
}

constexpr std::string_view kPrivateKey = "slot private key";
constexpr std::string_view kSenderKey = "slot sender key";
constexpr std::string_view kSenderKeyByMaster = "slot sender key by master";
constexpr std::string_view kMasterKey = "slot master key";

template <size_t N>
void Assign(std::array<uint8_t, N>& to, ByteSpan from) {
  LG_CHECK(from.size() == N);
  std::memcpy(to.data(), from.data(), N);
}

void PutMaster(const Uuid& vault_id, const Key& sender, const MasterRef& master, Slot& slot) {
  Assign(
      slot.sender_key_by_master,
      WrapKey(master.key, sender, ByEpoch(vault_id, slot, kSenderKeyByMaster, master.key_epoch)));
  Assign(slot.master_key,
         internal::WrapToPublic(slot.public_key, sender.ExposeForOpenSsl(), master.key,
                                ByEpoch(vault_id, slot, kMasterKey, master.key_epoch)));
}

// The slot's own keys, new, under the slot key, and the master key to them.
void FillSlot(const Uuid& vault_id, const Key& slot_key, const MasterRef& master, Slot& slot) {
  const Key private_key = NewKey();
  const Key sender = NewKey();
  slot.public_key = internal::X25519PublicOf(private_key);
  Assign(slot.private_key, WrapKey(slot_key, private_key, BySlotKey(vault_id, slot, kPrivateKey)));
  Assign(slot.sender_key, WrapKey(slot_key, sender, BySlotKey(vault_id, slot, kSenderKey)));
  PutMaster(vault_id, sender, master, slot);
}

}  // namespace

void EncodeSlot(const Slot& slot, ByteWriter& out) {
  EncodeParameters(slot, out);
  out.Raw(slot.private_key);
  out.Raw(slot.sender_key);
  out.Raw(slot.sender_key_by_master);
  out.Raw(slot.master_key);
}

Result<Slot> DecodeSlot(ByteReader& in) {
  Slot slot;
  slot.id = in.U32();
  const uint8_t kdf = in.U8();
  const uint8_t kem = in.U8();
  const uint8_t aead = in.U8();
  slot.scrypt_log2_n = in.U8();
  const uint32_t r = in.U32();
  const uint32_t p = in.U32();
  slot.created_unix_seconds = in.I64();
  slot.salt = in.Array<sizeof(slot.salt)>();
  slot.public_key = in.Array<sizeof(slot.public_key)>();
  slot.private_key = in.Array<kWrappedKeySize>();
  slot.sender_key = in.Array<kWrappedKeySize>();
  slot.sender_key_by_master = in.Array<kWrappedKeySize>();
  slot.master_key = in.Array<internal::kPublicWrapSize>();
  if (in.failed()) return Error(Errc::kCorrupt, "vault file: a slot is cut short");
  const bool scrypt = kdf == kKdfScrypt && r == kScryptR && p == kScryptP &&
                      slot.scrypt_log2_n >= kMinScryptLog2N &&
                      slot.scrypt_log2_n <= kMaxScryptLog2N;
  const bool recovery = kdf == kKdfRecovery && r == 0 && p == 0 && slot.scrypt_log2_n == 0;
  if ((!scrypt && !recovery) || kem != kKemX25519 || aead != kAeadXaes)
    return Error(Errc::kUnsupported, "vault file: slot " + std::to_string(slot.id) +
                                         " uses algorithms or costs this version does not know: "
                                         "made by a newer leadglass, which is needed to open it");
  if (recovery) slot.kind = Slot::Kind::kRecovery;
  return slot;
}

RecoveryKitId KitOf(const Slot& slot) {
  RecoveryKitId kit{};
  std::copy_n(slot.salt.begin(), kit.size(), kit.begin());
  return kit;
}

Result<Slot> NewSlot(const Uuid& vault_id, uint32_t id, const SecretBytes& passphrase,
                     uint32_t scrypt_log2_n, int64_t created_unix_seconds,
                     const MasterRef& master) {
  if (passphrase.size() == 0) return Error(Errc::kInvalidArgument, "the passphrase is empty");
  if (LooksLikeRecoveryCode(passphrase.ExposeForOpenSsl()))
    return Error(Errc::kInvalidArgument,
                 "the passphrase looks like a recovery code; choose another one");
  Slot slot;
  RandomBytes(slot.salt);
  slot.id = id;
  slot.scrypt_log2_n = static_cast<uint8_t>(scrypt_log2_n);
  slot.created_unix_seconds = created_unix_seconds;
  LG_ASSIGN_OR_RETURN(const Key slot_key, Scrypt(passphrase, slot.salt, scrypt_log2_n));
  FillSlot(vault_id, slot_key, master, slot);
  return slot;
}

Slot NewRecoverySlot(const Uuid& vault_id, uint32_t id, const RecoveryKey& recovery,
                     int64_t created_unix_seconds, const MasterRef& master) {
  Slot slot;
  RandomBytes(slot.salt);
  std::copy(recovery.kit.begin(), recovery.kit.end(), slot.salt.begin());
  slot.id = id;
  slot.kind = Slot::Kind::kRecovery;
  slot.created_unix_seconds = created_unix_seconds;
  FillSlot(vault_id, SlotKey(vault_id, slot, recovery), master, slot);
  return slot;
}

Result<Key> SlotKey(const Slot& slot, const SecretBytes& passphrase) {
  LG_CHECK(slot.kind == Slot::Kind::kPassphrase);
  return Scrypt(passphrase, slot.salt, slot.scrypt_log2_n);
}

Key SlotKey(const Uuid& vault_id, const Slot& slot, const RecoveryKey& recovery) {
  LG_CHECK(slot.kind == Slot::Kind::kRecovery);
  ByteWriter context;
  context.Raw(vault_id);
  context.Raw(slot.salt);
  return DeriveKey(recovery.key, "recovery slot", context.span());
}

Result<Key> OpenSlot(const Uuid& vault_id, const Slot& slot, const Key& slot_key,
                     uint32_t key_epoch) {
  const Result<Key> private_key =
      UnwrapKey(slot_key, slot.private_key, BySlotKey(vault_id, slot, kPrivateKey));
  if (!private_key)
    return Error(Errc::kAccessDenied,
                 "slot " + std::to_string(slot.id) + " does not open with this key");
  LG_ASSIGN_OR_RETURN(const Key sender,
                      UnwrapKey(slot_key, slot.sender_key, BySlotKey(vault_id, slot, kSenderKey)));
  return internal::UnwrapWithPrivate(*private_key, slot.public_key, sender.ExposeForOpenSsl(),
                                     slot.master_key,
                                     ByEpoch(vault_id, slot, kMasterKey, key_epoch));
}

bool HoldsMaster(const Uuid& vault_id, const Slot& slot, const MasterRef& master) {
  return UnwrapKey(master.key, slot.sender_key_by_master,
                   ByEpoch(vault_id, slot, kSenderKeyByMaster, master.key_epoch))
      .has_value();
}

Result<Slot> GiveNewMaster(const Uuid& vault_id, const Slot& slot, const MasterRef& old_master,
                           const MasterRef& new_master) {
  LG_ASSIGN_OR_RETURN(const Key sender,
                      UnwrapKey(old_master.key, slot.sender_key_by_master,
                                ByEpoch(vault_id, slot, kSenderKeyByMaster, old_master.key_epoch)));
  Slot next = slot;
  PutMaster(vault_id, sender, new_master, next);
  return next;
}

}  // namespace leadglass
