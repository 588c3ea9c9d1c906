// SPDX-License-Identifier: Apache-2.0
#include "crypto/vault_keys.h"

#include <algorithm>
#include <atomic>

#include "crypto/base/mutex.h"
#include "crypto/vault_files.h"

namespace leadglass {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// What a wrap of WrapForVault() begins with, before the key epoch: format, no KEM, XAES-256-GCM.
constexpr std::array<uint8_t, 4> kVaultWrapIds = {1, 0, 1, 0};
constexpr size_t kVaultWrapHeader = 8;

std::vector<Key> Clone(const std::vector<Key>& keys) {
  std::vector<Key> copy;
  for (const Key& key : keys) copy.push_back(key.Clone());
  return copy;
}

class StoredVaultKeys final : public VaultKeys {
 public:
  StoredVaultKeys(FileSystem& fs, FilePair vault_pair, FilePair keyring_pair, VaultFile file,
                  std::vector<Key> masters, Keyring keyring)
      : fs_(fs),
        vault_id_(file.vault_id),
        epoch_(file.key_epoch),
        vault_pair_(std::move(vault_pair)),
        keyring_pair_(std::move(keyring_pair)),
        file_(std::move(file)),
        masters_(std::move(masters)),
        keyring_(std::move(keyring)) {
    RefreshInfo();
  }

  const VaultInfo& info() const override { return info_; }
  const Uuid& vault_id() const override { return vault_id_; }
  uint32_t key_epoch() const override { return epoch_; }
  uint64_t keyring_version() const override {
    ReaderLock lock(keyring_mutex_);
    return keyring_.version();
  }

  Result<SlotInfo> AddSlot(const SecretBytes& passphrase, uint32_t scrypt_log2_n,
                           Clock& clock) override;
  Result<SlotInfo> AddRecoverySlot(const RecoveryKey& recovery, Clock& clock) override;
  Status RemoveSlot(uint32_t slot_id) override;
  Status RotateMasterKey() override;
  Status RepairCopies() override;
  LogKeys log_keys() const override { return KeysOfEveryEpoch("metadata"); }
  LogKeys audit_keys() const override { return KeysOfEveryEpoch("audit"); }
  Key index_key() const override { return Derive(key_epoch(), "index"); }
  ByteVector WrapForVault(const Key& key, std::string_view purpose, ByteSpan owner) const override;
  Result<Key> UnwrapForVault(ByteSpan wrap, std::string_view purpose,
                             ByteSpan owner) const override;
  Result<Key> ErasureSecret(uint32_t page) const override {
    ReaderLock lock(keyring_mutex_);
    return keyring_.Secret(page);
  }
  std::vector<Key> ErasureSecrets(uint32_t page) const override {
    ReaderLock lock(keyring_mutex_);
    return keyring_.Secrets(page);
  }
  Status AddErasureSecrets(std::span<const uint32_t> pages) override;
  Status DropOlderErasureSecrets(std::span<const uint32_t> pages) override;
  Status ExportKeyring(const std::string& file, Clock& clock) override;

 private:
  Key Derive(uint32_t epoch, std::string_view purpose) const;
  LogKeys KeysOfEveryEpoch(std::string_view purpose) const;
  MasterRef Newest() const { return {masters_.back(), file_.key_epoch}; }
  ByteVector WrapData(ByteSpan header, std::string_view purpose, ByteSpan owner) const;
  // A new master key for `slots`, which are of this epoch, and for the keyring.
  Status BeginKeyEpoch(const std::vector<Slot>& slots);
  // Makes `next`, authenticated by `newest`, the vault file, and `keyring_bytes`, if any, the
  // keyring. Durable on return; on error all is as before, or broken_.
  Status Commit(VaultFile next, const Key& newest, std::optional<ByteVector> keyring_bytes);
  Keyring CopyOfKeyring() const {
    ReaderLock lock(keyring_mutex_);
    return keyring_.Clone();
  }
  void SetKeyring(Keyring keyring) {
    WriterLock lock(keyring_mutex_);
    keyring_ = std::move(keyring);
  }
  // Makes `next` the keyring, under a new version.
  Status CommitKeyring(Keyring next);
  // Takes over what another process changed in the vault file under the same keys.
  Status Refresh();
  Status CheckUsable() const;
  Status CheckNotOvertaken() const;
  Status CheckRoomForSlot() const;
  Result<SlotInfo> CommitNewSlot(const Slot& slot);
  void RefreshInfo();

  FileSystem& fs_;
  // What the methods that may run beside a change go by.
  const Uuid vault_id_;
  std::atomic<uint32_t> epoch_;  // of the newest of masters_
  FilePair vault_pair_;
  FilePair keyring_pair_;
  VaultFile file_;
  std::vector<Key> masters_;  // [i] is of key epoch i + 1
  mutable SharedMutex keyring_mutex_;
  Keyring keyring_ LG_GUARDED_BY(keyring_mutex_);
  VaultInfo info_;
  bool broken_ = false;  // the files are in the old state or the new, and we do not know which
};

void StoredVaultKeys::RefreshInfo() {
  info_ = InfoOf(file_);
  info_.vault_file_copy_damaged = vault_pair_.other_differs();
  info_.keyring_copy_damaged = keyring_pair_.other_differs();
}

Key StoredVaultKeys::Derive(uint32_t epoch, std::string_view purpose) const {
  ByteWriter context;
  context.Raw(vault_id_);
  context.U32(epoch);
  return DeriveKey(masters_[epoch - 1], purpose, context.span());
}

LogKeys StoredVaultKeys::KeysOfEveryEpoch(std::string_view purpose) const {
  LogKeys keys;
  for (uint32_t epoch = 1; epoch <= key_epoch(); ++epoch)
    keys.metadata.push_back({epoch, Derive(epoch, purpose)});
  return keys;
}

ByteVector StoredVaultKeys::WrapData(ByteSpan header, std::string_view purpose,
                                     ByteSpan owner) const {
  LG_CHECK(purpose.size() <= 255);
  ByteWriter aad;
  aad.Bytes8(AsBytes("vault wrap"));
  aad.Raw(header);
  aad.Raw(vault_id_);
  aad.Bytes8(AsBytes(purpose));
  aad.Raw(owner);
  return aad.Take();
}

ByteVector StoredVaultKeys::WrapForVault(const Key& key, std::string_view purpose,
                                         ByteSpan owner) const {
  const uint32_t epoch = key_epoch();
  ByteWriter out;
  out.Raw(kVaultWrapIds);
  out.U32(epoch);
  out.Raw(WrapKey(Derive(epoch, "vault wraps"), key, WrapData(out.span(), purpose, owner)));
  return out.Take();
}

Result<Key> StoredVaultKeys::UnwrapForVault(ByteSpan wrap, std::string_view purpose,
                                            ByteSpan owner) const {
  if (wrap.size() != kVaultWrapHeader + kWrappedKeySize)
    return Error(Errc::kCorrupt, "vault wrap has " + std::to_string(wrap.size()) + " bytes");
  if (!std::equal(kVaultWrapIds.begin(), kVaultWrapIds.end(), wrap.begin()))
    return Error(Errc::kUnsupported, "vault wrap names algorithms this version does not know");
  const uint32_t epoch = LoadLe<uint32_t>(wrap.data() + kVaultWrapIds.size());
  if (epoch == 0 || epoch > key_epoch())
    return Error(Errc::kCorrupt, "vault wrap of key epoch " + std::to_string(epoch) +
                                     ", of which the vault file knows nothing: it is an old one, "
                                     "or the wrap is damaged");
  return UnwrapKey(Derive(epoch, "vault wraps"), wrap.subspan(kVaultWrapHeader),
                   WrapData(wrap.first(kVaultWrapHeader), purpose, owner));
}

Status StoredVaultKeys::CheckUsable() const {
  if (!broken_) return {};
  return Error(Errc::kUnavailable,
               "an earlier change of the vault's keys could be neither finished nor undone; open "
               "the vault again");
}

Status StoredVaultKeys::CheckRoomForSlot() const {
  LG_RETURN_IF_ERROR(CheckUsable());
  if (file_.slots.size() < kMaxSlots) return {};
  return Error(Errc::kInvalidArgument,
               "a vault has at most " + std::to_string(kMaxSlots) +
                   " passphrases and recovery kits; remove one (`leadglass passphrase remove`)");
}

Result<SlotInfo> StoredVaultKeys::CommitNewSlot(const Slot& slot) {
  VaultFile next = file_;
  LG_CHECK(slot.id == next.next_slot_id);
  ++next.next_slot_id;
  next.slots.push_back(slot);
  LG_RETURN_IF_ERROR(Commit(std::move(next), masters_.back(), std::nullopt));
  return info_.slots.back();
}

Result<SlotInfo> StoredVaultKeys::AddSlot(const SecretBytes& passphrase, uint32_t scrypt_log2_n,
                                          Clock& clock) {
  LG_RETURN_IF_ERROR(CheckRoomForSlot());
  LG_ASSIGN_OR_RETURN(const Slot slot,
                      NewSlot(file_.vault_id, file_.next_slot_id, passphrase, scrypt_log2_n,
                              clock.WallNanos() / kNanosPerSecond, Newest()));
  return CommitNewSlot(slot);
}

Result<SlotInfo> StoredVaultKeys::AddRecoverySlot(const RecoveryKey& recovery, Clock& clock) {
  LG_RETURN_IF_ERROR(CheckRoomForSlot());
  return CommitNewSlot(NewRecoverySlot(file_.vault_id, file_.next_slot_id, recovery,
                                       clock.WallNanos() / kNanosPerSecond, Newest()));
}

Status StoredVaultKeys::RemoveSlot(uint32_t slot_id) {
  LG_RETURN_IF_ERROR(CheckUsable());
  const auto removed = std::find_if(file_.slots.begin(), file_.slots.end(),
                                    [&](const Slot& slot) { return slot.id == slot_id; });
  if (removed == file_.slots.end())
    return Error(Errc::kNotFound, "there is no slot " + std::to_string(slot_id));
  if (file_.slots.size() == 1)
    return Error(Errc::kInvalidArgument, "slot " + std::to_string(slot_id) +
                                             " is the last one: add another passphrase first");
  std::vector<Slot> remaining = file_.slots;
  std::erase_if(remaining, [&](const Slot& slot) { return slot.id == slot_id; });
  return BeginKeyEpoch(remaining);
}

Status StoredVaultKeys::RotateMasterKey() {
  LG_RETURN_IF_ERROR(CheckUsable());
  return BeginKeyEpoch(file_.slots);
}

Status StoredVaultKeys::BeginKeyEpoch(const std::vector<Slot>& slots) {
  if (file_.key_epoch == kMaxKeyEpoch)
    return Error(Errc::kUnsupported, "the vault has had " + std::to_string(kMaxKeyEpoch) +
                                         " key epochs, the most there can be");
  VaultFile next = file_;
  ++next.key_epoch;
  std::vector<Key> masters = Clone(masters_);
  masters.push_back(NewKey());
  const MasterRef new_master{masters.back(), next.key_epoch};
  next.slots.clear();
  for (const Slot& slot : slots) {
    LG_ASSIGN_OR_RETURN(const Slot given, GiveNewMaster(next.vault_id, slot, Newest(), new_master));
    next.slots.push_back(given);
  }
  WrapOlderMasters(masters, next);
  // The keyring moves to the new master key, too, or who had the old one could forge one.
  Keyring keyring = CopyOfKeyring();
  keyring.SetVersion(keyring.version() + 1);
  next.min_keyring_version = keyring.version();
  next.keyring_exported_unix_seconds = 0;
  ByteVector sealed =
      keyring.Seal(next.vault_id, new_master.key, new_master.key_epoch, keyring.version());
  LG_RETURN_IF_ERROR(Commit(std::move(next), new_master.key, std::move(sealed)));
  masters_ = std::move(masters);
  epoch_ = file_.key_epoch;
  SetKeyring(std::move(keyring));
  return {};
}

Status StoredVaultKeys::AddErasureSecrets(std::span<const uint32_t> pages) {
  Keyring next = CopyOfKeyring();
  next.AddSecrets(pages);
  return CommitKeyring(std::move(next));
}

Status StoredVaultKeys::DropOlderErasureSecrets(std::span<const uint32_t> pages) {
  Keyring next = CopyOfKeyring();
  next.DropOlderSecrets(pages);
  return CommitKeyring(std::move(next));
}

Status StoredVaultKeys::CommitKeyring(Keyring next) {
  LG_RETURN_IF_ERROR(CheckUsable());
  LG_RETURN_IF_ERROR(Refresh());
  next.SetVersion(next.version() + 1);
  VaultFile file = file_;
  file.min_keyring_version = next.version();
  file.keyring_exported_unix_seconds = 0;
  ByteVector sealed = next.Seal(file.vault_id, masters_.back(), file.key_epoch, next.version());
  LG_RETURN_IF_ERROR(Commit(std::move(file), masters_.back(), std::move(sealed)));
  SetKeyring(std::move(next));
  return {};
}

Status StoredVaultKeys::Refresh() {
  LG_ASSIGN_OR_RETURN(std::vector<VaultFileCopy> copies, ReadVaultFile(vault_pair_));
  VaultFileCopy& newest = copies.front();
  if (newest.file.version <= file_.version) return {};
  if (newest.file.vault_id != file_.vault_id || newest.file.key_epoch != file_.key_epoch ||
      !IsAuthentic(newest.bytes, file_.vault_id, masters_.back()))
    return Error(Errc::kUnavailable,
                 "the vault file was replaced by one of other keys while the vault was open; "
                 "unmount, and open it again");
  vault_pair_.Use(newest.copy, std::move(newest.bytes), newest.other_differs);
  file_ = std::move(newest.file);
  RefreshInfo();
  return {};
}

// Another process may have added a passphrase while this one computed, or a mount shredded a study:
// what is based on older bytes would take that back. Copies that do not read are no such change.
Status StoredVaultKeys::CheckNotOvertaken() const {
  const auto copies = ReadVaultFile(vault_pair_);
  if (!copies) return {};
  for (const VaultFileCopy& copy : *copies) {
    if (copy.file.version >= file_.version && copy.bytes != vault_pair_.bytes() &&
        copy.file.vault_id == vault_id_ && IsAuthentic(copy.bytes, vault_id_, masters_.back()))
      return Error(Errc::kUnavailable,
                   "the vault's keys were changed by another process meanwhile: try again");
  }
  return {};
}

Status StoredVaultKeys::Commit(VaultFile next, const Key& newest,
                               std::optional<ByteVector> keyring_bytes) {
  LG_RETURN_IF_ERROR(CheckNotOvertaken());
  next.version = file_.version + 1;
  ByteVector bytes = EncodeVaultFile(next, newest);
  // 1. A keyring for the new state beside the one for the old state.
  if (keyring_bytes) {
    if (Status written = keyring_pair_.ReplaceOther(*keyring_bytes); !written) {
      // The old state is in force whether or not this works; RefreshInfo() tells.
      static_cast<void>(keyring_pair_.RestoreOther());
      RefreshInfo();
      return written;
    }
  }
  // 2. The new state comes into force with the first vault file that says so.
  Status written = vault_pair_.ReplaceOther(bytes);
  const bool first_written = written.has_value();
  if (first_written) written = vault_pair_.ReplaceUsed(bytes);
  if (!written) {
    const Status undone = first_written ? vault_pair_.RestoreBoth() : vault_pair_.RestoreOther();
    if (!undone) broken_ = true;
    if (undone && keyring_bytes) static_cast<void>(keyring_pair_.RestoreOther());
    RefreshInfo();
    return written;
  }
  // 3. Nobody needs the old keyring any more. If its copy cannot be replaced now, the new one still
  // serves, and info() says that it is the only one.
  vault_pair_.Accept(std::move(bytes), true);
  if (keyring_bytes) {
    const bool both = keyring_pair_.ReplaceUsed(*keyring_bytes).has_value();
    keyring_pair_.Accept(std::move(*keyring_bytes), both);
  }
  file_ = std::move(next);
  RefreshInfo();
  return {};
}

Status StoredVaultKeys::RepairCopies() {
  LG_RETURN_IF_ERROR(CheckUsable());
  Status result;
  if (vault_pair_.other_differs()) result = vault_pair_.RestoreOther();
  if (result && keyring_pair_.other_differs()) result = keyring_pair_.RestoreOther();
  RefreshInfo();
  return result;
}

Status StoredVaultKeys::ExportKeyring(const std::string& file, Clock& clock) {
  LG_RETURN_IF_ERROR(CheckUsable());
  LG_RETURN_IF_ERROR(ReplaceFile(fs_, file, keyring_pair_.bytes()));
  VaultFile next = file_;
  next.keyring_exported_unix_seconds = clock.WallNanos() / kNanosPerSecond;
  return Commit(std::move(next), masters_.back(), std::nullopt);
}

// Writes a new vault's files, the keyring first: a vault file makes it a vault.
Status WriteNew(FilePair& vault_pair, FilePair& keyring_pair, ByteVector vault_bytes,
                ByteVector keyring_bytes) {
  keyring_pair.Use(0, std::move(keyring_bytes), true);
  vault_pair.Use(0, std::move(vault_bytes), true);
  LG_RETURN_IF_ERROR(keyring_pair.RestoreBoth());
  return vault_pair.RestoreBoth();
}

// Takes back what WriteNew() wrote, the vault file first: a vault never lacks its keyring.
void RemoveNew(FileSystem& fs, const std::string& folder, FilePair& vault_pair,
               FilePair& keyring_pair) {
  if (!vault_pair.RemoveAll() || !fs.SyncFolder(folder)) return;
  static_cast<void>(keyring_pair.RemoveAll());
}

}  // namespace

Result<std::unique_ptr<VaultKeys>> VaultKeys::Create(FileSystem& fs, const std::string& folder,
                                                     const SecretBytes& passphrase,
                                                     uint32_t scrypt_log2_n, Clock& clock) {
  FilePair vault_pair = VaultFilePair(fs, folder);
  FilePair keyring_pair = KeyringPair(fs, folder);
  LG_ASSIGN_OR_RETURN(const bool has_vault, vault_pair.AnyExists());
  if (has_vault) return Error(Errc::kExists, "there is a vault in this folder already");
  LG_ASSIGN_OR_RETURN(const bool has_keyring, keyring_pair.AnyExists());
  if (has_keyring)
    return Error(Errc::kExists,
                 "there is a keyring without a vault file in this folder: what an interrupted init "
                 "left, or what remains of a vault; move it away or choose another folder");
  std::vector<Key> masters;
  masters.push_back(NewKey());
  VaultFile file;
  file.vault_id = NewUuid();
  file.version = 1;
  file.key_epoch = 1;
  file.next_slot_id = 2;
  file.min_keyring_version = 1;
  LG_ASSIGN_OR_RETURN(const Slot slot,
                      NewSlot(file.vault_id, 1, passphrase, scrypt_log2_n,
                              clock.WallNanos() / kNanosPerSecond, MasterRef{masters.back(), 1}));
  file.slots.push_back(slot);
  Keyring keyring = Keyring::New(kErasureSecrets);
  const Status written =
      WriteNew(vault_pair, keyring_pair, EncodeVaultFile(file, masters.back()),
               keyring.Seal(file.vault_id, masters.back(), 1, keyring.version()));
  if (!written) {
    RemoveNew(fs, folder, vault_pair, keyring_pair);
    return written.error();
  }
  return std::unique_ptr<VaultKeys>(
      std::make_unique<StoredVaultKeys>(fs, std::move(vault_pair), std::move(keyring_pair),
                                        std::move(file), std::move(masters), std::move(keyring)));
}

Result<std::unique_ptr<VaultKeys>> VaultKeys::Unlock(FileSystem& fs, const std::string& folder,
                                                     const SecretBytes& passphrase) {
  FilePair vault_pair = VaultFilePair(fs, folder);
  FilePair keyring_pair = KeyringPair(fs, folder);
  LG_ASSIGN_OR_RETURN(std::vector<VaultFileCopy> copies, ReadVaultFile(vault_pair));
  std::optional<Error> why;
  for (VaultFileCopy& copy : copies) {
    // A newer copy that does not open, or has no keyring, was put there by nobody with the keys or
    // by a change that was cut off and then damaged: the older one is still a whole vault.
    Result<std::vector<Key>> masters = OpenMasters(copy.file, copy.bytes, passphrase);
    if (!masters) {
      if (!why || masters.error().code == Errc::kCorrupt) why = masters.error();
      continue;
    }
    Result<KeyringCopy> keyring = ReadKeyring(keyring_pair, copy.file, masters->back());
    if (!keyring) {
      why = keyring.error();
      continue;
    }
    vault_pair.Use(copy.copy, std::move(copy.bytes), copy.other_differs);
    keyring_pair.Use(keyring->copy, std::move(keyring->bytes), keyring->other_differs);
    return std::unique_ptr<VaultKeys>(std::make_unique<StoredVaultKeys>(
        fs, std::move(vault_pair), std::move(keyring_pair), std::move(copy.file),
        std::move(*masters), std::move(keyring->keyring)));
  }
  return *why;
}

}  // namespace leadglass
