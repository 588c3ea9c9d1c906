// SPDX-License-Identifier: Apache-2.0
#pragma once

// EmergencyAccess: the grants of emergency access there are, in memory (45 CFR 164.312(a)(2)(ii)).
// While one is in force its user may read what his groups do not let him. Whether it is, is asked
// at each decision, and by two clocks: one that was set back prolongs nothing.
//
// The log is what counts (EmergencyRecord in commits); the owner puts here what it has committed,
// and takes away what has ended. Without any grant all of it costs one load of a number.
// Thread-safe.

#include <atomic>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "crypto/base/clock.h"
#include "crypto/base/mutex.h"
#include "index/records.h"

namespace leadglass {

class EmergencyAccess {
 public:
  // What a grant opens, by its folders in /patients.
  struct Place {
    InodeId patient = kNoInode;
    InodeId study = kNoInode;  // kNoInode: all of the patient's, also those that come
  };

  // `clock` outlives it.
  explicit EmergencyAccess(Clock& clock) : clock_(clock) {}

  void Put(const EmergencyRecord& grant, const Place& place);
  // Its folders are others now.
  void Move(const EmergencyRecord& grant, const Place& place);
  void Erase(const EmergencyRecord& grant);

  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  // Who may read a study now, sorted, each once.
  std::vector<uint32_t> UsersOf(const Place& study) const;
  // The patients of whom a user may now read something, sorted, each once.
  std::vector<InodeId> PatientsOf(uint32_t uid) const;
  // All that did not end yet; by id.
  std::vector<EmergencyRecord> All() const;
  // Those whose time is over, and that are still here.
  std::vector<EmergencyRecord> Over() const;

 private:
  struct Grant {
    EmergencyRecord record;
    Place place;
    int64_t deadline = 0;  // of the monotonic clock
  };
  using Key = std::pair<uint32_t, std::string>;  // id and identity

  bool IsInForce(const Grant& grant) const;

  Clock& clock_;
  std::atomic<size_t> count_{0};
  mutable SharedMutex mutex_;
  std::map<Key, Grant> grants_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
