// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "fs/vault_core.h"

namespace leadglass {
namespace {

// Bounds what a restart has to replay, which is to take less than two seconds on a busy machine:
// the index is written out after so many operations. Some fourteen make an image.
constexpr uint64_t kOperationsPerIndexFlush = 48'000;
// As many bytes of operations are gathered for one commit.
constexpr size_t kGatheredBytes = 64u << 10;

}  // namespace

void Transaction::Put(const InodePtr& state, const InodeRecord& record) {
  InodeRecord stated = record;
  if (S_ISREG(stated.mode)) {
    stated.size = state->content.committed_size();
    stated.allocated = state->committed_allocated;
  }
  operations.emplace_back(PutInode{std::move(stated)});
  records.emplace_back(state, record);
}

void Transaction::PutWithContent(const InodePtr& state, const InodeRecord& record) {
  operations.emplace_back(PutInode{record});
  state->content.AppendOperations(operations);
  records.emplace_back(state, record);
  contents.push_back(state);
}

Status VaultCore::Commit(Transaction transaction) {
  {
    MutexLock lock(commit_mutex_);
    LG_RETURN_IF_ERROR(Gather(std::move(transaction.operations), transaction.use_reserve));
  }
  for (auto& [state, record] : transaction.records) state->record = std::move(record);
  for (const InodePtr& state : transaction.contents) {
    state->content.MarkCommitted();
    state->committed_allocated = state->record.allocated;
    state->attributes_dirty = false;
  }
  return {};
}

Status VaultCore::CheckIndex() const {
  if (!index_behind_) return {};
  return Error(Errc::kUnavailable,
               "the index could not take an earlier change, which the log has: read-only until "
               "remount, which brings the index up",
               EROFS);
}

Status VaultCore::Gather(Operations operations, bool use_reserve) {
  LG_RETURN_IF_ERROR(CheckIndex());
  ByteVector payload = EncodeOperations(operations);
  if (!gathered_.empty() && gathered_.payload().size() + payload.size() > kGatheredBytes)
    LG_RETURN_IF_ERROR(CommitGathered());
  if (gathered_.empty() && !session_stated_) {
    const PutSession session{session_number_, log_->session()};
    operations.insert(operations.begin(), session);
    payload = EncodeOperations(operations);
  }
  if (payload.empty()) return {};
  // So that a full disk is told here, to who asked for the change.
  LG_RETURN_IF_ERROR(log_->HoldRoom(gathered_.payload().size() + payload.size(), use_reserve));
  LG_RETURN_IF_ERROR(index_->Stage(operations));
  gathered_session_ = gathered_session_ || (gathered_.empty() && !session_stated_);
  gathered_.Add(operations, payload);
  operations_since_flush_ += operations.size();
  return {};
}

Status VaultCore::CommitGathered() {
  if (gathered_.empty()) return {};
  LG_ASSIGN_OR_RETURN(const CommitInfo commit, log_->AppendCommit(gathered_.payload(), true));
  gathered_.Clear();
  NoteCommit(commit, std::exchange(gathered_session_, false));
  return IndexTook(index_->Settle(commit));
}

Status VaultCore::CommitAtOnce(Operations operations, bool use_reserve) {
  MutexLock lock(commit_mutex_);
  LG_RETURN_IF_ERROR(Gather(std::move(operations), use_reserve));
  return CommitGathered();
}

Status VaultCore::CommitAtOnceAndSync(Operations operations) {
  LG_RETURN_IF_ERROR(CommitAtOnce(std::move(operations), true));
  return log_->Sync();
}

Result<CommitInfo> VaultCore::CommitRestated(const Operations& operations) {
  LG_RETURN_IF_ERROR(CheckIndex());
  const ByteVector payload = EncodeOperations(operations);
  LG_ASSIGN_OR_RETURN(const CommitInfo commit, log_->AppendCommit(payload));
  NoteCommit(commit, false);
  operations_since_flush_ += operations.size();
  LG_RETURN_IF_ERROR(IndexTook(index_->Apply({}, commit)));
  return commit;
}

void VaultCore::NoteCommit(const CommitInfo& commit, bool states_session) {
  // Once a segment, so that no lost segment makes the bytes in another unreadable.
  session_stated_ =
      states_session || (session_stated_ && commit.start.segment == last_commit_segment_);
  last_commit_segment_ = commit.start.segment;
  operations_since_flush_ += kOperationsPerCommit;
}

// The log has it: if the index cannot take it, the index is behind the log for good, and only a
// remount (which replays) brings it up. A later commit would be made out of what the index no
// longer knows, so there is none.
Status VaultCore::IndexTook(Status taken) {
  if (!taken) {
    index_behind_ = true;
    return taken;
  }
  if (operations_since_flush_ >= kOperationsPerIndexFlush) {
    operations_since_flush_ = 0;
    flush_index_ = true;
    upkeep_wanted_.NotifyAll();
  }
  return {};
}

Status VaultCore::SyncLog() {
  {
    MutexLock lock(commit_mutex_);
    LG_RETURN_IF_ERROR(CommitGathered());
  }
  return log_->Sync();
}

}  // namespace leadglass
