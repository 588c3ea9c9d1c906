// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kernel nodes: what the kernel calls the vault's nodes.
//
// With the write-back cache the kernel holds itself for the only writer of a regular file: it never
// again believes the size and times that we tell of an inode that it knows. That is true below
// /archive. It is false in a view, where the same bytes are reached through a second node: a file
// that grew after somebody looked would be read short for ever. So the kernel node of a view file
// carries a stamp of its version:
//
//   bit 63   view (kViewBit)
//   62 - 40  stamp: a hash of size, times and content version; 0 for all but view files
//   39 - 0   inode
//
// A changed file is a new inode to the kernel, with nothing cached. Whoever still holds the older
// one is told ESTALE at open, whereupon the kernel looks the name up again and finds the new one.
// st_ino is the same throughout.

#include <unordered_map>
#include <vector>

#include "crypto/base/mutex.h"
#include "fs/vault.h"

namespace leadglass {

using KernelNode = uint64_t;

KernelNode KernelNodeOf(const Attributes& attributes);
NodeId VaultNodeOf(KernelNode node);

// Which files are open, by kernel node.
// Thread-safe.
class OpenNodes {
 public:
  void Add(KernelNode node);
  void Remove(KernelNode node);
  bool Contains(KernelNode node) const;
  // All of them, each once.
  std::vector<KernelNode> All() const;
  // The kernel nodes under which `node` is open, each once.
  std::vector<KernelNode> VersionsOf(NodeId node) const;

 private:
  mutable Mutex mutex_;  // a leaf: nothing is called under it
  std::unordered_map<NodeId, std::vector<KernelNode>> open_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
