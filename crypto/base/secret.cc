// SPDX-License-Identifier: Apache-2.0
#include "crypto/base/secret.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <atomic>
#include <bit>
#include <cerrno>

#include "crypto/base/mutex.h"

namespace leadglass {
namespace {

// Cells of one size come from slabs of 64 KiB between two guard pages, so that a read past a
// neighbouring buffer faults instead of walking into keys. Slabs live as long as the process:
// tens of thousands of cached keys are a few slabs, and giving them back would unlock them.
constexpr size_t kSmallestCell = 32;
constexpr size_t kLargestCell = 4096;
constexpr size_t kClasses = 8;  // 32, 64, ... 4096
constexpr size_t kSlabSize = 64 * 1024;
constexpr size_t kGuardSize = 4096;
constexpr size_t kLinkSize = sizeof(uint8_t*);

std::atomic<bool> all_locked{true};

size_t ClassOf(size_t size) {
  LG_CHECK(size <= kLargestCell);
  const size_t cell = std::bit_ceil(size < kSmallestCell ? kSmallestCell : size);
  return static_cast<size_t>(std::countr_zero(cell) - std::countr_zero(kSmallestCell));
}

uint8_t* MapSlab() {
  void* map =
      ::mmap(nullptr, kSlabSize + 2 * kGuardSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  LG_CHECK(map != MAP_FAILED);
  uint8_t* slab = static_cast<uint8_t*>(map) + kGuardSize;
  LG_CHECK(::mprotect(slab, kSlabSize, PROT_READ | PROT_WRITE) == 0);
  ::madvise(slab, kSlabSize, MADV_DONTDUMP);
  if (::mlock(slab, kSlabSize) != 0) all_locked.store(false, std::memory_order_relaxed);
  return slab;
}

// The free cells of one size, linked through their first bytes; the rest of a free cell is zero.
class CellPool {
 public:
  uint8_t* Take(size_t cell_size) LG_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (free_ == nullptr) AddSlab(cell_size);
    uint8_t* cell = free_;
    std::memcpy(&free_, cell, kLinkSize);
    std::memset(cell, 0, kLinkSize);
    return cell;
  }

  void GiveBack(uint8_t* cell) LG_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    Push(cell);
  }

 private:
  void Push(uint8_t* cell) LG_REQUIRES(mutex_) {
    std::memcpy(cell, &free_, kLinkSize);
    free_ = cell;
  }
  void AddSlab(size_t cell_size) LG_REQUIRES(mutex_) {
    uint8_t* slab = MapSlab();
    for (size_t at = kSlabSize; at >= cell_size; at -= cell_size) Push(slab + at - cell_size);
  }

  Mutex mutex_;
  uint8_t* free_ LG_GUARDED_BY(mutex_) = nullptr;
};

// Constant-initialised and trivially destroyed: secrets may be made and die at any time, static
// objects included.
constinit CellPool pools[kClasses];

}  // namespace

namespace internal {

uint8_t* AllocateSecret(size_t size) {
  const size_t index = ClassOf(size);
  return pools[index].Take(kSmallestCell << index);
}

void FreeSecret(uint8_t* cell, size_t size) {
  const size_t index = ClassOf(size);
  Wipe(cell, kSmallestCell << index);
  pools[index].GiveBack(cell);
}

void Wipe(void* at, size_t size) {
  if (size != 0) ::explicit_bzero(at, size);
}

bool ConstantTimeEqual(const uint8_t* a, const uint8_t* b, size_t size) {
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < size; ++i) {
    difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace internal

bool SecretMemoryIsLocked() { return all_locked.load(std::memory_order_relaxed); }

Status ForbidCoreDumps() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return SystemError(errno, "set the core limit to zero");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return SystemError(errno, "make the process not dumpable");
  return {};
}

}  // namespace leadglass
