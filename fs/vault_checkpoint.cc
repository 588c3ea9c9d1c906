// SPDX-License-Identifier: Apache-2.0

// Local checkpoints: how commits, and data records too small to be punched, go back to the disk.
//
// A checkpoint says everything that the index holds again, in ordinary commits, so that the log can
// be replayed from there: nothing that lies before its first segment, the base, is then needed but
// the bytes of files. Once the horizon has passed, whatever else lies there is cleared.
//
// Each piece says what holds at its place in the log, whatever was changed between the pieces: who
// replays from the base on has, behind the piece, all that it is about, by that piece or by a later
// change.
//
// Why no reader, and no write under way, can meet a hole: docs/design.md, "Checkpoints".

#include <algorithm>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

constexpr size_t kPieceBytes = 128u << 10;
// Of the time, in which commits of others wait: one part in so many.
constexpr int kPauseFactor = 4;
constexpr std::chrono::milliseconds kLeastPause{5};
constexpr std::chrono::milliseconds kPeriodAfterFailure{60'000};
constexpr std::chrono::milliseconds kClearPause{20};
constexpr std::chrono::milliseconds kBeforeTables{500};
constexpr std::chrono::milliseconds kTablesPause{1};  // eight to a table, which takes two
// What an inode is taken to cost before the first checkpoint has shown it: what a DICOM image does,
// twice. So a vault that is only added to makes none: it would gain nothing.
constexpr uint64_t kBytesPerInode = 4096;
// Of which the needed blocks are kept in memory at once, 2 KiB each.
constexpr size_t kSegmentsAtOnce = 16'384;

}  // namespace

void VaultImpl::RunCheckpoints(const std::stop_token& stop) {
  const auto period =
      std::max(kLeastPause, std::chrono::duration_cast<std::chrono::milliseconds>(
                                std::chrono::nanoseconds(options_.space_interval_nanos)));
  // This thread has nothing to do after a mount, and users shall not wait until a table is open:
  // once whoever mounts has been answered, and with pauses, so that nobody waits for that either.
  if (!WaitALittle(stop, kBeforeTables)) return;
  index_->OpenTables([&] { return WaitALittle(stop, kTablesPause); });
  bool failed = false;
  while (WaitALittle(stop, failed ? kPeriodAfterFailure : period)) {
    // Whatever fails here is tried again; a log that failed tells so at the next write.
    key_store_->DropSealingKeys();
    Status renewed;
    if (RenewalsWanted() && !Failed()) renewed = FinishShreds();
    if (renewed && !Failed()) renewed = RenewSecrets();
    // Also where that failed: on a full disk it needs the room that is given back here.
    Status done = StateBase();
    if (done && MayClear()) done = ClearBeforeBase(stop);
    if (done && WantsCheckpoint()) done = MakeCheckpoint(stop);
    failed = !done || !renewed;
  }
}

// False: the thread is to end.
bool VaultImpl::WaitALittle(const std::stop_token& stop, std::chrono::milliseconds time) {
  MutexLock lock(checkpoint_mutex_);
  if (!stop.stop_requested()) checkpoint_wanted_.WaitFor(checkpoint_mutex_, time);
  return !stop.stop_requested();
}

// What an earlier one would give back goes first: until then another one gains nothing.
bool VaultImpl::WantsCheckpoint() const {
  if (Failed() || cannot_punch_) return false;
  const CheckpointState state = index_->checkpoint();
  if (state.cleared < state.base) return false;
  const uint64_t cost = std::max(state.restated_bytes, index_->counts().inodes * kBytesPerInode);
  if (state.stale_bytes < std::max(options_.least_checkpoint_gain, 2 * cost)) return false;
  // One that ends for want of room would only have taken more of it.
  const auto room = log_->WritableBytes();
  return room && *room > 2 * cost + options_.segment_size;
}

Status VaultImpl::MakeCheckpoint(const std::stop_token& stop) {
  Checkpoint checkpoint;
  {
    MutexLock lock(commit_mutex_);
    LG_RETURN_IF_ERROR(CommitGathered());
    LG_ASSIGN_OR_RETURN(const CommitInfo commit,
                        CommitRestated({PutSession{session_number_, log_->session()}}));
    checkpoint.base = commit.start.segment;
    checkpoint.restated_bytes = 2 * (commit.end.offset - commit.start.offset);
  }
  std::string next;
  do {
    const int64_t looked = clock_.MonotonicNanos();
    LG_ASSIGN_OR_RETURN(const RestatePlan plan, index_->PlanRestate(next, kPieceBytes));
    const int64_t begun = clock_.MonotonicNanos();
    {
      MutexLock lock(commit_mutex_);
      LG_RETURN_IF_ERROR(CommitGathered());
      LG_ASSIGN_OR_RETURN(Restated piece, index_->Restate(plan, kPieceBytes));
      if (!piece.operations.empty()) {
        LG_ASSIGN_OR_RETURN(const CommitInfo commit, CommitRestated(piece.operations));
        checkpoint.restated_bytes += 2 * (commit.end.offset - commit.start.offset);
      }
      next = std::move(piece.next);
    }
    // Nobody waits while it looks, but it takes a core.
    const std::chrono::nanoseconds taken(clock_.MonotonicNanos() - begun), looking(begun - looked);
    const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(kPauseFactor * taken, looking));
    if (!WaitALittle(stop, std::max(pause, kLeastPause))) return {};
  } while (!next.empty());
  {
    MutexLock lock(commit_mutex_);
    checkpoint.next_inode = index_->next_inode();
    checkpoint.next_session = index_->next_session();
    checkpoint.next_cookie = index_->next_cookie();
  }
  LG_RETURN_IF_ERROR(CommitAtOnce({checkpoint}, false));
  return StateBase();
}

// An index on the disk that is older than the base could not be brought up from there, so it is
// written first.
Status VaultImpl::StateBase() {
  const SegmentId base = index_->checkpoint().base;
  if (!(log_->base() < base) || Failed()) return {};
  LG_RETURN_IF_ERROR(index_->Flush());
  log_->SetBase(base);
  // The base counts from a durable commit on in a segment that states it.
  LG_RETURN_IF_ERROR(CommitAtOnce({PutSession{session_number_, log_->session()}}, true));
  return log_->Sync();
}

bool VaultImpl::MayClear() const {
  if (Failed() || cannot_punch_) return false;
  const CheckpointState state = index_->checkpoint();
  const int64_t horizon = nearly_full_ ? 0 : options_.horizon_nanos;
  return state.cleared < state.base && log_->base() == state.base &&
         clock_.WallNanos() - state.applied_at >= horizon;
}

Status VaultImpl::ClearBeforeBase(const std::stop_token& stop) {
  const SegmentId base = log_->base();
  LG_RETURN_IF_ERROR(CommitAllBefore(base));
  LG_ASSIGN_OR_RETURN(const std::vector<SegmentId> all, log_->SegmentsBeforeBase());
  std::span<const SegmentId> left = all;
  while (!left.empty() && !stop.stop_requested()) {
    const size_t count = std::min(left.size(), kSegmentsAtOnce);
    LG_RETURN_IF_ERROR(ClearSegments(left.first(count), stop));
    left = left.subspan(count);
  }
  if (stop.stop_requested()) return {};
  return CommitAtOnce({Cleared{base}}, true);
}

// Bytes that were written before the base, and are in no commit yet, are needed, too. Who is
// writing has the lock of the inode from before its record gets a place until the inode knows it.
Status VaultImpl::CommitAllBefore(SegmentId base) {
  for (const InodePtr& state : inodes_->Loaded()) {
    const auto lags = [&] {
      ReaderLock lock(state->mutex);
      return !state->erased && state->content.HasPendingBefore(base);
    };
    if (!lags()) continue;
    LG_RETURN_IF_ERROR(CommitInode(state));
    if (lags())
      return Error(Errc::kUnavailable,
                   "inode " + std::to_string(state->id) + " has bytes that could not be committed");
  }
  return {};
}

Status VaultImpl::ClearSegments(std::span<const SegmentId> segments, const std::stop_token& stop) {
  std::map<SegmentId, BlockMap> needed;
  for (const SegmentId id : segments) needed.emplace_hint(needed.end(), id, BlockMap());
  LG_RETURN_IF_ERROR(index_->VisitRecords([&](const RecordSpace& record) {
    const auto found = needed.find(record.position.segment);
    if (found != needed.end()) found->second.Need(record);
    return !stop.stop_requested();
  }));
  for (const auto& [id, blocks] : needed) {
    // A walk that was stopped has not met all.
    if (stop.stop_requested()) return {};
    uint64_t cleared = 0;
    {
      MutexLock punching(punch_mutex_);
      const Result<uint64_t> got = log_->ClearSegment(id, blocks);
      if (!got) {
        cannot_punch_ = true;
        return got.error();
      }
      cleared = *got;
    }
    if (cleared > 0) (void)WaitALittle(stop, kClearPause);
  }
  return {};
}

}  // namespace leadglass
