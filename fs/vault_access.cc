// SPDX-License-Identifier: Apache-2.0

// Who may see what: the decision of what a caller may do with a node, and what a study says for all
// that belongs to it.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fs/vault_impl.h"
#include "fs/view_editor.h"
#include "index/dicom_keys.h"
#include "index/posix_acl.h"

namespace leadglass {
namespace {

// A person chose who may see the study.
void Pin(EntityRecord study, Operations& operations) {
  if ((study.flags & kEntityPinned) != 0) return;
  study.flags |= kEntityPinned;
  operations.emplace_back(PutEntity{std::move(study)});
}

}  // namespace

Status VaultImpl::NodeAllows(NodeId node, Action action) const {
  if (action == Action::kFind || action == Action::kList || action == Action::kRead ||
      action == Action::kExecute)
    return {};
  if (options_.read_only || Failed()) return PosixError(EROFS);
  if (IsViewNode(node)) return PosixError(EROFS);
  const InodeId inode = InodeOf(node);
  if (action == Action::kAddName && inode == kRootInode) return PosixError(EPERM);
  if (action == Action::kRemoveName && inode == kRootInode) return PosixError(EPERM);
  if (inode == kPatientsInode)
    return action == Action::kChangeAttributes ? Status{} : PosixError(EROFS);
  if (action == Action::kAddName || action == Action::kRemoveName) {
    LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
    if ((record.flags & kInodeViewFolder) != 0 && action == Action::kAddName)
      return PosixError(EROFS);
  }
  return {};
}

Status VaultImpl::Authorise(const Caller& caller, NodeId node, Action action) const {
  LG_RETURN_IF_ERROR(NodeAllows(node, action));
  LG_RETURN_IF_ERROR(AuthoriseByRights(caller, node, action));
  const bool writes = action == Action::kWrite || action == Action::kReadWrite;
  return writes ? AllowsBytes(caller, InodeOf(node)) : Status();
}

Status VaultImpl::AuthoriseByRights(const Caller& caller, NodeId node, Action action) const {
  if (IsExempt(caller)) return {};
  if (action == Action::kChangeAttributes || action == Action::kAddName ||
      action == Action::kRemoveName)
    return {};  // the kernel knows owners, sticky folders and their bits
  LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(InodeOf(node)));
  LG_ASSIGN_OR_RETURN(const bool permitted, Permits(caller, record, action));
  if (permitted) return {};
  const int error = action == Action::kFind ? ENOENT : EACCES;
  Audit(caller, AuditActionOf(action), record, error);
  return PosixError(error);
}

Result<bool> VaultImpl::Permits(const Caller& caller, const InodeRecord& record,
                                Action action) const {
  const Credentials credentials(caller, options_.groups_of);
  if (action == Action::kFind) {
    if (IsPatientFolder(record)) return MaySeePatient(credentials, record.inode);
    if (!IsStudyFolder(record)) return true;
    return PermitsAny(credentials, record, {kMayRead, kMaySearch});
  }
  if (action == Action::kList) {
    // The kernel has looked at the bits. What is listed of patients is another question.
    if ((record.flags & kInodeViewFolder) == 0 || IsPatientFolder(record)) return true;
    return PermitsAny(credentials, record, {kMayRead});
  }
  // Of the owner's own bits the kernel has seen to; he could change them, and NFS servers open for
  // him what they do not give.
  if (record.uid == caller.uid && !IsDisowned(credentials, record)) return true;
  return PermitsAny(credentials, record, {BitsFor(action)});
}

AuditAction VaultImpl::AuditActionOf(Action action) {
  switch (action) {
    case Action::kFind: return AuditAction::kFind;
    case Action::kList: return AuditAction::kList;
    case Action::kWrite:
    case Action::kReadWrite: return AuditAction::kWrite;
    case Action::kExecute: return AuditAction::kExecute;
    default: return AuditAction::kRead;
  }
}

bool VaultImpl::IsPatientFolder(const InodeRecord& record) {
  return (record.flags & kInodeViewFolder) != 0 && record.parent == kPatientsInode;
}

bool VaultImpl::IsStudyFolder(const InodeRecord& record) {
  return (record.flags & kInodeViewFolder) != 0 && record.inode != kPatientsInode &&
         record.parent != kPatientsInode && record.study == kNoInode;
}

// Only asked where root is not exempt: then it is no owner of studies either, whose folders it has
// by default and whose images it has where it copied them in.
bool VaultImpl::IsDisowned(const Credentials& credentials, const InodeRecord& record) {
  return credentials.uid() == 0 &&
         ((record.flags & kInodeViewFolder) != 0 || record.study != kNoInode);
}

uint32_t VaultImpl::BitsFor(Action action) {
  switch (action) {
    case Action::kWrite: return kMayWrite;
    case Action::kReadWrite: return kMayRead | kMayWrite;
    case Action::kExecute: return kMaySearch;
    default: return kMayRead;
  }
}

Result<bool> VaultImpl::PermitsAny(const Credentials& credentials, const InodeRecord& record,
                                   std::initializer_list<uint32_t> wanted) const {
  LG_ASSIGN_OR_RETURN(const InodeRecord shown, EffectiveRecord(record));
  LG_ASSIGN_OR_RETURN(const auto acl, EffectiveAcl(record));
  const auto is_in = [&](uint32_t gid) { return credentials.IsIn(gid); };
  constexpr uint32_t kNoOwner = 0xffffffff;  // (uid_t)-1, that no one has (chown(2))
  const uint32_t owner = IsDisowned(credentials, record) ? kNoOwner : shown.uid;
  return std::any_of(wanted.begin(), wanted.end(), [&](uint32_t bits) {
    return leadglass::Permits({shown.mode & 0777, owner, shown.gid}, acl, credentials.uid(), is_in,
                              bits);
  });
}

Result<bool> VaultImpl::MaySeePatient(const Credentials& credentials, InodeId folder) const {
  bool sees = IsPatientOpenTo(credentials, folder);
  if (sees) return true;
  Status failed;
  LG_RETURN_IF_ERROR(index_->VisitViewers(folder, [&](const Viewer& viewer, InodeId study) {
    if (!credentials.Is(viewer)) return true;
    const auto record = CurrentRecord(study);
    if (!record && ToErrno(record.error()) == ENOENT) return true;  // it has just gone
    auto permits = record ? PermitsAny(credentials, *record, {kMayRead, kMaySearch})
                          : Result<bool>(record.error());
    if (!permits) failed = permits.error();
    sees = permits && *permits;
    return failed.has_value() && !sees;
  }));
  LG_RETURN_IF_ERROR(failed);
  return sees;
}

Result<std::optional<NameRecord>> VaultImpl::NameOfPatient(InodeId folder) const {
  LG_ASSIGN_OR_RETURN(const auto entity, index_->GetEntityOfFolder(folder));
  std::optional<NameRecord> found;
  if (!entity || entity->kind != EntityKind::kPatient) return found;
  LG_ASSIGN_OR_RETURN(
      found, index_->GetName(kPatientsInode,
                             entity->names.empty() ? entity->label : entity->names.front()));
  if (found && found->inode == folder) return found;
  // The catalog of an early version does not say which of the names is listed.
  found.reset();
  LG_RETURN_IF_ERROR(index_->VisitNames(kPatientsInode, 0, [&](const NameRecord& name) {
    if (name.inode == folder) found = name;
    return !found;
  }));
  return found;
}

namespace {

// Who sees some of the patients is given them by the numbers of their folders, which is the order
// in which they came; his cookies are those, marked. Who sees all is given the names' own cookies.
constexpr uint64_t kByFolder = uint64_t{1} << 62;
constexpr uint64_t kFirstNameCookie = 16;  // of names that are stored

}  // namespace

Status VaultImpl::ListPatients(
    const Credentials& credentials, uint64_t cookie,
    const std::function<bool(const NameRecord&, uint64_t)>& visitor) const {
  InodeId after = cookie & ~kByFolder;
  if ((cookie & kByFolder) == 0 && cookie >= kFirstNameCookie) {
    after = UINT64_MAX - 1;
    LG_RETURN_IF_ERROR(index_->VisitNames(kPatientsInode, cookie, [&](const NameRecord& name) {
      after = name.inode - 1;
      return false;
    }));
  }
  // In an emergency there are more, which stand among the others.
  std::vector<InodeId> more = emergencies_.PatientsOf(credentials.uid());
  std::erase_if(more, [&](InodeId patient) { return patient <= after; });
  Status failed;
  const auto show = [&](InodeId patient) {
    const auto sees = MaySeePatient(credentials, patient);
    if (!sees) failed = sees.error();
    if (!sees || !*sees) return failed.has_value();
    const auto name = NameOfPatient(patient);
    if (!name) failed = name.error();
    if (!name || !*name) return failed.has_value();  // it has just gone
    return visitor(**name, patient | kByFolder);
  };
  bool goes_on = true;
  const auto show_more = [&](InodeId before) {
    for (; goes_on && !more.empty() && more.front() < before; more.erase(more.begin()))
      goes_on = show(more.front());
    if (!more.empty() && more.front() == before) more.erase(more.begin());
  };
  LG_RETURN_IF_ERROR(index_->VisitPatientsOf(credentials.AsViewers(), after, [&](InodeId patient) {
    show_more(patient);
    goes_on = goes_on && show(patient);
    return goes_on;
  }));
  show_more(UINT64_MAX);
  return failed;
}

Status VaultImpl::VisitNamesFor(
    const Caller& caller, const InodeRecord& folder, uint64_t cookie,
    const std::function<bool(const NameRecord&, uint64_t)>& visitor) const {
  const bool is_patient = IsPatientFolder(folder);
  if (folder.inode != kPatientsInode && !is_patient) {
    return index_->VisitNames(folder.inode, cookie,
                              [&](const NameRecord& name) { return visitor(name, name.cookie); });
  }
  if (IsExempt(caller)) {
    const InodeId after = (cookie & kByFolder) != 0 ? cookie & ~kByFolder : kNoInode;
    return index_->VisitNames(
        folder.inode, after != kNoInode ? 0 : cookie,
        [&](const NameRecord& name) { return name.inode <= after || visitor(name, name.cookie); });
  }
  const Credentials credentials(caller, options_.groups_of);
  if (!is_patient) return ListPatients(credentials, cookie, visitor);
  Status failed;
  LG_RETURN_IF_ERROR(index_->VisitNames(folder.inode, cookie, [&](const NameRecord& name) {
    const auto record = CurrentRecord(name.inode);
    if (!record && ToErrno(record.error()) == ENOENT) return true;
    auto sees = record ? PermitsAny(credentials, *record, {kMayRead, kMaySearch})
                       : Result<bool>(record.error());
    if (!sees) failed = sees.error();
    if (!sees || !*sees) return failed.has_value();
    return visitor(name, name.cookie);
  }));
  return failed;
}

Result<StudyAccess> VaultImpl::AccessOf(InodeId study) const {
  if (const auto known = study_access_.Find(study)) return *known;
  const auto ticket = study_access_.Begin();
  auto record = CurrentRecord(study);
  if (!record && ToErrno(record.error()) != ENOENT) return std::move(record).error();
  // Its last image has just left it: nobody but the image's owner, for the moment that this takes.
  if (!record) return StudyAccess{};
  const StudyAccess access{record->gid, record->mode & 0777};
  study_access_.Keep(ticket, study, access);
  return access;
}

Result<InodeRecord> VaultImpl::EffectiveRecord(InodeRecord record) const {
  LG_ASSIGN_OR_RETURN(const auto users, EmergencyUsersOf(record));
  std::optional<uint32_t> mask;
  if (!users.empty()) {
    LG_ASSIGN_OR_RETURN(const ByteVector acl, EmergencyAcl(record, users));
    LG_ASSIGN_OR_RETURN(mask, AclMode(acl));
  }
  if (record.study != kNoInode) {
    LG_ASSIGN_OR_RETURN(const StudyAccess access, AccessOf(record.study));
    record = WithAccess(std::move(record), access);
  }
  // Where the group has no bit the kernel does not look at a list.
  if (mask) record.mode = (record.mode & ~uint32_t{0070}) | (*mask & 0070);
  return record;
}

Result<std::optional<ByteVector>> VaultImpl::EffectiveAcl(const InodeRecord& record) const {
  LG_ASSIGN_OR_RETURN(const auto users, EmergencyUsersOf(record));
  if (!users.empty()) {
    LG_ASSIGN_OR_RETURN(ByteVector acl, EmergencyAcl(record, users));
    return std::optional(std::move(acl));
  }
  if (record.study == kNoInode) return index_->GetXattr(record.inode, kAclAccessXattr);
  LG_ASSIGN_OR_RETURN(auto acl, index_->GetXattr(record.study, kAclAccessXattr));
  if (!acl || S_ISDIR(record.mode)) return acl;
  LG_ASSIGN_OR_RETURN(ByteVector of_file, AclOfFileIn(*acl, record.mode));
  return std::optional(std::move(of_file));
}

// The kernel keeps an image's attributes for long where it has them by its name in the archive.
void VaultImpl::StudyChanged(InodeId study) {
  study_access_.Forget(study);
  Notice(study, false);
  const auto access = AccessOf(study);
  const bool locked = access && key_store_->IsLocked(access->gid);
  if (locked) {
    // Who read an image while the study was given to the group may have brought a key back.
    const auto entity = index_->GetEntityOfFolder(study);
    const auto keys = entity && *entity ? index_->StudyKeysOf((*entity)->identity)
                                        : Result<std::vector<Uuid>>(std::vector<Uuid>());
    if (keys) key_store_->Forget(*keys);
  }
  // Damage in the index is told to who asks for what is damaged.
  (void)index_->VisitNames(study, 0, [&](const NameRecord& series) {
    Notice(series.inode, false);
    (void)index_->VisitNames(series.inode, 0, [&](const NameRecord& image) {
      Notice(image.inode, locked);
      if (!locked) return true;
      Notice(image.inode | kViewBit, true);
      if (const InodePtr state = inodes_->Peek(image.inode)) ForgetFileKeysIfLocked(state);
      return true;
    });
    return true;
  });
}

Result<Attributes> VaultImpl::SetViewFolderAttributes(const InodePtr& state,
                                                      const AttributeChange& change) {
  MutexLock names(names_mutex_);
  LG_ASSIGN_OR_RETURN(auto entity, index_->GetEntityOfFolder(state->id));
  if (!entity && state->id != kPatientsInode) return PosixError(ENOENT);  // it has just gone
  const bool is_study = entity && entity->kind == EntityKind::kStudy;
  // /patients itself is an ordinary folder but for its names. A patient's folder hides nothing that
  // a study's does not, and a series has what its study has: what is asked for them is taken, so
  // that `chgrp -R` goes on, and changes nothing.
  const bool takes_access = is_study || state->id == kPatientsInode;
  {
    WriterLock lock(state->mutex);
    InodeRecord record = state->record;
    Transaction transaction;
    transaction.use_reserve = true;
    if (is_study && change.mode) LG_RETURN_IF_ERROR(TakesAccess(record));
    if (takes_access && change.gid) record.gid = *change.gid;
    if (state->id == kPatientsInode && change.uid) record.uid = *change.uid;
    if (takes_access && change.mode) {
      record.mode = S_IFDIR | (*change.mode & (is_study ? 0777 : 07777));
      LG_ASSIGN_OR_RETURN(const auto acl, index_->GetXattr(state->id, kAclAccessXattr));
      if (acl) {
        LG_ASSIGN_OR_RETURN(ByteVector changed, AclWithMode(*acl, record.mode));
        transaction.operations.emplace_back(
            PutXattr{state->id, std::string(kAclAccessXattr), std::move(changed)});
      }
    }
    if (change.atime) record.atime = *change.atime;
    if (change.mtime) record.mtime = *change.mtime;
    record.ctime = change.ctime ? *change.ctime : clock_.WallNanos();
    if (is_study && change.gid)
      LG_RETURN_IF_ERROR(
          key_store_->MoveStudy(entity->identity, *change.gid, transaction.operations));
    if (is_study && (change.gid || change.mode)) Pin(*std::move(entity), transaction.operations);
    transaction.Put(state, record);
    LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  }
  if (is_study) StudyChanged(state->id);
  return GetAttributes(state->id);
}

// What is shown of a study during an emergency is not what it has: a change that was made out of it
// would keep the one for good.
Status VaultImpl::TakesAccess(const InodeRecord& study) const {
  LG_ASSIGN_OR_RETURN(const auto users, EmergencyUsersOf(study));
  return users.empty() ? Status() : Status(PosixError(EBUSY));
}

bool VaultImpl::FollowsAStudy(const InodePtr& state) {
  ReaderLock lock(state->mutex);
  const bool view_folder = (state->record.flags & kInodeViewFolder) != 0;
  return state->record.study != kNoInode || (view_folder && state->id != kPatientsInode);
}

Status VaultImpl::SetViewAcl(const InodePtr& state, std::string_view name,
                             std::optional<ByteSpan> acl) {
  uint32_t bits = 0;
  bool minimal = true;
  if (acl) {
    LG_ASSIGN_OR_RETURN(bits, AclMode(*acl));
    LG_ASSIGN_OR_RETURN(minimal, AclIsMinimal(*acl));
  }
  MutexLock names(names_mutex_);
  LG_ASSIGN_OR_RETURN(auto entity, index_->GetEntityOfFolder(state->id));
  // Nothing is made in a view: a list for what will be would say nothing.
  if (!entity || entity->kind != EntityKind::kStudy || name == kAclDefaultXattr) return {};
  {
    WriterLock lock(state->mutex);
    LG_ASSIGN_OR_RETURN(const auto old, index_->GetXattr(state->id, name));
    InodeRecord record = state->record;
    LG_RETURN_IF_ERROR(TakesAccess(record));
    record.ctime = clock_.WallNanos();
    Transaction transaction;
    transaction.use_reserve = true;
    if (acl) record.mode = S_IFDIR | bits;
    if (!minimal) {
      transaction.operations.emplace_back(
          PutXattr{state->id, std::string(name), ByteVector(acl->begin(), acl->end())});
    } else if (old) {
      transaction.operations.emplace_back(EraseXattr{state->id, std::string(name)});
    }
    Pin(*std::move(entity), transaction.operations);
    transaction.Put(state, record);
    LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  }
  StudyChanged(state->id);
  return {};
}

}  // namespace leadglass
