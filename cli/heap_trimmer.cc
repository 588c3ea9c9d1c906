// SPDX-License-Identifier: Apache-2.0
#include "cli/heap_trimmer.h"

#include <malloc.h>

namespace leadglass {

void LimitHeapArenas() { ::mallopt(M_ARENA_MAX, 2); }

HeapTrimmer::HeapTrimmer(std::chrono::milliseconds period)
    : period_(period), thread_([this] { Run(); }) {}

HeapTrimmer::~HeapTrimmer() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
  }
  told_.NotifyAll();
}

void HeapTrimmer::Run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      // A spurious wake-up only makes it early.
      if (!ending_) (void)told_.WaitFor(mutex_, period_);
      if (ending_) return;
    }
    ::malloc_trim(0);
  }
}

}  // namespace leadglass
