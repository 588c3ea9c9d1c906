// SPDX-License-Identifier: Apache-2.0
#include "fs/study_access.h"

#include <sys/stat.h>

namespace leadglass {

InodeRecord WithAccess(InodeRecord record, const StudyAccess& study) {
  record.gid = study.gid;
  const bool folder = S_ISDIR(record.mode);
  const uint32_t own = record.mode & (S_IFMT | (folder ? 0 : S_IRUSR | S_IWUSR));
  record.mode = own | (study.mode & (folder ? 0777 : 0066));
  return record;
}

std::optional<StudyAccess> StudyAccessCache::Find(InodeId study) const {
  ReaderLock lock(mutex_);
  const auto found = known_.find(study);
  return found == known_.end() ? std::nullopt : std::optional(found->second);
}

StudyAccessCache::Ticket StudyAccessCache::Begin() const {
  ReaderLock lock(mutex_);
  return {changes_};
}

void StudyAccessCache::Keep(const Ticket& ticket, InodeId study, const StudyAccess& access) {
  WriterLock lock(mutex_);
  if (ticket.changes != changes_) return;
  if (known_.size() >= kLimit) known_.clear();
  known_[study] = access;
}

void StudyAccessCache::Forget(InodeId study) {
  WriterLock lock(mutex_);
  ++changes_;
  known_.erase(study);
}

}  // namespace leadglass
