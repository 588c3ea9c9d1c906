// SPDX-License-Identifier: Apache-2.0
#include "crypto/slot.h"

#include "crypto/internal/algorithms.h"

namespace leadglass {
namespace {

void EncodeParameters(const Slot& slot, ByteWriter& out) {
  out.U32(slot.id);
  out.U8(kKdfScrypt);
  out.U8(kKemX25519);
  out.U8(kAeadXaes);
  out.U8(slot.scrypt_log2_n);
  out.U32(kScryptR);
  out.U32(kScryptP);
  out.I64(slot.created_unix_seconds);
  out.Raw(slot.salt);
  out.Raw(slot.public_key);
}

// Under the slot key: all that the slot says in clear is bound.
ByteVector ByPassphrase(const Uuid& vault_id, const Slot& slot, std::string_view what) {
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
  if (kdf != kKdfScrypt || kem != kKemX25519 || aead != kAeadXaes || r != kScryptR ||
      p != kScryptP || slot.scrypt_log2_n < kMinScryptLog2N || slot.scrypt_log2_n > kMaxScryptLog2N)
    return Error(Errc::kUnsupported, "vault file: slot " + std::to_string(slot.id) +
                                         " uses algorithms or costs this version does not know");
  return slot;
}

Result<Slot> NewSlot(const Uuid& vault_id, uint32_t id, const SecretBytes& passphrase,
                     uint32_t scrypt_log2_n, int64_t created_unix_seconds,
                     const MasterRef& master) {
  if (passphrase.size() == 0) return Error(Errc::kInvalidArgument, "the passphrase is empty");
  Slot slot;
  RandomBytes(slot.salt);
  LG_ASSIGN_OR_RETURN(const Key slot_key, Scrypt(passphrase, slot.salt, scrypt_log2_n));
  slot.id = id;
  slot.scrypt_log2_n = static_cast<uint8_t>(scrypt_log2_n);
  slot.created_unix_seconds = created_unix_seconds;
  const Key private_key = NewKey();
  const Key sender = NewKey();
  slot.public_key = internal::X25519PublicOf(private_key);
  Assign(slot.private_key,
         WrapKey(slot_key, private_key, ByPassphrase(vault_id, slot, kPrivateKey)));
  Assign(slot.sender_key, WrapKey(slot_key, sender, ByPassphrase(vault_id, slot, kSenderKey)));
  PutMaster(vault_id, sender, master, slot);
  return slot;
}

Result<Key> OpenSlot(const Uuid& vault_id, const Slot& slot, const SecretBytes& passphrase,
                     uint32_t key_epoch) {
  LG_ASSIGN_OR_RETURN(const Key slot_key, Scrypt(passphrase, slot.salt, slot.scrypt_log2_n));
  const Result<Key> private_key =
      UnwrapKey(slot_key, slot.private_key, ByPassphrase(vault_id, slot, kPrivateKey));
  if (!private_key)
    return Error(Errc::kAccessDenied,
                 "slot " + std::to_string(slot.id) + " does not open with this passphrase");
  LG_ASSIGN_OR_RETURN(const Key sender, UnwrapKey(slot_key, slot.sender_key,
                                                  ByPassphrase(vault_id, slot, kSenderKey)));
  return internal::UnwrapWithPrivate(*private_key, slot.public_key, sender.ExposeForOpenSsl(),
                                     slot.master_key,
                                     ByEpoch(vault_id, slot, kMasterKey, key_epoch));
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
