// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "fs/vault_impl.h"
#include "index/posix_acl.h"

namespace leadglass {

Attributes VaultImpl::ToAttributes(NodeId node, const InodeRecord& record) const {
  Attributes attributes;
  attributes.node = node;
  attributes.inode = record.inode;
  attributes.mode = record.mode;
  attributes.nlink = record.nlink;
  attributes.uid = record.uid;
  attributes.gid = record.gid;
  attributes.rdev = record.rdev;
  attributes.size = record.size;
  attributes.blocks = (record.allocated + 511) / 512;
  attributes.atime = record.atime;
  attributes.mtime = record.mtime;
  attributes.ctime = record.ctime;
  attributes.volatile_names = record.inode == kPatientsInode || record.inode == kIncomingInode ||
                              (record.flags & kInodeViewFolder) != 0 || IsViewNode(node);
  attributes.per_caller = IsPatientFolder(record) || IsStudyFolder(record);
  return attributes;
}

Result<Attributes> VaultImpl::AttributesOf(NodeId node, InodeRecord record) const {
  LG_ASSIGN_OR_RETURN(const InodeRecord effective, EffectiveRecord(std::move(record)));
  return ToAttributes(node, effective);
}

Result<VaultImpl::Snapshot> VaultImpl::SnapshotOf(InodeId inode) const {
  if (const InodePtr state = inodes_->Peek(inode)) {
    ReaderLock lock(state->mutex);
    return Snapshot{state->record, state->content_version};
  }
  LG_ASSIGN_OR_RETURN(auto record, index_->GetInode(inode));
  if (!record) return PosixError(ENOENT);
  return Snapshot{*std::move(record), 0};
}

Result<InodeRecord> VaultImpl::CurrentRecord(InodeId inode) const {
  LG_ASSIGN_OR_RETURN(Snapshot now, SnapshotOf(inode));
  return std::move(now.record);
}

Result<Attributes> VaultImpl::GetAttributes(NodeId node) {
  LG_ASSIGN_OR_RETURN(Snapshot now, SnapshotOf(InodeOf(node)));
  LG_ASSIGN_OR_RETURN(Attributes attributes, AttributesOf(node, std::move(now.record)));
  attributes.content_version = now.content_version;
  return attributes;
}

namespace {

void ApplyOwnerAndMode(InodeRecord& record, const AttributeChange& change) {
  if (change.uid) record.uid = *change.uid;
  if (change.gid) record.gid = *change.gid;
  if ((change.uid || change.gid) && !S_ISDIR(record.mode)) {
    // As chown(2): set-user-id goes, set-group-id too unless it means mandatory locking.
    record.mode &= ~uint32_t{S_ISUID};
    if ((record.mode & S_IXGRP) != 0) record.mode &= ~uint32_t{S_ISGID};
  }
  if (change.mode) record.mode = (record.mode & S_IFMT) | (*change.mode & 07777);
}

}  // namespace

namespace {

// What chmod(1) and chgrp(1) ask for; the kernel adds the time of the change.
bool IsOfModeOrGroup(const AttributeChange& change) {
  return (change.mode || change.gid) && !change.uid && !change.size && !change.atime &&
         !change.mtime;
}

// For the audit trail.
std::string Told(const AttributeChange& change) {
  std::string text;
  const auto add = [&](std::string part) { text += (text.empty() ? "" : ", ") + std::move(part); };
  if (change.mode) {
    char octal[16];
    std::snprintf(octal, sizeof(octal), "mode %04o", *change.mode & 07777);
    add(octal);
  }
  if (change.uid) add("uid " + std::to_string(*change.uid));
  if (change.gid) add("gid " + std::to_string(*change.gid));
  return text;
}

}  // namespace

Result<Attributes> VaultImpl::SetAttributes(const Caller& caller, NodeId node,
                                            const AttributeChange& change, bool kill_suidgid) {
  if (IsViewNode(node) && IsOfModeOrGroup(change)) {
    // `chgrp -R` and `chmod -R` of a study go on past its images. The study has said it all, and
    // what an image's owner may is not changed through a view.
    LG_RETURN_IF_ERROR(Authorise(caller, InodeOf(node), Action::kChangeAttributes));
    return GetAttributes(node);
  }
  LG_RETURN_IF_ERROR(Authorise(caller, node, Action::kChangeAttributes));
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(InodeOf(node)));
  bool view_folder = false;
  {
    ReaderLock lock(state->mutex);
    view_folder = (state->record.flags & kInodeViewFolder) != 0;
  }
  const bool is_access = change.mode || change.uid || change.gid;
  if (view_folder && !change.size) {
    LG_ASSIGN_OR_RETURN(Attributes now, SetViewFolderAttributes(state, change));
    if (is_access) AuditAccess(caller, state->id, Told(change));
    return now;
  }
  std::optional<HoldRecord> held;
  auto changed = ChangeAttributes(state, change, kill_suidgid, held);
  if (held) {
    LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(state->id));
    return RefuseHeld(caller, AuditAction::kWrite, record, *held).error();
  }
  LG_ASSIGN_OR_RETURN(InodeRecord now, std::move(changed));
  if (is_access) AuditAccess(caller, state->id, Told(change));
  return AttributesOf(node, std::move(now));
}

// Of an image's own group and mode only the owner's bits show while it belongs to a study; what is
// asked for is kept all the same, for when it does no longer.
Result<InodeRecord> VaultImpl::ChangeAttributes(const InodePtr& state,
                                                const AttributeChange& change, bool kill_suidgid,
                                                std::optional<HoldRecord>& held) {
  const bool commit_now = change.mode || change.uid || change.gid;
  WriterLock lock(state->mutex);
  if (change.size) {
    if (S_ISDIR(state->record.mode)) return PosixError(EISDIR);
    if (!S_ISREG(state->record.mode)) return PosixError(EINVAL);
    LG_ASSIGN_OR_RETURN(held, HoldOnBytes(*state));
    if (held) return PosixError(EPERM);
    LG_RETURN_IF_ERROR(TruncateContent(*state, *change.size));
    BytesChanged(state, kill_suidgid, Times::kVault);
  }
  InodeRecord record = state->record;
  ApplyOwnerAndMode(record, change);
  if (change.atime) record.atime = *change.atime;
  if (change.mtime) record.mtime = *change.mtime;
  record.ctime = change.ctime ? *change.ctime : clock_.WallNanos();
  if (!commit_now && S_ISREG(record.mode)) {
    // Times arrive at every close; they go with the file's next commit.
    state->record = record;
    state->attributes_dirty = true;
    MarkDirty(state);
    return record;
  }
  Transaction transaction;
  transaction.use_reserve = true;
  if (change.mode) {
    LG_ASSIGN_OR_RETURN(const auto acl, index_->GetXattr(state->id, kAclAccessXattr));
    if (acl) {
      LG_ASSIGN_OR_RETURN(const ByteVector changed, AclWithMode(*acl, record.mode));
      transaction.operations.emplace_back(
          PutXattr{state->id, std::string(kAclAccessXattr), changed});
    }
  }
  transaction.Put(state, record);
  LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  return state->record;
}

}  // namespace leadglass
