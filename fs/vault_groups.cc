// SPDX-License-Identifier: Apache-2.0

// Groups and their keys: locking, unlocking, and giving a group another pair.

#include <algorithm>
#include <cerrno>
#include <set>

#include "crypto/passphrase_wrap.h"
#include "fs/vault_impl.h"

namespace leadglass {
namespace {

constexpr size_t kKeysAtOnce = 128;

}  // namespace

Status VaultImpl::KeysAtHand(const InodeRecord& record) const {
  if ((record.flags & kInodeShredded) != 0) return PosixError(EKEYREVOKED);
  if (record.study == kNoInode || !key_store_->any_locked()) return {};
  LG_ASSIGN_OR_RETURN(const StudyAccess access, AccessOf(record.study));
  if (!key_store_->IsLocked(access.gid)) return {};
  return Error(Errc::kLocked, "inode " + std::to_string(record.inode) +
                                  ": its study's group is locked; leadglass group unlock opens it");
}

Status VaultImpl::KeysAtHand(const InodePtr& state) const {
  InodeRecord record;
  {
    ReaderLock lock(state->mutex);
    record.inode = state->id;
    record.flags = state->record.flags;
    record.study = state->record.study;
  }
  return KeysAtHand(record);
}

void VaultImpl::ForgetFileKeysIfLocked(const InodePtr& state) {
  if (!key_store_->any_locked() || KeysAtHand(state).has_value()) return;
  WriterLock lock(state->mutex);
  // What is being written is filed with the key that it has, and is then forgotten.
  if (!state->key_pending && state->writer_count == 0 && !state->content.dirty())
    state->keys.clear();
}

void VaultImpl::ForgetFileKeys(uint32_t gid) {
  for (const InodePtr& state : inodes_->Loaded()) {
    InodeId study = kNoInode;
    {
      ReaderLock lock(state->mutex);
      study = state->record.study;
    }
    if (study == kNoInode) continue;
    const auto access = AccessOf(study);
    if (access && access->gid == gid) ForgetFileKeysIfLocked(state);
  }
}

void VaultImpl::DropPages(InodeId inode) const {
  Invalidator invalidator;
  {
    MutexLock lock(notice_mutex_);
    invalidator = invalidator_;
  }
  if (!invalidator) return;
  invalidator(inode, true);
  invalidator(inode | kViewBit, true);
}

void VaultImpl::DropPagesOfStudy(InodeId study) const {
  // Damage in the index is told to who asks for what is damaged.
  (void)index_->VisitNames(study, 0, [&](const NameRecord& series) {
    (void)index_->VisitNames(series.inode, 0, [&](const NameRecord& image) {
      DropPages(image.inode);
      return true;
    });
    return true;
  });
}

void VaultImpl::DropPagesOfGroup(uint32_t gid) const {
  const Viewer viewer{Viewer::Kind::kGroup, gid};
  std::vector<InodeId> patients;
  (void)index_->VisitPatientsOf({&viewer, 1}, kNoInode, [&](InodeId patient) {
    patients.push_back(patient);
    return true;
  });
  for (const InodeId patient : patients) {
    (void)index_->VisitNames(patient, 0, [&](const NameRecord& study) {
      const auto access = AccessOf(study.inode);
      if (access && access->gid == gid) DropPagesOfStudy(study.inode);
      return true;
    });
  }
}

Result<std::vector<Vault::GroupState>> VaultImpl::Groups() {
  LG_ASSIGN_OR_RETURN(const auto records, index_->GroupKeys());
  std::map<uint32_t, GroupState> groups;
  std::map<uint32_t, uint64_t> present;
  std::map<uint64_t, uint32_t> gid_of;
  for (const GroupKeyRecord& record : records) {
    GroupState& group = groups[record.gid];
    group.gid = record.gid;
    group.has_passphrase = IsWrappedByPassphrase(record.private_wrap);
    group.locked = key_store_->IsLocked(record.gid);
    present[record.gid] = record.group;
    gid_of[record.group] = record.gid;
  }
  LG_RETURN_IF_ERROR(index_->VisitStudyKeys([&](const StudyKeyRecord& record) {
    const auto gid = gid_of.find(record.group);
    if (gid == gid_of.end() || record.study_identity.empty() ||
        KeyStore::IsEarlyIdentity(record.study_identity))
      return true;
    GroupState& group = groups[gid->second];
    ++(present[gid->second] == record.group ? group.study_keys : group.older_study_keys);
    return true;
  }));
  std::vector<GroupState> all;
  for (const auto& [gid, group] : groups) all.push_back(group);
  return all;
}

Status VaultImpl::LockGroup(const Person& by, uint32_t gid) {
  LG_RETURN_IF_ERROR(key_store_->Lock(gid));
  ForgetFileKeys(gid);
  DropPagesOfGroup(gid);
  if (audit_) audit_->Note(by.caller, AuditAction::kLock, {}, 0, "gid " + std::to_string(gid));
  FlushTrail(true);
  return {};
}

Status VaultImpl::UnlockGroup(const Person& by, uint32_t gid, const SecretBytes& passphrase) {
  const Status done = key_store_->Unlock(gid, passphrase);
  if (audit_ && (done || done.error().code == Errc::kAccessDenied))
    audit_->Note(by.caller, AuditAction::kUnlock, {}, done ? 0 : EACCES,
                 "gid " + std::to_string(gid));
  FlushTrail(true);
  return done;
}

Status VaultImpl::ChangeGroupKey(const Person& by, uint32_t gid, const GroupKeyChange& change) {
  if (options_.read_only || Failed()) return PosixError(EROFS);
  if (key_store_->IsLocked(gid) && !change.lost)
    return Error(Errc::kLocked, "the group is locked: unlock it first, by its present passphrase");
  Operations operations;
  // Before the names lock: it takes scrypt's time.
  LG_ASSIGN_OR_RETURN(
      const GroupKeyRecord present,
      key_store_->NewPair(gid, change.passphrase, change.scrypt_log2_n, operations));
  {
    MutexLock names(names_mutex_);
    LG_RETURN_IF_ERROR(CommitAtOnceAndSync(std::move(operations)));
  }
  LG_RETURN_IF_ERROR(key_store_->UsePair(present, change.passphrase));
  if (audit_)
    audit_->Note(by.caller, AuditAction::kGroupKey, {}, 0,
                 "gid " + std::to_string(gid) +
                     (change.passphrase != nullptr ? ", under a passphrase" : ", no passphrase") +
                     (change.lost ? ", the old one lost" : ""));
  FlushTrail(true);
  LG_RETURN_IF_ERROR(MoveGroupKeys(present));
  return RenewSecrets();
}

Status VaultImpl::MoveGroupKeys(const GroupKeyRecord& present) {
  LG_ASSIGN_OR_RETURN(const auto records, index_->GroupKeys());
  std::set<uint64_t> older;
  for (const GroupKeyRecord& record : records)
    if (record.gid == present.gid && record.group != present.group) older.insert(record.group);
  std::vector<Uuid> ids;
  std::set<uint32_t> pages;
  LG_RETURN_IF_ERROR(index_->VisitStudyKeys([&](const StudyKeyRecord& record) {
    // What belongs to no study stays with the vault's own group.
    if (!older.contains(record.group) || record.study_identity.empty() ||
        KeyStore::IsEarlyIdentity(record.study_identity))
      return true;
    ids.push_back(record.study_key_id);
    pages.insert(record.erasure_page);
    return true;
  }));
  if (ids.empty()) return {};
  {
    MutexLock names(names_mutex_);
    Operations operations;
    LG_RETURN_IF_ERROR(
        key_store_->WantRenewal(std::vector<uint32_t>(pages.begin(), pages.end()), operations));
    LG_RETURN_IF_ERROR(CommitAtOnce(std::move(operations), true));
  }
  for (size_t begin = 0; begin < ids.size(); begin += kKeysAtOnce) {
    MutexLock names(names_mutex_);
    Transaction transaction;
    transaction.use_reserve = true;
    for (size_t i = begin; i < std::min(begin + kKeysAtOnce, ids.size()); ++i) {
      const auto moved = key_store_->MoveKey(ids[i], present.gid, transaction.operations);
      // Under a passphrase that is lost: it stays there, for when it is found.
      if (!moved && moved.error().code != Errc::kLocked) return moved.error();
    }
    LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  }
  return SyncLog();
}

}  // namespace leadglass
