// SPDX-License-Identifier: Apache-2.0
#pragma once

// Appender: puts sealed records one after the other, keeps the chain, and makes them durable for
// many callers at once. A place and a sequence number are given out under the lock, the bytes are
// written outside it; a Sync() therefore waits until all that was given out before is written, and
// never counts a reserved but unwritten record as durable.
//
// Invariants
//   - Records lie in the order of their sequence numbers, without gaps: what was given out is
//     written, or the object is poisoned.
//   - Room for a record and for the footer is preallocated before a place is given out.
//   - A position is stated as durable only where a commit at or before it in its segment says that
//     the segment counts. docs/format.md, "Recovery".
//
// Errors of every call that appends or syncs: kUnavailable when the object is poisoned (for
// appends: or closed), and when this call poisons it, because a write or sync failed (a write also
// long after the append that it is for: records wait in memory, see StagedFile); then nothing
// more is written or tried again, what was not synced may be lost, and what was synced is not.
// kNoSpace, and errors of looking or of creating a file, leave all as it was before the call, and
// the next one may succeed.
//
// Thread safety: all methods may be called from any thread. One lock; none is held while records
// are written or synced. A new segment is begun under it (create, preallocate, header), once in 64
// MiB.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/base/mutex.h"
#include "crypto/log/chain.h"
#include "crypto/log/recovery.h"
#include "crypto/log/segment_writer.h"
#include "crypto/log/spare_segments.h"
#include "crypto/log/staged_file.h"

namespace leadglass {

class Appender {
 public:
  struct Start {
    Uuid vault_id{};
    SegmentClass segment_class = SegmentClass::kMain;
    Uuid session{};
    uint64_t segment_size = 0;
    uint64_t reserve_bytes = 0;
    size_t spare_segments = 0;
    StagedFile::Flushing flushing = StagedFile::Flushing::kByWriters;
    LogTail tail;              // already durable
    uint32_t epoch = 1;        // of the segments to come
    uint64_t next_number = 1;  // of the first of them
    bool begins_epoch = false;
    SegmentId base;  // as the tail's header states it
  };

  // `files` and `keys` outlive the appender. No segment is created before SecureTail() or the first
  // append; the reserve is filled as far as the disk has room, and no error of that is told.
  // Without Close() the last segment stays open, as after a crash.
  Appender(SegmentFiles& files, const LogKeys& keys, Start start);
  ~Appender();
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  // Gives the tail's segment, if a crash left it open, the second copy that it lacks: begins the
  // first segment at once, and durably, instead of with the first append. Does nothing where the
  // tail is complete, where an earlier segment has the copy, or where an epoch is to begin.
  // kNoSpace and errors of reading leave the log usable; others poison it.
  Status SecureTail() LG_EXCLUDES(mutex_);

  // Appends a sealed data record and gives the place of its frame. `frame` describes it but for the
  // sequence number; `record` is frame.record_length bytes, with room at its start for the encoded
  // frame, which is put there. Durable on return: no; and part of nothing before a commit.
  Result<Position> AppendData(Frame frame, MutableByteSpan record) LG_EXCLUDES(mutex_);
  // Seals the payload, 1 to kMaxCommitLength bytes, in its place and appends it. Commits follow
  // each other in the order of the calls, and recovery sees one only if it sees all records that
  // were given a place before it. Durable on return: no. `use_reserve`: as in SealedLog.
  Result<CommitInfo> AppendCommit(ByteSpan payload, bool use_reserve) LG_EXCLUDES(mutex_);
  // See SealedLog::HoldRoom().
  Status HoldRoom(size_t payload_length, bool use_reserve) LG_EXCLUDES(mutex_);
  // Durable on return: all that was given a place before the call. Waits for writes under way; many
  // callers share one fdatasync, and what comes during it waits for the next. Returns at once when
  // nothing is new.
  Status Sync() LG_EXCLUDES(mutex_);
  // See SealedLog::SetBase() and base().
  void SetBase(SegmentId base) LG_EXCLUDES(mutex_);
  SegmentId base() const LG_EXCLUDES(mutex_);
  // See SealedLog::PrepareAhead().
  bool PrepareAhead() LG_EXCLUDES(mutex_);
  // Syncs, then writes the last segment's footer, gives its unused room back and syncs that. Only
  // the first call does anything: after its failure, too, the object is closed, and the segment is
  // then as a crash would leave it.
  Status Close() LG_EXCLUDES(mutex_);

  // The newest commit that was given a place; the newest one that is durable. In a new session both
  // are the tail's.
  Head head() const LG_EXCLUDES(mutex_);
  Head durable_head() const LG_EXCLUDES(mutex_);
  bool poisoned() const LG_EXCLUDES(mutex_);

  // Where the log ended at the time of the call; on return all before that is written, though not
  // durable. `segment`: nullopt in an empty log; `complete`: it has its footer.
  struct Written {
    Head head;
    std::optional<SegmentId> segment;
    uint64_t length = 0;
    bool complete = false;
  };
  Written WaitUntilWritten() LG_EXCLUDES(mutex_);

  // In bytes on disk. Asking refills the reserve where the disk has room again.
  struct Room {
    uint64_t own_bytes = 0;  // of the segments begun by this object, preallocated room included
    uint64_t unused = 0;     // of that, what records can still take
    uint64_t reserve_missing = 0;  // what the reserve lacks of Start::reserve_bytes
    uint64_t spare = 0;            // of segments prepared ahead
  };
  Room room() LG_EXCLUDES(mutex_);

 private:
  // A record whose place is taken and whose bytes are to be written.
  struct Ticket {
    uint64_t number = 0;
    std::shared_ptr<File> file;
    uint64_t offset = 0;
  };

  static Frame CommitFrame(size_t payload_length);
  Status CheckWritable() const LG_REQUIRES(mutex_);
  Status Prepare(const Frame& frame, bool use_reserve) LG_REQUIRES(mutex_);
  Status BeginSegment(uint64_t record_bytes, bool use_reserve) LG_REQUIRES(mutex_);
  Result<std::unique_ptr<SegmentWriter>> OpenSegment(const std::string& path, uint64_t need,
                                                     bool use_reserve) LG_REQUIRES(mutex_);
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
  SpareSegments spares_;
  WriteBuffers buffers_;

  mutable Mutex mutex_;
  CondVar changed_;
  SpaceReserve reserve_ LG_GUARDED_BY(mutex_);
  std::unique_ptr<SegmentWriter> segment_ LG_GUARDED_BY(mutex_);
  uint64_t held_ LG_GUARDED_BY(mutex_) = 0;  // see SegmentWriter::Hold()
  bool segment_has_commit_ LG_GUARDED_BY(mutex_) = false;
  Position segment_continues_ LG_GUARDED_BY(mutex_);  // the end of what was before it
  Chain chain_ LG_GUARDED_BY(mutex_);
  SegmentId next_base_ LG_GUARDED_BY(mutex_);     // what the next segment's header states
  SegmentId segment_base_ LG_GUARDED_BY(mutex_);  // what that of the open one does
  SegmentId base_ LG_GUARDED_BY(mutex_);          // that of the newest durable commit's segment
  Head head_ LG_GUARDED_BY(mutex_);
  uint64_t next_sequence_ LG_GUARDED_BY(mutex_);
  uint64_t next_number_ LG_GUARDED_BY(mutex_);
  uint64_t ended_bytes_ LG_GUARDED_BY(mutex_) = 0;  // of segments that are complete

  uint64_t taken_ LG_GUARDED_BY(mutex_) = 0;  // tickets
  uint64_t taken_at_prepare_ LG_GUARDED_BY(mutex_) = 0;
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
