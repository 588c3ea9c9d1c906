// SPDX-License-Identifier: Apache-2.0
#include "fs/key_store.h"

#include <algorithm>
#include <cerrno>

#include "crypto/passphrase_wrap.h"

namespace leadglass {
namespace {

constexpr std::string_view kGroupKeyPurpose = "group private key";
constexpr std::string_view kEarlyPrefix = "early/";
constexpr int64_t kSealingNanos = 60'000'000'000;

std::array<uint8_t, 8> GroupOwner(uint64_t group) {
  std::array<uint8_t, 8> owner{};
  StoreLe(owner.data(), group);
  return owner;
}

// What a pair under a passphrase is bound to.
ByteVector PairOwner(const Uuid& vault_id, const GroupKeyRecord& record) {
  ByteWriter out;
  out.Bytes8(AsBytes(kGroupKeyPurpose));
  out.Raw(vault_id);
  out.U64(record.group);
  out.U32(record.gid);
  out.Raw(record.public_key);
  return out.Take();
}

std::string EarlyIdentity(InodeId inode) {
  return std::string(kEarlyPrefix) + std::to_string(inode);
}

// Hangs the key under the group, on the newest secret of its page.
Status WrapInto(StudyKeyRecord& record, const VaultKeys& keys, const GroupKeyRecord& group,
                const Key& study_key) {
  record.group = group.group;
  // Before the secret is taken: of two, this is the safe one to name.
  record.keyring_version = keys.keyring_version();
  LG_ASSIGN_OR_RETURN(const Key secret, keys.ErasureSecret(record.erasure_page));
  record.wrap = WrapStudyKey(keys.vault_id(), record.study_key_id, group.group, group.public_key,
                             secret, study_key);
  return {};
}

Result<StudyKeyRecord> NewStudyKeyRecord(const VaultKeys& keys, std::string_view identity,
                                         const GroupKeyRecord& group, const Key& study_key) {
  StudyKeyRecord record;
  record.study_key_id = NewUuid();
  record.study_identity = identity;
  record.erasure_page = ErasurePage(record.study_key_id);
  LG_RETURN_IF_ERROR(WrapInto(record, keys, group, study_key));
  return record;
}

Error MissingStudyKey(const Uuid& id) {
  return Error(Errc::kCorrupt, "study key " + ToHex(id) + " is missing");
}

bool IsLockedOut(const Error& error) { return error.code == Errc::kLocked; }

}  // namespace

Status KeyStore::Load() {
  LG_ASSIGN_OR_RETURN(const auto shreds, index_.Shreds());
  for (const PutShred& shred : shreds) Shredded(shred.study_keys);
  LG_ASSIGN_OR_RETURN(const auto records, index_.GroupKeys());
  std::map<uint32_t, bool> under_passphrase;  // of the present pair: the last one
  MutexLock lock(mutex_);
  for (const GroupKeyRecord& record : records) {
    next_group_ = std::max(next_group_, record.group + 1);
    under_passphrase[record.gid] = IsWrappedByPassphrase(record.private_wrap);
  }
  for (const auto& [gid, locked] : under_passphrase)
    if (locked) locked_.insert(gid);
  any_locked_ = !locked_.empty();
  return {};
}

Result<Operations> KeyStore::Genesis(const VaultKeys& keys, uint32_t gid) {
  const GroupKeyPair pair = NewGroupKeyPair();
  GroupKeyRecord group;
  group.group = kDefaultGroup;
  group.gid = gid;
  group.public_key = pair.public_key;
  group.private_wrap =
      keys.WrapForVault(pair.private_key, kGroupKeyPurpose, GroupOwner(kDefaultGroup));
  LG_ASSIGN_OR_RETURN(StudyKeyRecord studyless, NewStudyKeyRecord(keys, "", group, NewKey()));
  Operations operations;
  operations.emplace_back(PutGroupKey{std::move(group)});
  operations.emplace_back(PutStudyKey{std::move(studyless)});
  return operations;
}

// ---- Groups

Result<GroupKeyRecord> KeyStore::MakePair(uint32_t gid, const SecretBytes* passphrase,
                                          uint32_t scrypt_log2_n) {
  const GroupKeyPair pair = NewGroupKeyPair();
  GroupKeyRecord record;
  {
    MutexLock lock(mutex_);
    record.group = next_group_++;
  }
  record.gid = gid;
  record.public_key = pair.public_key;
  if (passphrase == nullptr) {
    record.private_wrap =
        keys_.WrapForVault(pair.private_key, kGroupKeyPurpose, GroupOwner(record.group));
  } else {
    LG_ASSIGN_OR_RETURN(record.private_wrap,
                        WrapByPassphrase(pair.private_key, *passphrase, scrypt_log2_n,
                                         PairOwner(keys_.vault_id(), record)));
  }
  return record;
}

Result<GroupKeyRecord> KeyStore::NewPair(uint32_t gid, const SecretBytes* passphrase,
                                         uint32_t scrypt_log2_n, Operations& operations) {
  LG_ASSIGN_OR_RETURN(GroupKeyRecord record, MakePair(gid, passphrase, scrypt_log2_n));
  operations.emplace_back(PutGroupKey{record});
  return record;
}

Result<GroupKeyRecord> KeyStore::PairFor(uint32_t gid, Operations& operations) {
  for (auto op = operations.rbegin(); op != operations.rend(); ++op)
    if (const auto* put = std::get_if<PutGroupKey>(&*op); put != nullptr && put->record.gid == gid)
      return put->record;
  LG_ASSIGN_OR_RETURN(auto known, index_.FindGroupKey(gid));
  if (known) return *std::move(known);
  return NewPair(gid, nullptr, 0, operations);
}

Result<KeyStore::PairPtr> KeyStore::OpenPair(const GroupKeyRecord& record,
                                             const SecretBytes* passphrase) const {
  auto pair = std::make_shared<GroupKeyPair>();
  pair->public_key = record.public_key;
  if (passphrase != nullptr) {
    LG_ASSIGN_OR_RETURN(pair->private_key, UnwrapByPassphrase(record.private_wrap, *passphrase,
                                                              PairOwner(keys_.vault_id(), record)));
  } else {
    LG_ASSIGN_OR_RETURN(
        pair->private_key,
        keys_.UnwrapForVault(record.private_wrap, kGroupKeyPurpose, GroupOwner(record.group)));
  }
  return PairPtr(std::move(pair));
}

Result<KeyStore::PairPtr> KeyStore::Pair(uint64_t group) {
  {
    MutexLock lock(mutex_);
    if (const auto found = pairs_.find(group); found != pairs_.end()) return found->second;
  }
  LG_ASSIGN_OR_RETURN(const auto record, index_.GetGroupKey(group));
  if (!record)
    return Error(Errc::kCorrupt, "the key of group " + std::to_string(group) + " is missing");
  if (IsWrappedByPassphrase(record->private_wrap))
    return Error(Errc::kLocked, "the group has a passphrase of its own and is locked");
  LG_ASSIGN_OR_RETURN(PairPtr pair, OpenPair(*record, nullptr));
  MutexLock lock(mutex_);
  pairs_[group] = pair;
  return pair;
}

bool KeyStore::HasPair(uint64_t group) const {
  MutexLock lock(mutex_);
  return pairs_.contains(group);
}

bool KeyStore::IsLocked(uint32_t gid) const {
  if (!any_locked_) return false;
  MutexLock lock(mutex_);
  return locked_.contains(gid);
}

Status KeyStore::UsePair(const GroupKeyRecord& record, const SecretBytes* passphrase) {
  LG_ASSIGN_OR_RETURN(PairPtr pair, OpenPair(record, passphrase));
  MutexLock lock(mutex_);
  pairs_[record.group] = std::move(pair);
  locked_.erase(record.gid);
  any_locked_ = !locked_.empty();
  return {};
}

Status KeyStore::Unlock(uint32_t gid, const SecretBytes& passphrase) {
  LG_ASSIGN_OR_RETURN(const auto records, index_.GroupKeys());
  bool any = false, opened = false;
  // The present pair first: it is the last one of the group.
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (record->gid != gid || !IsWrappedByPassphrase(record->private_wrap)) continue;
    any = true;
    if (HasPair(record->group)) continue;
    auto pair = OpenPair(*record, &passphrase);
    if (!pair && pair.error().code != Errc::kAccessDenied) return std::move(pair).error();
    if (!pair && IsLocked(gid)) return pair.error();
    if (!pair) continue;
    opened = true;
    MutexLock lock(mutex_);
    pairs_[record->group] = *std::move(pair);
    locked_.erase(gid);
    any_locked_ = !locked_.empty();
  }
  if (!any) return Error(Errc::kNotFound, "the group has no passphrase of its own");
  if (!opened && IsLocked(gid)) return Error(Errc::kAccessDenied, "the passphrase does not fit");
  return {};
}

Status KeyStore::Lock(uint32_t gid) {
  LG_ASSIGN_OR_RETURN(const auto records, index_.GroupKeys());
  std::set<uint64_t> doomed;
  bool present = false;
  for (const GroupKeyRecord& record : records) {
    if (record.gid != gid) continue;
    present = IsWrappedByPassphrase(record.private_wrap);
    // Of earlier pairs as well: a key may have been read by one just before it was hung elsewhere.
    doomed.insert(record.group);
  }
  if (!present) return Error(Errc::kNotFound, "the group has no passphrase of its own");
  MutexLock lock(mutex_);
  ++locks_;
  locked_.insert(gid);
  any_locked_ = true;
  for (const uint64_t group : doomed) pairs_.erase(group);
  std::erase_if(study_keys_,
                [&](const auto& known) { return doomed.contains(known.second.group); });
  std::erase_if(sealing_,
                [&](const auto& item) { return doomed.contains(item.second.known.group); });
  return {};
}

// ---- Study keys

Result<Uuid> KeyStore::MakeStudyKey(std::string_view identity, const GroupKeyRecord& group,
                                    Operations& operations) {
  auto key = std::make_shared<const Key>(NewKey());
  LG_ASSIGN_OR_RETURN(StudyKeyRecord record, NewStudyKeyRecord(keys_, identity, group, *key));
  const Uuid id = record.study_key_id;
  operations.emplace_back(PutStudyKey{std::move(record)});
  if (IsWrappedByPassphrase(group.private_wrap) && !HasPair(group.group)) {
    MutexLock lock(mutex_);
    sealing_[std::string(identity)] = {
        id, {std::move(key), group.group}, clock_.MonotonicNanos() + kSealingNanos};
  } else {
    Remember(id, {std::move(key), group.group}, locks());
  }
  return id;
}

std::optional<Uuid> KeyStore::SealingKeyOf(std::string_view identity, uint64_t group) const {
  MutexLock lock(mutex_);
  const auto found = sealing_.find(std::string(identity));
  if (found == sealing_.end() || found->second.known.group != group ||
      found->second.until < clock_.MonotonicNanos())
    return std::nullopt;
  return found->second.id;
}

void KeyStore::DropSealingKeys() {
  const int64_t now = clock_.MonotonicNanos();
  MutexLock lock(mutex_);
  std::erase_if(sealing_, [&](const auto& item) { return item.second.until < now; });
}

Result<Uuid> KeyStore::StudyKeyFor(std::string_view study_identity,
                                   const std::function<Result<uint32_t>()>& gid_of,
                                   Operations& operations) {
  LG_ASSIGN_OR_RETURN(const auto known, index_.FindStudyKey(study_identity));
  if (known) {
    const auto key = StudyKey(*known);
    if (key) return *known;
    if (!IsLockedOut(key.error())) return key.error();
  }
  std::optional<GroupKeyRecord> group;
  if (study_identity.empty()) {
    LG_ASSIGN_OR_RETURN(group, index_.GetGroupKey(kDefaultGroup));
    if (!group) return Error(Errc::kCorrupt, "the default group's key is missing");
  } else {
    LG_ASSIGN_OR_RETURN(const uint32_t gid, gid_of());
    LG_ASSIGN_OR_RETURN(group, PairFor(gid, operations));
  }
  if (const auto sealing = SealingKeyOf(study_identity, group->group)) {
    // One that was made for a change that was not committed has no wrap anywhere.
    LG_ASSIGN_OR_RETURN(const auto wraps, index_.StudyKeyWraps(*sealing));
    if (!wraps.empty()) return *sealing;
  }
  return MakeStudyKey(study_identity, *group, operations);
}

Result<Uuid> KeyStore::EarlyKeyFor(InodeId inode, Operations& operations) {
  LG_ASSIGN_OR_RETURN(const auto group, index_.GetGroupKey(kDefaultGroup));
  if (!group) return Error(Errc::kCorrupt, "the default group's key is missing");
  return MakeStudyKey(EarlyIdentity(inode), *group, operations);
}

Result<std::optional<std::string>> KeyStore::StudyOfKey(const Uuid& study_key_id) const {
  LG_ASSIGN_OR_RETURN(const auto wraps, index_.StudyKeyWraps(study_key_id));
  if (!wraps.empty()) return std::optional(wraps.front().study_identity);
  MutexLock lock(mutex_);
  if (!shredded_.contains(study_key_id)) return MissingStudyKey(study_key_id);
  return std::optional<std::string>();
}

Result<std::optional<Uuid>> KeyStore::EarlyKeyOf(InodeId inode) const {
  return index_.FindStudyKey(EarlyIdentity(inode));
}

bool KeyStore::IsEarlyIdentity(std::string_view study_identity) {
  return study_identity.starts_with(kEarlyPrefix);
}

Status KeyStore::GiveEarlyKey(const Uuid& study_key_id, std::string_view study_identity,
                              uint32_t gid, Operations& operations) {
  LG_ASSIGN_OR_RETURN(const GroupKeyRecord group, PairFor(gid, operations));
  LG_ASSIGN_OR_RETURN(const KeyPtr key, StudyKey(study_key_id));
  LG_ASSIGN_OR_RETURN(const auto wraps, index_.StudyKeyWraps(study_key_id));
  LG_RETURN_IF_ERROR(Rehang(wraps, study_identity, group, *key, operations));
  if (!IsWrappedByPassphrase(group.private_wrap)) return {};
  const uint32_t page = ErasurePage(study_key_id);
  return WantRenewal({&page, 1}, operations);
}

Status KeyStore::Rehang(const std::vector<StudyKeyRecord>& wraps, std::string_view identity,
                        const GroupKeyRecord& group, const Key& study_key, Operations& operations) {
  StudyKeyRecord record = wraps.front();
  const Uuid id = record.study_key_id;
  record.study_identity = identity;
  LG_RETURN_IF_ERROR(WrapInto(record, keys_, group, study_key));
  operations.emplace_back(PutStudyKey{std::move(record)});
  for (const StudyKeyRecord& old : wraps)
    if (old.group != group.group) operations.emplace_back(EraseStudyKey{id, old.group});
  Forget({&id, 1});
  return {};
}

Result<bool> KeyStore::MoveKey(const Uuid& study_key_id, uint32_t gid, Operations& operations) {
  LG_ASSIGN_OR_RETURN(const auto wraps, index_.StudyKeyWraps(study_key_id));
  if (wraps.empty()) return MissingStudyKey(study_key_id);
  LG_ASSIGN_OR_RETURN(const GroupKeyRecord group, PairFor(gid, operations));
  if (wraps.size() == 1 && wraps.front().group == group.group) return false;
  LG_ASSIGN_OR_RETURN(const KeyPtr key, StudyKey(study_key_id));
  LG_RETURN_IF_ERROR(Rehang(wraps, wraps.front().study_identity, group, *key, operations));
  return true;
}

Status KeyStore::MoveStudy(std::string_view study_identity, uint32_t gid, Operations& operations) {
  LG_ASSIGN_OR_RETURN(const auto ids, index_.StudyKeysOf(study_identity));
  std::vector<uint32_t> pages;
  for (const Uuid& id : ids) {
    LG_ASSIGN_OR_RETURN(const bool moved, MoveKey(id, gid, operations));
    if (moved) pages.push_back(ErasurePage(id));
  }
  if (pages.empty()) return {};
  LG_ASSIGN_OR_RETURN(const GroupKeyRecord group, PairFor(gid, operations));
  return IsWrappedByPassphrase(group.private_wrap) ? WantRenewal(pages, operations) : Status();
}

Status KeyStore::WantRenewal(std::span<const uint32_t> pages, Operations& operations) const {
  PutRenewals renewals;
  const auto stated = std::find_if(operations.rbegin(), operations.rend(), [](const Operation& op) {
    return std::holds_alternative<PutRenewals>(op);
  });
  if (stated != operations.rend()) {
    renewals = std::get<PutRenewals>(*stated);
  } else {
    LG_ASSIGN_OR_RETURN(renewals, index_.GetRenewals());
  }
  std::map<uint32_t, uint64_t> wanted;
  for (const WantedRenewal& known : renewals.wanted) wanted[known.page] = known.keyring_version;
  for (const uint32_t page : pages) wanted[page] = keys_.keyring_version();
  renewals.wanted.clear();
  for (const auto& [page, version] : wanted) renewals.wanted.push_back({page, version});
  operations.emplace_back(std::move(renewals));
  return {};
}

Result<StudyKeyRecord> KeyStore::OnNewestSecret(StudyKeyRecord record) const {
  LG_ASSIGN_OR_RETURN(const auto group, index_.GetGroupKey(record.group));
  if (!group)
    return Error(Errc::kCorrupt,
                 "the key of group " + std::to_string(record.group) + " is missing");
  record.keyring_version = keys_.keyring_version();
  const std::vector<Key> secrets = keys_.ErasureSecrets(record.erasure_page);
  if (secrets.empty()) return MissingStudyKey(record.study_key_id);
  LG_ASSIGN_OR_RETURN(record.wrap,
                      MoveToSecret(keys_.vault_id(), record.study_key_id, record.group,
                                   group->public_key, secrets, secrets.front(), record.wrap));
  return record;
}

// ---- File keys

Result<Key> KeyStore::FileKey(InodeId inode, uint32_t generation) {
  LG_ASSIGN_OR_RETURN(const auto record, index_.GetFileKey(inode, generation));
  if (!record)
    return Error(Errc::kCorrupt, "inode " + std::to_string(inode) + ": file key generation " +
                                     std::to_string(generation) + " is missing");
  LG_ASSIGN_OR_RETURN(const KeyPtr study_key, StudyKey(record->study_key_id));
  return UnwrapFileKey(keys_.vault_id(), record->study_key_id, inode, generation, *study_key,
                       record->wrap);
}

Result<Uuid> KeyStore::StudyKeyOfFile(InodeId inode, uint32_t generation) const {
  LG_ASSIGN_OR_RETURN(const auto record, index_.GetFileKey(inode, generation));
  if (!record)
    return Error(Errc::kCorrupt, "inode " + std::to_string(inode) + ": file key generation " +
                                     std::to_string(generation) + " is missing");
  return record->study_key_id;
}

Result<FileKeyRecord> KeyStore::WrapFileKeyFor(const Uuid& study_key_id, InodeId inode,
                                               uint32_t generation, const Key& file_key) {
  KeyPtr study_key;
  {
    MutexLock lock(mutex_);
    for (const auto& [identity, sealing] : sealing_)
      if (sealing.id == study_key_id) study_key = sealing.known.key;
  }
  if (!study_key) {
    LG_ASSIGN_OR_RETURN(study_key, StudyKey(study_key_id));
  }
  return FileKeyRecord{
      inode, generation, study_key_id,
      WrapFileKey(keys_.vault_id(), study_key_id, inode, generation, *study_key, file_key)};
}

Result<KeyStore::KeyPtr> KeyStore::StudyKey(const Uuid& id) {
  {
    MutexLock lock(mutex_);
    if (const auto found = study_keys_.find(id); found != study_keys_.end())
      return found->second.key;
  }
  const uint64_t before = locks();
  LG_ASSIGN_OR_RETURN(Known known, LoadStudyKey(id));
  KeyPtr key = known.key;
  Remember(id, std::move(known), before);
  return key;
}

Result<KeyStore::Known> KeyStore::LoadStudyKey(const Uuid& id) {
  LG_ASSIGN_OR_RETURN(const auto wraps, index_.StudyKeyWraps(id));
  Error why = MissingStudyKey(id);
  if (wraps.empty()) {
    MutexLock lock(mutex_);
    if (shredded_.contains(id)) return PosixError(EKEYREVOKED);
  }
  for (const StudyKeyRecord& record : wraps) {
    const auto pair = Pair(record.group);
    if (!pair) {
      why = pair.error();
      continue;
    }
    const std::vector<Key> secrets = keys_.ErasureSecrets(record.erasure_page);
    for (const Key& secret : secrets) {
      auto key = UnwrapStudyKey(keys_.vault_id(), id, record.group, **pair, secret, record.wrap);
      if (key) return Known{std::make_shared<const Key>(*std::move(key)), record.group};
      why = key.error();
    }
  }
  return why;
}

uint64_t KeyStore::locks() const {
  MutexLock lock(mutex_);
  return locks_;
}

void KeyStore::Remember(const Uuid& id, Known known, uint64_t locks) {
  MutexLock lock(mutex_);
  // A key that was on its way when its group was locked must not stay.
  if (locks != locks_) return;
  if (study_keys_.size() >= kCacheLimit) study_keys_.clear();
  study_keys_[id] = std::move(known);
}

void KeyStore::Shredded(std::span<const Uuid> study_keys) {
  Forget(study_keys);
  MutexLock lock(mutex_);
  shredded_.insert(study_keys.begin(), study_keys.end());
}

void KeyStore::Forget(std::span<const Uuid> study_keys) {
  MutexLock lock(mutex_);
  ++locks_;
  for (const Uuid& id : study_keys) {
    study_keys_.erase(id);
    std::erase_if(sealing_, [&](const auto& item) { return item.second.id == id; });
  }
}

}  // namespace leadglass
