// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/write_buffers.h"

#include <sys/mman.h>

#include <utility>

namespace leadglass {

WriteBuffers::WriteBuffers() : idle_(std::make_shared<Idle>()) {}

std::shared_ptr<uint8_t> WriteBuffers::Take() {
  std::unique_ptr<Buffer> buffer;
  {
    MutexLock lock(idle_->mutex);
    if (!idle_->buffers.empty()) {
      buffer = std::move(idle_->buffers.back());
      idle_->buffers.pop_back();
    }
  }
  if (buffer == nullptr) {
    buffer = std::make_unique_for_overwrite<Buffer>();
    // For the disk to fetch from: one page to be held, not 512. Where there are none, it is slower.
    (void)::madvise(buffer.get(), sizeof(Buffer), MADV_HUGEPAGE);
  }
  const std::shared_ptr<Buffer> taken(buffer.release(),
                                      [idle = std::weak_ptr<Idle>(idle_)](Buffer* used) {
                                        std::unique_ptr<Buffer> back(used);
                                        const auto pool = idle.lock();
                                        if (pool == nullptr) return;
                                        MutexLock lock(pool->mutex);
                                        if (pool->buffers.size() < kMaxIdle)
                                          pool->buffers.push_back(std::move(back));
                                      });
  return {taken, taken->bytes.data()};
}

}  // namespace leadglass
