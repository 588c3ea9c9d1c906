// SPDX-License-Identifier: Apache-2.0
#pragma once

// Index: everything a vault needs to find its way in the log, in LevelDB under an encrypting,
// authenticating Env. Derived from the log and never trusted beyond it: any doubt means kCorrupt,
// and the owner throws it away and rebuilds by replaying the log.
//
// LevelDB has no write-ahead log here: the sealed log is its log. Applied batches live in memory
// until a table is written, and before a table becomes durable `make_log_durable` is called, so the
// index on disk is never ahead of the durable log. After a crash it is some commits behind: head()
// tells from where to replay.
//
// Absence is an answer (nullopt, empty), never an error; kCorrupt is the only error of lookups.
//
// Threads: lookups from any thread at any time. Apply() calls must be serialised by the caller, in
// commit order. `make_log_durable` is called from LevelDB's background thread and must not call
// back into the index nor wait for a thread that is inside Apply().

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "crypto/aead.h"
#include "crypto/base/file.h"
#include "index/operations.h"
#include "index/posix_acl.h"

namespace leadglass {

// The newest checkpoint, and what came after it.
struct CheckpointState {
  SegmentId base;               // number 0: there was none
  int64_t applied_at = 0;       // when the index was told; nanoseconds since 1970 UTC
  SegmentId cleared;            // as the newest Cleared says
  uint64_t restated_bytes = 0;  // that it took in the log
  // What only another checkpoint gives back to the disk, of what came after it: commits, with their
  // copies, and data records too small to be punched of which no file has a byte. About right.
  uint64_t stale_bytes = 0;
};

// Where in the index the next piece of a checkpoint is found.
struct RestatePlan {
  // Keys, from `first` to `last`, of the walk with that letter; what lies between two runs is not
  // looked at.
  struct Run {
    char walk = 0;
    std::string first;
    std::string last;
  };
  std::vector<Run> runs;
  std::string next;  // where the next plan begins; empty: there is none
};

// A piece of a checkpoint.
struct Restated {
  Operations operations;
  std::string next;  // where the next piece begins; empty: there is none
};

// A batch of data records whose bytes no file needs any more.
struct DeadBatch {
  std::vector<RecordSpace> records;
  // What died before this moment, and could be given, has been: where the next call may begin.
  int64_t next = 0;
  bool more = false;  // there are some behind
};

class Index {
 public:
  struct Options {
    size_t write_buffer_bytes = 32u << 20;
    size_t block_cache_bytes = 32u << 20;
    // At most half of the files that the process may have open (RLIMIT_NOFILE).
    int max_open_tables = 1000;
    // Makes the log durable up to the newest applied commit. Null: nothing to do (tests).
    std::function<Status()> make_log_durable;
    // Nanoseconds since 1970 UTC, for DeadRecords(). Null: always the same moment (tests).
    std::function<int64_t()> wall_clock;
  };

  // Opens, or creates where `folder` is missing or empty. kCorrupt: damaged, of another vault, of
  // another schema, torn, or swapped: the caller calls Destroy() and opens again.
  static Result<std::unique_ptr<Index>> Open(FileSystem& fs, const std::string& folder,
                                             const Key& index_key, const Uuid& vault_id,
                                             Options options);
  // Removes the folder and all in it. The log is not touched.
  static Status Destroy(FileSystem& fs, const std::string& folder);
  virtual ~Index() = default;

  // The newest commit applied and the log position after it; nullopt for an empty index.
  virtual std::optional<std::pair<Head, Position>> head() const = 0;

  // Operations that no commit has yet: lookups see them, head() stays, and nothing of them reaches
  // the disk before Settle(). An error stages none of these. kCorrupt: what has to be read first is
  // damaged. One caller at a time, Settle() and Apply() included.
  virtual Status Stage(const Operations& operations) = 0;
  // All that was staged is in `commit`, in that order: remembers it and (commit.head, commit.end),
  // atomically. Not durable by itself. An error leaves it staged. After a table could not be
  // written (also in LevelDB's thread: kNoSpace, kUnavailable, kInternal) every Settle() and
  // Flush() fails so, and lookups go on: close, open again, and replay from head().
  virtual Status Settle(const CommitInfo& commit) = 0;
  // Stage() and Settle() of one commit's operations, where nothing else is staged. Applying a
  // commit again over itself changes nothing. An error applies none of it.
  virtual Status Apply(const Operations& operations, const CommitInfo& commit) = 0;
  // Writes all that was settled into tables. Durable on return (log first, then index).
  virtual Status Flush() = 0;
  // Reads of every table what each lookup in it needs, some 200 KB, until `go_on` says no: the
  // first lookup in a table takes several times as long as the later ones. Finds no damage.
  virtual void OpenTables(const std::function<bool()>& go_on) const = 0;

  // Inodes.
  virtual Result<std::optional<InodeRecord>> GetInode(InodeId inode) const = 0;
  // One more than any inode number ever applied (at least kFirstFreeInode).
  virtual InodeId next_inode() const = 0;
  virtual Result<std::vector<InodeId>> Orphans() const = 0;
  // Visits every inode in ascending order until the visitor returns false.
  virtual Status VisitInodes(const std::function<bool(const InodeRecord&)>& visitor) const = 0;

  // Names. Aliases resolve in GetName and are left out of VisitNames.
  virtual Result<std::optional<NameRecord>> GetName(InodeId parent,
                                                    std::string_view name) const = 0;
  // Visits the names of a folder with cookie > `after`, ascending, until the visitor returns false.
  virtual Status VisitNames(InodeId parent, uint64_t after,
                            const std::function<bool(const NameRecord&)>& visitor) const = 0;
  // Every name of a folder, aliases included, in cookie order.
  virtual Result<std::vector<NameRecord>> AllNames(InodeId parent) const = 0;
  // One more than any cookie ever applied (at least 16; smaller ones are for "." and "..").
  virtual uint64_t next_cookie() const = 0;

  // The extent that ends at that offset, if one does: what is in one piece is found by its end with
  // one lookup, where a walk may have to look into a table of each of LevelDB's levels.
  virtual Result<std::optional<Extent>> ExtentEndingAt(InodeId inode, uint64_t end) const = 0;
  // The extents that overlap [from, to), whole and in order.
  virtual Result<std::vector<Extent>> Extents(InodeId inode, uint64_t from, uint64_t to) const = 0;

  virtual Result<std::optional<ByteVector>> GetXattr(InodeId inode,
                                                     std::string_view name) const = 0;
  virtual Result<std::vector<std::string>> XattrNames(InodeId inode) const = 0;

  // Keys.
  virtual Result<std::optional<FileKeyRecord>> GetFileKey(InodeId inode,
                                                          uint32_t generation) const = 0;
  virtual Result<std::optional<StudyKeyRecord>> GetStudyKey(const Uuid& study_key_id,
                                                            uint64_t group) const = 0;
  virtual Result<std::optional<Uuid>> FindStudyKey(std::string_view study_identity) const = 0;
  // Of one key all wraps, by group.
  virtual Result<std::vector<StudyKeyRecord>> StudyKeyWraps(const Uuid& study_key_id) const = 0;
  // All keys of a study. FindStudyKey() gives the one that was put last, or any where that is gone.
  virtual Result<std::vector<Uuid>> StudyKeysOf(std::string_view study_identity) const = 0;
  // Visits every wrap of every study key until the visitor returns false.
  virtual Status VisitStudyKeys(
      const std::function<bool(const StudyKeyRecord&)>& visitor) const = 0;
  virtual Result<std::optional<GroupKeyRecord>> GetGroupKey(uint64_t group) const = 0;
  // The present pair of a Unix group.
  virtual Result<std::optional<GroupKeyRecord>> FindGroupKey(uint32_t gid) const = 0;
  // All that there ever were, ascending.
  virtual Result<std::vector<GroupKeyRecord>> GroupKeys() const = 0;
  virtual Result<PutRenewals> GetRenewals() const = 0;
  virtual Result<std::optional<PutShred>> GetShred(std::string_view study_identity) const = 0;
  virtual Result<std::vector<PutShred>> Shreds() const = 0;

  // The newest configuration; nullopt: none was ever put.
  virtual Result<std::optional<PutConfiguration>> GetConfiguration() const = 0;
  // The newest point of the audit trail that a commit quotes; nullopt: there was no trail yet.
  virtual Result<std::optional<QuoteAudit>> GetAuditQuote() const = 0;

  // Every legal hold, by id. They are few.
  virtual Result<std::vector<HoldRecord>> Holds() const = 0;
  // Every grant of emergency access that was not erased, by id. They are few.
  virtual Result<std::vector<EmergencyRecord>> Emergencies() const = 0;

  // Sessions. Number 0 is never given.
  virtual Result<std::optional<Uuid>> GetSession(uint32_t number) const = 0;
  virtual uint32_t next_session() const = 0;

  // Catalog.
  virtual Result<std::optional<EntityRecord>> GetEntity(EntityKind kind,
                                                        std::string_view identity) const = 0;
  virtual Result<std::optional<EntityRecord>> GetEntityOfFolder(InodeId folder) const = 0;
  virtual Result<std::optional<FilingRecord>> GetFiling(InodeId inode) const = 0;
  // The filed images of a series folder that claim the same instance identity, by inode.
  virtual Result<std::vector<InodeId>> Instances(InodeId series_folder,
                                                 std::string_view instance_identity) const = 0;
  // Visits filing records whose state is not kFiled, by inode, until the visitor returns false.
  virtual Status VisitUnfiled(const std::function<bool(const FilingRecord&)>& visitor) const = 0;

  // Views. Every patient's folder with a study whose folder's record and access list name one of
  // `viewers` (ViewersOf()), ascending and each once, from the first number after `after` on, until
  // the visitor returns false. What an access list takes away again is not looked at.
  virtual Status VisitPatientsOf(std::span<const Viewer> viewers, InodeId after,
                                 const std::function<bool(InodeId patient)>& visitor) const = 0;
  // Visits whom the studies of a patient's folder are open to so, until the visitor returns false.
  virtual Status VisitViewers(
      InodeId patient,
      const std::function<bool(const Viewer& viewer, InodeId study)>& visitor) const = 0;

  // Space. At most `limit` data records of segments below `below` of which no file has needed a
  // byte since `before` (nanoseconds since 1970 UTC) or longer, those that died first coming first,
  // and no Punch has named. For ever: none of them is needed again. Leaves out records whose
  // punching gives nothing back, and those of which no commit ever told. A record that is replayed
  // counts from the moment of the replay.
  // `from`: nothing that died earlier is looked for. Where many have been punched, a search from
  // the beginning walks over what is left of them in LevelDB, for up to half a second; but what a
  // clock that was set back dated before `from` is found by such a search only.
  virtual Result<DeadBatch> DeadRecords(int64_t from, int64_t before, SegmentId below,
                                        size_t limit) const = 0;
  // What the newest Punch said: after a crash it may not have been done.
  virtual Result<std::vector<RecordSpace>> LastPunch() const = 0;
  // Visits every data record that a file needs a byte of, once for each extent, and those that
  // nothing needs but that died since the newest checkpoint or are DeadRecords() in time, until the
  // visitor returns false. Those of commits that are applied meanwhile may be missing.
  virtual Status VisitRecords(const std::function<bool(const RecordSpace&)>& visitor) const = 0;

  // Checkpoints.
  virtual CheckpointState checkpoint() const = 0;
  // A checkpoint is said in pieces. Each is looked for first, beside whatever is applied meanwhile:
  // that walks over all that LevelDB keeps of what was erased, which may take long. `from`: the
  // `next` of what came before, empty for the first; pieces of about `bytes` bytes, and none, now
  // and then, so that no piece takes long.
  virtual Result<RestatePlan> PlanRestate(const std::string& from, size_t bytes) const = 0;
  // Then it is said: operations that put what the index holds there as of now. A log that has all
  // pieces, each committed before anything else is, and a Checkpoint behind them, gives the same
  // index from any base on that lies before the first plan was made.
  virtual Result<Restated> Restate(const RestatePlan& plan, size_t bytes) const = 0;

  struct Counts {
    uint64_t inodes = 0;  // exact, kept under replay
    uint64_t filed = 0;
    uint64_t unfiled = 0;
    uint64_t dead_bytes = 0;  // of the disk, that DeadRecords() give back in time
  };
  virtual Counts counts() const = 0;
};

}  // namespace leadglass
