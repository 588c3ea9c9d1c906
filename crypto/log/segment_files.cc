// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/segment_files.h"

#include "crypto/log/segment_names.h"

namespace leadglass {

Result<std::shared_ptr<File>> SegmentFiles::Get(SegmentId id) {
  {
    MutexLock lock(mutex_);
    if (const auto found = writing_.find(id); found != writing_.end()) {
      if (auto file = found->second.lock()) return file;
      writing_.erase(found);
    }
    if (const auto found = by_id_.find(id); found != by_id_.end()) {
      by_use_.splice(by_use_.begin(), by_use_, found->second);
      return by_use_.front().second;
    }
  }
  // Opened outside the lock; where two threads open the same one, the second copy is dropped.
  LG_ASSIGN_OR_RETURN(std::shared_ptr<File> file,
                      fs_.Open(SegmentPath(folder_, id), OpenMode::kRead));
  MutexLock lock(mutex_);
  if (const auto found = by_id_.find(id); found != by_id_.end()) return found->second->second;
  by_use_.emplace_front(id, file);
  by_id_[id] = by_use_.begin();
  if (by_use_.size() > kMaxOpen) {
    by_id_.erase(by_use_.back().first);
    by_use_.pop_back();
  }
  return file;
}

void SegmentFiles::SetWriting(SegmentId id, const std::shared_ptr<File>& file) {
  MutexLock lock(mutex_);
  std::erase_if(writing_, [](const auto& entry) { return entry.second.expired(); });
  writing_[id] = file;
}

}  // namespace leadglass
