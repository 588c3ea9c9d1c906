// SPDX-License-Identifier: Apache-2.0

// Patients and studies as people name them at the command line: by the identifiers in the headers,
// or by a path on the mount.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

Error NoSuch(const char* what) {
  return Error(Errc::kNotFound, std::string("there is no such ") + what +
                                    " in the vault: name it as its images do, or by a path on the "
                                    "mount, as in /patients/...");
}

}  // namespace

Result<InodeId> VaultImpl::InodeAt(std::string_view path) const {
  InodeId inode = kRootInode;
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    if (name.empty()) continue;
    auto found = RequireName(inode, name);
    if (!found && ToErrno(found.error()) == ENOENT)
      return Error(Errc::kNotFound, "there is no such file or folder on the mount");
    if (!found) return std::move(found).error();
    inode = found->inode;
  }
  return inode;
}

Result<EntityRecord> VaultImpl::EntityAt(std::string_view path) const {
  LG_ASSIGN_OR_RETURN(const InodeId inode, InodeAt(path));
  LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
  const InodeId folder = record.study != kNoInode ? record.study : record.inode;
  LG_ASSIGN_OR_RETURN(auto entity, index_->GetEntityOfFolder(folder));
  if (!entity)
    return Error(Errc::kInvalidArgument,
                 "that is neither a patient nor a study, nor an image of one");
  return *std::move(entity);
}

Status VaultImpl::VisitPatientsAndStudies(
    EntityKind kind,
    const std::function<bool(InodeId folder, const AuditSubject&)>& visitor) const {
  std::vector<InodeId> folders;
  const auto below = [&](InodeId folder) {
    folders.clear();
    return index_->VisitNames(folder, 0, [&](const NameRecord& name) {
      folders.push_back(name.inode);
      return true;
    });
  };
  LG_RETURN_IF_ERROR(below(kPatientsInode));
  std::vector<InodeId> patients = std::move(folders);
  for (const InodeId patient : patients) {
    folders = {patient};
    if (kind == EntityKind::kStudy) LG_RETURN_IF_ERROR(below(patient));
    for (const InodeId folder : folders) {
      const auto record = CurrentRecord(folder);
      if (!record && ToErrno(record.error()) == ENOENT) continue;  // it has just gone
      if (!record) return record.error();
      if (!visitor(folder, SubjectOfRecord(*record))) return {};
    }
  }
  return {};
}

Result<std::vector<EntityRecord>> VaultImpl::StudiesNamed(const std::string& study) const {
  std::vector<EntityRecord> named;
  if (study.find('/') != study.npos) {
    LG_ASSIGN_OR_RETURN(named.emplace_back(), EntityAt(study));
    if (named.front().kind == EntityKind::kStudy) return named;
    return Error(Errc::kInvalidArgument, "that is a patient: name each study");
  }
  if (study.empty()) return NoSuch("study");
  std::vector<InodeId> folders;
  LG_RETURN_IF_ERROR(
      VisitPatientsAndStudies(EntityKind::kStudy, [&](InodeId folder, const AuditSubject& subject) {
        if (subject.study == study) folders.push_back(folder);
        return true;
      }));
  for (const InodeId folder : folders) {
    LG_ASSIGN_OR_RETURN(auto entity, index_->GetEntityOfFolder(folder));
    if (entity) named.push_back(*std::move(entity));
  }
  if (named.empty()) return NoSuch("study");
  return named;
}

Result<std::vector<EntityRecord>> VaultImpl::PatientsNamed(
    const std::string& id, const std::optional<std::string>& issuer) const {
  std::vector<InodeId> folders;
  std::set<std::string> issuers;
  LG_RETURN_IF_ERROR(VisitPatientsAndStudies(
      EntityKind::kPatient, [&](InodeId folder, const AuditSubject& subject) {
        if (subject.patient_id != id || (issuer && subject.issuer != *issuer)) return true;
        folders.push_back(folder);
        issuers.insert(subject.issuer);
        return true;
      }));
  // Numbers of different issuers are different people's.
  if (issuers.size() > 1)
    return Error(Errc::kInvalidArgument, "patients of " + std::to_string(issuers.size()) +
                                             " issuers have that PatientID: name one with "
                                             "--issuer");
  std::vector<EntityRecord> named;
  for (const InodeId folder : folders) {
    LG_ASSIGN_OR_RETURN(auto entity, index_->GetEntityOfFolder(folder));
    if (entity) named.push_back(*std::move(entity));
  }
  if (named.empty()) return NoSuch("patient");
  return named;
}

Status VaultImpl::VisitNamesOf(NodeId node,
                               const std::function<void(NodeId, const std::string&)>& visitor) {
  LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(InodeOf(node)));
  std::vector<std::string> names;
  LG_RETURN_IF_ERROR(index_->VisitNames(record.parent, 0, [&](const NameRecord& name) {
    if (name.inode == record.inode) names.push_back(name.name);
    return true;
  }));
  for (const std::string& name : names) visitor(record.parent, name);
  return {};
}

}  // namespace leadglass
