// SPDX-License-Identifier: Apache-2.0
#pragma once

// WriteBuffers: memory in which records wait for their write, used again and again: a page that was
// never touched costs more than what is copied into it.
//
// Invariant: keeps at most kMaxIdle buffers that nobody uses.
// Thread safety: all methods may be called from any thread. A buffer may outlive the object.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "crypto/base/mutex.h"

namespace leadglass {

class WriteBuffers {
 public:
  static constexpr size_t kSize = 2u << 20;   // of each: a huge page
  static constexpr size_t kAlignment = 4096;  // of its address
  static constexpr size_t kMaxIdle = 8;

  WriteBuffers();

  // kSize bytes of anything. They come back when the last copy of the pointer is gone.
  // std::bad_alloc where there is no memory.
  std::shared_ptr<uint8_t> Take();

 private:
  struct alignas(kSize) Buffer {
    std::array<uint8_t, kSize> bytes;
  };
  struct Idle {
    Mutex mutex;
    std::vector<std::unique_ptr<Buffer>> buffers LG_GUARDED_BY(mutex);
  };

  std::shared_ptr<Idle> idle_;
};

}  // namespace leadglass
