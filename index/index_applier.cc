// SPDX-License-Identifier: Apache-2.0
#include "index/index_applier.h"

#include <algorithm>

#include "crypto/aead.h"
#include "index/index_keys.h"

namespace leadglass {
namespace keys = index_keys;

uint64_t InstanceHash(std::string_view instance_identity) {
  return LoadBe<uint64_t>(Sha256(AsBytes(instance_identity)).data());
}

Status IndexApplier::Apply(const Operation& operation) {
  return std::visit([this](const auto& op) { return Do(op); }, operation);
}

bool IndexApplier::IsNewInode(InodeId inode) {
  if (inode < state_.next_inode) return false;
  state_.next_inode = inode + 1;
  bounds_.Set(inode, 0);
  return true;
}

Result<std::optional<InodeRecord>> IndexApplier::StoredInode(InodeId inode) {
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(keys::Inode(inode)));
  if (!value) return std::optional<InodeRecord>();
  LG_ASSIGN_OR_RETURN(auto record, DecodeInode(inode, *value));
  return std::optional(std::move(record));
}

namespace {

// A folder in a patient's: what lies in it names it as its study.
bool IsStudyFolder(const std::optional<InodeRecord>& record) {
  return record && (record->flags & kInodeViewFolder) != 0 && record->nlink != 0 &&
         record->inode != kPatientsInode && record->parent != kPatientsInode &&
         record->parent != kNoInode && record->study == kNoInode;
}

}  // namespace

void IndexApplier::ChangeViewers(const std::optional<InodeRecord>& before,
                                 const StoredValue& acl_before,
                                 const std::optional<InodeRecord>& after,
                                 const StoredValue& acl_after) {
  const auto viewers = [](const std::optional<InodeRecord>& record, const StoredValue& acl) {
    if (!IsStudyFolder(record)) return std::vector<Viewer>();
    std::optional<ByteVector> list;
    if (acl) list.emplace(acl->begin(), acl->end());
    return ViewersOf({record->mode & 0777, record->uid, record->gid}, list);
  };
  const std::vector<Viewer> old = viewers(before, acl_before), now = viewers(after, acl_after);
  if (old == now && (old.empty() || before->parent == after->parent)) return;
  for (const Viewer& viewer : old) {
    batch_.Erase(keys::ViewerOf(before->parent, viewer, before->inode));
    batch_.Erase(keys::SeenBy(viewer, before->parent, before->inode));
  }
  for (const Viewer& viewer : now) {
    batch_.Put(keys::ViewerOf(after->parent, viewer, after->inode), "");
    batch_.Put(keys::SeenBy(viewer, after->parent, after->inode), "");
  }
}

Status IndexApplier::Do(const PutInode& op) {
  const InodeRecord& record = op.record;
  std::optional<InodeRecord> old;
  if (!IsNewInode(record.inode)) {
    LG_ASSIGN_OR_RETURN(old, StoredInode(record.inode));
  }
  if (!old) ++state_.counts.inodes;
  const bool was_orphan = old && old->nlink == 0;
  if (record.nlink == 0 && !was_orphan) batch_.Put(keys::Orphan(record.inode), "");
  if (record.nlink != 0 && was_orphan) batch_.Erase(keys::Orphan(record.inode));
  if (IsStudyFolder(old) || IsStudyFolder(record)) {
    LG_ASSIGN_OR_RETURN(const auto acl, batch_.Get(keys::Xattr(record.inode, kAclAccessXattr)));
    ChangeViewers(old, acl, record, acl);
  }
  batch_.Put(keys::Inode(record.inode), EncodeInode(record));
  return {};
}

Status IndexApplier::Do(const EraseInode& op) {
  if (IsNewInode(op.inode)) return {};
  LG_ASSIGN_OR_RETURN(const auto old, StoredInode(op.inode));
  if (old) --state_.counts.inodes;
  if (old && old->nlink == 0) batch_.Erase(keys::Orphan(op.inode));
  if (IsStudyFolder(old)) {
    LG_ASSIGN_OR_RETURN(const auto acl, batch_.Get(keys::Xattr(op.inode, kAclAccessXattr)));
    ChangeViewers(old, acl, std::nullopt, std::nullopt);
  }
  LG_RETURN_IF_ERROR(DropFiling(op.inode));
  LG_RETURN_IF_ERROR(DropAllExtents(batch_, dead_, op.inode));
  std::vector<std::string> doomed;
  LG_RETURN_IF_ERROR(batch_.Scan(keys::Inode(op.inode), keys::AfterInode(op.inode),
                                 [&](std::string_view key, std::string_view) {
                                   doomed.emplace_back(key);
                                   return true;
                                 }));
  for (std::string& key : doomed) batch_.Erase(std::move(key));
  bounds_.Forget(op.inode);
  return {};
}

Status IndexApplier::EvictCookie(const NameRecord& record) {
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(keys::Cookie(record.parent, record.cookie)));
  if (!value) return {};
  LG_ASSIGN_OR_RETURN(const NameRecord other,
                      DecodeListedName(record.parent, record.cookie, *value));
  if (other.name != record.name) batch_.Erase(keys::Name(record.parent, other.name));
  return {};
}

Status IndexApplier::Do(const PutName& op) {
  const NameRecord& record = op.record;
  IsNewInode(record.inode);
  const std::string key = keys::Name(record.parent, record.name);
  if (!IsNewInode(record.parent)) {
    LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(key));
    if (value) {
      LG_ASSIGN_OR_RETURN(const NameRecord old, DecodeName(record.parent, record.name, *value));
      if (old.cookie != record.cookie) batch_.Erase(keys::Cookie(record.parent, old.cookie));
    }
  }
  if (record.cookie < state_.next_cookie) LG_RETURN_IF_ERROR(EvictCookie(record));
  state_.next_cookie = std::max(state_.next_cookie, record.cookie + 1);
  batch_.Put(key, EncodeName(record));
  batch_.Put(keys::Cookie(record.parent, record.cookie), EncodeListedName(record));
  return {};
}

Status IndexApplier::Do(const EraseName& op) {
  std::string key = keys::Name(op.parent, op.name);
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(key));
  if (!value) return {};
  LG_ASSIGN_OR_RETURN(const NameRecord old, DecodeName(op.parent, op.name, *value));
  batch_.Erase(keys::Cookie(op.parent, old.cookie));
  batch_.Erase(std::move(key));
  return {};
}

Status IndexApplier::Do(const PutExtent& op) {
  IsNewInode(op.inode);
  return PutExtentInto(batch_, bounds_, dead_, op.inode, op.extent);
}

Status IndexApplier::Do(const CutExtents& op) {
  IsNewInode(op.inode);
  return CutExtentsFrom(batch_, bounds_, dead_, op.inode, op.size);
}

Status IndexApplier::Do(const PutXattr& op) {
  std::string key = keys::Xattr(op.inode, op.name);
  std::string value(AsText(op.value));
  if (!IsNewInode(op.inode) && op.name == kAclAccessXattr)
    LG_RETURN_IF_ERROR(ChangeAcl(op.inode, key, value));
  batch_.Put(std::move(key), std::move(value));
  return {};
}

Status IndexApplier::Do(const EraseXattr& op) {
  std::string key = keys::Xattr(op.inode, op.name);
  if (op.name == kAclAccessXattr) LG_RETURN_IF_ERROR(ChangeAcl(op.inode, key, std::nullopt));
  batch_.Erase(std::move(key));
  return {};
}

Status IndexApplier::ChangeAcl(InodeId inode, const std::string& key, const StoredValue& acl) {
  LG_ASSIGN_OR_RETURN(const auto record, StoredInode(inode));
  if (!IsStudyFolder(record)) return {};
  LG_ASSIGN_OR_RETURN(const auto before, batch_.Get(key));
  ChangeViewers(record, before, record, acl);
  return {};
}

Status IndexApplier::Do(const PutFileKey& op) {
  IsNewInode(op.record.inode);
  batch_.Put(keys::FileKey(op.record.inode, op.record.generation), EncodeRecord(op.record));
  return {};
}

Status IndexApplier::Do(const PutStudyKey& op) {
  const StudyKeyRecord& record = op.record;
  const std::string key = keys::StudyKey(record.study_key_id, record.group);
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(key));
  batch_.Put(key, EncodeRecord(record));
  if (value) {
    LG_ASSIGN_OR_RETURN(const auto old, DecodeRecord<StudyKeyRecord>(*value));
    if (old.study_identity != record.study_identity) LG_RETURN_IF_ERROR(DropStudyPointers(old));
  }
  batch_.Put(keys::StudyKeyOf(record.study_identity, record.study_key_id), "");
  batch_.Put(keys::StudyKeyOfIdentity(record.study_identity),
             std::string(AsText(record.study_key_id)));
  return {};
}

Status IndexApplier::Do(const EraseStudyKey& op) {
  std::string key = keys::StudyKey(op.study_key_id, op.group);
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(key));
  if (!value) return {};
  LG_ASSIGN_OR_RETURN(const auto old, DecodeRecord<StudyKeyRecord>(*value));
  batch_.Erase(std::move(key));
  return DropStudyPointers(old);
}

Status IndexApplier::DropStudyPointers(const StudyKeyRecord& record) {
  // The key stays the study's where it is wrapped for another group.
  bool still = false;
  Status failed;
  LG_RETURN_IF_ERROR(batch_.Scan(keys::StudyKey(record.study_key_id, 0),
                                 keys::StudyKey(record.study_key_id, UINT64_MAX),
                                 [&](std::string_view, std::string_view value) {
                                   const auto other = DecodeRecord<StudyKeyRecord>(value);
                                   if (!other) failed = other.error();
                                   still = other && other->study_identity == record.study_identity;
                                   return other && !still;
                                 }));
  LG_RETURN_IF_ERROR(failed);
  if (still) return {};
  batch_.Erase(keys::StudyKeyOf(record.study_identity, record.study_key_id));
  std::string pointer = keys::StudyKeyOfIdentity(record.study_identity);
  LG_ASSIGN_OR_RETURN(const auto pointed, batch_.Get(pointer));
  if (pointed != AsText(record.study_key_id)) return {};
  const std::string prefix = keys::StudyKeysOf(record.study_identity);
  std::string another;
  LG_RETURN_IF_ERROR(
      batch_.Scan(prefix, keys::After(prefix), [&](std::string_view key, std::string_view) {
        another = key.substr(prefix.size());
        return true;
      }));
  if (another.empty()) {
    batch_.Erase(std::move(pointer));
  } else {
    batch_.Put(std::move(pointer), std::move(another));
  }
  return {};
}

Status IndexApplier::Do(const PutGroupKey& op) {
  batch_.Put(keys::GroupKey(op.record.group), EncodeRecord(op.record));
  std::string pointer = keys::GroupKeyOf(op.record.gid);
  LG_ASSIGN_OR_RETURN(const auto present, batch_.Get(pointer));
  if (!present || keys::Be64At(*present, 0) <= op.record.group) {
    std::string number;
    keys::AppendBe64(number, op.record.group);
    batch_.Put(std::move(pointer), std::move(number));
  }
  return {};
}

Status IndexApplier::Do(const PutSession& op) {
  state_.next_session = std::max(state_.next_session, op.number + 1);
  batch_.Put(keys::Session(op.number), std::string(AsText(op.session)));
  sessions_.push_back(op);
  return {};
}

Status IndexApplier::DropFolderPointer(InodeId folder, const std::string& entity_key) {
  std::string pointer = keys::EntityOfFolder(folder);
  LG_ASSIGN_OR_RETURN(const auto pointed, batch_.Get(pointer));
  if (pointed == entity_key) batch_.Erase(std::move(pointer));
  return {};
}

Status IndexApplier::Do(const PutEntity& op) {
  const EntityRecord& record = op.record;
  IsNewInode(record.folder);
  const std::string key = keys::Entity(record.kind, record.identity);
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(key));
  if (value) {
    LG_ASSIGN_OR_RETURN(const auto old, DecodeRecord<EntityRecord>(*value));
    if (old.folder != record.folder) LG_RETURN_IF_ERROR(DropFolderPointer(old.folder, key));
  }
  batch_.Put(key, EncodeRecord(record));
  batch_.Put(keys::EntityOfFolder(record.folder), key);
  return {};
}

Status IndexApplier::Do(const EraseEntity& op) {
  std::string key = keys::Entity(op.kind, op.identity);
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(key));
  if (!value) return {};
  LG_ASSIGN_OR_RETURN(const auto old, DecodeRecord<EntityRecord>(*value));
  LG_RETURN_IF_ERROR(DropFolderPointer(old.folder, key));
  batch_.Erase(std::move(key));
  return {};
}

Status IndexApplier::DropFiling(InodeId inode) {
  LG_ASSIGN_OR_RETURN(const auto value, batch_.Get(keys::Filing(inode)));
  if (!value) return {};
  LG_ASSIGN_OR_RETURN(const auto old, DecodeRecord<FilingRecord>(*value));
  if (old.state == FilingState::kFiled) {
    --state_.counts.filed;
    batch_.Erase(keys::Instance(old.view_folder, InstanceHash(old.instance_identity), inode));
  } else {
    --state_.counts.unfiled;
    batch_.Erase(keys::Unfiled(inode));
  }
  batch_.Erase(keys::Filing(inode));
  return {};
}

Status IndexApplier::Do(const PutFiling& op) {
  const FilingRecord& record = op.record;
  if (!IsNewInode(record.inode)) LG_RETURN_IF_ERROR(DropFiling(record.inode));
  if (record.state == FilingState::kFiled) {
    ++state_.counts.filed;
    batch_.Put(
        keys::Instance(record.view_folder, InstanceHash(record.instance_identity), record.inode),
        "");
  } else {
    ++state_.counts.unfiled;
    batch_.Put(keys::Unfiled(record.inode), "");
  }
  batch_.Put(keys::Filing(record.inode), EncodeRecord(record));
  return {};
}

Status IndexApplier::Do(const EraseFiling& op) { return DropFiling(op.inode); }

Status IndexApplier::Do(const Punch& op) {
  for (const RecordSpace& record : op.records) LG_RETURN_IF_ERROR(dead_.Punched(record.position));
  batch_.Put(keys::LastPunch(), EncodeRecord(op));
  return {};
}

Status IndexApplier::Do(const Checkpoint& op) {
  state_.next_inode = std::max(state_.next_inode, op.next_inode);
  state_.next_session = std::max(state_.next_session, op.next_session);
  state_.next_cookie = std::max(state_.next_cookie, op.next_cookie);
  return dead_.CheckpointEnded(op.base, op.restated_bytes);
}

Status IndexApplier::Do(const Cleared& op) {
  state_.checkpoint.cleared = op.base;
  return {};
}

Status IndexApplier::Do(const PutConfiguration& op) {
  batch_.Put(keys::Configuration(), EncodeRecord(op));
  return {};
}

Status IndexApplier::Do(const QuoteAudit& op) {
  batch_.Put(keys::AuditQuote(), EncodeRecord(op));
  return {};
}

Status IndexApplier::Do(const PutHold& op) {
  batch_.Put(keys::Hold(op.record.id, op.record.study_identity), EncodeRecord(op.record));
  return {};
}

Status IndexApplier::Do(const EraseHold& op) {
  batch_.Erase(keys::Hold(op.id, op.study_identity));
  return {};
}

Status IndexApplier::Do(const PutEmergency& op) {
  batch_.Put(keys::Emergency(op.record.id, op.record.identity), EncodeRecord(op.record));
  return {};
}

Status IndexApplier::Do(const EraseEmergency& op) {
  batch_.Erase(keys::Emergency(op.id, op.identity));
  return {};
}

Status IndexApplier::Do(const PutRenewals& op) {
  batch_.Put(keys::Renewals(), EncodeRecord(op));
  return {};
}

Status IndexApplier::Do(const PutShred& op) {
  batch_.Put(keys::Shred(op.study_identity), EncodeRecord(op));
  return {};
}

}  // namespace leadglass
