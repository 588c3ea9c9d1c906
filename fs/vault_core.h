// SPDX-License-Identifier: Apache-2.0
#pragma once

// VaultCore: what the vault is: the log, the index, the keys, the inodes in memory, the locks; and
// how a change is made (vault_commit.cc). What it does is VaultImpl's.
//
// A change is a Transaction: operations of one commit, and the inode records that hold once the
// transaction is accepted. Commit() gathers it for the next commit of the log and stages it in the
// index under commit_mutex_, so index order is log order; only then do the records in memory
// change. A failed transaction thus leaves memory, index and log as they were. What was gathered
// goes into the log before anything is made durable, when there is enough of it, and in each upkeep
// round.
//
// Lock order: punch_mutex_, renewal_mutex_, names_mutex_, inode locks (ascending), commit_mutex_,
// then leaves (dirty_mutex_, orphan_mutex_, notice_mutex_, configuration_mutex_, the parts' own
// locks).

#include <condition_variable>
#include <deque>
#include <set>
#include <thread>
#include <unordered_map>

#include "fs/active_configuration.h"
#include "fs/audit_trail.h"
#include "fs/emergency_access.h"
#include "fs/gathered_operations.h"
#include "fs/id_source.h"
#include "fs/inode_state.h"
#include "fs/key_store.h"
#include "fs/overlay_file_system.h"
#include "fs/reserving_file_system.h"
#include "fs/study_access.h"
#include "fs/study_holds.h"
#include "fs/transaction.h"
#include "fs/vault.h"
#include "index/parser_worker.h"

namespace leadglass {

class VaultCore : public Vault {
 public:
  // To replay a commit costs as much as so many operations.
  static constexpr uint64_t kOperationsPerCommit = 4;

 protected:
  VaultCore(FileSystem& fs, std::string folder, VaultKeys& keys, HeaderParserPool* parser,
            Options options, Clock& clock)
      : fs_(fs),
        folder_(std::move(folder)),
        keys_(keys),
        parser_(parser),
        options_(std::move(options)),
        clock_(clock) {}

  Status Commit(Transaction transaction);
  // Adds operations to those for the next commit, and that of the session where it has to be said
  // again. The index shows them from now on. `use_reserve` as in Transaction. An error adds none.
  Status Gather(Operations operations, bool use_reserve) LG_REQUIRES(commit_mutex_);
  // Appends the commit of what was gathered. An error is the log's, or the index could not take it:
  // nothing more can be written then.
  Status CommitGathered() LG_REQUIRES(commit_mutex_);
  Status CommitAtOnce(Operations operations, bool use_reserve);
  // From the reserve, and durable on return.
  Status CommitAtOnceAndSync(Operations operations);
  // Appends a commit of what the index has, where nothing is gathered.
  Result<CommitInfo> CommitRestated(const Operations& operations) LG_REQUIRES(commit_mutex_);
  // Commits what was gathered and makes the log durable.
  Status SyncLog();
  Status CheckIndex() const;
  void NoteCommit(const CommitInfo& commit, bool states_session) LG_REQUIRES(commit_mutex_);
  Status IndexTook(Status taken) LG_REQUIRES(commit_mutex_);
  // Whether nothing more can be written until the vault is opened again.
  bool Failed() const { return log_->poisoned() || index_behind_; }
  // The session number that new extents carry.
  uint32_t session_number() const { return session_number_; }

  FileSystem& fs_;
  const std::string folder_;
  VaultKeys& keys_;
  HeaderParserPool* const parser_;
  const Options options_;
  Clock& clock_;

  std::unique_ptr<File> lock_file_;
  std::unique_ptr<FileSystem> index_fs_;  // what the index writes through
  // Destroyed in reverse: the index syncs the log until it is gone.
  std::unique_ptr<SealedLog> log_;
  std::unique_ptr<Index> index_;
  std::vector<std::string> lost_;  // of the log, when it is salvaged; set by Start()
  std::unique_ptr<KeyStore> key_store_;
  std::unique_ptr<InodeTable> inodes_;

  // Held from before a Punch is committed until it is done, while a segment is cleared, and by who
  // compares holes with commits.
  Mutex punch_mutex_;
  bool last_punch_repeated_ LG_GUARDED_BY(punch_mutex_) = false;
  // What died earlier is not looked for until `dead_sought_` (monotonic) is long ago.
  int64_t dead_from_ LG_GUARDED_BY(punch_mutex_) = 0;
  int64_t dead_sought_ LG_GUARDED_BY(punch_mutex_) = 0;
  std::atomic<bool> checking_{false};  // somebody has punch_mutex_, or waits for it, for long

  Mutex renewal_mutex_;  // before names_mutex_

  Mutex names_mutex_;
  std::optional<IdSource> ids_;  // set by Start(); used under names_mutex_

  mutable Mutex configuration_mutex_;
  std::shared_ptr<const ActiveConfiguration> configuration_ LG_GUARDED_BY(configuration_mutex_);
  std::atomic<bool> root_reads_all_{true};  // as the configuration in force says
  mutable StudyAccessCache study_access_;
  StudyHolds holds_;
  EmergencyAccess emergencies_{clock_};

  std::unique_ptr<AuditTrail> audit_;  // set by Start(); null where the vault is read-only
  mutable Mutex subjects_mutex_;
  mutable std::unordered_map<InodeId, AuditSubject> subjects_ LG_GUARDED_BY(subjects_mutex_);

  Mutex commit_mutex_;
  uint32_t session_number_ = 0;
  // Whether a commit in the log's newest segment says which session this one's number is.
  bool session_stated_ LG_GUARDED_BY(commit_mutex_) = false;
  SegmentId last_commit_segment_ LG_GUARDED_BY(commit_mutex_);
  uint64_t operations_since_flush_ LG_GUARDED_BY(commit_mutex_) = 0;
  // Operations that the index shows and the log does not have: one commit is cheaper than
  // many. For an upkeep period at most; room for them is held.
  GatheredOperations gathered_ LG_GUARDED_BY(commit_mutex_);
  bool gathered_session_ LG_GUARDED_BY(commit_mutex_) = false;  // whether they state the session

  Mutex dirty_mutex_;
  std::set<InodePtr> dirty_ LG_GUARDED_BY(dirty_mutex_);

  Mutex orphan_mutex_;
  std::map<InodeId, InodePtr> orphans_ LG_GUARDED_BY(orphan_mutex_);

  mutable Mutex notice_mutex_;
  CondVar notice_wanted_;
  std::deque<std::pair<NodeId, bool>> notices_ LG_GUARDED_BY(notice_mutex_);
  Invalidator invalidator_ LG_GUARDED_BY(notice_mutex_);

  Mutex checkpoint_mutex_;
  CondVar checkpoint_wanted_;
  Mutex upkeep_mutex_;
  CondVar upkeep_wanted_;
  std::atomic<bool> flush_index_{false};
  std::atomic<uint64_t> content_versions_{0};  // see InodeState::content_version
  // Writes then pass by the kernel's cache: it may hold more dirty bytes than the disk can take.
  // Looked up every kUpkeepPeriod, not at each open: asking the disk costs as much as an open.
  std::atomic<bool> nearly_full_{false};
  // The disk refused to punch holes: not asked again before the next mount.
  std::atomic<bool> cannot_punch_{false};
  std::atomic<bool> closed_{false};
  // The log has a commit that the index could not take: no more commits. Set under commit_mutex_.
  std::atomic<bool> index_behind_{false};
  bool index_failed_ = false;  // during Start(): the index refused a commit that is sound

  std::jthread upkeep_;
  std::jthread checkpointer_;
  std::jthread notifier_;
};

}  // namespace leadglass
