// SPDX-License-Identifier: Apache-2.0
#pragma once

// SealedLog: the one place where a vault's bytes live. Data records (pieces of files) and commit
// records (atomic batches of metadata operations) are sealed and appended to segment files; nothing
// is overwritten. Byte layout, chain and recovery rules: docs/format.md, "The log".
//
// Invariants
//   - A commit record's place in the chain binds every record before it; Recover() hands out
//     commits in order, each exactly once, and stops at the first one that is not on the chain.
//   - A commit is visible to recovery only if all bytes before it in the log are.
//   - Plaintext leaves only after its tag was checked against the identity that the caller names.
//   - After a failed write or sync of the log the object is poisoned: every later append or sync
//     fails with kUnavailable ("read-only until remount"); reads go on. Nothing is retried.
//
// Threads: all methods may be called from any thread after Recover() returned. Data is sealed in
// the calling thread outside any lock. Commits are ordered by the order of AppendCommit calls.
//
// Life: Create() or Open(), then Recover() exactly once, then appends. Close() (or the destructor,
// which ignores errors) writes the footer of the last segment.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/base/secret.h"
#include "crypto/log/block_map.h"
#include "crypto/log/position.h"
#include "crypto/log/record_space.h"
#include "crypto/log/segment_header.h"

namespace leadglass {

// A file's data key and the number of that key in the file's life (a file resealed under a new key
// counts up). Borrowed, never owned, by the calls below.
struct FileKeyRef {
  const Secret<32>& key;
  uint32_t generation;
};

// Where a data record lies and all that it was sealed with, apart from the key. What an extent in
// the index stores; enough to read the record again and to notice any other one in its place.
struct DataRecord {
  Position position;         // of the record's frame
  uint64_t file_offset = 0;  // of its first plaintext byte in the file
  uint32_t length = 0;       // plaintext bytes, 1 to kMaxDataLength
  uint8_t chunk_log2 = 14;   // log2 of the chunk size: 12 to 20
  WriteId write_id;
  bool operator==(const DataRecord&) const = default;
};

// The room that the record takes in its segment.
inline RecordSpace SpaceOf(const DataRecord& record) {
  return DataRecordSpace(record.position, record.length, record.chunk_log2);
}

inline constexpr uint32_t kMaxDataLength = 1u << 20;
inline constexpr uint32_t kMaxCommitLength = 1u << 20;

// The keys of the log itself, by metadata key epoch; the newest seals, all open.
struct LogKeys {
  struct MetadataKey {
    uint32_t key_epoch = 0;
    Secret<32> key;
  };
  std::vector<MetadataKey> metadata;  // ascending key_epoch, not empty
};

// What the commit that was just appended, or recovered, is.
struct CommitInfo {
  Head head;       // the head after this commit
  Position start;  // of its frame
  Position end;    // first byte after it
};

// A stretch of the log that recovery went past, with Options::salvage: damaged in every copy.
struct LostStretch {
  Position from;  // the first byte that is damaged or missing
  // The newest commit before it that was read, and the first one behind it, or 0 where none was.
  // Both 0: the caller had all commits of it (Recover()'s `from`); data is lost at most.
  uint64_t after_commit = 0;
  uint64_t until_commit = 0;
  std::string why;
};

struct RecoveryReport {
  Head head;     // the newest commit that counts
  Position end;  // first byte after it
  uint64_t commits_replayed = 0;
  uint64_t torn_bytes = 0;        // bytes after `end` that never became part of the vault
  uint64_t repaired_commits = 0;  // commits read from a footer's copy because the first was damaged
  uint64_t segments = 0;
  std::vector<LostStretch> lost;  // with Options::salvage; ascending
};

class SealedLog {
 public:
  struct Options {
    // Which of a vault's logs it is: each has segments, a chain and keys of its own. One of another
    // class is not opened.
    SegmentClass segment_class = SegmentClass::kMain;
    bool read_only = false;
    uint64_t segment_size = 64u << 20;  // soft: a segment rolls before a record would pass it
    // Room kept back in a preallocated file, for commits with `use_reserve`. 0: none.
    uint64_t reserve_bytes = 0;
    // How many segments PrepareAhead() keeps ready.
    size_t spare_segments = 0;
    // Whether a thread of its own writes large pieces, while callers go on; else whoever appends
    // waits for the disk now and then. Nothing else differs.
    bool background_writes = false;
    // Refuse (kAccessDenied) a log whose newest commit is not a descendant of, or equal to, this
    // one: somebody remembers a newer vault.
    std::optional<Head> not_older_than;
    // With not_older_than violated: go on, and let the next append begin a new epoch.
    bool accept_rollback = false;
    // Read what is left of a damaged log; only together with read_only. Recover() goes past damage
    // that no second copy heals, and past missing segments, to the next commit that opens in its
    // place; RecoveryReport::lost says what was passed over. Every commit handed out is authentic
    // and in order, but they are not all: what a lost one changed is as it was before it.
    bool salvage = false;
  };

  // A new, empty log in `folder` (which must not exist): epoch 1. Nothing is durable before the
  // first Sync().
  static Result<std::unique_ptr<SealedLog>> Create(FileSystem& fs, const std::string& folder,
                                                   const Uuid& vault_id, LogKeys keys,
                                                   Options options);
  // An existing log. Reads segment names and headers only.
  // kNotFound: no log there; kUnsupported: a newer format or an unknown incompatible feature;
  // kCorrupt: a segment missing from the middle or with both copies of its header damaged (named).
  static Result<std::unique_ptr<SealedLog>> Open(FileSystem& fs, const std::string& folder,
                                                 const Uuid& vault_id, LogKeys keys,
                                                 Options options);
  virtual ~SealedLog() = default;

  // Called for each commit in order; an error stops recovery and is returned.
  using CommitVisitor = std::function<Status(const CommitInfo&, ByteSpan payload)>;

  // Finds the end of the log, handing every commit after `from` (nullopt: from the base on, which
  // is the beginning where there was no checkpoint) to `visitor`. `from` is a point the index
  // remembers.
  //   kNotFound: `from` is not on this log's chain (the index belongs elsewhere or is ahead), or
  //     lies before the base: the caller drops its index and calls again with nullopt. The only
  //     error after which calling again is allowed.
  //   kCorrupt: damage below the durable position that no second copy heals; the message names
  //     segment and offset. kAccessDenied: older than options.not_older_than; with EKEYREVOKED: the
  //     log is of a newer key epoch than `keys`.
  // Damage above the durable position is a torn tail: counted, and gone once appends begin, because
  // a writer begins a new segment whose header says where the old one ends. After an unclean end
  // that segment is begun here, unless the log is read-only, with the footer that the old one
  // lacks; durable on return, if the disk has room for it.
  virtual Result<RecoveryReport> Recover(const std::optional<std::pair<Head, Position>>& from,
                                         const CommitVisitor& visitor) = 0;

  // The session id under which this object seals.
  virtual const Uuid& session() const = 0;
  virtual Head head() const = 0;

  // Seals `plain` (1 to kMaxDataLength bytes) as bytes of `inode` at `file_offset` and appends it.
  // Not durable, and part of nothing until a commit names it. kNoSpace leaves the log usable.
  virtual Result<DataRecord> AppendData(const FileKeyRef& key, uint64_t inode, uint64_t file_offset,
                                        ByteSpan plain, uint8_t chunk_log2) = 0;

  // Seals and appends one atomic batch (1 to kMaxCommitLength bytes). Not durable before Sync().
  // kNoSpace leaves the log usable. `use_reserve` lets a commit that frees space draw on the
  // reserve that a full disk keeps back.
  virtual Result<CommitInfo> AppendCommit(ByteSpan payload, bool use_reserve = false) = 0;

  // Keeps room for a commit of `payload_length` bytes (1 to kMaxCommitLength) that is still to
  // come, instead of what was held before: until the next AppendCommit(), which one of this length
  // or less then finds room for. An error (kNoSpace) leaves what was held. `use_reserve` as there.
  virtual Status HoldRoom(size_t payload_length, bool use_reserve = false) = 0;

  // Durable on return: every append that returned before this call. Group commit: concurrent
  // callers share one fdatasync. Returns at once when nothing is new. May also be called by a
  // visitor (or a thread it waits for) during Recover(): then it makes the existing segments
  // durable.
  virtual Status Sync() = 0;
  // To be called now and then by a thread that has time: does one short step (a few milliseconds)
  // of writing the files of segments to come, which makes later syncs cheaper, and tells whether
  // there is more to do now. Does nothing where the log was appended to since the call before, and
  // has no more to do now where data was read: who reads needs the disk. What it makes is given
  // back by Close(), and where the disk has little room.
  virtual bool PrepareAhead() = 0;
  // The newest commit known to be durable.
  virtual Head durable_head() const = 0;

  // Asks the disk for what ReadData() of the record's first `length` bytes will need, and does not
  // wait for it. A hint: nothing is checked, and no error is told.
  virtual void StartReading(const DataRecord& record, uint32_t length) = 0;
  // Opens bytes [skip, skip + out.size()) of a data record's plaintext into `out`.
  // kCorrupt: any bit of the chunks touched, or the identity, differs. `out` is then zeroed.
  virtual Status ReadData(const FileKeyRef& key, uint64_t inode, const DataRecord& record,
                          uint32_t skip, MutableByteSpan out) = 0;

  // Gives what PunchableRange() tells of these data records back to the disk. Their frames stay, so
  // the log is recovered as before; reading one of them is kCorrupt from then on. The caller
  // vouches that a durable commit says that they are punched, that no reader needs them, and that
  // they lie below the segment of the newest durable commit. Durable on return. May be called again
  // for the same records: after a crash or an error some of them are punched and some are not.
  // kUnavailable: opened read-only. Else the disk's error; EOPNOTSUPP where it cannot punch holes.
  virtual Status PunchData(std::span<const RecordSpace> records) = 0;

  // A checkpoint has ended that begins in the segment `base` (not before an earlier one's): the
  // commits from there on say all that the vault has to remember, and are durable. The next append
  // begins a segment, whose header says so, as do all later ones; on a full disk, the first append
  // that has room for one. Never goes back.
  virtual void SetBase(SegmentId base) = 0;
  // The segment with which Recover() begins when it is given no point to go on from, as the segment
  // of the newest durable commit states it. Number 0: the log's first one.
  virtual SegmentId base() const = 0;
  // The segments before base(), ascending. Reads the folder.
  virtual Result<std::vector<SegmentId>> SegmentsBeforeBase() const = 0;
  // Gives all blocks of a segment before base() back to the disk but its header's and those that
  // `needed` has: commits, footers, and frames, too. The caller vouches that `needed` has every
  // record of the segment that a file's bytes are read from, or that is to stay. Durable on return,
  // and gives the bytes that the disk got. Does nothing where that would be next to nothing. May be
  // called again.
  // kInvalidArgument: not before base(). Others as PunchData().
  virtual Result<uint64_t> ClearSegment(SegmentId id, const BlockMap& needed) = 0;

  struct SpaceUse {
    uint64_t log_bytes = 0;       // of the disk that all segment files take
    uint64_t writable_bytes = 0;  // what can still be appended before kNoSpace (reserve excluded)
  };
  virtual Result<SpaceUse> Space() const = 0;
  // SpaceUse::writable_bytes alone, at the same cost however many segments there are.
  virtual Result<uint64_t> WritableBytes() const = 0;
  // True after a failed write or sync of the log.
  virtual bool poisoned() const = 0;

  // What Verify() found wrong with one structure.
  struct Damage {
    Position position;
    std::string what;     // "data record", "commit record", "segment header", "footer"
    bool healed = false;  // a second copy serves
  };
  // Reads everything: frames, CRCs, tag digests, chain, headers, footers; opens every commit.
  // Data records are checked without their keys (CRC and tag digest). Of segments before the base
  // the headers are read only: the rest is for who knows which records are needed. Damage goes to
  // `report` in log order; punched records are among it, and only the commits tell which they are.
  // `progress` gets bytes done and in all, `commits`, which may be null, every commit that opens,
  // in order; its error ends the work and is returned.
  virtual Status Verify(const std::function<void(const Damage&)>& report,
                        const std::function<void(uint64_t, uint64_t)>& progress,
                        const CommitVisitor& commits) = 0;

  // Writes the footer of the open segment, gives unused preallocated space back, syncs. The object
  // only serves reads afterwards.
  virtual Status Close() = 0;
};

}  // namespace leadglass
