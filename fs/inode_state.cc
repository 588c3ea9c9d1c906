// SPDX-License-Identifier: Apache-2.0
#include "fs/inode_state.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace leadglass {
namespace {

constexpr int64_t kClockTickNanos = 20'000'000;  // twice that of the slowest Linux (HZ=100)

}  // namespace

InodeLocks::InodeLocks(std::vector<InodePtr> states) LG_NO_THREAD_SAFETY_ANALYSIS
    : states_(std::move(states)) {
  std::erase(states_, nullptr);
  std::sort(states_.begin(), states_.end(),
            [](const InodePtr& a, const InodePtr& b) { return a->id < b->id; });
  states_.erase(std::unique(states_.begin(), states_.end()), states_.end());
  for (const InodePtr& state : states_) state->mutex.Lock();
}

InodeLocks::~InodeLocks() LG_NO_THREAD_SAFETY_ANALYSIS {
  for (auto at = states_.rbegin(); at != states_.rend(); ++at) (*at)->mutex.Unlock();
}

Result<InodePtr> InodeTable::Get(InodeId inode) {
  Shard& shard = ShardOf(inode);
  MutexLock lock(shard.mutex);
  if (const auto found = shard.states.find(inode); found != shard.states.end())
    return found->second;
  // Loaded under the lock: a record read before somebody else's load, change, commit and eviction
  // would be stale.
  LG_ASSIGN_OR_RETURN(auto record, index_.GetInode(inode));
  if (!record) return PosixError(ENOENT);
  if (shard.states.size() >= kShardLimit) EvictUnused(shard);
  auto state = std::make_shared<InodeState>(*std::move(record));
  shard.states.emplace(inode, state);
  return state;
}

InodePtr InodeTable::Peek(InodeId inode) const {
  Shard& shard = ShardOf(inode);
  MutexLock lock(shard.mutex);
  const auto found = shard.states.find(inode);
  return found == shard.states.end() ? nullptr : found->second;
}

std::vector<InodePtr> InodeTable::Loaded() const {
  std::vector<InodePtr> loaded;
  for (const Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    for (const auto& [inode, state] : shard.states) loaded.push_back(state);
  }
  return loaded;
}

InodePtr InodeTable::Add(InodeRecord record) {
  Shard& shard = ShardOf(record.inode);
  MutexLock lock(shard.mutex);
  if (shard.states.size() >= kShardLimit) EvictUnused(shard);
  auto state = std::make_shared<InodeState>(std::move(record));
  shard.states[state->id] = state;
  return state;
}

void InodeTable::Drop(InodeId inode) {
  Shard& shard = ShardOf(inode);
  MutexLock lock(shard.mutex);
  shard.states.erase(inode);
}

// Open files, the dirty list and the orphans hold references of their own, so a state that only the
// table holds is clean and in nobody's hands. One that changed a moment ago stays: loaded again it
// would have the content version 0, and a further change might get the times that it has now.
void InodeTable::EvictUnused(Shard& shard) {
  const int64_t now = clock_.WallNanos();
  std::erase_if(shard.states, [now](const auto& item) {
    const InodePtr& state = item.second;
    if (state.use_count() != 1) return false;
    return state->content_version == 0 || std::abs(now - state->record.ctime) > kClockTickNanos;
  });
}

}  // namespace leadglass
