// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/recovery.h"

#include <algorithm>

#include "crypto/log/chain.h"

namespace leadglass {
namespace {

using From = std::optional<std::pair<Head, Position>>;

constexpr const char* kBringBack = ": bring the segment's file back from a copy";

bool Names(const From& from) { return from.has_value() && from->first.commit_number > 0; }

Error NotOnChain() {
  return Error(Errc::kNotFound,
               "the point to go on from is not on this log's chain: start from the beginning");
}

}  // namespace

Result<Recovered> Recovery::Run(const From& from, const SealedLog::CommitVisitor& visitor) {
  path_.clear();
  commitless_.clear();
  out_ = {};
  met_from_ = met_remembered_ = false;
  out_.report.segments = catalog_.listing().segments.size();
  LG_ASSIGN_OR_RETURN(const auto newest, FindNewest());
  if (newest.has_value()) {
    LG_RETURN_IF_ERROR(BuildPath(*newest, from));
    LG_RETURN_IF_ERROR(WalkPath(from, visitor));
  }
  LG_RETURN_IF_ERROR(Finish(from));
  return std::move(out_);
}

// From the newest segment down: the first that holds a commit sealed at that place.
Result<std::optional<SegmentId>> Recovery::FindNewest() {
  const auto& all = catalog_.listing().segments;
  std::vector<Position> stated;
  std::optional<SegmentId> newest;
  for (auto id = all.rbegin(); id != all.rend() && !newest.has_value(); ++id) {
    LG_ASSIGN_OR_RETURN(const auto file, files_.Get(*id));
    LG_ASSIGN_OR_RETURN(const bool gone, catalog_.HeaderIsGone(*id));
    if (gone) {
      // Torn while it was made, unless something in it says that the header had been durable.
      LG_ASSIGN_OR_RETURN(const SegmentScan scan, ScanSegment(*file, 0, std::nullopt));
      if (scan.durable > Position{*id, 0})
        return Error(Errc::kCorrupt,
                     ToString(*id) + ": every copy of its header is damaged" + kBringBack);
      stated.push_back(scan.durable);
      out_.report.torn_bytes += scan.junk;
      out_.dropped.push_back(*id);
      continue;
    }
    LG_ASSIGN_OR_RETURN(const CatalogEntry entry, catalog_.Header(*id));
    LG_ASSIGN_OR_RETURN(SegmentScan scan,
                        ScanSegment(*file, entry.header.first_sequence, std::nullopt));
    stated.push_back(std::max(entry.header.durable, scan.durable));
    LG_ASSIGN_OR_RETURN(const bool authentic, walker_.IsAuthentic(entry, scan, HeirsOf(*id)));
    if (authentic) {
      path_.push_back({entry, std::move(scan), true});
      newest = *id;
    } else {
      out_.report.torn_bytes += scan.end - kSegmentHeaderSize + scan.junk;
      Drop(entry, stated);
    }
  }
  for (const Position& position : stated)
    out_.stated_durable = std::max(out_.stated_durable, position);
  return newest;
}

// Passes over a segment that holds no commit. What was durable in it counts for nothing, but then
// so was all that it continues.
void Recovery::Drop(const CatalogEntry& entry, std::vector<Position>& stated) {
  const SegmentHeader& header = entry.header;
  for (Position& position : stated)
    if (position.segment == header.id) position = {header.previous, header.previous_length};
  out_.dropped.push_back(header.id);
  commitless_.push_back(header);
}

std::vector<SegmentId> Recovery::HeirsOf(SegmentId id) const {
  std::vector<SegmentId> heirs;
  for (const SegmentHeader& header : commitless_)
    if (header.previous == id) heirs.push_back(header.id);
  return heirs;
}

// Backward by what the headers say, as far as `from` and the remembered head need.
Status Recovery::BuildPath(SegmentId newest, const From& from) {
  const auto& remembered = options_.not_older_than;
  bool reached_from = false;
  SegmentId at = newest;
  while (true) {
    const SegmentHeader& header = path_.back().entry.header;
    if (Names(from) && at == from->second.segment) reached_from = true;
    if (Names(from) && !reached_from && at < from->second.segment) return NotOnChain();
    const bool reached_remembered =
        !remembered.has_value() || header.previous_head.commit_number < remembered->commit_number;
    if (header.previous.number == 0 || (reached_from && reached_remembered)) break;
    if (header.previous >= at)
      return Error(Errc::kCorrupt, ToString(at) + " names a later segment as the one before it");
    at = header.previous;
    LG_ASSIGN_OR_RETURN(const CatalogEntry entry, catalog_.Header(at));
    out_.stated_durable = std::max(out_.stated_durable, entry.header.durable);
    path_.push_back({entry, {}, false});
  }
  std::reverse(path_.begin(), path_.end());
  return {};
}

Status Recovery::CheckStart(size_t i, const WalkCursor& cursor) const {
  const SegmentHeader& header = path_[i].entry.header;
  if (header.previous_head == cursor.head) return {};
  return Error(Errc::kCorrupt, ToString(header.id) + " does not continue " +
                                   ToString(header.previous) +
                                   ": one of them was altered or replaced" + kBringBack);
}

Status Recovery::WalkPath(const From& from, const SealedLog::CommitVisitor& visitor) {
  const CommitHandler handler = MakeHandler(from, visitor);
  WalkCursor cursor;
  cursor.head = path_.front().entry.header.previous_head;
  if (out_.stated_durable.segment >= path_.front().entry.header.id) out_.durable_head = cursor.head;
  for (size_t i = 0; i < path_.size(); ++i) {
    LG_RETURN_IF_ERROR(CheckStart(i, cursor));
    Link& link = path_[i];
    const SegmentId id = link.entry.header.id;
    std::optional<uint64_t> limit;
    std::vector<SegmentId> heirs = HeirsOf(id);
    if (i + 1 < path_.size()) {
      limit = path_[i + 1].entry.header.previous_length;
      heirs.insert(heirs.begin(), path_[i + 1].entry.header.id);
    }
    if (!link.scanned) {
      LG_ASSIGN_OR_RETURN(const auto file, files_.Get(id));
      LG_ASSIGN_OR_RETURN(link.scan, ScanSegment(*file, link.entry.header.first_sequence, limit));
    }
    const Position head_end = cursor.head_end;
    cursor = WalkCursor::AtStartOf(link.entry);
    cursor.head_end = head_end;
    LG_ASSIGN_OR_RETURN(SegmentOutcome outcome, walker_.Walk(link.scan, limit, heirs,
                                                             out_.stated_durable, handler, cursor));
    if (IsHarmless(i, outcome, cursor)) outcome.broken.reset();
    const bool ends_here = outcome.broken.has_value();
    LG_RETURN_IF_ERROR(TakeOutcome(i, std::move(outcome), cursor));
    if (ends_here) {
      for (size_t j = i + 1; j < path_.size(); ++j)
        out_.dropped.push_back(path_[j].entry.header.id);
      return CountTorn(i);
    }
    link.scan.records = {};
  }
  return CountTorn(path_.size() - 1);
}

// Damage behind the last commit of a segment that the next one continues: to a footer, or to data
// whose own file will notice. No commit is lost by it.
bool Recovery::IsHarmless(size_t i, const SegmentOutcome& outcome, const WalkCursor& cursor) const {
  if (!outcome.broken.has_value() || i + 1 == path_.size()) return false;
  const SegmentHeader& next = path_[i + 1].entry.header;
  return next.previous_head == cursor.head &&
         Position{next.previous, outcome.broken->offset} < out_.stated_durable;
}

// Damage, or the log's end so far.
Status Recovery::TakeOutcome(size_t i, SegmentOutcome outcome, const WalkCursor& cursor) {
  const SegmentId id = path_[i].entry.header.id;
  if (outcome.broken.has_value()) {
    const Position at{id, outcome.broken->offset};
    if (outcome.broken->forged || at < out_.stated_durable)
      return Error(Errc::kCorrupt, ToString(at) + ": " + outcome.broken->why +
                                       ", and no second copy of it" + kBringBack);
  }
  if (id >= out_.stated_durable.segment) out_.counted.push_back(id);
  out_.report.repaired_commits += outcome.repaired_commits;
  out_.report.head = cursor.head;
  out_.report.end = cursor.head_end;
  LogTail& tail = out_.tail;
  tail.head = cursor.head;
  tail.segment = id;
  tail.block = path_[i].entry.block;
  tail.complete = outcome.complete;
  tail.heirs = HeirsOf(id);
  if (outcome.complete) {
    tail.length = outcome.end;
    tail.link = outcome.running;
    tail.next_sequence = outcome.next_sequence;
    tail.records.clear();
    return {};
  }
  // Records behind the last commit are part of nothing and are cut off.
  tail.length = cursor.offset;
  tail.link = Chain(cursor.base).Running();
  tail.next_sequence = cursor.sequence;
  tail.records = std::move(outcome.passed);
  std::erase_if(tail.records, [&](const PassedRecord& r) { return r.offset >= cursor.offset; });
  return {};
}

// Bytes behind the log's end, in path_[last] and in the segments of the path after it.
Status Recovery::CountTorn(size_t last) {
  for (size_t i = last; i < path_.size(); ++i) {
    LG_ASSIGN_OR_RETURN(const auto file, files_.Get(path_[i].entry.header.id));
    LG_ASSIGN_OR_RETURN(const uint64_t end, EndOfContent(*file));
    const uint64_t counted = i == last ? out_.tail.length : kSegmentHeaderSize;
    if (end > counted) out_.report.torn_bytes += end - counted;
  }
  return {};
}

CommitHandler Recovery::MakeHandler(const From& from, const SealedLog::CommitVisitor& visitor) {
  const uint64_t after = Names(from) ? from->first.commit_number : 0;
  CommitHandler handler;
  handler.wants_payload = [after](uint64_t number) { return number > after; };
  handler.visit = [this, after, &from, &visitor](const CommitInfo& info,
                                                 ByteSpan payload) -> Status {
    const uint64_t number = info.head.commit_number;
    const auto& remembered = options_.not_older_than;
    if (remembered.has_value() && number == remembered->commit_number) {
      met_remembered_ = info.head == *remembered;
      if (!met_remembered_ && !options_.accept_rollback)
        return Error(Errc::kAccessDenied,
                     "commit " + std::to_string(number) +
                         " is not the one that is remembered: this log is another branch");
    }
    if (info.end <= out_.stated_durable) out_.durable_head = info.head;
    if (after > 0 && number == after) {
      if (info.head != from->first || info.end != from->second) return NotOnChain();
      met_from_ = true;
    }
    if (number <= after) return {};
    if (after > 0 && !met_from_) return NotOnChain();
    ++out_.report.commits_replayed;
    return visitor(info, payload);
  };
  return handler;
}

Status Recovery::Finish(const From& from) {
  if (Names(from) && !met_from_) return NotOnChain();
  const auto& remembered = options_.not_older_than;
  if (!remembered.has_value() || remembered->commit_number == 0 || met_remembered_) return {};
  if (!options_.accept_rollback)
    return Error(Errc::kAccessDenied,
                 "the log ends at commit " + std::to_string(out_.tail.head.commit_number) +
                     ", older than commit " + std::to_string(remembered->commit_number) +
                     " that is remembered: bring the newer segments back, or accept the rollback");
  out_.older_than_remembered = true;
  return {};
}

}  // namespace leadglass
