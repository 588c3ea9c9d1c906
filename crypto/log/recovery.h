// SPDX-License-Identifier: Apache-2.0
#pragma once

// Recovery: from the files in a log's folder to the commits that count and the place where a writer
// goes on. docs/format.md, "Recovery".
//
// The newest segment that holds a genuine commit decides; its header names the segment before it,
// and so on back. What no such path reaches (a torn newest segment, the branch that an epoch was
// forked from) does not exist. Walked forward, the first bad record ends the log if it was never
// stated to be durable, and is damage otherwise. With Options::salvage nothing of that is an error
// where something behind it still opens: it is passed over and listed in RecoveryReport::lost.
//
// Reads only: no byte of the log is changed, and what it found is not made durable; that is the
// caller's, with Recovered::counted, before it appends. Thread-compatible.

#include <optional>
#include <utility>
#include <vector>

#include "crypto/log/sealed_log.h"
#include "crypto/log/segment_walk.h"

namespace leadglass {

// Where the log ends, and all that the next segment has to say about it.
struct LogTail {
  Head head;
  std::optional<SegmentId> segment;  // the last that counts; nullopt in an empty log
  HeaderBlock block{};               // its header
  uint64_t length = 0;               // bytes of it that count
  Digest link{};                     // the running digest there
  uint64_t next_sequence = 1;
  bool complete = false;              // it has its footer
  std::vector<PassedRecord> records;  // of it, where it has none: for the footer to inherit
  std::vector<SegmentId> heirs;       // newer segments without commits that may have inherited it
};

struct Recovered {
  RecoveryReport report;
  LogTail tail;
  Position stated_durable;  // the newest durable position that anything in the log states
  Head durable_head;        // the newest commit below it
  SegmentId base;           // SegmentHeader::base, as the newest segment that counts states it
  bool older_than_remembered = false;
  std::vector<SegmentId> counted;  // from the one of `stated_durable` (or the first walked) on
  std::vector<SegmentId> dropped;  // newer ones that hold nothing that counts
};

class Recovery {
 public:
  // Everything is borrowed and must outlive the object.
  Recovery(SegmentFiles& files, SegmentCatalog& catalog, const Uuid& vault_id, const LogKeys& keys,
           const SealedLog::Options& options)
      : files_(files), catalog_(catalog), walker_(files, vault_id, keys), options_(options) {}

  // Contract: SealedLog::Recover(). May be called again after an error; commits that were visited
  // before it are then visited anew.
  Result<Recovered> Run(const std::optional<std::pair<Head, Position>>& from,
                        const SealedLog::CommitVisitor& visitor);

 private:
  struct Link {  // one segment of the path
    CatalogEntry entry;
    SegmentScan scan;
    bool scanned = false;
  };

  Result<std::optional<SegmentId>> FindNewest();
  Result<bool> IsAuthentic(const CatalogEntry& entry, const SegmentScan& scan);
  void Drop(const CatalogEntry& entry, std::vector<Position>& stated);
  std::vector<SegmentId> HeirsOf(SegmentId id) const;
  Status BuildPath(SegmentId newest, const std::optional<std::pair<Head, Position>>& from);
  Status WalkPath(const std::optional<std::pair<Head, Position>>& from,
                  const SealedLog::CommitVisitor& visitor);
  bool IsHarmless(size_t i, const SegmentOutcome& outcome, const WalkCursor& cursor) const;
  Status TakeOutcome(size_t i, SegmentOutcome outcome, const WalkCursor& cursor);
  Status CountTorn(size_t last);
  Status CheckStart(size_t i, const WalkCursor& cursor) const;
  // These serve salvage. A loss is open until a commit behind it is read.
  Result<std::optional<CatalogEntry>> HeaderOnPath(SegmentId id);
  std::optional<SegmentId> ListedBefore(SegmentId id) const;
  bool IsDamage(SegmentId id, const WalkBreak& broken) const;
  void Lose(Position from, std::string why);
  void EndLosses(const CommitInfo& info);
  void LoseGaps();
  void SortLosses(const std::optional<std::pair<Head, Position>>& from);
  CommitHandler MakeHandler(const std::optional<std::pair<Head, Position>>& from,
                            const SealedLog::CommitVisitor& visitor);
  Status Finish(const std::optional<std::pair<Head, Position>>& from);

  SegmentFiles& files_;
  SegmentCatalog& catalog_;
  SegmentWalker walker_;
  const SealedLog::Options& options_;

  std::vector<Link> path_;                 // oldest first
  std::vector<SegmentHeader> commitless_;  // of dropped segments, newest first
  Recovered out_;
  bool met_from_ = false;
  bool met_remembered_ = false;
  Head before_base_;        // the newest commit before the base, where the path begins there
  uint64_t last_read_ = 0;  // number of the newest commit read so far
};

}  // namespace leadglass
