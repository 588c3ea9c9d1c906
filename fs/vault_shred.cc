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

Result<uint64_t> VaultImpl::ShredStudy(const Person& by, const std::string& study,
                                       const std::string& reason) {
  if (options_.read_only || Failed()) return PosixError(EROFS, "the vault is read-only");
  LG_RETURN_IF_ERROR(CheckReason(reason));
  LG_ASSIGN_OR_RETURN(const auto named, StudiesNamed(study));
  if (named.size() > 1)
    return Error(Errc::kInvalidArgument,
                 "several patients have a study of this UID: name the one that is meant by its "
                 "path on the mount");
  uint64_t images = 0;
  {
    MutexLock names(names_mutex_);
    LG_ASSIGN_OR_RETURN(const auto study_keys, TakeStudyKeys(by, named.front(), reason));
    LG_ASSIGN_OR_RETURN(images, TakeOutShredded(named.front().folder, study_keys));
  }
  FlushTrail(true);
  LG_RETURN_IF_ERROR(RenewSecrets());
  return images;
}

Result<std::set<Uuid>> VaultImpl::TakeStudyKeys(const Person& by, const EntityRecord& study,
                                                const std::string& reason) {
  const auto folder = CurrentRecord(study.folder);
  if (!folder && ToErrno(folder.error()) == ENOENT)
    return Error(Errc::kNotFound, "the study's last image has just been removed");
  if (!folder) return folder.error();
  if (const auto held = holds_.OfFolder(study.folder))
    return RefuseHeld(by.caller, AuditAction::kShred, *folder, held->hold).error();
  const auto audit = AuditLater(by.caller, AuditAction::kShred, study.folder);
  LG_ASSIGN_OR_RETURN(const auto before, index_->GetShred(study.identity));
  PutShred shred = before.value_or(PutShred());
  shred.study_identity = study.identity;
  shred.study = SubjectOfRecord(*folder).study;
  shred.at = clock_.WallNanos();
  shred.by = by.caller.uid;
  shred.keyring_version = 0;
  Operations operations;
  std::vector<uint32_t> pages;
  LG_ASSIGN_OR_RETURN(const auto ids, index_->StudyKeysOf(study.identity));
  for (const Uuid& id : ids) {
    LG_ASSIGN_OR_RETURN(const auto wraps, index_->StudyKeyWraps(id));
    for (const StudyKeyRecord& wrap : wraps) operations.emplace_back(EraseStudyKey{id, wrap.group});
    pages.push_back(ErasurePage(id));
    shred.study_keys.push_back(id);
  }
  LG_RETURN_IF_ERROR(key_store_->WantRenewal(pages, operations));
  operations.emplace_back(shred);
  LG_RETURN_IF_ERROR(CommitAtOnceAndSync(std::move(operations)));
  key_store_->Shredded(ids);
  audit(reason);
  return std::set<Uuid>(shred.study_keys.begin(), shred.study_keys.end());
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
