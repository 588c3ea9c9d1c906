// SPDX-License-Identifier: Apache-2.0

// Shredding a study. First one commit takes its keys from the index and says which erasure secrets
// they hung on; from then on nothing here opens them. Then its images leave the views, and the
// secrets are replaced, after which old copies of the log are of no use either. After a crash what
// is left is done at the next mount.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "fs/vault_impl.h"
#include "fs/view_editor.h"

namespace leadglass {

Result<InodeId> VaultImpl::FindStudyFolder(std::string_view path_or_uid) {
  if (path_or_uid.starts_with('/')) {
    InodeId inode = kRootInode;
    for (std::string_view rest = path_or_uid; !rest.empty();) {
      rest.remove_prefix(1);
      const std::string_view name = rest.substr(0, rest.find('/'));
      rest.remove_prefix(name.size());
      if (name.empty()) continue;
      LG_ASSIGN_OR_RETURN(const auto found, FindName(inode, name));
      if (!found) return PosixError(ENOENT);
      inode = found->inode;
    }
    LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
    if (IsStudyFolder(record)) return inode;
    return record.study != kNoInode ? Result<InodeId>(record.study) : PosixError(ENOENT);
  }
  std::optional<InodeId> study;
  bool several = false;
  Status failed;
  const auto look = [&](const NameRecord& name) {
    const AuditSubject subject = SubjectOfStudy(name.inode);
    if (subject.study != path_or_uid) return true;
    several = study.has_value();
    study = name.inode;
    return !several;
  };
  LG_RETURN_IF_ERROR(index_->VisitNames(kPatientsInode, 0, [&](const NameRecord& patient) {
    failed = index_->VisitNames(patient.inode, 0, look);
    return failed.has_value() && !several;
  }));
  LG_RETURN_IF_ERROR(failed);
  if (several)
    return Error(Errc::kInvalidArgument,
                 "more than one patient has a study of this UID: name it by its path");
  return study ? Result<InodeId>(*study) : PosixError(ENOENT);
}

Result<uint64_t> VaultImpl::ShredStudy(const Caller& caller, InodeId study) {
  if (options_.read_only || Failed()) return PosixError(EROFS);
  uint64_t images = 0;
  {
    MutexLock names(names_mutex_);
    LG_ASSIGN_OR_RETURN(const auto entity, index_->GetEntityOfFolder(study));
    if (!entity || entity->kind != EntityKind::kStudy) return PosixError(ENOENT);
    const auto audit = AuditLater(caller, AuditAction::kShred, study);
    LG_ASSIGN_OR_RETURN(auto before, index_->GetShred(entity->identity));
    PutShred shred = before.value_or(PutShred());
    shred.study_identity = entity->identity;
    shred.study = SubjectOfStudy(study).study;
    shred.at = clock_.WallNanos();
    shred.by = caller.uid;
    shred.keyring_version = 0;
    Operations operations;
    std::vector<uint32_t> pages;
    LG_ASSIGN_OR_RETURN(const auto ids, index_->StudyKeysOf(entity->identity));
    for (const Uuid& id : ids) {
      LG_ASSIGN_OR_RETURN(const auto wraps, index_->StudyKeyWraps(id));
      for (const StudyKeyRecord& wrap : wraps)
        operations.emplace_back(EraseStudyKey{id, wrap.group});
      pages.push_back(ErasurePage(id));
      shred.study_keys.push_back(id);
    }
    LG_RETURN_IF_ERROR(key_store_->WantRenewal(pages, operations));
    operations.emplace_back(shred);
    LG_RETURN_IF_ERROR(CommitAtOnceAndSync(std::move(operations)));
    key_store_->Shredded(ids);
    audit(std::to_string(ids.size()) + " keys");
    LG_ASSIGN_OR_RETURN(images,
                        TakeOutShredded(study, std::set<Uuid>(shred.study_keys.begin(),
                                                              shred.study_keys.end())));
  }
  LG_RETURN_IF_ERROR(RenewSecrets());
  return images;
}

Result<uint64_t> VaultImpl::TakeOutShredded(InodeId study, const std::set<Uuid>& study_keys) {
  std::vector<InodeId> images;
  Status failed;
  LG_RETURN_IF_ERROR(index_->VisitNames(study, 0, [&](const NameRecord& series) {
    failed = index_->VisitNames(series.inode, 0, [&](const NameRecord& image) {
      images.push_back(image.inode);
      return true;
    });
    return failed.has_value();
  }));
  LG_RETURN_IF_ERROR(failed);
  uint64_t taken = 0;
  for (const InodeId inode : images) {
    LG_ASSIGN_OR_RETURN(const bool was, TakeOutShreddedImage(inode, study_keys));
    if (was) ++taken;
  }
  return taken;
}

Result<bool> VaultImpl::TakeOutShreddedImage(InodeId inode, const std::set<Uuid>& study_keys) {
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(inode));
  bool orphan = false;
  {
    InodeLocks locks({state});
    LG_ASSIGN_OR_RETURN(const auto filing, index_->GetFiling(inode));
    InodeRecord record = state->record;
    if (!filing || filing->state != FilingState::kFiled || state->erased) return false;
    LG_ASSIGN_OR_RETURN(const auto key, index_->GetFileKey(inode, record.key_generation));
    // One that came to the study after it was shredded has a key of its own.
    if (!key || !study_keys.contains(key->study_key_id)) return false;
    ViewEditor editor(*index_, *ids_, clock_.WallNanos());
    LG_RETURN_IF_ERROR(editor.Remove(*filing));
    // Bytes that no commit has are not needed, but their room is to come back.
    Transaction transaction;
    transaction.use_reserve = true;
    state->content.AppendOperations(transaction.operations);
    transaction.operations.insert(transaction.operations.end(), editor.operations().begin(),
                                  editor.operations().end());
    transaction.operations.emplace_back(EraseFiling{inode});
    transaction.operations.emplace_back(CutExtents{inode, 0});
    record.flags |= kInodeShredded;
    record.key_generation = 0;
    record.allocated = 0;
    record.study = kNoInode;
    record.ctime = clock_.WallNanos();
    --record.nlink;
    transaction.operations.emplace_back(PutInode{record});
    transaction.records.emplace_back(state, record);
    LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
    state->content = FileContent(inode, record.size);
    state->committed_allocated = 0;
    state->keys.clear();
    state->key_pending = false;
    state->attributes_dirty = false;
    state->parsed.reset();
    state->filed_version = state->content_version = ++content_versions_;
    orphan = record.nlink == 0;
  }
  if (orphan) NoteOrphan(state);
  Notice(inode, true);
  Notice(inode | kViewBit, true);
  return true;
}

Status VaultImpl::FinishShreds() {
  LG_ASSIGN_OR_RETURN(const auto shreds, index_->Shreds());
  for (const PutShred& shred : shreds) {
    if (shred.keyring_version != 0) continue;
    MutexLock names(names_mutex_);
    LG_ASSIGN_OR_RETURN(const auto entity,
                        index_->GetEntity(EntityKind::kStudy, shred.study_identity));
    if (!entity) continue;
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t taken,
                        TakeOutShredded(entity->folder, std::set<Uuid>(shred.study_keys.begin(),
                                                                       shred.study_keys.end())));
  }
  return {};
}

}  // namespace leadglass
