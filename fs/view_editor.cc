// SPDX-License-Identifier: Apache-2.0
#include "fs/view_editor.h"

#include <sys/stat.h>

#include "crypto/aead.h"
#include "index/dicom_keys.h"
#include "index/display_name.h"
#include "index/posix_acl.h"

namespace leadglass {
namespace {

// Patient folders are there for everybody who may enter /patients; studies are a group's own.
constexpr uint32_t kPatientFolderMode = S_IFDIR | 0755;
constexpr uint32_t kStudyFolderMode = S_IFDIR | 0750;
constexpr size_t kMaxAliases = 15;

std::string ClaimName(std::string_view name) {
  std::string claim(1, ViewEditor::kClaimMark);
  claim += CollisionKey(name);
  // Longer keys share a claim at worst: a suffix too many, never two names for one.
  return claim.substr(0, kMaxNameBytes);
}

// The image's plain name with a mark: "0017.dcm" -> "0017 conflict ~k3j2h1ab.dcm".
std::string ConflictName(std::string_view plain, InodeId inode) {
  constexpr std::string_view kEnding = ".dcm";
  std::string stem(plain.substr(0, plain.size() - kEnding.size()));
  return WithSuffix(stem + " conflict" + std::string(kEnding), std::to_string(inode));
}

bool Listed(const NameRecord& name) { return (name.flags & kNameAlias) == 0; }

}  // namespace

std::string ViewEditor::Identity(std::string_view key) {
  const Digest digest = Sha256(AsBytes(key));
  return std::string(AsText(digest));
}

Result<ViewEditor::Placed> ViewEditor::Place(InodeId inode, const DicomFacts& facts,
                                             const StudyAssignment& assignment,
                                             const std::optional<FilingRecord>& previous) {
  const std::string rank = facts.study_date + " " + facts.study_time;
  LG_ASSIGN_OR_RETURN(
      const InodeId patient,
      EnsureFolder({EntityKind::kPatient, Identity(PatientKey(facts, inode)), kPatientsInode,
                    PatientFolderName(facts, inode), rank, kPatientFolderMode}));
  LG_ASSIGN_OR_RETURN(const InodeId study,
                      EnsureFolder({EntityKind::kStudy, Identity(StudyKey(facts, inode)), patient,
                                    StudyFolderName(facts), "", kStudyFolderMode, &assignment}));
  LG_ASSIGN_OR_RETURN(const InodeId series,
                      EnsureFolder({EntityKind::kSeries, Identity(SeriesKey(facts, inode)), study,
                                    SeriesFolderName(facts), "", kStudyFolderMode}));
  FilingRecord record;
  record.inode = inode;
  record.state = FilingState::kFiled;
  record.facts = EncodeDicomFacts(facts);
  record.view_folder = series;
  record.instance_identity = Identity(InstanceKey(facts, inode));
  record.filed_at = now_;
  const bool was_filed = previous && previous->state == FilingState::kFiled;
  if (was_filed && previous->view_folder == series &&
      previous->instance_identity == record.instance_identity) {
    record.view_name = previous->view_name;
    record.filed_at = previous->filed_at;
  } else {
    LG_ASSIGN_OR_RETURN(record.view_name,
                        FreeImageName(series, inode, facts, record.instance_identity));
    PutNameRecord({series, record.view_name, inode, S_IFREG, kNameView, ids_.TakeCookie()});
    if (was_filed) LG_RETURN_IF_ERROR(Remove(*previous));
  }
  operations_.emplace_back(PutFiling{record});
  const auto made = made_.find(study);
  return Placed{std::move(record), study,
                made == made_.end() ? std::nullopt : std::optional(made->second.gid)};
}

Status ViewEditor::Remove(const FilingRecord& filed) {
  DropName(filed.view_folder, filed.view_name);
  LG_RETURN_IF_ERROR(PromoteConflict(filed));
  return RemoveFolderIfEmpty(filed.view_folder);
}

Result<std::optional<NameRecord>> ViewEditor::Find(InodeId folder, std::string_view name) const {
  const auto changed = names_.find({folder, std::string(name)});
  if (changed != names_.end()) return changed->second;
  return index_.GetName(folder, name);
}

void ViewEditor::PutNameRecord(NameRecord record) {
  operations_.emplace_back(PutName{record});
  names_[{record.parent, record.name}] = std::move(record);
}

void ViewEditor::DropName(InodeId folder, const std::string& name) {
  operations_.emplace_back(EraseName{folder, name});
  names_[{folder, name}] = std::nullopt;
}

Result<bool> ViewEditor::IsEmpty(InodeId folder) const {
  for (auto at = names_.lower_bound({folder, ""}); at != names_.end() && at->first.first == folder;
       ++at) {
    if (at->second && Listed(*at->second)) return false;
  }
  bool empty = true;
  LG_RETURN_IF_ERROR(index_.VisitNames(folder, 0, [&](const NameRecord& name) {
    empty = names_.contains({folder, name.name});  // as the index has it, unless changed here
    return empty;
  }));
  return empty;
}

Result<InodeRecord> ViewEditor::FolderRecord(InodeId folder) const {
  if (const auto made = made_.find(folder); made != made_.end()) return made->second;
  LG_ASSIGN_OR_RETURN(const auto record, index_.GetInode(folder));
  if (!record)
    return Error(Errc::kCorrupt,
                 "view folder " + std::to_string(folder) + " is missing; run leadglass reindex");
  return *record;
}

Result<InodeId> ViewEditor::EnsureFolder(const FolderWanted& wanted) {
  LG_ASSIGN_OR_RETURN(auto known, index_.GetEntity(wanted.kind, wanted.identity));
  if (known) {
    const InodeId folder = known->folder;
    const bool newer = wanted.rank > known->label_rank;
    if (newer) LG_RETURN_IF_ERROR(Relabel(*std::move(known), wanted));
    return folder;
  }
  InodeRecord folder;
  folder.inode = ids_.TakeInode();
  folder.mode = wanted.mode;
  folder.nlink = 1;  // "unknown": subfolders are not counted, as on btrfs
  folder.flags = kInodeViewFolder;
  folder.parent = wanted.parent;
  LG_ASSIGN_OR_RETURN(const InodeRecord above, FolderRecord(wanted.parent));
  folder.uid = above.uid;
  folder.gid = above.gid;
  if (wanted.kind == EntityKind::kSeries) folder.study = wanted.parent;
  EntityRecord entity{wanted.kind, wanted.identity, folder.inode, wanted.label, wanted.rank, {}};
  if (wanted.assignment != nullptr) {
    folder.gid = wanted.assignment->gid.value_or(folder.gid);
    entity.rule = wanted.assignment->rule;
    entity.rules_version = wanted.assignment->rules_version;
    if (!wanted.assignment->further.empty())
      operations_.emplace_back(PutXattr{folder.inode, std::string(kAclAccessXattr),
                                        AclForGroups(wanted.assignment->further)});
  }
  folder.atime = folder.mtime = folder.ctime = folder.btime = now_;
  LG_ASSIGN_OR_RETURN(const std::string name,
                      FreeFolderName(wanted.parent, folder.inode, wanted.label, wanted.identity));
  operations_.emplace_back(PutInode{folder});
  made_[folder.inode] = folder;
  AddFolderName(wanted.parent, folder.inode, name, kNameView);
  entity.names = {name};
  operations_.emplace_back(PutEntity{std::move(entity)});
  return folder.inode;
}

Result<std::string> ViewEditor::FreeFolderName(InodeId parent, InodeId folder,
                                               const std::string& label,
                                               const std::string& identity) const {
  std::string name = label;
  for (int attempt = 0; attempt < 100; ++attempt) {
    LG_ASSIGN_OR_RETURN(const auto taken, Find(parent, ClaimName(name)));
    if (!taken || taken->inode == folder) return name;
    name = WithSuffix(label, identity + (attempt == 0 ? "" : std::to_string(attempt)));
  }
  return Error(Errc::kInternal, "no free name for view folder " + std::to_string(folder));
}

void ViewEditor::AddFolderName(InodeId parent, InodeId folder, const std::string& name,
                               uint32_t flags) {
  PutNameRecord({parent, name, folder, S_IFDIR, flags, ids_.TakeCookie()});
  PutNameRecord(
      {parent, ClaimName(name), folder, S_IFDIR, kNameView | kNameAlias, ids_.TakeCookie()});
}

// A newer study spells the patient's name differently: the folder takes the newer name, and the
// older ones go on resolving.
Status ViewEditor::Relabel(EntityRecord entity, const FolderWanted& wanted) {
  entity.label_rank = wanted.rank;
  if (entity.label != wanted.label) {
    LG_ASSIGN_OR_RETURN(const std::string name, FreeFolderName(wanted.parent, entity.folder,
                                                               wanted.label, wanted.identity));
    entity.label = wanted.label;
    const std::string before = entity.names.front();
    if (name != before) {
      std::erase(entity.names, name);
      entity.names.insert(entity.names.begin(), name);
      LG_ASSIGN_OR_RETURN(auto old, Find(wanted.parent, before));
      if (old) {
        old->flags |= kNameAlias;
        PutNameRecord(*std::move(old));
      }
      AddFolderName(wanted.parent, entity.folder, name, kNameView);
      while (entity.names.size() > 1 + kMaxAliases) {
        DropName(wanted.parent, entity.names.back());
        entity.names.pop_back();
      }
    }
  }
  operations_.emplace_back(PutEntity{std::move(entity)});
  return {};
}

Status ViewEditor::RemoveFolderIfEmpty(InodeId folder) {
  while (folder != kPatientsInode) {
    LG_ASSIGN_OR_RETURN(const bool empty, IsEmpty(folder));
    if (!empty) return {};
    LG_ASSIGN_OR_RETURN(const auto entity, index_.GetEntityOfFolder(folder));
    LG_ASSIGN_OR_RETURN(const auto record, index_.GetInode(folder));
    if (!entity || !record)
      return Error(Errc::kCorrupt, "view folder " + std::to_string(folder) +
                                       " has no entity; run leadglass reindex");
    for (const std::string& name : entity->names) {
      DropName(record->parent, name);
      LG_ASSIGN_OR_RETURN(const auto claim, Find(record->parent, ClaimName(name)));
      if (claim && claim->inode == folder) DropName(record->parent, claim->name);
    }
    operations_.emplace_back(EraseEntity{entity->kind, entity->identity});
    operations_.emplace_back(EraseInode{folder});
    folder = record->parent;
  }
  return {};
}

Result<std::string> ViewEditor::FreeImageName(InodeId folder, InodeId inode,
                                              const DicomFacts& facts,
                                              const std::string& identity) {
  const std::string plain = ImageFileName(facts);
  for (const std::string& name :
       {plain, WithSuffix(plain, identity), WithSuffix(plain, identity + std::to_string(inode))}) {
    LG_ASSIGN_OR_RETURN(const auto taken, Find(folder, name));
    if (!taken || taken->inode == inode) return name;
    LG_ASSIGN_OR_RETURN(const auto other, index_.GetFiling(taken->inode));
    if (other && other->instance_identity == identity) {
      LG_RETURN_IF_ERROR(MarkAsConflict(folder, name, taken->inode));
      return name;
    }
  }
  return Error(Errc::kInternal, "no free name for inode " + std::to_string(inode) +
                                    " in view folder " + std::to_string(folder));
}

// Two files claim one SOP Instance UID: both stay, the newest has the plain name.
Status ViewEditor::MarkAsConflict(InodeId folder, const std::string& plain, InodeId older) {
  LG_ASSIGN_OR_RETURN(auto filing, index_.GetFiling(older));
  if (!filing) return {};
  DropName(folder, plain);
  filing->view_name = ConflictName(plain, older);
  PutNameRecord({folder, filing->view_name, older, S_IFREG, kNameView, ids_.TakeCookie()});
  operations_.emplace_back(PutFiling{*std::move(filing)});
  return {};
}

Status ViewEditor::PromoteConflict(const FilingRecord& gone) {
  LG_ASSIGN_OR_RETURN(const auto instances,
                      index_.Instances(gone.view_folder, gone.instance_identity));
  std::optional<FilingRecord> newest;
  for (const InodeId inode : instances) {
    if (inode == gone.inode) continue;
    LG_ASSIGN_OR_RETURN(auto filing, index_.GetFiling(inode));
    if (!filing || filing->view_name != ConflictName(gone.view_name, inode)) continue;
    if (!newest || filing->filed_at > newest->filed_at) newest = std::move(filing);
  }
  if (!newest) return {};
  DropName(gone.view_folder, newest->view_name);
  newest->view_name = gone.view_name;
  PutNameRecord(
      {gone.view_folder, newest->view_name, newest->inode, S_IFREG, kNameView, ids_.TakeCookie()});
  operations_.emplace_back(PutFiling{*std::move(newest)});
  return {};
}

}  // namespace leadglass
