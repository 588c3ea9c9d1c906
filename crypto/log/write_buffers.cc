// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/write_buffers.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace leadglass {

WriteBuffers::Idle::~Idle() {
  for (uint8_t* buffer : buffers) std::free(buffer);
}

WriteBuffers::WriteBuffers() : idle_(std::make_shared<Idle>()) {}

std::shared_ptr<uint8_t> WriteBuffers::Take() {
  uint8_t* buffer = nullptr;
  {
    MutexLock lock(idle_->mutex);
    if (!idle_->buffers.empty()) {
      buffer = idle_->buffers.back();
      idle_->buffers.pop_back();
    }
  }
  if (buffer == nullptr) {
    buffer = static_cast<uint8_t*>(std::aligned_alloc(kSize, kSize));
    if (buffer == nullptr) throw std::bad_alloc();
    // For the disk to fetch from: one page to be held, not 512. Where there are none, it is slower.
    (void)::madvise(buffer, kSize, MADV_HUGEPAGE);
  }
  return {buffer, [idle = std::weak_ptr<Idle>(idle_)](uint8_t* used) {
            if (const auto pool = idle.lock()) {
              MutexLock lock(pool->mutex);
              if (pool->buffers.size() < kMaxIdle) {
                pool->buffers.push_back(used);
                return;
              }
            }
            std::free(used);
          }};
}

}  // namespace leadglass
