// SPDX-License-Identifier: Apache-2.0

// Emergency access: on record before it is given, for a while, and never written into a study's
// mode or list. What these are shown to be while a grant is in force is worked out from both, for
// the kernel's checks as for ours (vault_access.cc).

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "fs/vault_impl.h"
#include "index/posix_acl.h"

namespace leadglass {
namespace {

constexpr int64_t kSecondNanos = 1'000'000'000;
constexpr int64_t kShortest = 60 * kSecondNanos;

std::string UtcText(int64_t nanos) {
  const std::time_t time = nanos / kSecondNanos;
  std::tm parts{};
  char text[32] = "?";
  if (::gmtime_r(&time, &parts) != nullptr)
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// For the audit trail.
std::string GrantText(const EmergencyRecord& grant) {
  const std::string uid = std::to_string(grant.uid);
  return HoldIdText(grant.id) + ": " +
         (grant.user.empty() ? "uid " + uid : grant.user + "(" + uid + ")") + " until " +
         UtcText(grant.until) + ": " + grant.reason;
}

Error NoTrail() {
  return Error(Errc::kUnavailable,
               "the audit trail cannot be written, so nobody is given emergency access: free room "
               "or mend the disk, and mount again");
}

uint32_t NewGrantId() {
  uint8_t bytes[4];
  RandomBytes(bytes);
  return LoadLe<uint32_t>(bytes) | 1;  // not 0
}

}  // namespace

// ---- What a grant shows

Result<std::vector<uint32_t>> VaultImpl::EmergencyUsersOf(const InodeRecord& record) const {
  if (emergencies_.empty()) return std::vector<uint32_t>();
  if (record.study == kNoInode) {
    if (!IsStudyFolder(record)) return std::vector<uint32_t>();
    return emergencies_.UsersOf({record.parent, record.inode});
  }
  const auto study = CurrentRecord(record.study);
  // Its last image has just left it.
  if (!study && ToErrno(study.error()) == ENOENT) return std::vector<uint32_t>();
  if (!study) return study.error();
  return emergencies_.UsersOf({study->parent, record.study});
}

// The list of the study that `record` is, or belongs to, with these users in it.
Result<ByteVector> VaultImpl::EmergencyAcl(const InodeRecord& record,
                                           const std::vector<uint32_t>& users) const {
  const InodeId study = record.study == kNoInode ? record.inode : record.study;
  LG_ASSIGN_OR_RETURN(const auto stored, index_->GetXattr(study, kAclAccessXattr));
  uint32_t mode = record.mode;
  if (record.study != kNoInode) {
    LG_ASSIGN_OR_RETURN(const StudyAccess access, AccessOf(study));
    mode = access.mode;
  }
  ByteVector acl = AclWithReaders(stored, mode & 0777, users);
  if (S_ISDIR(record.mode)) return acl;
  return AclOfFileIn(acl, record.mode);
}

bool VaultImpl::IsPatientOpenTo(const Credentials& credentials, InodeId patient) const {
  if (emergencies_.empty()) return false;
  const auto open = emergencies_.PatientsOf(credentials.uid());
  return std::binary_search(open.begin(), open.end(), patient);
}

// ---- Which entities are meant

Result<EmergencyAccess::Place> VaultImpl::PlaceOf(EntityKind kind,
                                                  std::string_view identity) const {
  EmergencyAccess::Place place;
  LG_ASSIGN_OR_RETURN(const auto entity, index_->GetEntity(kind, identity));
  if (!entity) return place;
  if (kind == EntityKind::kPatient) return EmergencyAccess::Place{entity->folder, kNoInode};
  const auto folder = CurrentRecord(entity->folder);
  if (!folder && ToErrno(folder.error()) == ENOENT) return place;  // it has just gone
  if (!folder) return folder.error();
  return EmergencyAccess::Place{folder->parent, entity->folder};
}

Result<std::vector<EntityRecord>> VaultImpl::EntitiesOf(const EmergencyOrder& order) const {
  if (order.patient_id.empty()) {
    if (order.study.find('/') == order.study.npos) return StudiesNamed(order.study);
    LG_ASSIGN_OR_RETURN(EntityRecord entity, EntityAt(order.study));
    if (entity.kind == EntityKind::kSeries)
      return Error(Errc::kInvalidArgument, "that is neither a patient nor a study");
    return std::vector<EntityRecord>{std::move(entity)};
  }
  return PatientsNamed(order.patient_id, order.issuer);
}

// ---- Beginning

bool VaultImpl::MayTakeEmergency(const Person& person) const {
  const auto active = Active();
  if (!active) return false;
  const std::vector<std::string>& groups = active->parsed.emergency.groups;
  return std::any_of(groups.begin(), groups.end(), [&](const std::string& name) {
    const auto gid = active->GidOf(name);
    const auto& his = person.groups;
    return gid && (*gid == person.caller.gid || std::count(his.begin(), his.end(), *gid) > 0);
  });
}

// Who operates the vault opens it to anybody; else one opens it to himself, if the configuration
// lets his groups.
Status VaultImpl::MayOrder(const Person& by, const EmergencyOrder& order) const {
  if (!by.operates && !MayTakeEmergency(by))
    return Error(Errc::kAccessDenied,
                 "the vault's configuration lets none of this user's groups take emergency "
                 "access: ask who operates the vault");
  if (!by.operates && order.uid != by.caller.uid)
    return Error(Errc::kAccessDenied,
                 "only who operates the vault gives emergency access to others");
  // He could try paths, and learn what there is.
  if (!by.operates && order.study.find('/') != order.study.npos)
    return Error(Errc::kInvalidArgument,
                 "name the patient by --patient, or the study by its StudyInstanceUID");
  const auto active = Active();
  const int64_t longest =
      (active ? active->parsed.emergency : Configuration::Emergency()).longest_seconds;
  if (order.nanos < kShortest || order.nanos > longest * kSecondNanos)
    return Error(Errc::kInvalidArgument, "emergency access is given for one minute at least, and " +
                                             std::to_string(longest / 60) + " at most");
  return {};
}

Result<std::vector<EmergencyRecord>> VaultImpl::BeginEmergency(const Person& by,
                                                               const EmergencyOrder& order) {
  if (options_.read_only || Failed()) return PosixError(EROFS, "the vault is read-only");
  if (!audit_ || audit_->failed()) return NoTrail();
  LG_RETURN_IF_ERROR(CheckReason(order.reason));
  Result<std::vector<EntityRecord>> named{std::vector<EntityRecord>()};
  if (const Status may = MayOrder(by, order); !may) {
    named = may.error();
  } else {
    named = EntitiesOf(order);
  }
  if (!named) {
    // Who tries is on record, too, with what he named.
    const Errc code = named.error().code;
    const int error = code == Errc::kAccessDenied ? EACCES
                      : code == Errc::kNotFound   ? ENOENT
                                                  : EINVAL;
    const bool is_path = order.study.find('/') != order.study.npos;  // with names in it
    audit_->Note(
        by.caller, AuditAction::kEmergency,
        {kNoInode, is_path ? "" : order.study, order.patient_id, order.issuer.value_or("")}, error,
        order.reason);
    return std::move(named).error();
  }
  EmergencyRecord grant;
  grant.id = NewGrantId();
  grant.uid = order.uid;
  grant.user = order.user.substr(0, OperationLimits::kUser);
  grant.reason = order.reason;
  grant.by_uid = by.caller.uid;
  grant.by_user = by.name.substr(0, OperationLimits::kUser);
  grant.from = clock_.WallNanos();
  grant.until = grant.from + order.nanos;
  std::vector<EmergencyRecord> given;
  Operations operations;
  for (const EntityRecord& entity : *named) {
    LG_ASSIGN_OR_RETURN(const InodeRecord folder, CurrentRecord(entity.folder));
    const AuditSubject subject = SubjectOfRecord(folder);
    grant.kind = entity.kind;
    grant.identity = entity.identity;
    grant.study_uid = subject.study;
    grant.patient_id = subject.patient_id;
    grant.issuer = subject.issuer;
    Audit(by.caller, AuditAction::kEmergency, folder, 0, GrantText(grant));
    operations.emplace_back(PutEmergency{grant});
    given.push_back(grant);
  }
  // On record first, and on the disk.
  if (!audit_->Flush(false)) return NoTrail();
  MutexLock names(names_mutex_);
  Status made = CommitAtOnce(std::move(operations), true);
  if (made) made = SyncLog();
  for (const EmergencyRecord& one : given) {
    const auto place = PlaceOf(one.kind, one.identity);
    if (made && !place) made = place.error();
    if (!made) {
      audit_->Note(by.caller, AuditAction::kEmergencyEnd, SubjectOfGrant(one),
                   ToErrno(made.error()), HoldIdText(one.id) + ": it was not given");
      continue;
    }
    emergencies_.Put(one, *place);
    EmergencyChanged(*place);
  }
  if (!made) return std::move(made).error();
  return given;
}

// ---- Ending

AuditSubject VaultImpl::SubjectOfGrant(const EmergencyRecord& grant) {
  return {kNoInode, grant.study_uid, grant.patient_id, grant.issuer};
}

// Tells the kernel, which keeps what it was told of attributes and lists.
void VaultImpl::EmergencyChanged(const EmergencyAccess::Place& place) {
  if (place.study != kNoInode) return StudyChanged(place.study);
  if (place.patient == kNoInode) return;
  std::vector<InodeId> studies;
  // Damage in the index is told to who asks for what is damaged.
  (void)index_->VisitNames(place.patient, 0, [&](const NameRecord& name) {
    studies.push_back(name.inode);
    return true;
  });
  for (const InodeId study : studies) StudyChanged(study);
}

Status VaultImpl::EndGrants(const Caller& by, const std::vector<EmergencyRecord>& grants,
                            const std::string& why) {
  Operations operations;
  for (const EmergencyRecord& grant : grants) {
    // What is over is over, whether the log takes it or not: it says until when.
    emergencies_.Erase(grant);
    if (const auto place = PlaceOf(grant.kind, grant.identity)) EmergencyChanged(*place);
    if (audit_)
      audit_->Note(by, AuditAction::kEmergencyEnd, SubjectOfGrant(grant), 0,
                   GrantText(grant) + ": " + why);
    operations.emplace_back(EraseEmergency{grant.identity, grant.id});
  }
  return CommitAtOnce(std::move(operations), true);
}

Result<std::vector<EmergencyRecord>> VaultImpl::EndEmergency(const Person& by, uint32_t id) {
  if (options_.read_only) return PosixError(EROFS, "the vault is read-only");
  std::vector<EmergencyRecord> ended = emergencies_.All();
  std::erase_if(ended, [&](const EmergencyRecord& grant) {
    return grant.id != id || !(by.operates || grant.uid == by.caller.uid);
  });
  if (ended.empty())
    return Error(
        Errc::kNotFound,
        "there is no such emergency access: `leadglass emergency list` shows what there is");
  {
    MutexLock names(names_mutex_);
    LG_RETURN_IF_ERROR(EndGrants(by.caller, ended, "ended"));
  }
  LG_RETURN_IF_ERROR(SyncLog());
  return ended;
}

void VaultImpl::EndWhatIsOver() {
  const std::vector<EmergencyRecord> over = emergencies_.Over();
  if (over.empty()) return;
  MutexLock names(names_mutex_);
  // Where it fails the next mount finds it over.
  (void)EndGrants({::getuid(), ::getgid(), ::getpid(), 0}, over, "its time is over");
}

Result<std::vector<EmergencyRecord>> VaultImpl::Emergencies() const {
  if (options_.read_only) return index_->Emergencies();
  return emergencies_.All();
}

// ---- Keeping up

// What is read through a vault that is mounted read-only is on no record: no grant counts there.
Status VaultImpl::LoadEmergencies() {
  if (options_.read_only) return {};
  LG_ASSIGN_OR_RETURN(const auto grants, index_->Emergencies());
  for (const EmergencyRecord& grant : grants) {
    LG_ASSIGN_OR_RETURN(const auto place, PlaceOf(grant.kind, grant.identity));
    emergencies_.Put(grant, place);
  }
  return {};
}

// A patient's folder that went with his last image is another when he has one again.
Status VaultImpl::FollowEmergencies() {
  if (emergencies_.empty()) return {};
  for (const EmergencyRecord& grant : emergencies_.All()) {
    LG_ASSIGN_OR_RETURN(const auto place, PlaceOf(grant.kind, grant.identity));
    emergencies_.Move(grant, place);
  }
  return {};
}

}  // namespace leadglass
