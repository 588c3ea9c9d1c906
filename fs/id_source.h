// SPDX-License-Identifier: Apache-2.0
#pragma once

// IdSource: the next free inode number and listing cookie. Neither is ever given twice, so a number
// taken for a commit that then failed is simply lost. Guarded by the vault's names lock.

#include "index/records.h"

namespace leadglass {

class IdSource {
 public:
  IdSource(InodeId next_inode, uint64_t next_cookie)
      : next_inode_(next_inode), next_cookie_(next_cookie) {}

  InodeId TakeInode() { return next_inode_++; }
  uint64_t TakeCookie() { return next_cookie_++; }

 private:
  InodeId next_inode_;
  uint64_t next_cookie_;
};

}  // namespace leadglass
