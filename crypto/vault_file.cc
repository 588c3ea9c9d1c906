// SPDX-License-Identifier: Apache-2.0
#include "crypto/vault_file.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "crypto/internal/hkdf.h"

namespace leadglass {
namespace {

constexpr std::array<uint8_t, 8> kVaultFileMagic = {'L', 'G', 'V', 'A', 'U', 'L', 'T', 0};
constexpr size_t kVaultFileHeaderSize = 80;
constexpr size_t kVaultFileChecksumSize = sizeof(Digest);
constexpr size_t kMacSize = sizeof(Digest);

Error DamagedVaultFile(const std::string& what) {
  return Error(Errc::kCorrupt, "vault file: " + what);
}

ByteVector OlderMasterData(const VaultFile& file, uint32_t epoch) {
  ByteWriter aad;
  aad.Bytes8(AsBytes("older master key"));
  aad.Raw(file.vault_id);
  aad.U32(epoch);
  aad.U32(file.key_epoch);
  return aad.Take();
}

Digest Mac(ByteSpan covered, const Uuid& vault_id, const Key& newest_master) {
  return internal::HmacSha256(DeriveKey(newest_master, "vault file", vault_id), covered);
}

// What the fields must be to each other, whoever wrote them.
Status CheckShape(const VaultFile& file) {
  if (file.version == 0 || file.key_epoch == 0 || file.key_epoch > kMaxKeyEpoch)
    return DamagedVaultFile("version or key epoch is out of range");
  if (file.older_masters.size() + 1 != file.key_epoch)
    return DamagedVaultFile("the number of older master keys does not fit the key epoch");
  if (file.slots.empty() || file.slots.size() > kMaxSlots)
    return DamagedVaultFile("the number of slots is out of range");
  uint32_t last = 0;
  for (const Slot& slot : file.slots) {
    if (slot.id <= last) return DamagedVaultFile("slot ids are not ascending");
    last = slot.id;
  }
  if (last >= file.next_slot_id) return DamagedVaultFile("a slot id is not below the next one");
  return {};
}

// The file's clear header. Counts are returned beside it.
struct Header {
  VaultFile file;
  size_t slots = 0;
  size_t older = 0;
};
Result<Header> DecodeHeader(ByteReader& in) {
  Header header;
  VaultFile& file = header.file;
  in.Raw(kVaultFileMagic.size());
  const uint16_t major = in.U16();
  file.format_minor = in.U16();
  in.U32();  // the length, checked before
  const uint64_t features = in.U64();
  if (major != kFormatMajor || features != 0)
    return Error(Errc::kUnsupported, "vault file: format " + std::to_string(major) + "." +
                                         std::to_string(file.format_minor) + ", features " +
                                         std::to_string(features) +
                                         ": made by a newer leadglass, which is needed to open it");
  file.vault_id = in.Array<16>();
  file.version = in.U64();
  file.key_epoch = in.U32();
  file.next_slot_id = in.U32();
  file.min_keyring_version = in.U64();
  file.keyring_exported_unix_seconds = in.I64();
  header.slots = in.U16();
  header.older = in.U16();
  if (in.U32() != 0 || in.failed()) return DamagedVaultFile("its header is malformed");
  return header;
}

}  // namespace

ByteVector EncodeVaultFile(const VaultFile& file, const Key& newest_master) {
  LG_CHECK(CheckShape(file).has_value());
  const size_t size = kVaultFileHeaderSize + file.slots.size() * kSlotSize +
                      file.older_masters.size() * kWrappedKeySize + kMacSize +
                      kVaultFileChecksumSize;
  ByteWriter out;
  out.Raw(kVaultFileMagic);
  out.U16(kFormatMajor);
  out.U16(file.format_minor);
  out.U32(static_cast<uint32_t>(size));
  out.U64(0);  // incompatible features
  out.Raw(file.vault_id);
  out.U64(file.version);
  out.U32(file.key_epoch);
  out.U32(file.next_slot_id);
  out.U64(file.min_keyring_version);
  out.I64(file.keyring_exported_unix_seconds);
  out.U16(static_cast<uint16_t>(file.slots.size()));
  out.U16(static_cast<uint16_t>(file.older_masters.size()));
  out.U32(0);
  for (const Slot& slot : file.slots) EncodeSlot(slot, out);
  for (const auto& wrap : file.older_masters) out.Raw(wrap);
  out.Raw(Mac(out.span(), file.vault_id, newest_master));
  out.Raw(Sha256(out.span()));
  LG_CHECK(out.size() == size);
  return out.Take();
}

Result<VaultFile> DecodeVaultFile(ByteSpan bytes) {
  if (bytes.size() < kVaultFileHeaderSize + kMacSize + kVaultFileChecksumSize)
    return DamagedVaultFile("shorter than its header");
  if (!std::equal(kVaultFileMagic.begin(), kVaultFileMagic.end(), bytes.begin()))
    return DamagedVaultFile("it does not begin as one");
  if (LoadLe<uint32_t>(bytes.data() + 12) != bytes.size())
    return DamagedVaultFile("its length is not the one it was written with");
  const Digest checksum = Sha256(bytes.first(bytes.size() - kVaultFileChecksumSize));
  if (!std::equal(checksum.begin(), checksum.end(), bytes.end() - kVaultFileChecksumSize))
    return DamagedVaultFile("its checksum is wrong");

  ByteReader in(bytes);
  LG_ASSIGN_OR_RETURN(Header header, DecodeHeader(in));
  if (in.remaining() !=
      header.slots * kSlotSize + header.older * kWrappedKeySize + kMacSize + kVaultFileChecksumSize)
    return DamagedVaultFile("its counts do not fit its length");
  for (size_t i = 0; i < header.slots; ++i) {
    LG_ASSIGN_OR_RETURN(Slot slot, DecodeSlot(in));
    header.file.slots.push_back(slot);
  }
  for (size_t i = 0; i < header.older; ++i) {
    header.file.older_masters.push_back(in.Array<kWrappedKeySize>());
  }
  LG_RETURN_IF_ERROR(CheckShape(header.file));
  return std::move(header.file);
}

bool IsAuthentic(ByteSpan bytes, const Uuid& vault_id, const Key& newest_master) {
  if (bytes.size() < kMacSize + kVaultFileChecksumSize) return false;
  const ByteSpan covered = bytes.first(bytes.size() - kMacSize - kVaultFileChecksumSize);
  const Digest mac = Mac(covered, vault_id, newest_master);
  return internal::ConstantTimeEqual(mac.data(), bytes.data() + covered.size(), mac.size());
}

namespace {

constexpr const char* kPutNewest =
    "; put the newest leadglass.vault, from a backup, in place of both copies";

Error PutBack(const VaultFile& file, const Slot& slot, uint32_t epoch) {
  return DamagedVaultFile("slot " + std::to_string(slot.id) +
                          " was put back into it: it is of key epoch " + std::to_string(epoch) +
                          ", and the vault is in " + std::to_string(file.key_epoch) +
                          ", so it was removed, or given new keys, since" + kPutNewest);
}

// The key fits the slot, whose master key is not the newest: is it one of an earlier epoch?
Error WhyCorrupt(const VaultFile& file, const Slot& slot, const Key& slot_key) {
  for (uint32_t epoch = file.key_epoch - 1; epoch > 0; --epoch)
    if (OpenSlot(file.vault_id, slot, slot_key, epoch)) return PutBack(file, slot, epoch);
  return DamagedVaultFile("the master key in slot " + std::to_string(slot.id) +
                          " was altered by somebody without the keys" + kPutNewest);
}

// The file is not as a holder of the newest master key made it: is it a slot that was put back?
Error WhyNotAuthentic(const VaultFile& file, const Key& newest) {
  for (const Slot& slot : file.slots) {
    if (HoldsMaster(file.vault_id, slot, {newest, file.key_epoch})) continue;
    for (uint32_t epoch = file.key_epoch - 1; epoch > 0; --epoch) {
      const auto older =
          UnwrapKey(newest, file.older_masters[epoch - 1], OlderMasterData(file, epoch));
      if (older && HoldsMaster(file.vault_id, slot, {*older, epoch}))
        return PutBack(file, slot, epoch);
    }
  }
  return DamagedVaultFile(std::string("it was changed by somebody without the keys") + kPutNewest);
}

// The newest master key by the first slot that `slot_key_of` gives the right key for; it gives
// nothing for a slot that it has no key for. `why`: the answer when there is none.
Result<Key> OpenNewest(const VaultFile& file,
                       const std::function<std::optional<Result<Key>>(const Slot&)>& slot_key_of,
                       Error why) {
  for (const Slot& slot : file.slots) {
    const std::optional<Result<Key>> slot_key = slot_key_of(slot);
    if (!slot_key) continue;
    if (!*slot_key) {
      why = slot_key->error();
      continue;
    }
    Result<Key> master = OpenSlot(file.vault_id, slot, **slot_key, file.key_epoch);
    if (master) return master;
    if (master.error().code == Errc::kCorrupt) return WhyCorrupt(file, slot, **slot_key);
  }
  return why;
}

Result<Key> OpenWithPassphrase(const VaultFile& file, const SecretBytes& passphrase) {
  return OpenNewest(
      file,
      [&](const Slot& slot) -> std::optional<Result<Key>> {
        if (slot.kind != Slot::Kind::kPassphrase) return std::nullopt;
        return SlotKey(slot, passphrase);
      },
      Error(Errc::kAccessDenied, "no slot opens with this passphrase"));
}

Result<Key> OpenWithRecoveryCode(const VaultFile& file, const SecretBytes& text) {
  Result<RecoveryCode> code = DecodeRecoveryCode(text.ExposeForOpenSsl());
  if (!code) return Error(Errc::kAccessDenied, code.error().context);
  if (code->is_share())
    return Error(
        Errc::kAccessDenied,
        "this is share " + std::to_string(code->number) + " of recovery kit " + KitName(code->kit) +
            ", " + std::to_string(code->threshold) +
            " of which open the vault: `leadglass recovery combine` makes one key of them");
  const RecoveryKey key{code->kit, std::move(code->value)};
  return OpenNewest(
      file,
      [&](const Slot& slot) -> std::optional<Result<Key>> {
        if (slot.kind != Slot::Kind::kRecovery || KitOf(slot) != key.kit) return std::nullopt;
        return SlotKey(file.vault_id, slot, key);
      },
      Error(Errc::kAccessDenied,
            "the recovery key of kit " + KitName(key.kit) +
                " opens no slot: the kit was removed, or it is another vault's; `leadglass "
                "passphrase list` names the kits of this one"));
}

}  // namespace

Result<std::vector<Key>> OpenMasters(const VaultFile& file, ByteSpan bytes,
                                     const SecretBytes& passphrase) {
  LG_ASSIGN_OR_RETURN(Key newest, LooksLikeRecoveryCode(passphrase.ExposeForOpenSsl())
                                      ? OpenWithRecoveryCode(file, passphrase)
                                      : OpenWithPassphrase(file, passphrase));
  if (!IsAuthentic(bytes, file.vault_id, newest)) return WhyNotAuthentic(file, newest);
  std::vector<Key> masters;
  for (uint32_t epoch = 1; epoch < file.key_epoch; ++epoch) {
    LG_ASSIGN_OR_RETURN(
        Key older, UnwrapKey(newest, file.older_masters[epoch - 1], OlderMasterData(file, epoch)));
    masters.push_back(std::move(older));
  }
  masters.push_back(std::move(newest));
  return masters;
}

void WrapOlderMasters(const std::vector<Key>& masters, VaultFile& file) {
  LG_CHECK(masters.size() == file.key_epoch);
  file.older_masters.clear();
  for (uint32_t epoch = 1; epoch < file.key_epoch; ++epoch) {
    const ByteVector wrap =
        WrapKey(masters.back(), masters[epoch - 1], OlderMasterData(file, epoch));
    std::array<uint8_t, kWrappedKeySize> fixed{};
    std::memcpy(fixed.data(), wrap.data(), fixed.size());
    file.older_masters.push_back(fixed);
  }
}

}  // namespace leadglass
