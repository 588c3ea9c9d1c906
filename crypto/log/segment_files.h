// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentFiles: the segment files of a log that are open for reading, so that a read of a record
// opens nothing.
//
// Invariant: keeps at most kMaxOpen files; the one that was not used for longest is let go. A file
// stays open as long as somebody holds it, so that many more descriptors may be in use.
//
// Thread safety: all methods may be called from any thread; no lock is held while a file is opened.
// A file may be read by several threads, also while its segment is being written: what was written
// is seen, whether the disk has it or not; what was only given out reads as zeros.

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

  // `fs` outlives the object. `folder` is the log's: <vault>/log. Nothing is read yet.
  SegmentFiles(FileSystem& fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

  // The segment's file, open for reading only and shared with others; its bytes are not looked at.
  // kNotFound: no such segment. Else what FileSystem::Open() says, e.g. too many open files. After
  // an error nothing is kept, and the next call tries again.
  // A file that was replaced or removed meanwhile reads as it was while it is kept.
  Result<std::shared_ptr<File>> Get(SegmentId id);

  // From now on, as long as somebody holds it, `file` is what Get() gives for the segment: the one
  // through which it is written, and which alone has all of it.
  void SetWriting(SegmentId id, const std::shared_ptr<File>& file);

  FileSystem& fs() const { return fs_; }
  const std::string& folder() const { return folder_; }

 private:
  using Entry = std::pair<SegmentId, std::shared_ptr<File>>;

  FileSystem& fs_;
  const std::string folder_;
  Mutex mutex_;
  std::list<Entry> by_use_ LG_GUARDED_BY(mutex_);  // most recent first
  std::map<SegmentId, std::list<Entry>::iterator> by_id_ LG_GUARDED_BY(mutex_);
  std::map<SegmentId, std::weak_ptr<File>> writing_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
