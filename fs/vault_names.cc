// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "fs/vault_impl.h"
#include "fs/view_editor.h"
#include "index/posix_acl.h"

namespace leadglass {
namespace {

constexpr size_t kNameMax = 255;
constexpr uint32_t kLinkMax = 65000;  // as ext4
constexpr size_t kPathMax = 4096;
constexpr uint64_t kDotCookie = 1;
constexpr uint64_t kDotDotCookie = 2;

}  // namespace

Status VaultImpl::CheckName(std::string_view name) {
  if (name.size() > kNameMax) return PosixError(ENAMETOOLONG);
  if (name.empty()) return PosixError(ENOENT);
  if (name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos)
    return PosixError(EINVAL);
  return {};
}

Result<std::optional<NameRecord>> VaultImpl::FindName(InodeId parent, std::string_view name) const {
  // Claims are the view's own bookkeeping.
  if (name.front() == ViewEditor::kClaimMark) {
    LG_ASSIGN_OR_RETURN(auto found, index_->GetName(parent, name));
    if (found && (found->flags & kNameView) != 0) return std::optional<NameRecord>();
    return found;
  }
  return index_->GetName(parent, name);
}

Result<NameRecord> VaultImpl::RequireName(NodeId parent, std::string_view name) const {
  LG_RETURN_IF_ERROR(CheckName(name));
  LG_ASSIGN_OR_RETURN(auto found, FindName(InodeOf(parent), name));
  if (!found) return PosixError(ENOENT);
  return *std::move(found);
}

Result<NodeId> VaultImpl::ChildNode(const NameRecord& name) const {
  const bool view_file = (name.flags & kNameView) != 0 && S_ISREG(name.mode_type);
  return view_file ? name.inode | kViewBit : name.inode;
}

Result<Attributes> VaultImpl::Lookup(const Caller& caller, NodeId parent, std::string_view name) {
  if (name == ".") return GetAttributes(parent);
  if (name == "..") {
    LG_ASSIGN_OR_RETURN(const InodeRecord folder, CurrentRecord(InodeOf(parent)));
    return GetAttributes(folder.parent == kNoInode ? kRootInode : folder.parent);
  }
  LG_ASSIGN_OR_RETURN(const NameRecord found, RequireName(parent, name));
  LG_ASSIGN_OR_RETURN(const NodeId node, ChildNode(found));
  if ((found.flags & kNameView) != 0 && S_ISDIR(found.mode_type))
    LG_RETURN_IF_ERROR(Authorise(caller, node, Action::kFind));
  return GetAttributes(node);
}

Result<Attributes> VaultImpl::OpenFolder(const Caller& caller, NodeId folder) {
  LG_RETURN_IF_ERROR(Authorise(caller, folder, Action::kList));
  return GetAttributes(folder);
}

Status VaultImpl::List(const Caller& caller, NodeId folder, uint64_t cookie, bool with_attributes,
                       const std::function<bool(const ListedEntry&)>& visitor) {
  LG_ASSIGN_OR_RETURN(InodeRecord own, CurrentRecord(InodeOf(folder)));
  LG_ASSIGN_OR_RETURN(const InodeRecord record, EffectiveRecord(std::move(own)));
  if (!S_ISDIR(record.mode)) return PosixError(ENOTDIR);
  if (cookie < kDotCookie && !visitor({".", kDotCookie, ToAttributes(folder, record)})) return {};
  if (cookie < kDotDotCookie) {
    const InodeId up = record.parent == kNoInode ? kRootInode : record.parent;
    LG_ASSIGN_OR_RETURN(const InodeRecord parent, CurrentRecord(up));
    LG_ASSIGN_OR_RETURN(const Attributes above, AttributesOf(up, parent));
    if (!visitor({"..", kDotDotCookie, above})) return {};
  }
  Status failed;
  const auto visit = [&](const NameRecord& name, uint64_t name_cookie) {
    ListedEntry entry{name.name, name_cookie, {}};
    const auto node = ChildNode(name);
    entry.attributes.node = *node;
    entry.attributes.inode = name.inode;
    entry.attributes.mode = name.mode_type;
    if (with_attributes) {
      const auto child = GetAttributes(*node);
      // Gone between the name and the inode: as if the listing had been a moment later.
      if (!child && ToErrno(child.error()) == ENOENT) return true;
      if (!child) {
        failed = child.error();
        return false;
      }
      entry.attributes = *child;
    }
    return visitor(entry);
  };
  LG_RETURN_IF_ERROR(VisitNamesFor(caller, record, cookie, visit));
  return failed;
}

Status VaultImpl::FsyncFolder(NodeId) { return SyncLog(); }

namespace {

// Mode, group and access list of a new inode, from its creator and its folder.
Status Inherit(const Caller& caller, const InodeRecord& folder, const Index& index,
               InodeRecord& record, Operations& operations) {
  record.uid = caller.uid;
  record.gid = caller.gid;
  if ((folder.mode & S_ISGID) != 0) {
    record.gid = folder.gid;
    if (S_ISDIR(record.mode)) record.mode |= S_ISGID;
  }
  if (S_ISLNK(record.mode)) return {};
  LG_ASSIGN_OR_RETURN(const auto default_acl, index.GetXattr(folder.inode, kAclDefaultXattr));
  if (!default_acl) {
    record.mode &= ~uint32_t{caller.umask & 0777};
    return {};
  }
  LG_ASSIGN_OR_RETURN(InheritedAcl inherited, InheritAcl(*default_acl, record.mode & 07777));
  record.mode = (record.mode & S_IFMT) | inherited.mode;
  if (!inherited.access.empty())
    operations.emplace_back(
        PutXattr{record.inode, std::string(kAclAccessXattr), std::move(inherited.access)});
  if (S_ISDIR(record.mode))
    operations.emplace_back(PutXattr{record.inode, std::string(kAclDefaultXattr), *default_acl});
  return {};
}

}  // namespace

Result<InodePtr> VaultImpl::MakeInode(const Caller& caller, NodeId parent, std::string_view name,
                                      const NewInode& wanted) {
  LG_RETURN_IF_ERROR(CheckName(name));
  LG_RETURN_IF_ERROR(Authorise(caller, parent, Action::kAddName));
  LG_ASSIGN_OR_RETURN(const InodePtr folder, inodes_->Get(InodeOf(parent)));
  bool hold_filing = false;  // found out before the lock: it looks at the folder's record itself
  if (S_ISREG(wanted.mode) && name.front() == '.') {
    LG_ASSIGN_OR_RETURN(hold_filing, IsIncoming(folder->id));
  }
  InodeLocks locks({folder});
  if (!S_ISDIR(folder->record.mode)) return PosixError(ENOTDIR);
  if (folder->record.nlink == 0) return PosixError(ENOENT);
  LG_ASSIGN_OR_RETURN(const auto taken, FindName(folder->id, name));
  if (taken) return PosixError(EEXIST);

  const int64_t now = clock_.WallNanos();
  InodeRecord record;
  record.inode = ids_->TakeInode();
  record.mode = wanted.mode;
  record.rdev = wanted.rdev;
  record.nlink = S_ISDIR(wanted.mode) ? 2 : 1;
  record.atime = record.mtime = record.ctime = record.btime = now;
  record.symlink_target = wanted.symlink_target;
  record.size = wanted.symlink_target.size();
  if (S_ISDIR(wanted.mode) || S_ISREG(wanted.mode)) record.parent = folder->id;

  Transaction transaction;
  LG_RETURN_IF_ERROR(Inherit(caller, folder->record, *index_, record, transaction.operations));
  InodeRecord folder_record = folder->record;
  TouchFolder(folder_record, now);
  if (S_ISDIR(wanted.mode)) ++folder_record.nlink;
  transaction.operations.emplace_back(PutName{
      {folder->id, std::string(name), record.inode, record.mode & S_IFMT, 0, ids_->TakeCookie()}});
  transaction.operations.emplace_back(PutInode{record});
  transaction.Put(folder, folder_record);
  const InodePtr state = inodes_->Add(std::move(record));
  state->hold_filing = hold_filing;
  if (Status committed = Commit(std::move(transaction)); !committed) {
    inodes_->Drop(state->id);
    return std::move(committed).error();
  }
  return state;
}

Result<Attributes> VaultImpl::MakeNode(const Caller& caller, NodeId parent, std::string_view name,
                                       mode_t mode, uint64_t rdev) {
  MutexLock lock(names_mutex_);
  if ((mode & S_IFMT) == 0) mode |= S_IFREG;
  LG_ASSIGN_OR_RETURN(const InodePtr state, MakeInode(caller, parent, name, {mode, rdev, {}}));
  ReaderLock reader(state->mutex);
  return ToAttributes(state->id, state->record);
}

Result<Attributes> VaultImpl::MakeFolder(const Caller& caller, NodeId parent, std::string_view name,
                                         mode_t mode) {
  MutexLock lock(names_mutex_);
  LG_ASSIGN_OR_RETURN(const InodePtr state,
                      MakeInode(caller, parent, name, {S_IFDIR | (mode & 07777), 0, {}}));
  ReaderLock reader(state->mutex);
  return ToAttributes(state->id, state->record);
}

Result<Attributes> VaultImpl::MakeSymlink(const Caller& caller, NodeId parent,
                                          std::string_view name, std::string_view target) {
  if (target.size() >= kPathMax) return PosixError(ENAMETOOLONG);
  if (target.empty()) return PosixError(ENOENT);
  MutexLock lock(names_mutex_);
  LG_ASSIGN_OR_RETURN(const InodePtr state,
                      MakeInode(caller, parent, name, {S_IFLNK | 0777, 0, std::string(target)}));
  ReaderLock reader(state->mutex);
  return ToAttributes(state->id, state->record);
}

Result<std::string> VaultImpl::ReadSymlink(NodeId node) {
  LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(InodeOf(node)));
  if (!S_ISLNK(record.mode)) return PosixError(EINVAL);
  return record.symlink_target;
}

Result<Attributes> VaultImpl::Link(const Caller& caller, NodeId node, NodeId new_parent,
                                   std::string_view new_name) {
  LG_RETURN_IF_ERROR(CheckName(new_name));
  LG_ASSIGN_OR_RETURN(InodeRecord linked, AddLink(caller, node, new_parent, new_name));
  Audit(caller, AuditAction::kLink, linked, 0);
  return AttributesOf(node, std::move(linked));
}

Result<InodeRecord> VaultImpl::AddLink(const Caller& caller, NodeId node, NodeId new_parent,
                                       std::string_view new_name) {
  MutexLock lock(names_mutex_);
  LG_RETURN_IF_ERROR(Authorise(caller, node, Action::kChangeAttributes));
  LG_RETURN_IF_ERROR(Authorise(caller, new_parent, Action::kAddName));
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(InodeOf(node)));
  LG_ASSIGN_OR_RETURN(const InodePtr folder, inodes_->Get(InodeOf(new_parent)));
  InodeLocks locks({state, folder});
  if (S_ISDIR(state->record.mode)) return PosixError(EPERM);
  if (state->record.nlink == 0 || folder->record.nlink == 0) return PosixError(ENOENT);
  if (state->record.nlink >= kLinkMax) return PosixError(EMLINK);
  LG_ASSIGN_OR_RETURN(const auto taken, FindName(folder->id, new_name));
  if (taken) return PosixError(EEXIST);
  const int64_t now = clock_.WallNanos();
  Transaction transaction;
  transaction.operations.emplace_back(
      PutName{{folder->id, std::string(new_name), state->id, state->record.mode & S_IFMT, 0,
               ids_->TakeCookie()}});
  InodeRecord record = state->record;
  ++record.nlink;
  record.ctime = now;
  InodeRecord folder_record = folder->record;
  TouchFolder(folder_record, now);
  transaction.Put(state, record);
  transaction.Put(folder, folder_record);
  LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  return state->record;
}

Status VaultImpl::DropLink(Transaction& transaction, const InodePtr& state, InodeRecord& record,
                           int64_t now) {
  record.nlink -= std::min<uint32_t>(record.nlink, 1);
  record.ctime = now;
  if (record.nlink != 1 || (record.flags & kInodeIncoming) != 0) return {};
  LG_ASSIGN_OR_RETURN(const auto filing, index_->GetFiling(state->id));
  if (!filing || filing->state != FilingState::kFiled) return {};
  // The last ordinary name is gone: what is left is the view's, and views hold nothing.
  ViewEditor editor(*index_, *ids_, now);
  LG_RETURN_IF_ERROR(editor.Remove(*filing));
  transaction.operations.insert(transaction.operations.end(), editor.operations().begin(),
                                editor.operations().end());
  transaction.operations.emplace_back(EraseFiling{state->id});
  record.nlink = 0;
  return {};
}

Status VaultImpl::UnlinkFromView(const NameRecord& name) {
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(name.inode));
  InodeLocks locks({state});
  InodeRecord record = state->record;
  // Only what came through /incoming lives by its view name, and only that can be deleted here.
  if ((record.flags & kInodeIncoming) == 0 || record.nlink != 1) return PosixError(EROFS);
  LG_ASSIGN_OR_RETURN(const auto filing, index_->GetFiling(name.inode));
  if (!filing || filing->state != FilingState::kFiled) return PosixError(EROFS);
  const int64_t now = clock_.WallNanos();
  ViewEditor editor(*index_, *ids_, now);
  LG_RETURN_IF_ERROR(editor.Remove(*filing));
  Transaction transaction;
  transaction.use_reserve = true;
  transaction.operations = editor.operations();
  transaction.operations.emplace_back(EraseFiling{name.inode});
  record.nlink = 0;
  record.ctime = now;
  transaction.Put(state, record);
  LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  NoteOrphan(state);
  return {};
}

Status VaultImpl::Unlink(const Caller& caller, NodeId parent, std::string_view name) {
  MutexLock lock(names_mutex_);
  LG_RETURN_IF_ERROR(Authorise(caller, parent, Action::kRemoveName));
  LG_ASSIGN_OR_RETURN(const NameRecord found, RequireName(parent, name));
  if (S_ISDIR(found.mode_type)) return PosixError(EISDIR);
  LG_RETURN_IF_ERROR(AllowsRemoval(caller, found.inode));
  const auto audit = AuditLater(caller, AuditAction::kRemove, found.inode);
  LG_RETURN_IF_ERROR((found.flags & kNameView) != 0 ? UnlinkFromView(found) : UnlinkFile(found));
  audit({});
  return {};
}

Status VaultImpl::UnlinkFile(const NameRecord& found) {
  LG_ASSIGN_OR_RETURN(const InodePtr folder, inodes_->Get(found.parent));
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(found.inode));
  InodeLocks locks({folder, state});
  const int64_t now = clock_.WallNanos();
  Transaction transaction;
  transaction.use_reserve = true;
  transaction.operations.emplace_back(EraseName{found.parent, found.name});
  InodeRecord record = state->record;
  LG_RETURN_IF_ERROR(DropLink(transaction, state, record, now));
  InodeRecord folder_record = folder->record;
  TouchFolder(folder_record, now);
  transaction.Put(state, record);
  transaction.Put(folder, folder_record);
  LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  if (state->record.nlink == 0) NoteOrphan(state);
  return {};
}

Result<bool> VaultImpl::IsFolderEmpty(InodeId folder) const {
  bool empty = true;
  LG_RETURN_IF_ERROR(index_->VisitNames(folder, 0, [&](const NameRecord&) {
    empty = false;
    return false;
  }));
  return empty;
}

Status VaultImpl::RemoveFolder(const Caller& caller, NodeId parent, std::string_view name) {
  MutexLock lock(names_mutex_);
  LG_RETURN_IF_ERROR(Authorise(caller, parent, Action::kRemoveName));
  LG_ASSIGN_OR_RETURN(const NameRecord found, RequireName(parent, name));
  if (!S_ISDIR(found.mode_type)) return PosixError(ENOTDIR);
  if ((found.flags & kNameView) != 0) return PosixError(EROFS);
  const auto audit = AuditLater(caller, AuditAction::kRemove, found.inode);
  LG_ASSIGN_OR_RETURN(const bool empty, IsFolderEmpty(found.inode));
  if (!empty) return PosixError(ENOTEMPTY);
  LG_ASSIGN_OR_RETURN(const InodePtr folder, inodes_->Get(found.parent));
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(found.inode));
  InodeLocks locks({folder, state});
  const int64_t now = clock_.WallNanos();
  Transaction transaction;
  transaction.use_reserve = true;
  transaction.operations.emplace_back(EraseName{found.parent, found.name});
  InodeRecord record = state->record;
  record.nlink = 0;
  record.ctime = now;
  InodeRecord folder_record = folder->record;
  TouchFolder(folder_record, now);
  --folder_record.nlink;
  transaction.Put(state, record);
  transaction.Put(folder, folder_record);
  LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  NoteOrphan(state);
  audit({});
  return {};
}

Result<bool> VaultImpl::IsInside(InodeId inode, InodeId folder) const {
  while (inode != kNoInode) {
    if (inode == folder) return true;
    LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
    inode = record.parent;
  }
  return false;
}

}  // namespace leadglass
