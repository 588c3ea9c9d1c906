// SPDX-License-Identifier: Apache-2.0
#pragma once

// StudyAccess: who may see a study, which is said once, on its folder in /patients, and holds for
// everything of it: its series folders, and its images under all their names. So a change of group
// is one small commit whatever the size of the study, and holds for images that arrive later.

#include <optional>
#include <unordered_map>
#include <vector>

#include "crypto/base/mutex.h"
#include "index/records.h"

namespace leadglass {

struct StudyAccess {
  uint32_t gid = 0;
  uint32_t mode = 0;  // permission bits of the study's folder
  bool operator==(const StudyAccess&) const = default;
};

// What the filing rules say of a study.
struct StudyAssignment {
  std::optional<uint32_t> gid;    // nullopt: that of the folder above
  std::vector<uint32_t> further;  // groups that may read it, too
  uint32_t rule = kNoRule;        // as EntityRecord has it, as the next
  uint32_t rules_version = 0;
};

// What shows of an image or a series folder: the study's group and, for group and others, its bits.
// An image keeps its owner and the owner's bits, and nothing of it is executable.
InodeRecord WithAccess(InodeRecord record, const StudyAccess& study);

// What was looked up lately, so that a listing of a thousand images asks once. Thread-safe.
class StudyAccessCache {
 public:
  struct Ticket {
    uint64_t changes = 0;
  };
  std::optional<StudyAccess> Find(InodeId study) const;
  // To be taken before the study is read from anywhere else...
  Ticket Begin() const;
  // ... and given back with what was found, which is kept unless something changed since.
  void Keep(const Ticket& ticket, InodeId study, const StudyAccess& access);
  // After a change was committed.
  void Forget(InodeId study);

 private:
  static constexpr size_t kLimit = 4096;

  mutable SharedMutex mutex_;
  uint64_t changes_ LG_GUARDED_BY(mutex_) = 0;
  std::unordered_map<InodeId, StudyAccess> known_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
