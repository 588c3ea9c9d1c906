// SPDX-License-Identifier: Apache-2.0
#pragma once

// HeapTrimmer: gives memory that the program has freed back to the system, now and then.
//
// Each thread allocates from an arena of its own, and what is freed in the middle of one stays
// resident. A daemon that imports and deletes for weeks would seem to grow without end: in six
// minutes of it, what was in use stayed below 60 MB, while what was free and resident went from 13
// to 43 MB (docs/performance.md, "A busy day, in short"). So there are few arenas, too.

#include <chrono>
#include <thread>

#include "crypto/base/mutex.h"

namespace leadglass {

// From here on threads share two arenas. Nothing is slower by it. To be called before there are
// threads: those that have an arena keep it.
void LimitHeapArenas();

class HeapTrimmer {
 public:
  // Begins to do so, in a thread of its own, each time `period` has gone by. Who allocates
  // meanwhile may wait some milliseconds.
  explicit HeapTrimmer(std::chrono::milliseconds period);
  // Ends at once, unless it is just giving back.
  ~HeapTrimmer();
  HeapTrimmer(const HeapTrimmer&) = delete;
  HeapTrimmer& operator=(const HeapTrimmer&) = delete;

 private:
  void Run();

  const std::chrono::milliseconds period_;
  Mutex mutex_;
  CondVar told_;
  bool ending_ LG_GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last: it uses all the others
};

}  // namespace leadglass
