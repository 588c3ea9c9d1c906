// SPDX-License-Identifier: Apache-2.0
#pragma once

// Walking one segment with keys: every frame on the chain, every wanted commit opened, and where
// something is bad, the same stretch again from the second copies in a footer.
//
// A walk moves a WalkCursor from commit to commit. After a break the cursor stands at the last good
// commit: what follows it is not part of the vault, or is damage; the caller decides which.
// Thread-compatible.

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "crypto/log/sealed_log.h"
#include "crypto/log/segment_catalog.h"
#include "crypto/log/segment_scan.h"

namespace leadglass {

// A point between two commits, or at the start of a segment.
struct WalkCursor {
  SegmentId segment;
  uint64_t offset = kSegmentHeaderSize;
  uint64_t sequence = 1;  // of the next record
  Digest base{};          // of the chain (crypto/log/chain.h)
  Head head;
  Position head_end;  // first byte after the newest commit

  // Where the segment with this header begins.
  static WalkCursor AtStartOf(const CatalogEntry& entry);
};

// What to do with a commit whose place on the chain is good.
struct CommitHandler {
  // Whether its payload is to be opened. Where it is not, the clear chain alone decides.
  std::function<bool(uint64_t commit_number)> wants_payload;
  // An error ends the walk and is returned. `payload` is empty where it was not wanted.
  std::function<Status(const CommitInfo&, ByteSpan payload)> visit;
  // Where it is set, the walk goes past a commit whose place on the chain is good, and whose body
  // is damaged in every copy; its number and what is wrong with it are told here.
  std::function<void(const CommitInfo&, const std::string& why)> passed_over = {};
};

struct WalkBreak {
  uint64_t offset = 0;
  std::string why;
  // The bytes are whole but not what was sealed there. No crash does that.
  bool forged = false;
};

// A record that the walk went over. `copied_commit` holds a commit's record where it came from a
// footer.
struct PassedRecord {
  uint64_t offset = 0;
  Frame frame;
  ByteVector copied_commit;
};

struct SegmentOutcome {
  std::optional<WalkBreak> broken;
  std::vector<PassedRecord> passed;  // up to the break's last good commit; else all
  uint64_t end = 0;                  // first byte after the last of them
  uint64_t next_sequence = 1;
  Digest running{};       // at `end`
  bool complete = false;  // the last record is the segment's own footer
  uint64_t repaired_commits = 0;
};

class SegmentWalker {
 public:
  SegmentWalker(SegmentFiles& files, const Uuid& vault_id, const LogKeys& keys)
      : files_(files), vault_id_(vault_id), keys_(keys) {}

  // Walks from the start of `cursor.segment`. `limit`: where the segment ends, if a later header
  // says so. `heirs`: segments that may have inherited its footer. Bodies at or above `durable` are
  // checked, too: below it they are known to have reached the disk.
  // Fails (rather than breaks) when a file cannot be read, the handler fails, or a key is missing.
  Result<SegmentOutcome> Walk(const SegmentScan& scan, std::optional<uint64_t> limit,
                              const std::vector<SegmentId>& heirs, const Position& durable,
                              const CommitHandler& handler, WalkCursor& cursor);

  // Whether the segment holds a commit that was sealed there: then its header is genuine.
  // False also where the segment's own footer lists no commit: then damage costs nothing.
  // kCorrupt: it does not, but it must have.
  Result<bool> IsAuthentic(const CatalogEntry& entry, const SegmentScan& scan,
                           const std::vector<SegmentId>& heirs);

 private:
  struct Source;  // records to walk, from the segment itself or from a footer
  std::optional<Source> SecondCopy(SegmentId id, std::optional<uint64_t> limit,
                                   const std::vector<SegmentId>& heirs);
  Status WalkRecords(File& file, const Source& source, const Position& durable,
                     const CommitHandler& handler, WalkCursor& cursor, SegmentOutcome& outcome);
  Result<std::optional<WalkBreak>> TakeCommit(File& file, const PassedRecord& record,
                                              const Digest& running, const CommitHandler& handler,
                                              WalkCursor& cursor, SegmentOutcome& outcome);
  Status WalkBothCopies(File& file, const SegmentScan& scan, std::optional<uint64_t> limit,
                        const std::vector<SegmentId>& heirs, const Position& durable,
                        const CommitHandler& handler, WalkCursor& cursor, SegmentOutcome& outcome);

  SegmentFiles& files_;
  const Uuid vault_id_;
  const LogKeys& keys_;
  std::set<uint64_t> hopeless_;  // during Walk(): offsets of commits to go past
};

}  // namespace leadglass
