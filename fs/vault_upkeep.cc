// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

constexpr std::chrono::milliseconds kUpkeepPeriod{100};
// Between two steps of preparing segments: some 500 MB/s at most, and who comes meanwhile waits for
// one.
constexpr std::chrono::milliseconds kPreparePause{2};
constexpr std::chrono::milliseconds kLeastPunchPause{2};
constexpr int64_t kTrailPeriodNanos = 1'000'000'000;
constexpr int64_t kIncomingPeriodNanos = 1'000'000'000;
constexpr size_t kNoticeLimit = 65536;
constexpr int kMaxIncomingDepth = 64;

}  // namespace

void VaultImpl::RunUpkeep(const std::stop_token& stop) {
  int64_t incoming_checked = 0;
  int64_t trail_flushed = 0;
  int64_t space_due = 0;
  bool preparing = false;
  bool more_space = false;
  while (!stop.stop_requested()) {
    {
      std::chrono::nanoseconds pause = preparing ? kPreparePause : kUpkeepPeriod;
      if (more_space && !preparing)
        pause = std::clamp<std::chrono::nanoseconds>(
            std::chrono::nanoseconds(space_due - clock_.MonotonicNanos()), kLeastPunchPause, pause);
      MutexLock lock(upkeep_mutex_);
      if (!stop.stop_requested()) upkeep_wanted_.WaitFor(upkeep_mutex_, pause);
    }
    EndWhatIsOver();
    CommitDirty(false);
    {
      MutexLock lock(commit_mutex_);
      if (!Failed()) (void)CommitGathered();
    }
    if (clock_.MonotonicNanos() - trail_flushed >= kTrailPeriodNanos) {
      trail_flushed = clock_.MonotonicNanos();
      FlushTrail(false);
    }
    // Nobody waits for this sync; a failure poisons the log, which every later write reports.
    if (!log_->poisoned() && !(log_->durable_head() == log_->head())) (void)log_->Sync();
    if (flush_index_.exchange(false)) (void)index_->Flush();
    preparing = log_->PrepareAhead();
    CheckRoom();
    if (const int64_t begun = clock_.MonotonicNanos(); begun >= space_due) {
      more_space = GiveSpaceBack();
      space_due = clock_.MonotonicNanos();
      if (!more_space) {
        space_due += options_.space_interval_nanos;
      } else if (!nearly_full_) {
        // As long as the batch took: half of a core is left to those who read and write.
        space_due += space_due - begun;
      }
    }
    if (clock_.MonotonicNanos() - incoming_checked > kIncomingPeriodNanos) {
      incoming_checked = clock_.MonotonicNanos();
      ClearIncoming();
    }
  }
}

// Commits what has waited long enough, or everything. What fails stays on the list: after ENOSPC it
// goes through once there is room.
void VaultImpl::CommitDirty(bool all) {
  std::vector<InodePtr> due;
  {
    const int64_t now = clock_.MonotonicNanos();
    MutexLock lock(dirty_mutex_);
    for (const InodePtr& state : dirty_)
      if (all || now - state->dirty_since >= options_.commit_interval_nanos) due.push_back(state);
  }
  for (const InodePtr& state : due) {
    bool file = false;
    {
      ReaderLock lock(state->mutex);
      file = state->open_count == 0 && state->content_version != state->filed_version;
    }
    const Status committed = file ? FileAndCommit(state, true) : CommitInode(state);
    WriterLock lock(state->mutex);
    if ((!committed || state->dirty()) && !state->erased) {
      state->dirty_since = clock_.MonotonicNanos();
      continue;
    }
    state->in_dirty_list = false;
    MutexLock dirty_lock(dirty_mutex_);
    dirty_.erase(state);
  }
}

// Takes the names of filed files out of /incoming once their time is over, and the folders that
// this leaves empty.
void VaultImpl::ClearIncoming() {
  if (options_.read_only || Failed()) return;
  const int64_t before = clock_.WallNanos() - options_.incoming_stay_nanos;
  std::vector<std::pair<InodeId, int>> folders{{kIncomingInode, 0}};
  while (!folders.empty()) {
    const auto [folder, depth] = folders.back();
    folders.pop_back();
    std::vector<NameRecord> names;
    (void)index_->VisitNames(folder, 0, [&](const NameRecord& name) {
      names.push_back(name);
      return true;
    });
    for (const NameRecord& name : names) {
      if (S_ISDIR(name.mode_type) && depth < kMaxIncomingDepth)
        folders.emplace_back(name.inode, depth + 1);
      if (!S_ISREG(name.mode_type)) continue;
      MutexLock lock(names_mutex_);
      (void)LeaveIncoming(name, before);  // a failure is tried again in the next round
    }
    if (names.empty() && folder != kIncomingInode) RemoveIncomingFolder(folder, before);
  }
}

Status VaultImpl::LeaveIncoming(const NameRecord& name, int64_t before) {
  LG_ASSIGN_OR_RETURN(const auto still, index_->GetName(name.parent, name.name));
  LG_ASSIGN_OR_RETURN(const auto filing, index_->GetFiling(name.inode));
  if (!still || still->inode != name.inode || !filing || filing->state != FilingState::kFiled ||
      filing->filed_at > before)
    return {};
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(name.inode));
  LG_ASSIGN_OR_RETURN(const InodePtr folder, inodes_->Get(name.parent));
  {
    InodeLocks locks({state, folder});
    if (state->open_count > 0 || state->dirty() || state->last_close > before) return {};
    const int64_t now = clock_.WallNanos();
    Transaction transaction;
    transaction.use_reserve = true;
    transaction.operations.emplace_back(EraseName{name.parent, name.name});
    InodeRecord record = state->record;
    --record.nlink;
    record.ctime = now;
    if (record.nlink == 1) record.flags |= kInodeIncoming;
    InodeRecord folder_record = folder->record;
    TouchFolder(folder_record, now);
    transaction.Put(state, record);
    transaction.Put(folder, folder_record);
    LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
  }
  Notice(name.parent, true);
  Notice(name.inode | kViewBit, false);
  return {};
}

void VaultImpl::RemoveIncomingFolder(InodeId folder, int64_t before) {
  const auto record = CurrentRecord(folder);
  if (!record || record->mtime > before || record->nlink == 0) return;
  std::string name;
  (void)index_->VisitNames(record->parent, 0, [&](const NameRecord& candidate) {
    if (candidate.inode == folder) name = candidate.name;
    return name.empty();
  });
  if (name.empty()) return;
  // Not empty after all: somebody was quicker, and the folder stays.
  (void)RemoveFolder(Caller{}, record->parent, name);
  Notice(record->parent, true);
}

void VaultImpl::Notice(NodeId node, bool contents) {
  MutexLock lock(notice_mutex_);
  if (!invalidator_ || notices_.size() >= kNoticeLimit) return;
  notices_.emplace_back(node, contents);
  notice_wanted_.NotifyOne();
}

// A thread of its own: the kernel may hold an inode's lock while it waits for an answer from one of
// the threads that serve it, and an invalidation waits for that lock.
void VaultImpl::RunNotices(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::pair<NodeId, bool> notice;
    Invalidator invalidator;
    {
      MutexLock lock(notice_mutex_);
      if (notices_.empty() && !stop.stop_requested())
        notice_wanted_.WaitFor(notice_mutex_, std::chrono::milliseconds(200));
      if (notices_.empty()) continue;
      notice = notices_.front();
      notices_.pop_front();
      invalidator = invalidator_;
    }
    if (invalidator) invalidator(notice.first, notice.second);
  }
}

void VaultImpl::SetInvalidator(Invalidator invalidator) {
  MutexLock lock(notice_mutex_);
  invalidator_ = std::move(invalidator);
}

void VaultImpl::NoteOrphan(const InodePtr& state) {
  MutexLock lock(orphan_mutex_);
  orphans_.emplace(state->id, state);
}

void VaultImpl::Forget(NodeId node) {
  InodePtr state;
  {
    MutexLock lock(orphan_mutex_);
    const auto found = orphans_.find(InodeOf(node));
    if (found == orphans_.end()) return;
    state = found->second;
  }
  {
    WriterLock lock(state->mutex);
    state->forgotten = true;
    if (state->open_count > 0) return;
  }
  (void)EraseOrphan(state);  // else swept at the next mount
}

Status VaultImpl::EraseOrphan(const InodePtr& state) {
  {
    WriterLock lock(state->mutex);
    if (state->erased || state->record.nlink > 0) return {};
    Transaction transaction;
    transaction.use_reserve = true;
    // What the index was not told of could never be given back to the disk.
    state->content.AppendOperations(transaction.operations);
    transaction.operations.emplace_back(EraseInode{state->id});
    LG_ASSIGN_OR_RETURN(const auto early, key_store_->EarlyKeyOf(state->id));
    if (early) transaction.operations.emplace_back(EraseStudyKey{*early, kDefaultGroup});
    LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
    state->erased = true;
    MutexLock dirty_lock(dirty_mutex_);
    dirty_.erase(state);
  }
  inodes_->Drop(state->id);
  MutexLock lock(orphan_mutex_);
  orphans_.erase(state->id);
  return {};
}

Status VaultImpl::SyncAll() {
  CommitDirty(true);
  return SyncLog();
}

}  // namespace leadglass
