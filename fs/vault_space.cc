// SPDX-License-Identifier: Apache-2.0

// Room on the disk: how much there is, and giving back what nothing needs any more.
//
// Why no reader can meet a hole: a record dies when an operation takes the last extent of it away,
// and whoever resolves extents and reads by them holds the inode's lock for both, shared; a file
// loses bytes under the exclusive lock, before the commit that says so.

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

// Below this the kernel may hold more dirty bytes than the disk can take, those of an upkeep period
// included.
constexpr uint64_t kNearlyFullBytes = 1u << 30;
// One commit and two syncs each: 67 MB and some 50 ms for images of 512 KiB.
constexpr size_t kPunchBatch = 128;
// A clock that was set back dates what dies now before what died earlier: that waits so long.
constexpr int64_t kDeadSeekNanos = 60'000'000'000;

}  // namespace

void VaultImpl::CheckRoom() {
  const auto room = log_->WritableBytes();
  nearly_full_ = room && *room < kNearlyFullBytes;
}

bool VaultImpl::GiveSpaceBack() {
  // Upkeep has other things to do than to wait for a check of the whole log.
  if (cannot_punch_ || Failed() || checking_) return false;
  MutexLock punching(punch_mutex_);
  if (!last_punch_repeated_) RepeatLastPunch();
  last_punch_repeated_ = true;
  return PunchDead();
}

bool VaultImpl::PunchDead() {
  const auto head = index_->head();
  if (!head || cannot_punch_ || index_->counts().dead_bytes == 0) return false;
  const int64_t horizon = nearly_full_ ? 0 : options_.horizon_nanos;
  const int64_t now = clock_.MonotonicNanos();
  if (now - dead_sought_ >= kDeadSeekNanos) {
    dead_from_ = 0;
    dead_sought_ = now;
  }
  const auto dead = index_->DeadRecords(dead_from_, clock_.WallNanos() - horizon,
                                        head->second.segment, kPunchBatch);
  if (!dead) return false;
  if (!dead->records.empty() && !PunchBatch(dead->records)) return false;
  dead_from_ = dead->next;
  return dead->more;
}

// Durable first, punched then: whoever finds a hole finds the commit that speaks of it.
Status VaultImpl::PunchBatch(const std::vector<RecordSpace>& dead) {
  // The commit then states a durable position beyond the records, below which recovery asks for no
  // bodies.
  LG_RETURN_IF_ERROR(SyncLog());
  Transaction transaction;
  transaction.use_reserve = true;
  transaction.operations.emplace_back(Punch{dead});
  LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  LG_RETURN_IF_ERROR(SyncLog());
  const Status punched = log_->PunchData(dead);
  // What was not punched is tried again at the next mount, as after a crash.
  if (!punched) cannot_punch_ = true;
  return punched;
}

void VaultImpl::RepeatLastPunch() {
  const auto last = index_->LastPunch();
  if (last && !last->empty()) cannot_punch_ = !log_->PunchData(*last).has_value();
}

}  // namespace leadglass
