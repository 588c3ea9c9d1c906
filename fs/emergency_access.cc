// SPDX-License-Identifier: Apache-2.0
#include "fs/emergency_access.h"

#include <algorithm>

namespace leadglass {
namespace {

template <typename T>
std::vector<T> SortedOnce(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace

void EmergencyAccess::Put(const EmergencyRecord& grant, const Place& place) {
  const int64_t left = grant.until - clock_.WallNanos();
  WriterLock lock(mutex_);
  grants_.insert_or_assign({grant.id, grant.identity},
                           Grant{grant, place, clock_.MonotonicNanos() + left});
  count_.store(grants_.size(), std::memory_order_release);
}

void EmergencyAccess::Move(const EmergencyRecord& grant, const Place& place) {
  WriterLock lock(mutex_);
  const auto found = grants_.find({grant.id, grant.identity});
  if (found != grants_.end()) found->second.place = place;
}

void EmergencyAccess::Erase(const EmergencyRecord& grant) {
  WriterLock lock(mutex_);
  grants_.erase({grant.id, grant.identity});
  count_.store(grants_.size(), std::memory_order_release);
}

bool EmergencyAccess::IsInForce(const Grant& grant) const {
  return clock_.WallNanos() < grant.record.until && clock_.MonotonicNanos() < grant.deadline;
}

std::vector<uint32_t> EmergencyAccess::UsersOf(const Place& study) const {
  std::vector<uint32_t> users;
  if (empty()) return users;
  ReaderLock lock(mutex_);
  for (const auto& [key, grant] : grants_) {
    const Place& place = grant.place;
    const bool opens =
        place.study != kNoInode ? place.study == study.study : place.patient == study.patient;
    if (opens && place.patient != kNoInode && IsInForce(grant)) users.push_back(grant.record.uid);
  }
  return SortedOnce(std::move(users));
}

std::vector<InodeId> EmergencyAccess::PatientsOf(uint32_t uid) const {
  std::vector<InodeId> patients;
  if (empty()) return patients;
  ReaderLock lock(mutex_);
  for (const auto& [key, grant] : grants_) {
    if (grant.record.uid == uid && grant.place.patient != kNoInode && IsInForce(grant))
      patients.push_back(grant.place.patient);
  }
  return SortedOnce(std::move(patients));
}

std::vector<EmergencyRecord> EmergencyAccess::All() const {
  std::vector<EmergencyRecord> all;
  ReaderLock lock(mutex_);
  for (const auto& [key, grant] : grants_) all.push_back(grant.record);
  return all;
}

std::vector<EmergencyRecord> EmergencyAccess::Over() const {
  std::vector<EmergencyRecord> over;
  if (empty()) return over;
  ReaderLock lock(mutex_);
  for (const auto& [key, grant] : grants_)
    if (!IsInForce(grant)) over.push_back(grant.record);
  return over;
}

}  // namespace leadglass
