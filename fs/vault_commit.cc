// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

// Bounds what a restart has to replay: the index is written out after so many commits. A busy
// machine replays some 10,000 a second, and is to be there again within two.
constexpr uint64_t kCommitsPerIndexFlush = 8'000;
// A piece of a checkpoint is replayed like any commit, and is as long as hundreds: so many of its
// operations count as one.
constexpr uint64_t kOperationsPerCommit = 4;

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

Status VaultImpl::Commit(Transaction transaction) {
  {
    MutexLock lock(commit_mutex_);
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo commit,
                        CommitOperations(std::move(transaction.operations), transaction.use_reserve,
                                         IndexHas::kNothing));
  }
  for (auto& [state, record] : transaction.records) state->record = std::move(record);
  for (const InodePtr& state : transaction.contents) {
    state->content.MarkCommitted();
    state->committed_allocated = state->record.allocated;
    state->attributes_dirty = false;
  }
  return {};
}

Result<CommitInfo> VaultImpl::CommitOperations(Operations operations, bool use_reserve,
                                               IndexHas has) {
  if (index_behind_)
    return Error(Errc::kUnavailable,
                 "the index could not take an earlier change, which the log has: read-only until "
                 "remount, which brings the index up",
                 EROFS);
  const bool states_session = !session_stated_;
  if (states_session)
    operations.insert(operations.begin(), PutSession{session_number_, log_->session()});
  LG_ASSIGN_OR_RETURN(const CommitInfo commit,
                      log_->AppendCommit(EncodeOperations(operations), use_reserve));
  // Once a segment, so that no lost segment makes the bytes in another unreadable.
  session_stated_ = states_session || commit.start.segment == last_commit_segment_;
  last_commit_segment_ = commit.start.segment;
  if (has == IndexHas::kAll) {
    commits_since_flush_ += operations.size() / kOperationsPerCommit;
    operations.erase(operations.begin() + (states_session ? 1 : 0), operations.end());
  }
  // The log has it: if the index cannot take it, the index is behind the log for good, and only a
  // remount (which replays) brings it up. A later commit would be made out of what the index no
  // longer knows, so there is none. What is read is the vault as it was before this call, which
  // is what the caller's error says.
  if (const Status applied = index_->Apply(operations, commit); !applied) {
    index_behind_ = true;
    return applied.error();
  }
  if (++commits_since_flush_ >= kCommitsPerIndexFlush) {
    commits_since_flush_ = 0;
    flush_index_ = true;
    upkeep_wanted_.NotifyAll();
  }
  return commit;
}

}  // namespace leadglass
