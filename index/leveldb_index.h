// SPDX-License-Identifier: Apache-2.0
#pragma once

// LevelDbIndex: the Index in a LevelDB whose files are sealed. Private to index/; the contract is
// index/index.h, the files are docs/format.md.
//
// LevelDB's own log is a null file: an Apply() lives in memory until its table is written, and what
// is in no table is gone with the object; the caller replays it. A failed Apply() changes neither
// LevelDB nor head, counters and sessions. A lookup that fails leaves everything as it was.
//
// Threads: LevelDB serves readers concurrently. What Apply() changes beside it (head, counters,
// sessions) is guarded here. Lock order: none is held while another is taken, or while LevelDB is
// called, but for flush_mutex_, which guards no data.

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>

#include "crypto/base/mutex.h"
#include "index/extent_map.h"
#include "index/index.h"
#include "index/index_values.h"
#include "index/sealed_env.h"

namespace leveldb {
class Cache;
class DB;
class FilterPolicy;
class Iterator;
class Logger;
}  // namespace leveldb

namespace leadglass {

class LevelDbIndex final : public Index {
 public:
  static Result<std::unique_ptr<Index>> Open(FileSystem& fs, const std::string& folder,
                                             const Key& key, const Uuid& vault_id,
                                             const Options& options);
  ~LevelDbIndex() override;

  std::optional<std::pair<Head, Position>> head() const override;
  Status Stage(const Operations& operations) override;
  Status Settle(const CommitInfo& commit) override;
  Status Apply(const Operations& operations, const CommitInfo& commit) override;
  Status Flush() override;
  void OpenTables(const std::function<bool()>& go_on) const override;

  Result<std::optional<InodeRecord>> GetInode(InodeId inode) const override;
  InodeId next_inode() const override;
  Result<std::vector<InodeId>> Orphans() const override;
  Status VisitInodes(const std::function<bool(const InodeRecord&)>& visitor) const override;

  Result<std::optional<NameRecord>> GetName(InodeId parent, std::string_view name) const override;
  Status VisitNames(InodeId parent, uint64_t after,
                    const std::function<bool(const NameRecord&)>& visitor) const override;
  Result<std::vector<NameRecord>> AllNames(InodeId parent) const override;
  uint64_t next_cookie() const override;

  Result<std::optional<Extent>> ExtentEndingAt(InodeId inode, uint64_t end) const override;
  Result<std::vector<Extent>> Extents(InodeId inode, uint64_t from, uint64_t to) const override;
  Result<std::optional<ByteVector>> GetXattr(InodeId inode, std::string_view name) const override;
  Result<std::vector<std::string>> XattrNames(InodeId inode) const override;

  Result<std::optional<FileKeyRecord>> GetFileKey(InodeId inode,
                                                  uint32_t generation) const override;
  Result<std::optional<StudyKeyRecord>> GetStudyKey(const Uuid& study_key_id,
                                                    uint64_t group) const override;
  Result<std::optional<Uuid>> FindStudyKey(std::string_view study_identity) const override;
  Result<std::vector<StudyKeyRecord>> StudyKeyWraps(const Uuid& study_key_id) const override;
  Result<std::vector<Uuid>> StudyKeysOf(std::string_view study_identity) const override;
  Status VisitStudyKeys(const std::function<bool(const StudyKeyRecord&)>& visitor) const override;
  Result<std::optional<GroupKeyRecord>> GetGroupKey(uint64_t group) const override;
  Result<std::optional<GroupKeyRecord>> FindGroupKey(uint32_t gid) const override;
  Result<std::vector<GroupKeyRecord>> GroupKeys() const override;
  Result<PutRenewals> GetRenewals() const override;
  Result<std::optional<PutShred>> GetShred(std::string_view study_identity) const override;
  Result<std::vector<PutShred>> Shreds() const override;

  Result<std::optional<PutConfiguration>> GetConfiguration() const override;
  Result<std::optional<QuoteAudit>> GetAuditQuote() const override;
  Result<std::vector<HoldRecord>> Holds() const override;
  Result<std::vector<EmergencyRecord>> Emergencies() const override;

  Result<std::optional<Uuid>> GetSession(uint32_t number) const override;
  uint32_t next_session() const override;

  Result<std::optional<EntityRecord>> GetEntity(EntityKind kind,
                                                std::string_view identity) const override;
  Result<std::optional<EntityRecord>> GetEntityOfFolder(InodeId folder) const override;
  Result<std::optional<FilingRecord>> GetFiling(InodeId inode) const override;
  Status VisitPatientsOf(std::span<const Viewer> viewers, InodeId after,
                         const std::function<bool(InodeId)>& visitor) const override;
  Status VisitViewers(InodeId patient,
                      const std::function<bool(const Viewer&, InodeId)>& visitor) const override;
  Result<std::vector<InodeId>> Instances(InodeId series_folder,
                                         std::string_view instance_identity) const override;
  Status VisitUnfiled(const std::function<bool(const FilingRecord&)>& visitor) const override;

  Result<DeadBatch> DeadRecords(int64_t from, int64_t before, SegmentId below,
                                size_t limit) const override;
  Result<std::vector<RecordSpace>> LastPunch() const override;
  Status VisitRecords(const std::function<bool(const RecordSpace&)>& visitor) const override;

  CheckpointState checkpoint() const override;
  Result<RestatePlan> PlanRestate(const std::string& from, size_t bytes) const override;
  Result<Restated> Restate(const RestatePlan& plan, size_t bytes) const override;

  Counts counts() const override;

 private:
  LevelDbIndex(FileSystem& fs, std::string folder, std::unique_ptr<SealedEnv> env,
               const Options& options);
  Status OpenDatabase(const std::string& folder, const Options& options);
  Status LoadState();

  using Value = std::optional<std::string>;
  Result<Value> Read(const std::string& key) const;
  template <typename Record>
  Result<std::optional<Record>> ReadRecord(const std::string& key) const;
  template <typename Record>
  Result<std::vector<Record>> RecordsIn(const std::string& from, const std::string& to) const;
  // For a MergedIterator over [from, to): what LevelDB has, and what is `staged` of that range.
  // Both as of now, whatever is applied later.
  std::unique_ptr<leveldb::Iterator> OpenIterator(const std::string& from, const std::string& to,
                                                  bool keep_blocks, IndexChanges& staged) const;
  // Visits the keys in [from, to) in order. A damaged block is kCorrupt before anything behind it
  // is visited.
  enum class Next { kStop, kGoOn, kSkipInode };
  using Visitor = std::function<Result<Next>(std::string_view key, std::string_view value)>;
  Status Scan(const std::string& from, const std::string& to, const Visitor& visitor,
              bool keep_blocks = true) const;
  // The operations of one key, by the letter of the walk that met it.
  Status RestateKey(char walk, std::string_view key, std::string_view value, Operations& out) const;
  Status RestateStudyKey(std::string_view value, Operations& out) const;
  Status FillSessions(std::vector<Extent>& extents) const;
  // Whether no extent of the record's file has a byte of it.
  Result<bool> IsDead(const Position& position, const DeadRecord& record) const;
  // The error of a lookup that met damage. Where bytes were not what was written, leaves a mark in
  // the folder, so that the next Open() refuses this index and its owner rebuilds it: most damage
  // shows only when it is read.
  Error Damaged(Error error) const;

  FileSystem& fs_;
  const std::string folder_;
  const std::function<int64_t()> wall_clock_;
  mutable std::atomic<bool> marked_{false};
  // In the order in which they are needed: LevelDB goes first.
  const std::unique_ptr<SealedEnv> env_;
  const std::unique_ptr<leveldb::Logger> logger_;
  const std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<leveldb::DB> db_;

  ExtentBounds bounds_;  // Stage() only
  // What was staged and LevelDB does not have. Changed by Stage() and Settle() only, which their
  // caller keeps apart. Emptied after LevelDB has it: who looks here first misses nothing.
  mutable SharedMutex staged_mutex_;
  IndexChanges staged_ LG_GUARDED_BY(staged_mutex_);
  std::atomic<bool> unflushed_{false};
  Mutex flush_mutex_;  // who finds nothing left to write waits for who is writing it
  mutable Mutex state_mutex_;
  IndexState state_ LG_GUARDED_BY(state_mutex_);  // with what is staged
  mutable SharedMutex sessions_mutex_;
  std::unordered_map<uint32_t, Uuid> sessions_ LG_GUARDED_BY(sessions_mutex_);
};

}  // namespace leadglass
