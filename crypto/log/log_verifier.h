// SPDX-License-Identifier: Apache-2.0
#pragma once

// LogVerifier: reads every byte of a log that counts and says what is damaged, and whether a second
// copy serves. What a commit names is not its business: data records are checked by their CRC and
// by the digest of their tags, which the chain vouches for.
// Thread-compatible.

#include <functional>
#include <vector>

#include "crypto/log/sealed_log.h"
#include "crypto/log/segment_walk.h"

namespace leadglass {

class LogVerifier {
 public:
  using Report = std::function<void(const SealedLog::Damage&)>;
  using Progress = std::function<void(uint64_t done, uint64_t all)>;

  // `files` and `keys` outlive the object. `report` gets damage in log order, `commits` every
  // commit that opens, in order, and may be null; all three are called from Run(), in its thread.
  // Nothing on the disk is changed, whatever is found.
  LogVerifier(SegmentFiles& files, const Uuid& vault_id, SegmentClass segment_class,
              const LogKeys& keys, Report report, Progress progress,
              SealedLog::CommitVisitor commits)
      : files_(files),
        vault_id_(vault_id),
        class_(segment_class),
        walker_(files, vault_id, keys),
        report_(std::move(report)),
        progress_(std::move(progress)),
        commits_(commits ? std::move(commits)
                         : [](const CommitInfo&, ByteSpan) { return Status{}; }) {}

  // Checks the log as it was when `last` ended at `length`, with its footer if `complete`; `heirs`
  // may have inherited that. Of the segments before `base` the headers only: they may have holes.
  // Fails only when files cannot be read.
  Status Run(SegmentId last, uint64_t length, bool complete, std::vector<SegmentId> heirs,
             SegmentId base);

 private:
  struct Link {
    CatalogEntry entry;
    uint64_t length = 0;
  };

  Status BuildPath(SegmentId last, uint64_t length, SegmentCatalog& catalog);
  Status CheckHeader(const Link& link, const Link* previous);
  Result<SegmentOutcome> CheckRecords(size_t i);
  Status CheckRecord(File& file, SegmentId id, const PassedRecord& record);
  Status CheckNoFooterAt(SegmentId id, uint64_t length);
  void Found(Position position, std::string what, bool healed);

  SegmentFiles& files_;
  const Uuid vault_id_;
  const SegmentClass class_;
  SegmentWalker walker_;
  const Report report_;
  const Progress progress_;
  const SealedLog::CommitVisitor commits_;
  std::vector<Link> path_;        // oldest first
  std::vector<SegmentId> heirs_;  // of the last
  SegmentId base_;
  uint64_t done_ = 0;
  uint64_t all_ = 0;
};

}  // namespace leadglass
