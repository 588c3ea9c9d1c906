// SPDX-License-Identifier: Apache-2.0
#pragma once

// LaterThread: one thread for answers that have to wait until other requests were served.
//
// A request whose answer needs the kernel to write back pages first must not wait in a thread of
// the loop: if all of them waited so, none would be left to take the pages. Jobs run one after the
// other. The queue is as long as there are programs that wait for an answer, so it needs no bound.
// Thread-safe.

#include <deque>
#include <functional>
#include <thread>

#include "crypto/base/mutex.h"

namespace leadglass {

class LaterThread {
 public:
  LaterThread() = default;
  ~LaterThread() { Finish(); }

  // Runs what is queued, then ends the thread. No Run() may follow.
  void Finish();

  // `job` must not throw. The thread starts with the first one.
  void Run(std::function<void()> job);

 private:
  void Work();

  Mutex mutex_;  // a leaf: jobs run outside
  CondVar wake_;
  std::deque<std::function<void()>> jobs_ LG_GUARDED_BY(mutex_);
  bool stopping_ LG_GUARDED_BY(mutex_) = false;
  std::jthread thread_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
