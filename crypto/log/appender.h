// SPDX-License-Identifier: Apache-2.0
#pragma once

// Appender: puts sealed records one after the other, keeps the chain, and makes them durable for
// many callers at once. A place and a sequence number are given out under the lock, the bytes are
// written outside it; a Sync() therefore waits until all that was given out before is written, and
// never counts a reserved but unwritten record as durable.
//
// Thread safety: all methods may be called from any thread.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/base/mutex.h"
#include "crypto/log/chain.h"
#include "crypto/log/recovery.h"
#include "crypto/log/segment_writer.h"

namespace leadglass {

class Appender {
 public:
  struct Start {
    Uuid vault_id{};
    Uuid session{};
    uint64_t segment_size = 0;
    uint64_t reserve_bytes = 0;
    LogTail tail;              // already durable
    uint32_t epoch = 1;        // of the segments to come
    uint64_t next_number = 1;  // of the first of them
    bool begins_epoch = false;
  };

  // `files` and `keys` outlive the appender. Nothing is created before the first append.
  Appender(SegmentFiles& files, const LogKeys& keys, Start start);

  // Gives the tail's segment, if a crash left it open, the second copy that it lacks: begins the
  // first segment at once, and durably, instead of with the first append. Does nothing where the
  // tail is complete, where an earlier segment has the copy, or where an epoch is to begin.
  // kNoSpace and errors of reading leave the log usable; others poison it.
  Status SecureTail() LG_EXCLUDES(mutex_);

  // Appends a sealed data record: `frame` describes it but for the sequence number; space for the
  // encoded frame is at the start of `record`. kNoSpace leaves the log usable.
  Result<Position> AppendData(Frame frame, MutableByteSpan record) LG_EXCLUDES(mutex_);
  // Seals the payload in its place and appends it.
  Result<CommitInfo> AppendCommit(ByteSpan payload, bool use_reserve) LG_EXCLUDES(mutex_);
  // Contracts: SealedLog.
  Status Sync() LG_EXCLUDES(mutex_);
  Status Close() LG_EXCLUDES(mutex_);

  Head head() const LG_EXCLUDES(mutex_);
  Head durable_head() const LG_EXCLUDES(mutex_);
  bool poisoned() const LG_EXCLUDES(mutex_);

  // Where the written log ends: waits for writes under way.
  struct Written {
    Head head;
    std::optional<SegmentId> segment;
    uint64_t length = 0;
    bool complete = false;
  };
  Written WaitUntilWritten() LG_EXCLUDES(mutex_);

  struct Room {
    uint64_t own_bytes = 0;  // of the segments begun by this object, preallocated room included
    uint64_t unused = 0;     // of that, what records can still take
    uint64_t reserve_missing = 0;
  };
  Room room() LG_EXCLUDES(mutex_);

 private:
  // A record whose place is taken and whose bytes are to be written.
  struct Ticket {
    uint64_t number = 0;
    std::shared_ptr<File> file;
    uint64_t offset = 0;
  };

  Status CheckWritable() const LG_REQUIRES(mutex_);
  Status Prepare(const Frame& frame, bool use_reserve) LG_REQUIRES(mutex_);
  Status BeginSegment(uint64_t record_bytes, bool use_reserve) LG_REQUIRES(mutex_);
  Status StartSegment(std::unique_ptr<SegmentWriter> next, uint64_t number) LG_REQUIRES(mutex_);
  Status EndSegment(const Position& durable) LG_REQUIRES(mutex_);
  Status InheritFooter() LG_REQUIRES(mutex_);
  Result<std::optional<FooterBuilder>> MissingFooter();
  bool TailHasHeir();
  Position EndToState() const LG_REQUIRES(mutex_);
  Status EnsureEpochFolder() LG_REQUIRES(mutex_);
  Ticket TakeTicket(const Frame& frame, ByteSpan commit) LG_REQUIRES(mutex_);
  Status Write(const Ticket& ticket, ByteSpan record) LG_EXCLUDES(mutex_);
  Status Poison(const Error& cause) LG_REQUIRES(mutex_);
  bool AllWritten(uint64_t up_to) const LG_REQUIRES(mutex_);
  Status SyncAsLeader() LG_REQUIRES(mutex_);

  SegmentFiles& files_;
  const LogKeys& keys_;
  Start start_;
  std::optional<FooterBuilder> inherited_;  // what start_.tail's segment lacks

  mutable Mutex mutex_;
  CondVar changed_;
  SpaceReserve reserve_ LG_GUARDED_BY(mutex_);
  std::unique_ptr<SegmentWriter> segment_ LG_GUARDED_BY(mutex_);
  bool segment_has_commit_ LG_GUARDED_BY(mutex_) = false;
  Position segment_continues_ LG_GUARDED_BY(mutex_);  // the end of what was before it
  Chain chain_ LG_GUARDED_BY(mutex_);
  Head head_ LG_GUARDED_BY(mutex_);
  uint64_t next_sequence_ LG_GUARDED_BY(mutex_);
  uint64_t next_number_ LG_GUARDED_BY(mutex_);
  uint64_t ended_bytes_ LG_GUARDED_BY(mutex_) = 0;  // of segments that are complete

  uint64_t taken_ LG_GUARDED_BY(mutex_) = 0;  // tickets
  std::set<uint64_t> unwritten_ LG_GUARDED_BY(mutex_);
  uint64_t synced_ LG_GUARDED_BY(mutex_) = 0;  // all tickets up to this one are durable
  bool syncing_ LG_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<File>> ended_unsynced_ LG_GUARDED_BY(mutex_);
  std::set<std::string> folders_unsynced_ LG_GUARDED_BY(mutex_);
  Position durable_ LG_GUARDED_BY(mutex_);
  Head durable_head_ LG_GUARDED_BY(mutex_);

  bool poisoned_ LG_GUARDED_BY(mutex_) = false;
  bool closed_ LG_GUARDED_BY(mutex_) = false;
};

}  // namespace leadglass
