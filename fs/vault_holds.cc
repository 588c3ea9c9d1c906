// SPDX-License-Identifier: Apache-2.0

// Legal holds: what keeps a study's names and bytes from being destroyed, whoever asks for it. The
// decisions of who may do what come first (vault_access.cc): a refusal here tells of the hold.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

std::string HeldText(const HoldRecord& hold) {
  return "held (" + HoldIdText(hold.id) + "): " + hold.reason;
}

uint32_t NewHoldId() {
  uint8_t bytes[4];
  RandomBytes(bytes);
  return LoadLe<uint32_t>(bytes);
}

}  // namespace

Status VaultImpl::LoadHolds() {
  LG_ASSIGN_OR_RETURN(const auto holds, index_->Holds());
  for (const HoldRecord& hold : holds) {
    LG_ASSIGN_OR_RETURN(const auto study,
                        index_->GetEntity(EntityKind::kStudy, hold.study_identity));
    holds_.Add(hold, study ? study->folder : kNoInode);
  }
  return {};
}

// ---- What is refused

std::optional<StudyHolds::Held> VaultImpl::HeldBy(const InodeRecord& record) const {
  if (holds_.empty() || record.study == kNoInode || record.nlink == 0 || S_ISDIR(record.mode))
    return std::nullopt;
  return holds_.OfFolder(record.study);
}

// An image that comes into a held study is accepted, and complete when who began it has closed it:
// it is filed at the first close of any copy of his descriptor.
Result<std::optional<HoldRecord>> VaultImpl::HoldOnBytes(const InodeState& state) const {
  auto held = HeldBy(state.record);
  if (!held) return std::optional<HoldRecord>();
  if (state.arriving > 0) {
    LG_ASSIGN_OR_RETURN(const auto filing, index_->GetFiling(state.id));
    if (filing && filing->filed_at > held->newest) return std::optional<HoldRecord>();
  }
  return std::optional(std::move(held->hold));
}

Status VaultImpl::RefuseHeld(const Caller& caller, AuditAction action, const InodeRecord& record,
                             const HoldRecord& hold) const {
  Audit(caller, action, record, EPERM, HeldText(hold));
  return PosixError(EPERM);
}

Status VaultImpl::RefuseHeldWrite(OpenFile& file, const HoldRecord& hold) {
  // The kernel took the bytes into its cache, and would show them.
  Notice(file.state->id, true);
  if (file.refusal_told.exchange(true)) return PosixError(EPERM);
  InodeRecord record;
  Caller writer;
  {
    ReaderLock lock(file.state->mutex);
    record = file.state->record;
    writer = file.state->writer;
  }
  return RefuseHeld(writer, AuditAction::kWrite, record, hold);
}

Status VaultImpl::AllowsBytes(const Caller& caller, InodeId inode) const {
  if (holds_.empty()) return {};
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(inode));
  InodeRecord record;
  std::optional<HoldRecord> hold;
  {
    ReaderLock lock(state->mutex);
    LG_ASSIGN_OR_RETURN(hold, HoldOnBytes(*state));
    record = state->record;
  }
  return hold ? RefuseHeld(caller, AuditAction::kWrite, record, *hold) : Status();
}

Status VaultImpl::AllowsRemoval(const Caller& caller, InodeId inode) const {
  if (holds_.empty()) return {};
  LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
  const auto held = HeldBy(record);
  return held ? RefuseHeld(caller, AuditAction::kRemove, record, held->hold) : Status();
}

Status VaultImpl::AllowsRename(const Caller& caller, InodeId inode) const {
  if (holds_.empty()) return {};
  LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
  const auto held = HeldBy(record);
  if (!held) return {};
  // rsync(1) and others give a file its name after they closed it, as in /incoming.
  LG_ASSIGN_OR_RETURN(const auto filing, index_->GetFiling(inode));
  if (filing && filing->filed_at > held->newest) {
    const int64_t age = clock_.WallNanos() - filing->filed_at;
    if (age >= 0 && age < options_.incoming_stay_nanos) return {};
  }
  return RefuseHeld(caller, AuditAction::kRename, record, held->hold);
}

bool VaultImpl::LeavesHeldStudy(const InodeState& state, std::string_view identity) const {
  const auto held = HeldBy(state.record);
  const bool leaves_view = (state.record.flags & kInodeIncomplete) != 0;
  return held && state.arriving == 0 && (leaves_view || held->hold.study_identity != identity);
}

// ---- Putting and taking off

bool VaultImpl::IsHoldId(uint32_t id) const {
  const std::vector<HoldRecord> all = holds_.All();
  return std::any_of(all.begin(), all.end(), [&](const HoldRecord& hold) { return hold.id == id; });
}

Result<std::vector<HoldRecord>> VaultImpl::AddHold(const Person& by, const std::string& study,
                                                   const std::string& reason) {
  if (options_.read_only || Failed()) return PosixError(EROFS, "the vault is read-only");
  LG_RETURN_IF_ERROR(CheckReason(reason));
  LG_ASSIGN_OR_RETURN(const auto named, StudiesNamed(study));
  std::vector<HoldRecord> put;
  std::vector<InodeRecord> folders;
  {
    MutexLock names(names_mutex_);  // no name goes between the look and the hold
    HoldRecord hold;
    while (hold.id == 0 || IsHoldId(hold.id)) hold.id = NewHoldId();
    hold.reason = reason;
    hold.uid = by.caller.uid;
    hold.user = by.name.substr(0, OperationLimits::kUser);
    hold.since = clock_.WallNanos();
    Operations operations;
    for (const EntityRecord& entity : named) {
      const auto folder = CurrentRecord(entity.folder);
      if (!folder && ToErrno(folder.error()) == ENOENT)
        return Error(Errc::kNotFound, "the study's last image has just been removed");
      if (!folder) return folder.error();
      hold.study_identity = entity.identity;
      hold.study_uid = SubjectOfRecord(*folder).study;
      operations.emplace_back(PutHold{hold});
      put.push_back(hold);
      folders.push_back(*folder);
    }
    LG_RETURN_IF_ERROR(CommitAtOnce(std::move(operations), true));
    for (size_t i = 0; i < put.size(); ++i) holds_.Add(put[i], folders[i].inode);
  }
  // Who looked before there was the hold is through with what he does when his lock is free.
  for (const InodePtr& state : inodes_->Loaded()) WriterLock lock(state->mutex);
  LG_RETURN_IF_ERROR(SyncLog());
  for (size_t i = 0; i < put.size(); ++i)
    Audit(by.caller, AuditAction::kHold, folders[i], 0, HoldIdText(put[i].id) + ": " + reason);
  return put;
}

Result<std::vector<HoldRecord>> VaultImpl::HoldsOn(const std::string& study,
                                                   std::optional<uint32_t> id) const {
  std::string identity;
  const bool by_path = study.find('/') != study.npos;
  if (by_path) {
    LG_ASSIGN_OR_RETURN(const auto named, StudiesNamed(study));
    identity = named.front().identity;
  }
  std::vector<HoldRecord> found;
  std::set<uint32_t> ids;
  for (HoldRecord& hold : holds_.All()) {
    if (by_path ? hold.study_identity != identity : hold.study_uid != study) continue;
    if (id && hold.id != *id) continue;
    ids.insert(hold.id);
    found.push_back(std::move(hold));
  }
  if (found.empty())
    return Error(Errc::kNotFound,
                 "there is no such hold on that study: `leadglass hold list` shows those that are");
  if (ids.size() > 1)
    return Error(Errc::kInvalidArgument, "the study has " + std::to_string(ids.size()) +
                                             " holds: say which with --id, as `leadglass hold "
                                             "list` shows them");
  return found;
}

Result<std::vector<HoldRecord>> VaultImpl::RemoveHold(const Person& by, const std::string& study,
                                                      std::optional<uint32_t> id,
                                                      const std::string& reason) {
  if (options_.read_only || Failed()) return PosixError(EROFS, "the vault is read-only");
  LG_RETURN_IF_ERROR(CheckReason(reason));
  LG_ASSIGN_OR_RETURN(auto removed, HoldsOn(study, id));
  Operations operations;
  for (const HoldRecord& hold : removed)
    operations.emplace_back(EraseHold{hold.study_identity, hold.id});
  LG_RETURN_IF_ERROR(CommitAtOnce(std::move(operations), true));
  LG_RETURN_IF_ERROR(SyncLog());
  for (const HoldRecord& hold : removed) {
    // Damage that is met here is told to who reads what is damaged; the study's hold goes anyway.
    const auto entity = index_->GetEntity(EntityKind::kStudy, hold.study_identity);
    const auto folder =
        entity && *entity ? CurrentRecord((*entity)->folder) : Result<InodeRecord>(InodeRecord());
    Audit(by.caller, AuditAction::kRelease, folder ? *folder : InodeRecord(), 0,
          HoldIdText(hold.id) + ": " + reason);
    holds_.Remove(hold.study_identity, hold.id);
  }
  return removed;
}

Result<std::vector<HoldRecord>> VaultImpl::Holds() const { return holds_.All(); }

Result<bool> VaultImpl::IsHeld(std::string_view study_identity) const {
  return holds_.Holds(study_identity);
}

}  // namespace leadglass
