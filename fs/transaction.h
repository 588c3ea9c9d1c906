// SPDX-License-Identifier: Apache-2.0
#pragma once

// Transaction: what one commit changes (fs/vault_impl.h).

#include <utility>
#include <vector>

#include "fs/inode_state.h"
#include "index/operations.h"

namespace leadglass {

struct Transaction {
  Operations operations;
  // Records to hold in memory after the commit; their inode locks are held by the caller.
  std::vector<std::pair<InodePtr, InodeRecord>> records;
  // States whose pending extents are part of the commit.
  std::vector<InodePtr> contents;
  // Frees space, or is too small to matter: may draw on the reserve of a full disk.
  bool use_reserve = false;

  // Changes an inode's record. The commit states the record with the committed size.
  void Put(const InodePtr& state, const InodeRecord& record);
  // Changes an inode's record together with all pending extents of the file.
  void PutWithContent(const InodePtr& state, const InodeRecord& record);
};

}  // namespace leadglass
