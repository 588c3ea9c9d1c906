// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_node.h"

#include <sys/stat.h>

#include <algorithm>

namespace leadglass {

namespace {

constexpr int kInodeBits = 40;
constexpr uint64_t kInodeMask = (uint64_t{1} << kInodeBits) - 1;

// The finaliser of splitmix64: every input bit reaches every output bit.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t Stamp(const Attributes& attributes) {
  uint64_t stamp = Mix(attributes.size);
  stamp = Mix(stamp ^ attributes.content_version);
  stamp = Mix(stamp ^ static_cast<uint64_t>(attributes.mtime));
  stamp = Mix(stamp ^ static_cast<uint64_t>(attributes.ctime));
  return (stamp << kInodeBits) & ~kViewBit & ~kInodeMask;
}

std::vector<KernelNode> EachOnce(std::vector<KernelNode> nodes) {
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

}  // namespace

KernelNode KernelNodeOf(const Attributes& attributes) {
  if (!IsViewNode(attributes.node) || !S_ISREG(attributes.mode)) return attributes.node;
  LG_CHECK(InodeOf(attributes.node) <= kInodeMask);
  return attributes.node | Stamp(attributes);
}

NodeId VaultNodeOf(KernelNode node) {
  return IsViewNode(node) ? kViewBit | (node & kInodeMask) : node;
}

void OpenNodes::Add(KernelNode node) {
  MutexLock lock(mutex_);
  open_[VaultNodeOf(node)].push_back(node);
}

void OpenNodes::Remove(KernelNode node) {
  MutexLock lock(mutex_);
  const auto versions = open_.find(VaultNodeOf(node));
  if (versions == open_.end()) return;
  const auto at = std::find(versions->second.begin(), versions->second.end(), node);
  if (at != versions->second.end()) versions->second.erase(at);
  if (versions->second.empty()) open_.erase(versions);
}

bool OpenNodes::Contains(KernelNode node) const {
  MutexLock lock(mutex_);
  const auto versions = open_.find(VaultNodeOf(node));
  return versions != open_.end() && std::find(versions->second.begin(), versions->second.end(),
                                              node) != versions->second.end();
}

std::vector<KernelNode> OpenNodes::All() const {
  MutexLock lock(mutex_);
  std::vector<KernelNode> all;
  for (const auto& [node, versions] : open_)
    all.insert(all.end(), versions.begin(), versions.end());
  return EachOnce(std::move(all));
}

std::vector<KernelNode> OpenNodes::VersionsOf(NodeId node) const {
  MutexLock lock(mutex_);
  const auto found = open_.find(node);
  return found == open_.end() ? std::vector<KernelNode>() : EachOnce(found->second);
}

}  // namespace leadglass
