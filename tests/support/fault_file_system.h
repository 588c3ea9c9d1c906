// SPDX-License-Identifier: Apache-2.0
#pragma once

// FaultFileSystem: a file system in memory that fails the Nth call, and that knows which bytes and
// names a power cut would leave.
//
//   FaultFileSystem fs(seed);
//   fs.CreateFolder("/vault"); fs.SyncFolder("/");
//   for (uint64_t n = 1;; ++n) {
//     fs.FailFrom(n, ENOSPC, FaultFileSystem::Lasts::kForOneCall);
//     const bool ok = Work(fs).has_value();
//     fs.Heal();
//     ... check what is left ...
//     if (fs.faults() == 0) break;  // N was past the last call: all of them were tried
//   }
//
// Durability is modelled as POSIX promises it, no more: a file's bytes and size are safe after
// File::Sync(), a name after SyncFolder() of its folder. A failed Sync() loses the bytes it was
// called for even if a later one succeeds, as Linux does.
//
// A power cut at call N is FailFrom(N, EIO, kForEver), the work, then Crash().
// Paths are absolute, or relative to "/". Thread-safe.

#include <map>
#include <random>
#include <set>

#include "crypto/base/file.h"
#include "crypto/base/mutex.h"
#include "tests/support/sparse_bytes.h"

namespace leadglass {

class FaultFileSystem final : public FileSystem {
 public:
  enum class Call {
    kOpen,
    kRead,
    kWrite,
    kSync,
    kSize,
    kTruncate,
    kAllocate,
    kPunchHole,
    kLock,
    kCreateFolder,
    kList,
    kExists,
    kRename,
    kLink,
    kRemove,
    kRemoveFolder,
    kSyncFolder,
    kSpace,
  };
  enum class Lasts { kForOneCall, kForEver };

  // What of the un-synced state survives Crash().
  enum class Tear {
    kLoseAll,  // nothing
    kPrefix,   // changes of each file up to a random one, which is cut at a multiple of 512 bytes
    kScatter,  // any 512-byte sectors of any write: the disk reordered them
    kKeepAll,  // everything: the process died, the machine did not
  };

  // The seed decides torn writes; print it with the test.
  explicit FaultFileSystem(uint64_t seed = 1);
  ~FaultFileSystem() override;

  // Fails the `nth` call from now (1 is the next one) with `error`, or that one and all after it.
  // A failed write has written a random part. With `only`, other calls neither count nor fail;
  // with `path_part`, only calls on paths that contain it count.
  void FailFrom(uint64_t nth, int error, Lasts lasts, std::set<Call> only = {},
                std::string path_part = {});
  // No more faults. Counters stay until the next FailFrom().
  void Heal();
  // Calls that counted, and calls that were failed, since FailFrom().
  uint64_t calls() const;
  uint64_t faults() const;

  // A power cut: what was not durable is lost as `tear` says, open files fail with EIO for ever,
  // locks are gone, faults healed. In the modes kPrefix and kScatter each folder shows its old
  // names or its new ones.
  void Crash(Tear tear);

  // Room for all files that have a name; a change that needs more fails with ENOSPC and changes
  // nothing. Unlimited at first.
  void SetCapacity(uint64_t bytes);
  uint64_t UsedBytes() const;

  // What File::StartReading() was asked for, offset and length, in the order of the calls.
  std::vector<std::pair<uint64_t, uint64_t>> started_reading() const;

  // Flips bits of one byte of a file, durably: damage on the disk. Aborts when there is no such
  // byte.
  void FlipBits(const std::string& path, uint64_t offset, uint8_t mask = 1);

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status CreateFolder(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Result<bool> Exists(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveFolder(const std::string& path) override;
  Status SyncFolder(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;

 private:
  friend class FaultFile;
  struct Node;
  struct Change;
  using NodePtr = std::shared_ptr<Node>;
  struct Place {
    NodePtr folder;
    std::string name;
    NodePtr node;  // null when there is no such name
  };
  struct Plan {
    uint64_t nth = 0;  // 0: none
    int error = 0;
    Lasts lasts = Lasts::kForOneCall;
    std::set<Call> only;
    std::string path_part;
  };

  // The planned fault for this call, if it is due.
  Status Count(Call call, const std::string& path) LG_REQUIRES(mutex_);
  Result<Place> Find(const std::string& path) LG_REQUIRES(mutex_);
  Result<NodePtr> FindFolder(const std::string& path) LG_REQUIRES(mutex_);
  Status Apply(Node& node, Change change, const std::string& path) LG_REQUIRES(mutex_);
  uint64_t Random(uint64_t below) LG_REQUIRES(mutex_);
  void Survive(Node& node, Tear tear, std::set<const Node*>& done) LG_REQUIRES(mutex_);
  void SurviveFile(Node& file, Tear tear) LG_REQUIRES(mutex_);
  uint64_t UsedBytesLocked() const LG_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::mt19937_64 random_ LG_GUARDED_BY(mutex_);
  NodePtr root_ LG_GUARDED_BY(mutex_);
  uint64_t life_ LG_GUARDED_BY(mutex_) = 0;  // counts crashes; files of an older life are dead
  Plan plan_ LG_GUARDED_BY(mutex_);
  uint64_t calls_ LG_GUARDED_BY(mutex_) = 0;
  uint64_t faults_ LG_GUARDED_BY(mutex_) = 0;
  std::vector<std::pair<uint64_t, uint64_t>> started_reading_ LG_GUARDED_BY(mutex_);
  uint64_t capacity_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
