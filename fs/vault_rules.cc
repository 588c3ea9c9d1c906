// SPDX-License-Identifier: Apache-2.0

// The configuration, and the rules in it that give studies their groups.

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

// The folder of a path from the mount's root; nullopt: there is none.
Result<std::optional<InodeId>> FolderAt(const Index& index, std::string_view path) {
  InodeId folder = kRootInode;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    if (name.empty()) continue;
    LG_ASSIGN_OR_RETURN(const auto found, index.GetName(folder, name));
    if (!found || !S_ISDIR(found->mode_type)) return std::optional<InodeId>();
    folder = found->inode;
  }
  return std::optional(folder);
}

// Whether the rules can be asked about an image that was filed with these facts.
bool HasAll(const DicomFacts& facts, const FurtherElements& further) {
  return std::all_of(further.begin(), further.end(), [&](const FurtherElement& element) {
    return std::any_of(
        facts.attributes.begin(), facts.attributes.end(),
        [&](const DicomAttribute& attribute) { return attribute.keyword == element.keyword; });
  });
}

}  // namespace

// ---- Configuration

Status VaultImpl::LoadConfiguration() {
  LG_ASSIGN_OR_RETURN(auto stored, index_->GetConfiguration());
  if (parser_ != nullptr) parser_->SetFurther({});
  if (!stored) return {};
  auto parsed = ParseConfiguration(stored->text);
  // Studies would be filed into groups that nobody chose.
  if (!parsed)
    return Error(Errc::kUnsupported,
                 "this version does not understand the vault's configuration, "
                 "which another one accepted: use that one (" +
                     parsed.error().context + ")");
  root_reads_all_ = parsed->root == Configuration::Root::kAll;
  if (parser_ != nullptr) parser_->SetFurther(parsed->further);
  MutexLock lock(configuration_mutex_);
  configuration_ = std::make_shared<const ActiveConfiguration>(
      ActiveConfiguration{*std::move(stored), *std::move(parsed)});
  return {};
}

std::shared_ptr<const ActiveConfiguration> VaultImpl::Active() const {
  MutexLock lock(configuration_mutex_);
  return configuration_;
}

std::optional<uint32_t> ActiveConfiguration::GidOf(std::string_view group) const {
  for (const ConfiguredGroup& known : stored.groups)
    if (known.name == group) return known.gid;
  return std::nullopt;
}

Result<std::optional<PutConfiguration>> VaultImpl::GetConfiguration() const {
  const auto active = Active();
  return active ? std::optional(active->stored) : std::optional<PutConfiguration>();
}

Result<uint32_t> VaultImpl::SetConfiguration(const Person& by, std::string text,
                                             std::vector<ConfiguredGroup> groups) {
  if (options_.read_only || Failed()) return PosixError(EROFS);
  LG_ASSIGN_OR_RETURN(Configuration parsed, ParseConfiguration(text));
  ActiveConfiguration next{{1, 1, std::move(text), {}}, std::move(parsed)};
  for (const std::string& name : GroupsOf(next.parsed)) {
    const auto found = std::find_if(groups.begin(), groups.end(),
                                    [&](const ConfiguredGroup& g) { return g.name == name; });
    if (found == groups.end())
      return Error(Errc::kInvalidArgument, "configuration: there is no group '" + name + "' here");
    next.stored.groups.push_back(*found);
  }
  MutexLock names(names_mutex_);  // no study is given its group meanwhile
  if (const auto active = Active()) {
    next.stored.version = active->stored.version + 1;
    const std::vector<std::string> filing = FilingGroupsOf(next.parsed);
    const bool same_groups = std::all_of(
        filing.begin(), filing.end(),
        [&](const std::string& name) { return active->GidOf(name) == next.GidOf(name); });
    const bool same_rules = active->parsed.rules == next.parsed.rules &&
                            active->parsed.default_group == next.parsed.default_group &&
                            same_groups;
    next.stored.rules_version = same_rules ? active->stored.rules_version : next.stored.version;
  }
  LG_RETURN_IF_ERROR(CommitAtOnce({next.stored}, false));
  LG_RETURN_IF_ERROR(SyncLog());
  const uint32_t version = next.stored.version;
  root_reads_all_ = next.parsed.root == Configuration::Root::kAll;
  if (parser_ != nullptr) parser_->SetFurther(next.parsed.further);
  {
    MutexLock lock(configuration_mutex_);
    configuration_ = std::make_shared<const ActiveConfiguration>(std::move(next));
  }
  if (audit_)
    audit_->Note(by.caller, AuditAction::kConfigure, {}, 0, "version " + std::to_string(version));
  return version;
}

// ---- Rules

Result<StudyAssignment> VaultImpl::AssignmentFor(const DicomFacts& facts, InodeId folder) const {
  StudyAssignment assignment;
  const auto active = Active();
  if (!active) return assignment;
  const Configuration& parsed = active->parsed;
  assignment.rules_version = active->stored.rules_version;
  Status failed;
  const RuleSubject subject = SubjectOf(facts, [&](std::string_view path) {
    const auto wanted = FolderAt(*index_, path);
    if (!wanted) failed = wanted.error();
    if (!wanted || !*wanted || folder == kNoInode) return false;
    const auto inside = IsInside(folder, **wanted);
    // A folder that is gone was in none.
    if (!inside && ToErrno(inside.error()) != ENOENT) failed = inside.error();
    return inside && *inside;
  });
  const auto match = FirstMatch(parsed.rules, subject);
  LG_RETURN_IF_ERROR(failed);
  if (!match) {
    if (!parsed.default_group.empty()) assignment.gid = active->GidOf(parsed.default_group);
    return assignment;
  }
  const FilingRule& rule = parsed.rules[*match];
  assignment.rule = static_cast<uint32_t>(*match);
  assignment.gid = active->GidOf(rule.group);
  for (const std::string& group : rule.further)
    if (const auto gid = active->GidOf(group)) assignment.further.push_back(*gid);
  return assignment;
}

// Whose group a study has that the rules give none.
Result<uint32_t> VaultImpl::DefaultGid() const {
  LG_ASSIGN_OR_RETURN(const InodeRecord patients, CurrentRecord(kPatientsInode));
  return patients.gid;
}

Status VaultImpl::GiveStudy(EntityRecord entity, const InodePtr& folder,
                            const StudyAssignment& assignment) {
  LG_ASSIGN_OR_RETURN(const uint32_t default_gid, DefaultGid());
  {
    WriterLock lock(folder->mutex);
    InodeRecord record = folder->record;
    record.gid = assignment.gid.value_or(default_gid);
    record.mode = S_IFDIR | 0750;
    record.ctime = clock_.WallNanos();
    Transaction transaction;
    transaction.use_reserve = true;
    LG_ASSIGN_OR_RETURN(const auto old, index_->GetXattr(folder->id, kAclAccessXattr));
    if (!assignment.further.empty()) {
      transaction.operations.emplace_back(
          PutXattr{folder->id, std::string(kAclAccessXattr), AclForGroups(assignment.further)});
    } else if (old) {
      transaction.operations.emplace_back(EraseXattr{folder->id, std::string(kAclAccessXattr)});
    }
    LG_RETURN_IF_ERROR(key_store_->MoveStudy(entity.identity, record.gid, transaction.operations));
    entity.rule = assignment.rule;
    entity.rules_version = assignment.rules_version;
    transaction.operations.emplace_back(PutEntity{std::move(entity)});
    transaction.Put(folder, record);
    LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  }
  StudyChanged(folder->id);
  return {};
}

// An image that matches an earlier rule than those before it takes its study along before it is
// filed: at no moment does it stand in a study that is open to the wrong group.
Status VaultImpl::RaiseStudy(const DicomFacts& facts, InodeId inode,
                             const StudyAssignment& assignment) {
  if (assignment.rule == kNoRule || !assignment.gid) return {};
  LG_ASSIGN_OR_RETURN(auto entity, index_->GetEntity(EntityKind::kStudy,
                                                     ViewEditor::Identity(StudyKey(facts, inode))));
  if (!entity || (entity->flags & kEntityPinned) != 0 ||
      entity->rules_version != assignment.rules_version || entity->rule <= assignment.rule)
    return {};
  LG_ASSIGN_OR_RETURN(const InodePtr folder, inodes_->Get(entity->folder));
  const Status given = GiveStudy(*std::move(entity), folder, assignment);
  // A locked group's study cannot be taken out of it; the image is filed into it as it is.
  return !given && given.error().code == Errc::kLocked ? Status() : given;
}

// ---- Rules for studies that are there

// The lowest-numbered rule that any image of the study matches.
Result<StudyAssignment> VaultImpl::AssignmentOfStudy(InodeId study, const ReadFacts& read) const {
  std::optional<StudyAssignment> lowest;
  Status failed;
  const auto look = [&](const NameRecord& image) {
    const auto filing = index_->GetFiling(image.inode);
    const auto record = CurrentRecord(image.inode);
    if (!filing) failed = filing.error();
    if (!failed || !*filing || (*filing)->facts.empty() || !record) return failed.has_value();
    const auto anew = read.find(image.inode);
    const auto facts =
        anew != read.end() ? Result<DicomFacts>(anew->second) : DecodeDicomFacts((*filing)->facts);
    if (!facts) failed = facts.error();
    if (!failed) return false;
    auto assignment = AssignmentFor(*facts, record->parent);
    if (!assignment) failed = assignment.error();
    if (!failed) return false;
    if (!lowest || assignment->rule < lowest->rule) lowest = *std::move(assignment);
    return true;
  };
  LG_RETURN_IF_ERROR(index_->VisitNames(study, 0, [&](const NameRecord& series) {
    const Status visited = index_->VisitNames(series.inode, 0, look);
    if (!visited) failed = visited.error();
    return failed.has_value();
  }));
  LG_RETURN_IF_ERROR(failed);
  if (!lowest) return PosixError(ENOENT);  // its last image has just gone
  return *std::move(lowest);
}

// Without any lock: headers take their time, and the study goes on meanwhile. What comes into it
// now is filed with all that the rules ask for.
Result<VaultImpl::ReadFacts> VaultImpl::ReadForRules(InodeId study) {
  ReadFacts read;
  const auto active = Active();
  if (!active || active->parsed.further.empty()) return read;
  LG_ASSIGN_OR_RETURN(const auto entity, index_->GetEntityOfFolder(study));
  if (!entity || (entity->flags & kEntityPinned) != 0) return read;  // no rule is asked
  std::vector<InodeId> images;
  Status visited;
  LG_RETURN_IF_ERROR(index_->VisitNames(study, 0, [&](const NameRecord& series) {
    visited = index_->VisitNames(series.inode, 0, [&](const NameRecord& image) {
      images.push_back(image.inode);
      return true;
    });
    return visited.has_value();
  }));
  LG_RETURN_IF_ERROR(visited);
  for (const InodeId image : images) {
    LG_ASSIGN_OR_RETURN(const auto filing, index_->GetFiling(image));
    if (!filing || filing->facts.empty()) continue;
    LG_ASSIGN_OR_RETURN(const DicomFacts known, DecodeDicomFacts(filing->facts));
    if (HasAll(known, active->parsed.further)) continue;
    if (parser_ == nullptr)
      return Error(Errc::kUnavailable, "headers have to be read: mount the vault for it");
    const auto state = inodes_->Get(image);
    if (!state && ToErrno(state.error()) == ENOENT) continue;  // it has just gone
    if (!state) return state.error();
    uint64_t size = 0;
    uint32_t uid = 0;
    {
      ReaderLock lock((*state)->mutex);
      size = (*state)->content.size();
      uid = (*state)->record.uid;
    }
    LG_ASSIGN_OR_RETURN(const ParseOutcome outcome, ReadHeaderOf(*state, size, uid, nullptr));
    if (const auto* unparsed = std::get_if<Unparsed>(&outcome))
      return Error(Errc::kUnavailable, std::string("an image's header cannot be read again: ") +
                                           UnparsedText(unparsed->reason));
    read.emplace(image, std::get<DicomFacts>(outcome));
  }
  return read;
}

Result<std::string> VaultImpl::PathOfStudy(const EntityRecord& entity,
                                           const InodeRecord& folder) const {
  LG_ASSIGN_OR_RETURN(const auto patient, index_->GetEntityOfFolder(folder.parent));
  const auto name_of = [](const EntityRecord& named) {
    return named.names.empty() ? named.label : named.names.front();
  };
  return "/patients/" + (patient ? name_of(*patient) + "/" : "") + name_of(entity);
}

Result<std::optional<StudyMove>> VaultImpl::StaysAsItIs(InodeId study, const Error& why) const {
  LG_ASSIGN_OR_RETURN(const auto entity, index_->GetEntityOfFolder(study));
  if (!entity || (entity->flags & kEntityPinned) != 0) return std::optional<StudyMove>();
  LG_ASSIGN_OR_RETURN(const InodeRecord folder, CurrentRecord(study));
  StudyMove stays;
  stays.old_gid = stays.new_gid = folder.gid;
  stays.stays = ToString(why);
  LG_ASSIGN_OR_RETURN(stays.path, PathOfStudy(*entity, folder));
  return std::optional(std::move(stays));
}

Result<std::optional<StudyMove>> VaultImpl::MoveOf(const EntityRecord& entity,
                                                   const StudyAssignment& assignment) const {
  LG_ASSIGN_OR_RETURN(const InodeRecord folder, CurrentRecord(entity.folder));
  LG_ASSIGN_OR_RETURN(const auto acl, index_->GetXattr(entity.folder, kAclAccessXattr));
  LG_ASSIGN_OR_RETURN(const uint32_t default_gid, DefaultGid());
  StudyMove move;
  move.old_gid = folder.gid;
  move.new_gid = assignment.gid.value_or(default_gid);
  move.further = assignment.further;
  std::optional<ByteVector> wanted;
  if (!assignment.further.empty()) wanted = AclForGroups(assignment.further);
  if (move.old_gid == move.new_gid && acl == wanted && (folder.mode & 0777) == 0750)
    return std::optional<StudyMove>();
  const auto active = Active();
  if (assignment.rule != kNoRule && active && assignment.rule < active->parsed.rules.size())
    move.rule = active->parsed.rules[assignment.rule].name;
  LG_ASSIGN_OR_RETURN(move.path, PathOfStudy(entity, folder));
  return std::optional(std::move(move));
}

Result<std::vector<StudyMove>> VaultImpl::ApplyRules(const Person& by, bool make) {
  if (make && (options_.read_only || Failed())) return PosixError(EROFS);
  std::vector<InodeId> patients;
  LG_RETURN_IF_ERROR(index_->VisitNames(kPatientsInode, 0, [&](const NameRecord& name) {
    patients.push_back(name.inode);
    return true;
  }));
  std::vector<StudyMove> moves;
  for (const InodeId patient : patients) {
    std::vector<InodeId> studies;
    LG_RETURN_IF_ERROR(index_->VisitNames(patient, 0, [&](const NameRecord& name) {
      studies.push_back(name.inode);
      return true;
    }));
    for (const InodeId study : studies) {
      const auto read = ReadForRules(study);
      // One at a time: no image arrives in it between the look and the change.
      MutexLock names(names_mutex_);
      auto moved =
          read ? ApplyRulesTo(by.caller, study, *read, make) : StaysAsItIs(study, read.error());
      if (!moved && moved.error().code == Errc::kLocked) moved = StaysAsItIs(study, moved.error());
      if (!moved && ToErrno(moved.error()) == ENOENT) continue;  // it has just gone
      if (!moved) return std::move(moved).error();
      if (*moved) moves.push_back(**std::move(moved));
    }
  }
  if (make) LG_RETURN_IF_ERROR(SyncLog());
  return moves;
}

Result<std::optional<StudyMove>> VaultImpl::ApplyRulesTo(const Caller& by, InodeId study,
                                                         const ReadFacts& read, bool make) {
  LG_ASSIGN_OR_RETURN(auto entity, index_->GetEntityOfFolder(study));
  if (!entity || entity->kind != EntityKind::kStudy || (entity->flags & kEntityPinned) != 0)
    return std::optional<StudyMove>();
  LG_ASSIGN_OR_RETURN(const StudyAssignment assignment, AssignmentOfStudy(study, read));
  LG_ASSIGN_OR_RETURN(auto move, MoveOf(*entity, assignment));
  const bool counted_anew =
      entity->rule != assignment.rule || entity->rules_version != assignment.rules_version;
  if (!make || (!move && !counted_anew)) return move;
  LG_ASSIGN_OR_RETURN(const InodePtr folder, inodes_->Get(study));
  LG_RETURN_IF_ERROR(GiveStudy(*std::move(entity), folder, assignment));
  if (move && audit_) {
    LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(study));
    Audit(by, AuditAction::kAccess, record, 0,
          "rules applied: gid " + std::to_string(move->new_gid));
  }
  return move;
}

}  // namespace leadglass
