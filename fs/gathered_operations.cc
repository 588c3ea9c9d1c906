// SPDX-License-Identifier: Apache-2.0
#include "fs/gathered_operations.h"

#include <algorithm>
#include <variant>

namespace leadglass {

void GatheredOperations::Add(const Operations& operations, ByteSpan encoded) {
  for (const Operation& operation : operations) {
    const ByteSpan bytes = encoded.first(FirstOperationLength(encoded));
    encoded = encoded.subspan(bytes.size());
    if (const auto* const put = std::get_if<PutInode>(&operation)) {
      const auto [known, is_new] =
          inodes_.try_emplace(put->record.inode, payload_.size(), bytes.size());
      if (!is_new && known->second.second == bytes.size()) {
        // Nothing in between depends on what the older record said.
        std::copy(bytes.begin(), bytes.end(),
                  payload_.begin() + static_cast<ptrdiff_t>(known->second.first));
        continue;
      }
      known->second = {payload_.size(), bytes.size()};
    } else if (const auto* const erased = std::get_if<EraseInode>(&operation)) {
      inodes_.erase(erased->inode);
    }
    payload_.insert(payload_.end(), bytes.begin(), bytes.end());
  }
  LG_CHECK(encoded.empty());
}

void GatheredOperations::Clear() {
  payload_.clear();
  inodes_.clear();
}

}  // namespace leadglass
