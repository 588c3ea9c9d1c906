// SPDX-License-Identifier: Apache-2.0
#pragma once

// InodeState: one inode as it is now, in memory: the record, the extents written since the last
// commit, the file's keys, who has it open. Exists for inodes in use; others are in the index only.
//
// Lock order: the vault's names lock, then inode locks in ascending inode order, then the commit
// lock. Nobody takes the names lock while holding an inode lock. InodeLocks takes several inode
// locks in that order, which clang's analysis cannot follow, so the fields below are not annotated:
// all but `id` and `open_count` are guarded by `mutex`.

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "crypto/aead.h"
#include "crypto/base/clock.h"
#include "crypto/base/mutex.h"
#include "fs/file_content.h"
#include "fs/vault.h"
#include "index/parser_worker.h"

namespace leadglass {

class InodeState {
 public:
  explicit InodeState(InodeRecord loaded)
      : id(loaded.inode), record(std::move(loaded)), content(id, record.size) {}

  const InodeId id;
  SharedMutex mutex;

  InodeRecord record;   // live values; record.size is content.size() for regular files
  FileContent content;  // regular files
  uint64_t committed_allocated = record.allocated;

  std::map<uint32_t, Key> keys;  // file keys that were needed so far, by generation
  bool key_pending = false;      // the newest generation's wrap is in no commit yet
  Uuid study_key_id{};           // under which the newest generation is wrapped, once committed

  // Another one for every change of bytes of any file; 0: none since it was loaded. A state is not
  // let go before the clock tells its times from those of a later change (InodeTable).
  uint64_t content_version = 0;
  uint64_t filed_version = 0;  // the content_version that was parsed and filed last
  // What the parser said of `parsed_version`, from the first fsync until the file is filed: most
  // are synced and then closed, and need not be parsed for each. Null: not parsed, or filed.
  std::shared_ptr<const ParseOutcome> parsed;
  uint64_t parsed_version = 0;
  // What the parser was asked when the first bytes came, of `asked_version`. Null: nothing, or
  // the answer was fetched.
  std::shared_ptr<const HeaderParserPool::Asked> asked;
  uint64_t asked_version = 0;
  bool attributes_dirty = false;
  bool in_dirty_list = false;
  int64_t dirty_since = 0;
  bool hold_filing = false;  // a dot-file in /incoming: filed once it gets another name
  bool forgotten = false;    // an orphan that the kernel no longer holds
  bool erased = false;       // the inode is gone from the vault: nothing of it may be committed
  int64_t last_close = 0;    // wall nanoseconds
  Caller writer;             // who opened it last to write it
  // How often it is open to write since it stood in no study: who made it is not through with it.
  uint32_t arriving = 0;

  std::atomic<uint32_t> open_count{0};
  std::atomic<uint32_t> writer_count{0};  // of these, how many may write

  bool dirty() const { return attributes_dirty || content.dirty(); }
};

using InodePtr = std::shared_ptr<InodeState>;

// Exclusive locks on several inodes, taken in ascending order, each once; null pointers are
// skipped.
class InodeLocks {
 public:
  explicit InodeLocks(std::vector<InodePtr> states);
  ~InodeLocks();
  InodeLocks(const InodeLocks&) = delete;
  InodeLocks& operator=(const InodeLocks&) = delete;

 private:
  std::vector<InodePtr> states_;
};

// The inodes in memory. Each inode has at most one InodeState at a time. Thread-safe.
class InodeTable {
 public:
  // Both are borrowed.
  InodeTable(const Index& index, Clock& clock) : index_(index), clock_(clock) {}

  // The state of an inode, loaded from the index if need be. ENOENT (kPosix): no such inode.
  Result<InodePtr> Get(InodeId inode);
  // The state if it is in memory, else null.
  InodePtr Peek(InodeId inode) const;
  // All that are in memory at some moment of the call.
  std::vector<InodePtr> Loaded() const;
  // A state for an inode that is about to be committed for the first time.
  InodePtr Add(InodeRecord record);
  // Takes the state out: the inode is gone (or was never committed).
  void Drop(InodeId inode);

 private:
  static constexpr size_t kShards = 16;
  static constexpr size_t kShardLimit = 512;
  struct Shard {
    mutable Mutex mutex;
    std::map<InodeId, InodePtr> states LG_GUARDED_BY(mutex);
  };
  void EvictUnused(Shard& shard) LG_REQUIRES(shard.mutex);
  Shard& ShardOf(InodeId inode) const { return shards_[inode % kShards]; }

  const Index& index_;
  Clock& clock_;
  mutable Shard shards_[kShards];
};

}  // namespace leadglass
