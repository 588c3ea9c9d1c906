// SPDX-License-Identifier: Apache-2.0
#pragma once

// StudyHolds: the legal holds in force, in memory. A study is held while one hold is there. The
// vault asks for each removal and each change of bytes, so nothing of it costs an index lookup, and
// without any hold all of it costs one load of a number.
//
// The log is what counts (HoldRecord in commits); the owner puts here what it has committed.
// Thread-safe.

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/base/mutex.h"
#include "crypto/base/result.h"
#include "index/records.h"

namespace leadglass {

// How an id is written everywhere: eight hexadecimal digits.
std::string HoldIdText(uint32_t id);
// nullopt: no such text, or 0.
std::optional<uint32_t> ParseHoldId(std::string_view text);

// What somebody gives as his reason, of a hold or an emergency: one line of UTF-8 that shows
// something, and has room in an audit record. kInvalidArgument: it is not so; the message does not
// repeat it.
inline constexpr size_t kMostReasonBytes = 500;
Status CheckReason(std::string_view reason);

class StudyHolds {
 public:
  // What keeps a study.
  struct Held {
    HoldRecord hold;     // the oldest, of several
    int64_t newest = 0;  // HoldRecord::since of the newest
  };

  // `folder`: of the study, in /patients; kNoInode: it has none.
  void Add(const HoldRecord& hold, InodeId folder);
  void Remove(std::string_view study_identity, uint32_t id);

  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  std::optional<Held> OfFolder(InodeId folder) const;
  bool Holds(std::string_view study_identity) const;
  // By study, then by id.
  std::vector<HoldRecord> All() const;
  uint64_t studies() const;

 private:
  using Key = std::pair<std::string, uint32_t>;

  std::atomic<size_t> count_{0};
  mutable SharedMutex mutex_;
  std::map<Key, HoldRecord> holds_ LG_GUARDED_BY(mutex_);
  std::map<InodeId, std::string> identities_ LG_GUARDED_BY(mutex_);  // by folder
};

}  // namespace leadglass
