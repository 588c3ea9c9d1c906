// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/segment_walk.h"

#include <algorithm>

#include "crypto/log/chain.h"
#include "crypto/log/sealing.h"

namespace leadglass {

struct SegmentWalker::Source {
  std::vector<PassedRecord> records;
  bool is_copy = false;
};

namespace {

std::vector<PassedRecord> RecordsOf(const SegmentScan& scan) {
  std::vector<PassedRecord> records;
  records.reserve(scan.records.size());
  for (const ScannedRecord& record : scan.records)
    records.push_back({record.offset, record.frame, {}});
  return records;
}

std::vector<PassedRecord> RecordsOf(FoundFooter found) {
  std::vector<PassedRecord> records;
  records.reserve(found.footer.entries.size() + 1);
  for (FooterEntry& entry : found.footer.entries)
    records.push_back({entry.offset, entry.frame, std::move(entry.commit)});
  return records;
}

void KeepUpToFirstCommit(std::vector<PassedRecord>& records) {
  const auto commit = std::find_if(records.begin(), records.end(), [](const PassedRecord& r) {
    return r.frame.kind == RecordKind::kCommit;
  });
  records.erase(commit == records.end() ? records.begin() : commit + 1, records.end());
}

// True when the bytes on disk are still the same as the footer's copy.
Result<bool> DiskAgrees(File& file, const PassedRecord& record) {
  ByteVector bytes(record.copied_commit.size());
  LG_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(record.offset, bytes));
  return got == bytes.size() && bytes == record.copied_commit;
}

}  // namespace

WalkCursor WalkCursor::AtStartOf(const CatalogEntry& entry) {
  WalkCursor cursor;
  cursor.segment = entry.header.id;
  cursor.sequence = entry.header.first_sequence;
  cursor.base = ChainBaseOf(entry.block);
  cursor.head = entry.header.previous_head;
  return cursor;
}

std::optional<SegmentWalker::Source> SegmentWalker::SecondCopy(
    SegmentId id, std::optional<uint64_t> limit, const std::vector<SegmentId>& heirs) {
  if (const auto file = files_.Get(id); file) {
    if (Result<FoundFooter> own = ReadOwnFooter(**file, id, limit); own) {
      const PassedRecord last{own->offset, own->frame, {}};
      Source source{RecordsOf(std::move(*own)), true};
      source.records.push_back(last);
      return source;
    }
  }
  for (const SegmentId heir : heirs) {
    const auto file = files_.Get(heir);
    if (!file) continue;
    if (Result<FoundFooter> inherited = ReadInheritedFooter(**file, id); inherited)
      return Source{RecordsOf(std::move(*inherited)), true};
  }
  return std::nullopt;
}

Result<std::optional<WalkBreak>> SegmentWalker::TakeCommit(File& file, const PassedRecord& record,
                                                           const Digest& running,
                                                           const CommitHandler& handler,
                                                           WalkCursor& cursor,
                                                           SegmentOutcome& outcome) {
  const Frame& frame = record.frame;
  if (frame.commit_number != cursor.head.commit_number + 1 ||
      frame.chain != ChainAfterCommit(running, frame))
    return std::optional<WalkBreak>({record.offset, "a commit that is not on the chain", true});
  const CommitInfo info{{cursor.segment.epoch, frame.commit_number, frame.chain},
                        {cursor.segment, record.offset},
                        {cursor.segment, record.offset + frame.record_length}};
  if (handler.wants_payload(frame.commit_number)) {
    ByteVector bytes = record.copied_commit;
    // The frame is good: where the copy's body is not, the first one may be.
    if (bytes.empty() || !BodyMatches(bytes, frame, true)) {
      Result<ByteVector> first = ReadRecord(file, record.offset, frame);
      if (!first && first.error().code != Errc::kCorrupt) return first.error();
      bytes = first ? *std::move(first) : ByteVector();
    }
    std::optional<WalkBreak> broken;
    ByteVector payload;
    if (BodyMatches(bytes, frame, true)) {
      Result<ByteVector> opened = OpenCommit(keys_, vault_id_, running, frame, bytes);
      if (!opened && opened.error().code != Errc::kCorrupt) return opened.error();
      if (opened)
        payload = std::move(*opened);
      else
        broken = WalkBreak{record.offset, "a commit that its key does not open", true};
    } else {
      broken = WalkBreak{record.offset, "a damaged commit", false};
    }
    if (broken.has_value() && !hopeless_.contains(record.offset)) return broken;
    if (broken.has_value())
      handler.passed_over(info, broken->why);
    else
      LG_RETURN_IF_ERROR(handler.visit(info, payload));
  } else {
    LG_RETURN_IF_ERROR(handler.visit(info, {}));
  }
  if (!record.copied_commit.empty()) {
    LG_ASSIGN_OR_RETURN(const bool agrees, DiskAgrees(file, record));
    if (!agrees) ++outcome.repaired_commits;
  }
  cursor.offset = info.end.offset;
  cursor.sequence = frame.sequence + 1;
  cursor.base = frame.chain;
  cursor.head = info.head;
  cursor.head_end = info.end;
  return std::optional<WalkBreak>();
}

// Walks what lies behind the cursor. On a break the outcome holds what is good up to the cursor.
Status SegmentWalker::WalkRecords(File& file, const Source& source, const Position& durable,
                                  const CommitHandler& handler, WalkCursor& cursor,
                                  SegmentOutcome& outcome) {
  Chain chain(cursor.base);
  size_t passed_at_cursor = outcome.passed.size();
  outcome.broken.reset();
  outcome.complete = false;
  uint64_t offset = cursor.offset;
  uint64_t sequence = cursor.sequence;
  for (const PassedRecord& record : source.records) {
    const Frame& frame = record.frame;
    if (frame.sequence < cursor.sequence) continue;
    if (record.offset != offset || frame.sequence != sequence) {
      outcome.broken = WalkBreak{offset, "records are missing", false};
      break;
    }
    if (frame.kind == RecordKind::kCommit) {
      LG_ASSIGN_OR_RETURN(outcome.broken,
                          TakeCommit(file, record, chain.Running(), handler, cursor, outcome));
      if (outcome.broken.has_value()) break;
      chain.Reset(cursor.base);
    } else {
      if (Position{cursor.segment, offset} >= durable) {
        const Result<ByteVector> bytes = ReadRecord(file, offset, frame);
        if (!bytes && bytes.error().code != Errc::kCorrupt) return bytes.error();
        if (!bytes || !BodyMatches(*bytes, frame, false)) {
          outcome.broken = WalkBreak{offset, "a damaged record", false};
          break;
        }
      }
      chain.Absorb(frame);
    }
    outcome.passed.push_back(record);
    outcome.complete = frame.kind == RecordKind::kFooter;
    offset += frame.record_length;
    ++sequence;
    if (frame.kind == RecordKind::kCommit) passed_at_cursor = outcome.passed.size();
  }
  if (outcome.broken.has_value()) {
    outcome.passed.resize(passed_at_cursor);
    outcome.complete = false;
    chain.Reset(cursor.base);
    offset = cursor.offset;
    sequence = cursor.sequence;
  }
  outcome.end = offset;
  outcome.next_sequence = sequence;
  outcome.running = chain.Running();
  return {};
}

Result<SegmentOutcome> SegmentWalker::Walk(const SegmentScan& scan, std::optional<uint64_t> limit,
                                           const std::vector<SegmentId>& heirs,
                                           const Position& durable, const CommitHandler& handler,
                                           WalkCursor& cursor) {
  LG_ASSIGN_OR_RETURN(const auto file, files_.Get(cursor.segment));
  SegmentOutcome outcome;
  hopeless_.clear();
  while (true) {
    LG_RETURN_IF_ERROR(
        WalkBothCopies(*file, scan, limit, heirs, durable, handler, cursor, outcome));
    if (!outcome.broken.has_value() || !handler.passed_over) break;
    // Again from the last good commit, and past this one. Where the record is no commit with a
    // place on the chain, the walk breaks there again.
    if (!hopeless_.insert(outcome.broken->offset).second) break;
  }
  return outcome;
}

// From the cursor on: the segment itself, and behind a break the second copies.
Status SegmentWalker::WalkBothCopies(File& file, const SegmentScan& scan,
                                     std::optional<uint64_t> limit,
                                     const std::vector<SegmentId>& heirs, const Position& durable,
                                     const CommitHandler& handler, WalkCursor& cursor,
                                     SegmentOutcome& outcome) {
  const auto note_missing_end = [&] {
    if (outcome.broken.has_value()) return;
    const bool short_of_limit = limit.has_value() && outcome.end != *limit;
    // Salvaging, the segment behind this one may be missing, which would tell the limit.
    const bool whole = outcome.complete && handler.passed_over;
    const bool short_of_durable =
        !limit.has_value() && !whole && durable > Position{cursor.segment, outcome.end};
    if (short_of_limit || short_of_durable)
      outcome.broken = WalkBreak{outcome.end, "a damaged or missing record", false};
  };
  const auto keep_up_to_cursor = [&] {
    std::erase_if(outcome.passed,
                  [&](const PassedRecord& record) { return record.offset >= cursor.offset; });
  };
  keep_up_to_cursor();
  LG_RETURN_IF_ERROR(
      WalkRecords(file, {RecordsOf(scan), false}, durable, handler, cursor, outcome));
  note_missing_end();
  if (!outcome.broken.has_value()) return {};
  const auto copy = SecondCopy(cursor.segment, limit, heirs);
  if (!copy.has_value()) return {};
  const WalkBreak first_break = *outcome.broken;
  keep_up_to_cursor();
  LG_RETURN_IF_ERROR(WalkRecords(file, *copy, durable, handler, cursor, outcome));
  note_missing_end();
  if (outcome.broken.has_value() && outcome.broken->offset <= first_break.offset)
    outcome.broken = first_break;
  return {};
}

Result<bool> SegmentWalker::IsAuthentic(const CatalogEntry& entry, const SegmentScan& scan,
                                        const std::vector<SegmentId>& heirs) {
  const SegmentId id = entry.header.id;
  hopeless_.clear();  // of the segment that was walked before: here nothing is passed over
  LG_ASSIGN_OR_RETURN(const auto file, files_.Get(id));
  const CommitHandler open_it{[](uint64_t) { return true; },
                              [](const CommitInfo&, ByteSpan) { return Status{}; }};
  const Position bodies_unchecked{{UINT32_MAX, UINT64_MAX}, UINT64_MAX};
  Source source{RecordsOf(scan), false};
  std::optional<WalkBreak> broken;
  for (int copy = 0; copy < 2; ++copy) {
    KeepUpToFirstCommit(source.records);
    if (source.is_copy && source.records.empty()) return false;
    WalkCursor cursor = WalkCursor::AtStartOf(entry);
    SegmentOutcome outcome;
    LG_RETURN_IF_ERROR(WalkRecords(*file, source, bodies_unchecked, open_it, cursor, outcome));
    if (!outcome.passed.empty() && !outcome.broken.has_value()) return true;
    if (outcome.broken.has_value() && !broken.has_value()) broken = outcome.broken;
    auto second = SecondCopy(id, std::nullopt, heirs);
    if (copy == 1 || !second.has_value()) break;
    source = std::move(*second);
  }
  const uint64_t at = broken.has_value() ? broken->offset : scan.end;
  const bool was_durable = scan.durable > Position{id, at};
  if (was_durable || (broken.has_value() && broken->forged))
    return Error(Errc::kCorrupt, ToString(Position{id, at}) +
                                     ": a damaged or forged record, and no second copy of it: "
                                     "bring the segment's file back from a copy");
  return false;
}

}  // namespace leadglass
