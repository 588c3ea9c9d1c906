// SPDX-License-Identifier: Apache-2.0
#include "fs/key_store.h"

namespace leadglass {
namespace {

constexpr std::string_view kGroupKeyPurpose = "group private key";

std::array<uint8_t, 8> GroupOwner(uint64_t group) {
  std::array<uint8_t, 8> owner{};
  StoreLe(owner.data(), group);
  return owner;
}

Result<StudyKeyRecord> NewStudyKeyRecord(const VaultKeys& keys, std::string_view identity,
                                         uint64_t group, const PublicKey& public_key,
                                         const Key& study_key) {
  StudyKeyRecord record;
  record.study_key_id = NewUuid();
  record.study_identity = identity;
  record.group = group;
  record.erasure_page = ErasurePage(record.study_key_id);
  record.keyring_version = keys.keyring_version();
  LG_ASSIGN_OR_RETURN(const Key secret, keys.ErasureSecret(record.erasure_page));
  record.wrap =
      WrapStudyKey(keys.info().vault_id, record.study_key_id, group, public_key, secret, study_key);
  return record;
}

}  // namespace

Result<Operations> KeyStore::Genesis(const VaultKeys& keys, uint32_t gid) {
  const GroupKeyPair pair = NewGroupKeyPair();
  GroupKeyRecord group;
  group.group = kDefaultGroup;
  group.gid = gid;
  group.public_key = pair.public_key;
  group.private_wrap =
      keys.WrapForVault(pair.private_key, kGroupKeyPurpose, GroupOwner(kDefaultGroup));
  LG_ASSIGN_OR_RETURN(StudyKeyRecord studyless,
                      NewStudyKeyRecord(keys, "", kDefaultGroup, pair.public_key, NewKey()));
  Operations operations;
  operations.emplace_back(PutGroupKey{std::move(group)});
  operations.emplace_back(PutStudyKey{std::move(studyless)});
  return operations;
}

Result<Uuid> KeyStore::StudyKeyFor(std::string_view study_identity, Operations& operations) {
  LG_ASSIGN_OR_RETURN(const auto known, index_.FindStudyKey(study_identity));
  if (known) return *known;
  LG_ASSIGN_OR_RETURN(const auto group, index_.GetGroupKey(kDefaultGroup));
  if (!group) return Error(Errc::kCorrupt, "the default group's key is missing");
  auto key = std::make_shared<const Key>(NewKey());
  LG_ASSIGN_OR_RETURN(StudyKeyRecord record, NewStudyKeyRecord(keys_, study_identity, group->group,
                                                               group->public_key, *key));
  const Uuid id = record.study_key_id;
  operations.emplace_back(PutStudyKey{std::move(record)});
  Remember(id, std::move(key));
  return id;
}

Result<Key> KeyStore::FileKey(InodeId inode, uint32_t generation) {
  LG_ASSIGN_OR_RETURN(const auto record, index_.GetFileKey(inode, generation));
  if (!record)
    return Error(Errc::kCorrupt, "inode " + std::to_string(inode) + ": file key generation " +
                                     std::to_string(generation) + " is missing");
  LG_ASSIGN_OR_RETURN(const KeyPtr study_key, StudyKey(record->study_key_id));
  return UnwrapFileKey(keys_.info().vault_id, record->study_key_id, inode, generation, *study_key,
                       record->wrap);
}

Result<Uuid> KeyStore::StudyKeyOfFile(InodeId inode, uint32_t generation) {
  LG_ASSIGN_OR_RETURN(const auto record, index_.GetFileKey(inode, generation));
  if (!record)
    return Error(Errc::kCorrupt, "inode " + std::to_string(inode) + ": file key generation " +
                                     std::to_string(generation) + " is missing");
  return record->study_key_id;
}

Result<FileKeyRecord> KeyStore::WrapFileKeyFor(const Uuid& study_key_id, InodeId inode,
                                               uint32_t generation, const Key& file_key) {
  LG_ASSIGN_OR_RETURN(const KeyPtr study_key, StudyKey(study_key_id));
  return FileKeyRecord{
      inode, generation, study_key_id,
      WrapFileKey(keys_.info().vault_id, study_key_id, inode, generation, *study_key, file_key)};
}

Result<KeyStore::KeyPtr> KeyStore::StudyKey(const Uuid& id) {
  {
    MutexLock lock(mutex_);
    if (const auto found = study_keys_.find(id); found != study_keys_.end()) return found->second;
  }
  LG_ASSIGN_OR_RETURN(KeyPtr key, LoadStudyKey(id));
  Remember(id, key);
  return key;
}

Result<KeyStore::KeyPtr> KeyStore::LoadStudyKey(const Uuid& id) {
  LG_ASSIGN_OR_RETURN(const auto record, index_.GetStudyKey(id, kDefaultGroup));
  if (!record) return Error(Errc::kCorrupt, "study key " + ToHex(id) + " is missing");
  LG_ASSIGN_OR_RETURN(const auto group, Group(record->group));
  LG_ASSIGN_OR_RETURN(const Key secret, keys_.ErasureSecret(record->erasure_page));
  LG_ASSIGN_OR_RETURN(Key key, UnwrapStudyKey(keys_.info().vault_id, id, record->group, *group,
                                              secret, record->wrap));
  return KeyPtr(std::make_shared<const Key>(std::move(key)));
}

Result<std::shared_ptr<const GroupKeyPair>> KeyStore::Group(uint64_t group) {
  {
    MutexLock lock(mutex_);
    if (const auto found = groups_.find(group); found != groups_.end()) return found->second;
  }
  LG_ASSIGN_OR_RETURN(const auto record, index_.GetGroupKey(group));
  if (!record)
    return Error(Errc::kCorrupt, "the key of group " + std::to_string(group) + " is missing");
  LG_ASSIGN_OR_RETURN(Key private_key, keys_.UnwrapForVault(record->private_wrap, kGroupKeyPurpose,
                                                            GroupOwner(group)));
  auto pair = std::make_shared<GroupKeyPair>();
  pair->public_key = record->public_key;
  pair->private_key = std::move(private_key);
  MutexLock lock(mutex_);
  groups_[group] = pair;
  return std::shared_ptr<const GroupKeyPair>(pair);
}

void KeyStore::Remember(const Uuid& id, KeyPtr key) {
  MutexLock lock(mutex_);
  if (study_keys_.size() >= kCacheLimit) study_keys_.clear();
  study_keys_[id] = std::move(key);
}

}  // namespace leadglass
