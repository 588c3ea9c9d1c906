// SPDX-License-Identifier: Apache-2.0
#pragma once

// SparseBytes: the bytes of a file in memory, in blocks that copies share until one is written.
// Preallocated room costs a map entry, so that tests may preallocate whole segments.
// Thread-compatible.

#include <algorithm>
#include <map>
#include <memory>

#include "crypto/base/bytes.h"

namespace leadglass {

class SparseBytes {
 public:
  static constexpr uint64_t kBlock = 4096;

  uint64_t size() const { return size_; }
  // Blocks that take room: written or allocated, and not punched.
  uint64_t blocks() const { return blocks_.size(); }

  // Blocks that writing or allocating the range would take.
  uint64_t MissingBlocks(uint64_t offset, uint64_t length) const {
    uint64_t missing = 0;
    ForEachBlock(offset, length, [&](uint64_t index, uint64_t, uint64_t, uint64_t) {
      missing += blocks_.contains(index) ? 0 : 1;
    });
    return missing;
  }

  size_t Read(uint64_t offset, MutableByteSpan out) const {
    if (offset >= size_) return 0;
    const size_t count = static_cast<size_t>(std::min<uint64_t>(out.size(), size_ - offset));
    ForEachBlock(offset, count, [&](uint64_t index, uint64_t at, uint64_t done, uint64_t n) {
      const auto it = blocks_.find(index);
      if (it == blocks_.end() || it->second == nullptr) {
        std::memset(out.data() + done, 0, n);
      } else {
        std::memcpy(out.data() + done, it->second->data() + at, n);
      }
    });
    return count;
  }

  void Write(uint64_t offset, ByteSpan data) {
    ForEachBlock(offset, data.size(), [&](uint64_t index, uint64_t at, uint64_t done, uint64_t n) {
      std::memcpy(Own(index).data() + at, data.data() + done, n);
    });
    size_ = std::max(size_, offset + data.size());
  }

  void Truncate(uint64_t size) {
    if (size < size_) Zero(size, size_ - size);
    size_ = size;
  }

  // Takes room for the range without changing a byte; extends the file.
  void Allocate(uint64_t offset, uint64_t length) {
    ForEachBlock(offset, length, [&](uint64_t index, uint64_t, uint64_t, uint64_t) {
      blocks_.try_emplace(index, nullptr);
    });
    size_ = std::max(size_, offset + length);
  }

  // The range reads as zeros; whole blocks are given back.
  void Zero(uint64_t offset, uint64_t length) {
    ForEachBlock(offset, length, [&](uint64_t index, uint64_t at, uint64_t, uint64_t n) {
      const auto it = blocks_.find(index);
      if (it == blocks_.end()) return;
      if (at == 0 && (n == kBlock || index * kBlock + n >= size_)) {
        blocks_.erase(it);
      } else if (it->second != nullptr) {
        std::memset(Own(index).data() + at, 0, n);
      }
    });
  }

 private:
  using Block = std::array<uint8_t, kBlock>;

  template <typename Visit>
  static void ForEachBlock(uint64_t offset, uint64_t length, const Visit& visit) {
    for (uint64_t done = 0; done < length;) {
      const uint64_t at = (offset + done) % kBlock;
      const uint64_t n = std::min(kBlock - at, length - done);
      visit((offset + done) / kBlock, at, done, n);
      done += n;
    }
  }

  Block& Own(uint64_t index) {
    std::shared_ptr<Block>& block = blocks_[index];
    if (block == nullptr) {
      block = std::make_shared<Block>();
    } else if (block.use_count() > 1) {
      block = std::make_shared<Block>(*block);
    }
    return *block;
  }

  uint64_t size_ = 0;
  std::map<uint64_t, std::shared_ptr<Block>> blocks_;  // null: allocated, never written
};

}  // namespace leadglass
