// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_later.h"

#include <utility>

namespace leadglass {

void LaterThread::Finish() {
  std::jthread thread;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  wake_.NotifyAll();
}

void LaterThread::Run(std::function<void()> job) {
  {
    MutexLock lock(mutex_);
    jobs_.push_back(std::move(job));
    if (!thread_.joinable()) thread_ = std::jthread([this] { Work(); });
  }
  wake_.NotifyOne();
}

void LaterThread::Work() {
  for (;;) {
    std::function<void()> job;
    {
      MutexLock lock(mutex_);
      while (jobs_.empty() && !stopping_) wake_.Wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace leadglass
