// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>

#include "fs/vault_impl.h"

namespace leadglass {

// What a rename touches. `target` and `target_name` are empty where the new name is free.
struct VaultImpl::RenameSides {
  NameRecord name;
  InodePtr folder;
  InodePtr state;
  InodePtr new_folder;
  std::string new_name;
  std::optional<NameRecord> target_name;
  InodePtr target;
};

Status VaultImpl::LoadSides(RenameSides& sides, NodeId parent, std::string_view name,
                            NodeId new_parent, std::string_view new_name) {
  LG_RETURN_IF_ERROR(CheckName(new_name));
  LG_ASSIGN_OR_RETURN(sides.name, RequireName(parent, name));
  LG_ASSIGN_OR_RETURN(sides.folder, inodes_->Get(InodeOf(parent)));
  LG_ASSIGN_OR_RETURN(sides.new_folder, inodes_->Get(InodeOf(new_parent)));
  LG_ASSIGN_OR_RETURN(sides.state, inodes_->Get(sides.name.inode));
  sides.new_name = new_name;
  LG_ASSIGN_OR_RETURN(sides.target_name, FindName(sides.new_folder->id, new_name));
  if (sides.target_name) {
    LG_ASSIGN_OR_RETURN(sides.target, inodes_->Get(sides.target_name->inode));
  }
  return {};
}

Status VaultImpl::CheckRename(const RenameSides& sides, unsigned flags) const {
  const bool moves_folder = S_ISDIR(sides.name.mode_type);
  if (moves_folder) {
    LG_ASSIGN_OR_RETURN(const bool into_itself, IsInside(sides.new_folder->id, sides.name.inode));
    if (into_itself) return PosixError(EINVAL);
  }
  if ((flags & RENAME_EXCHANGE) != 0) {
    if (!sides.target) return PosixError(ENOENT);
    if (!S_ISDIR(sides.target_name->mode_type)) return {};
    LG_ASSIGN_OR_RETURN(const bool into_itself, IsInside(sides.folder->id, sides.target->id));
    return into_itself ? Status(PosixError(EINVAL)) : Status();
  }
  if (!sides.target) return {};
  if ((flags & RENAME_NOREPLACE) != 0) return PosixError(EEXIST);
  const bool over_folder = S_ISDIR(sides.target_name->mode_type);
  if (moves_folder && !over_folder) return PosixError(ENOTDIR);
  if (!moves_folder && over_folder) return PosixError(EISDIR);
  if (over_folder && sides.target != sides.state) {
    LG_ASSIGN_OR_RETURN(const bool empty, IsFolderEmpty(sides.target->id));
    if (!empty) return PosixError(ENOTEMPTY);
  }
  return {};
}

Status VaultImpl::Rename(const Caller& caller, NodeId parent, std::string_view name,
                         NodeId new_parent, std::string_view new_name, unsigned flags) {
  constexpr unsigned kKnown = RENAME_NOREPLACE | RENAME_EXCHANGE;
  if ((flags & ~kKnown) != 0 || flags == kKnown) return PosixError(EINVAL);
  MutexLock lock(names_mutex_);
  // A view's names are derived: none is taken away, none added.
  LG_RETURN_IF_ERROR(Authorise(caller, parent, Action::kAddName));
  LG_RETURN_IF_ERROR(Authorise(caller, new_parent, Action::kAddName));
  RenameSides sides;
  LG_RETURN_IF_ERROR(LoadSides(sides, parent, name, new_parent, new_name));
  LG_RETURN_IF_ERROR(CheckRename(sides, flags));
  if (sides.target == sides.state) return {};  // two names of one file: nothing happens
  const bool exchanges = (flags & RENAME_EXCHANGE) != 0;
  LG_RETURN_IF_ERROR(AllowsRename(caller, sides.state->id));
  if (sides.target)
    LG_RETURN_IF_ERROR(exchanges ? AllowsRename(caller, sides.target->id)
                                 : AllowsRemoval(caller, sides.target->id));
  std::function<void(std::string)> audit_replaced;
  if (sides.target && !exchanges)
    audit_replaced = AuditLater(caller, AuditAction::kRemove, sides.target->id);
  LG_RETURN_IF_ERROR(exchanges ? RenameExchange(sides) : RenameOver(sides));
  if (audit_replaced) audit_replaced("replaced by another file");
  AuditLater(caller, AuditAction::kRename, sides.state->id)({});
  if (sides.state->hold_filing) {
    LG_ASSIGN_OR_RETURN(const bool incoming, IsIncoming(sides.new_folder->id));
    WriterLock state_lock(sides.state->mutex);
    sides.state->hold_filing = incoming && new_name.front() == '.';
    MarkDirty(sides.state);
  }
  return {};
}

Status VaultImpl::RenameOver(RenameSides& sides) {
  InodeLocks locks({sides.folder, sides.new_folder, sides.state, sides.target});
  if (sides.new_folder->record.nlink == 0) return PosixError(ENOENT);
  const int64_t now = clock_.WallNanos();
  const bool moves_folder = S_ISDIR(sides.name.mode_type);
  InodeRecord folder = sides.folder->record;
  InodeRecord new_folder = sides.new_folder->record;
  InodeRecord& into = sides.folder == sides.new_folder ? folder : new_folder;
  InodeRecord record = sides.state->record;
  TouchFolder(folder, now);
  TouchFolder(into, now);
  record.ctime = now;

  Transaction transaction;
  transaction.operations.emplace_back(EraseName{sides.name.parent, sides.name.name});
  if (sides.target) {
    InodeRecord target = sides.target->record;
    transaction.operations.emplace_back(EraseName{sides.new_folder->id, sides.new_name});
    if (S_ISDIR(target.mode)) {
      target.nlink = 0;
      target.ctime = now;
      --into.nlink;
    } else {
      LG_RETURN_IF_ERROR(DropLink(transaction, sides.target, target, now));
    }
    transaction.Put(sides.target, target);
  }
  if (moves_folder) {
    --folder.nlink;
    ++into.nlink;
  }
  if (moves_folder || S_ISREG(record.mode)) record.parent = sides.new_folder->id;
  transaction.operations.emplace_back(
      PutName{{sides.new_folder->id, sides.new_name, sides.state->id, sides.name.mode_type, 0,
               ids_->TakeCookie()}});
  transaction.Put(sides.state, record);
  transaction.Put(sides.folder, folder);
  if (sides.folder != sides.new_folder) transaction.Put(sides.new_folder, new_folder);
  LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  if (sides.target && sides.target->record.nlink == 0) NoteOrphan(sides.target);
  return {};
}

Status VaultImpl::RenameExchange(RenameSides& sides) {
  InodeLocks locks({sides.folder, sides.new_folder, sides.state, sides.target});
  const int64_t now = clock_.WallNanos();
  InodeRecord folder = sides.folder->record;
  InodeRecord new_folder = sides.new_folder->record;
  InodeRecord record = sides.state->record;
  InodeRecord target = sides.target->record;
  TouchFolder(folder, now);
  TouchFolder(new_folder, now);
  record.ctime = target.ctime = now;
  const bool across = sides.folder != sides.new_folder;
  if (across && S_ISDIR(record.mode)) {
    --folder.nlink;
    ++new_folder.nlink;
    record.parent = sides.new_folder->id;
  }
  if (across && S_ISDIR(target.mode)) {
    ++folder.nlink;
    --new_folder.nlink;
    target.parent = sides.folder->id;
  }
  Transaction transaction;
  transaction.operations.emplace_back(EraseName{sides.name.parent, sides.name.name});
  transaction.operations.emplace_back(EraseName{sides.new_folder->id, sides.new_name});
  transaction.operations.emplace_back(
      PutName{{sides.new_folder->id, sides.new_name, sides.state->id, sides.name.mode_type, 0,
               ids_->TakeCookie()}});
  transaction.operations.emplace_back(
      PutName{{sides.name.parent, sides.name.name, sides.target->id, sides.target_name->mode_type,
               0, ids_->TakeCookie()}});
  transaction.Put(sides.state, record);
  transaction.Put(sides.target, target);
  transaction.Put(sides.folder, folder);
  if (across) transaction.Put(sides.new_folder, new_folder);
  return Commit(std::move(transaction));
}

}  // namespace leadglass
