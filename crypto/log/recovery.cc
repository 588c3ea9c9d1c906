// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/recovery.h"

#include <algorithm>

#include "crypto/log/chain.h"

namespace leadglass {
namespace {

using From = std::optional<std::pair<Head, Position>>;

constexpr const char* kBringBack = ": bring the segment's file back from a copy";
constexpr const char* kMissing = "it is missing";
constexpr const char* kHeaderGone = "every copy of its header is damaged";

bool Names(const From& from) { return from.has_value() && from->first.commit_number > 0; }

Error NotOnChain() {
  return Error(Errc::kNotFound,
               "the point to go on from is not on this log's chain: start from the beginning");
}

Error NotTheRemembered(uint64_t commit_number) {
  return Error(Errc::kAccessDenied,
               "commit " + std::to_string(commit_number) +
                   " is not the one that is remembered: this log is another branch");
}

}  // namespace

Result<Recovered> Recovery::Run(const From& from, const SealedLog::CommitVisitor& visitor) {
  path_.clear();
  commitless_.clear();
  out_ = {};
  met_from_ = met_remembered_ = false;
  before_base_ = {};
  last_read_ = 0;
  out_.report.segments = catalog_.listing().segments.size();
  LG_ASSIGN_OR_RETURN(const auto newest, FindNewest());
  if (newest.has_value()) {
    LG_RETURN_IF_ERROR(BuildPath(*newest, from));
    if (options_.salvage) LoseGaps();
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
      if (scan.durable > Position{*id, 0}) {
        if (!options_.salvage)
          return Error(Errc::kCorrupt, ToString(*id) + ": " + kHeaderGone + kBringBack);
        Lose({*id, 0}, kHeaderGone);
      }
      stated.push_back(scan.durable);
      out_.report.torn_bytes += scan.junk;
      out_.dropped.push_back(*id);
      continue;
    }
    LG_ASSIGN_OR_RETURN(const std::optional<CatalogEntry> entry, HeaderOnPath(*id));
    if (!entry.has_value()) continue;
    LG_ASSIGN_OR_RETURN(SegmentScan scan,
                        ScanSegment(*file, entry->header.first_sequence, std::nullopt));
    stated.push_back(std::max(entry->header.durable, scan.durable));
    LG_ASSIGN_OR_RETURN(const bool authentic, IsAuthentic(*entry, scan));
    if (authentic) {
      path_.push_back({*entry, std::move(scan), true});
      newest = *id;
    } else {
      out_.report.torn_bytes += scan.end - kSegmentHeaderSize + scan.junk;
      Drop(*entry, stated);
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

// Salvaging, any commit that opens in its place will do.
Result<bool> Recovery::IsAuthentic(const CatalogEntry& entry, const SegmentScan& scan) {
  const std::vector<SegmentId> heirs = HeirsOf(entry.header.id);
  Result<bool> authentic = walker_.IsAuthentic(entry, scan, heirs);
  if (authentic || authentic.error().code != Errc::kCorrupt || !options_.salvage) return authentic;
  bool opens = false;
  CommitHandler probe;
  probe.wants_payload = [](uint64_t) { return true; };
  probe.visit = [&opens](const CommitInfo&, ByteSpan) {
    opens = true;
    return Status();
  };
  probe.passed_over = [](const CommitInfo&, const std::string&) {};
  WalkCursor cursor = WalkCursor::AtStartOf(entry);
  const Position bodies_unchecked{{UINT32_MAX, UINT64_MAX}, UINT64_MAX};
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const SegmentOutcome outcome,
                      walker_.Walk(scan, std::nullopt, heirs, bodies_unchecked, probe, cursor));
  if (!opens)
    Lose({entry.header.id, kSegmentHeaderSize}, "none of its commits opens: damaged or forged");
  return opens;
}

// Backward by what the headers say, as far as `from` and the remembered head need.
Status Recovery::BuildPath(SegmentId newest, const From& from) {
  const auto& remembered = options_.not_older_than;
  out_.base = path_.back().entry.header.base;
  bool reached_from = false;
  SegmentId at = newest;
  while (true) {
    const SegmentHeader header = path_.back().entry.header;
    if (Names(from) && at == from->second.segment) reached_from = true;
    if (Names(from) && !reached_from && at < from->second.segment) return NotOnChain();
    const bool reached_remembered =
        !remembered.has_value() || header.previous_head.commit_number < remembered->commit_number;
    if (header.previous.number == 0 || (reached_from && reached_remembered)) break;
    if (at <= out_.base) {
      before_base_ = header.previous_head;
      break;
    }
    if (header.previous >= at)
      return Error(Errc::kCorrupt, ToString(at) + " names a later segment as the one before it");
    at = header.previous;
    LG_ASSIGN_OR_RETURN(std::optional<CatalogEntry> entry, HeaderOnPath(at));
    while (!entry.has_value()) {
      // Its neighbour below, where it cannot be of another branch.
      const auto before = ListedBefore(at);
      if (!before.has_value()) break;
      at = *before;
      LG_ASSIGN_OR_RETURN(entry, HeaderOnPath(at));
    }
    if (!entry.has_value()) break;
    out_.stated_durable = std::max(out_.stated_durable, entry->header.durable);
    path_.push_back({*entry, {}, false});
  }
  std::reverse(path_.begin(), path_.end());
  return {};
}

// nullopt: salvaging, and the segment is missing or every copy of its header is damaged.
Result<std::optional<CatalogEntry>> Recovery::HeaderOnPath(SegmentId id) {
  Result<CatalogEntry> entry = catalog_.Header(id);
  if (entry) return std::optional(*std::move(entry));
  if (entry.error().code != Errc::kCorrupt || !options_.salvage) return entry.error();
  Lose({id, 0}, catalog_.Has(id) ? "its header is damaged or not its own" : kMissing);
  return std::optional<CatalogEntry>();
}

// The segment before `id` in the listing. Of its own epoch only: what an older epoch has behind the
// fork is part of nothing, and where the fork was is not known without the headers in between.
std::optional<SegmentId> Recovery::ListedBefore(SegmentId id) const {
  const auto& all = catalog_.listing().segments;
  const auto here = std::lower_bound(all.begin(), all.end(), id);
  if (here == all.begin() || std::prev(here)->epoch != id.epoch) return std::nullopt;
  return *std::prev(here);
}

void Recovery::Lose(Position from, std::string why) {
  auto& lost = out_.report.lost;
  const bool goes_on = !lost.empty() && lost.back().until_commit == 0 &&
                       lost.back().from.segment == from.segment && lost.back().from <= from;
  if (!goes_on) lost.push_back({from, last_read_, 0, std::move(why)});
}

// Segments that nothing led to, for the caller has their commits, and that are not there.
void Recovery::LoseGaps() {
  auto& lost = out_.report.lost;
  SegmentId last;
  for (const SegmentId id : catalog_.listing().segments) {
    for (uint64_t number = last.number + 1; number < id.number; ++number) {
      const bool known = std::any_of(
          lost.begin(), lost.end(),
          [number](const LostStretch& stretch) { return stretch.from.segment.number == number; });
      if (!known) Lose({{id.epoch, number}, 0}, kMissing);
    }
    last = id;
  }
}

// A commit was read: it ends what was lost before it.
void Recovery::EndLosses(const CommitInfo& info) {
  for (LostStretch& lost : out_.report.lost) {
    if (lost.until_commit != 0 || lost.from > info.start) continue;
    lost.after_commit = last_read_;
    lost.until_commit = info.head.commit_number;
  }
  last_read_ = info.head.commit_number;
}

// What no commit ended lies behind the newest one, or before all that was wanted.
void Recovery::SortLosses(const From& from) {
  auto& lost = out_.report.lost;
  for (LostStretch& stretch : lost) {
    const bool not_wanted = Names(from) && stretch.from < from->second;
    if (not_wanted) stretch.after_commit = stretch.until_commit = 0;
    if (!not_wanted && stretch.until_commit == 0) stretch.after_commit = last_read_;
  }
  std::sort(lost.begin(), lost.end(),
            [](const LostStretch& a, const LostStretch& b) { return a.from < b.from; });
}

Status Recovery::CheckStart(size_t i, const WalkCursor& cursor) const {
  const SegmentHeader& header = path_[i].entry.header;
  if (header.previous_head == cursor.head || options_.salvage) return {};
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
    if (i + 1 < path_.size() && path_[i + 1].entry.header.previous == id) {
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
    if (options_.salvage && outcome.broken.has_value() &&
        (i + 1 < path_.size() || IsDamage(id, *outcome.broken))) {
      // What is left of this segment is lost, and the next one stands for itself.
      Lose({id, outcome.broken->offset}, outcome.broken->why);
      outcome.broken.reset();
      outcome.complete = false;
    }
    const bool ends_here = outcome.broken.has_value();
    LG_RETURN_IF_ERROR(TakeOutcome(i, std::move(outcome), cursor));
    if (ends_here) {
      for (size_t j = i + 1; j < path_.size(); ++j)
        out_.dropped.push_back(path_[j].entry.header.id);
      return CountTorn(i);
    }
    // Given back, not only emptied (which is what `= {}` does): a rebuild walks every segment, and
    // their frames are half a kilobyte an image.
    link.scan.records = std::vector<ScannedRecord>();
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

// No crash leaves that.
bool Recovery::IsDamage(SegmentId id, const WalkBreak& broken) const {
  return broken.forged || Position{id, broken.offset} < out_.stated_durable;
}

// Damage, or the log's end so far.
Status Recovery::TakeOutcome(size_t i, SegmentOutcome outcome, const WalkCursor& cursor) {
  const SegmentId id = path_[i].entry.header.id;
  if (outcome.broken.has_value()) {
    const Position at{id, outcome.broken->offset};
    if (IsDamage(id, *outcome.broken))
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
  if (options_.salvage)
    handler.passed_over = [this](const CommitInfo& info, const std::string& why) {
      Lose(info.start, why);
    };
  handler.wants_payload = [after](uint64_t number) { return number > after; };
  handler.visit = [this, after, &from, &visitor](const CommitInfo& info,
                                                 ByteSpan payload) -> Status {
    const uint64_t number = info.head.commit_number;
    EndLosses(info);
    const auto& remembered = options_.not_older_than;
    if (remembered.has_value() && number == remembered->commit_number) {
      met_remembered_ = info.head == *remembered;
      if (!met_remembered_ && !options_.accept_rollback) return NotTheRemembered(number);
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
  SortLosses(from);
  if (Names(from) && !met_from_) return NotOnChain();
  const auto& remembered = options_.not_older_than;
  if (!remembered.has_value() || remembered->commit_number == 0 || met_remembered_) return {};
  // Before the base only the last commit's chain value is known, and numbers: threat-model.md.
  const bool before_base = remembered->commit_number < before_base_.commit_number &&
                           remembered->epoch <= before_base_.epoch;
  if (before_base || *remembered == before_base_) return {};
  // The one that is remembered may be among the lost.
  if (options_.salvage && last_read_ > remembered->commit_number) return {};
  if (!options_.accept_rollback && remembered->commit_number <= before_base_.commit_number)
    return NotTheRemembered(remembered->commit_number);
  if (!options_.accept_rollback)
    return Error(Errc::kAccessDenied,
                 "the log ends at commit " + std::to_string(out_.tail.head.commit_number) +
                     ", older than commit " + std::to_string(remembered->commit_number) +
                     " that is remembered: bring the newer segments back, or accept the rollback");
  out_.older_than_remembered = true;
  return {};
}

}  // namespace leadglass
