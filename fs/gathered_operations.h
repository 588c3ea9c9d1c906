// SPDX-License-Identifier: Apache-2.0
#pragma once

// GatheredOperations: the payload of a commit as it grows. What a later operation of the same
// commit overrules is left out: a folder's times are said once, however many names it got.
//
// Thread-compatible.

#include <unordered_map>
#include <utility>

#include "crypto/base/bytes.h"
#include "index/operations.h"

namespace leadglass {

class GatheredOperations {
 public:
  bool empty() const { return payload_.empty(); }
  // `encoded`: EncodeOperations() of these alone. Applying the payload gives the same as applying
  // all that was added, one after the other.
  void Add(const Operations& operations, ByteSpan encoded);
  // For DecodeOperations(). Never longer than all that was added.
  const ByteVector& payload() const { return payload_; }
  void Clear();

 private:
  ByteVector payload_;
  // Where the newest record of an inode lies: offset and length.
  std::unordered_map<InodeId, std::pair<size_t, size_t>> inodes_;
};

}  // namespace leadglass
