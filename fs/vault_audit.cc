// SPDX-License-Identifier: Apache-2.0

// What the vault tells its audit trail, and where it keeps it.

#include <sys/stat.h>
#include <unistd.h>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

constexpr const char* kAuditFolder = "/audit";
constexpr size_t kMostSubjects = 4096;

AuditSubject SubjectOf(const DicomFacts& facts) {
  return {kNoInode, facts.study_instance_uid, facts.patient_id, facts.issuer_of_patient_id};
}

// The facts of an image somewhere below a view folder: all of them are the same patient's, and
// below a study's folder the same study's.
Result<std::optional<DicomFacts>> FactsBelow(const Index& index, InodeId folder, int depth) {
  std::optional<NameRecord> first;
  LG_RETURN_IF_ERROR(index.VisitNames(folder, 0, [&](const NameRecord& name) {
    first = name;
    return false;
  }));
  if (!first || depth == 0) return std::optional<DicomFacts>();
  LG_ASSIGN_OR_RETURN(const auto filing, index.GetFiling(first->inode));
  if (!filing || filing->facts.empty()) return FactsBelow(index, first->inode, depth - 1);
  LG_ASSIGN_OR_RETURN(DicomFacts facts, DecodeDicomFacts(filing->facts));
  return std::optional(std::move(facts));
}

}  // namespace

Status VaultImpl::OpenTrail() {
  if (options_.read_only) return {};
  AuditTrail::Options options;
  LG_ASSIGN_OR_RETURN(options.quoted, index_->GetAuditQuote());
  options.accept_loss = options_.accept_rollback;
  if (options_.on_audit) {
    options.on_written = [this](std::span<const AuditRecord> records) {
      if (const auto active = Active(); active && active->parsed.audit.any())
        options_.on_audit(active->parsed.audit, records);
    };
  }
  LG_ASSIGN_OR_RETURN(audit_,
                      AuditTrail::Open(
                          fs_, folder_ + kAuditFolder, keys_.vault_id(),
                          [this] { return keys_.audit_keys(); }, std::move(options), clock_));
  audit_->Note(Opener(), AuditAction::kMount, {}, 0);
  return {};
}

Caller VaultImpl::Opener() const {
  return options_.opened_by.value_or(Caller{::getuid(), ::getgid(), ::getpid(), 0});
}

void VaultImpl::FlushTrail(bool all) {
  if (!audit_) return;
  // What failed is told by GetStatus(), and what waits for room is tried again.
  (void)audit_->Flush(all);
  // Who notes very much writes it himself, so there may be something to quote all the same.
  const auto newest = audit_->durable();
  const auto quoted = index_->GetAuditQuote();
  if (!newest || !quoted || *quoted == newest) return;
  MutexLock lock(commit_mutex_);
  (void)Gather({*newest}, true);
}

void VaultImpl::Audit(const Caller& caller, AuditAction action, const InodeRecord& record,
                      int error, std::string detail) const {
  if (!audit_) return;
  audit_->Note(caller, action, SubjectOfRecord(record), error, std::move(detail));
}

std::function<void(std::string)> VaultImpl::AuditLater(const Caller& caller, AuditAction action,
                                                       InodeId inode) const {
  if (!audit_) return [](const std::string&) {};
  AuditSubject subject;
  if (const auto record = CurrentRecord(inode)) subject = SubjectOfRecord(*record);
  return [this, caller, action, subject = std::move(subject)](std::string detail) {
    audit_->Note(caller, action, subject, 0, std::move(detail));
  };
}

void VaultImpl::AuditAccess(const Caller& caller, InodeId inode, std::string detail) const {
  if (!audit_) return;
  const auto record = CurrentRecord(inode);
  if (!record) return;
  Audit(caller, S_ISDIR(record->mode) ? AuditAction::kAccess : AuditAction::kAttributes, *record, 0,
        std::move(detail));
}

void VaultImpl::AuditStored(const Caller& caller, InodeId inode, const DicomFacts& facts) const {
  if (!audit_) return;
  AuditSubject subject = SubjectOf(facts);
  subject.inode = inode;
  audit_->Note(caller, AuditAction::kStore, subject, 0);
}

// Damage that is met here is told to who reads what is damaged; the event is recorded all the same.
AuditSubject VaultImpl::SubjectOfRecord(const InodeRecord& record) const {
  const bool is_patient = IsPatientFolder(record);
  InodeId folder = record.study;
  if (is_patient || IsStudyFolder(record)) folder = record.inode;
  AuditSubject subject;
  if (folder != kNoInode) {
    MutexLock lock(subjects_mutex_);
    if (const auto known = subjects_.find(folder); known != subjects_.end()) {
      subject = known->second;
    } else if (const auto facts = FactsBelow(*index_, folder, 3); facts && *facts) {
      subject = SubjectOf(**facts);
      if (is_patient) subject.study.clear();
      if (subjects_.size() >= kMostSubjects) subjects_.clear();
      subjects_.emplace(folder, subject);
    }
  }
  subject.inode = record.inode;
  return subject;
}

Status VaultImpl::ReadAudit(const std::function<bool(const AuditRecord&)>& visitor) {
  FlushTrail(true);
  LG_ASSIGN_OR_RETURN(const auto quoted, index_->GetAuditQuote());
  return ReadAuditTrail(
      fs_, folder_ + kAuditFolder, keys_.vault_id(), [this] { return keys_.audit_keys(); }, quoted,
      visitor);
}

Result<AuditProof> VaultImpl::VerifyAudit() {
  FlushTrail(true);
  LG_ASSIGN_OR_RETURN(const auto quoted, index_->GetAuditQuote());
  return VerifyAuditTrail(
      fs_, folder_ + kAuditFolder, keys_.vault_id(), [this] { return keys_.audit_keys(); }, quoted);
}

}  // namespace leadglass
