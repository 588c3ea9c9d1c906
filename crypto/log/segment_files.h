// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentFiles: the segment files of a log that are open for reading, at most 64 of them; the one
// that was not used for longest is closed. A returned file stays open as long as it is held.
// Thread safety: all methods may be called from any thread.

#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "crypto/base/file.h"
#include "crypto/base/mutex.h"
#include "crypto/log/position.h"

namespace leadglass {

class SegmentFiles {
 public:
  static constexpr size_t kMaxOpen = 64;

  SegmentFiles(FileSystem& fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

  // kNotFound: no such segment.
  Result<std::shared_ptr<File>> Get(SegmentId id);

  FileSystem& fs() const { return fs_; }
  const std::string& folder() const { return folder_; }

 private:
  using Entry = std::pair<SegmentId, std::shared_ptr<File>>;

  FileSystem& fs_;
  const std::string folder_;
  Mutex mutex_;
  std::list<Entry> by_use_ LG_GUARDED_BY(mutex_);  // most recent first
  std::map<SegmentId, std::list<Entry>::iterator> by_id_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
