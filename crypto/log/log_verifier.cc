// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/log_verifier.h"

#include <algorithm>

namespace leadglass {
namespace {

const char* NameOf(RecordKind kind) {
  switch (kind) {
    case RecordKind::kData: return "data record";
    case RecordKind::kCommit: return "commit record";
    case RecordKind::kFooter:
    case RecordKind::kInheritedFooter: break;
  }
  return "footer";
}

}  // namespace

void LogVerifier::Found(Position position, std::string what, bool healed) {
  report_({position, std::move(what), healed});
}

Status LogVerifier::Run(SegmentId last, uint64_t length, bool complete,
                        std::vector<SegmentId> heirs, SegmentId base) {
  heirs_ = std::move(heirs);
  base_ = base;
  LG_ASSIGN_OR_RETURN(SegmentCatalog catalog,
                      SegmentCatalog::Read(files_, vault_id_, class_, true, true));
  LG_RETURN_IF_ERROR(BuildPath(last, length, catalog));
  for (const Link& link : path_)
    if (!(link.entry.header.id < base_)) all_ += link.length;
  Digest running{};
  for (size_t i = 0; i < path_.size(); ++i) {
    const Link* previous = i == 0 ? nullptr : &path_[i - 1];
    LG_RETURN_IF_ERROR(CheckHeader(path_[i], previous));
    if (path_[i].entry.header.id < base_) continue;
    // Where the chain's running value differs though all before was good, records behind the
    // last commit were exchanged: nothing that counts, but not what was written.
    if (previous != nullptr && path_[i].entry.header.link != running && running != Digest{})
      Found({previous->entry.header.id, previous->length}, "footer", true);
    LG_ASSIGN_OR_RETURN(const SegmentOutcome outcome, CheckRecords(i));
    const bool whole = !outcome.broken.has_value() && outcome.end == path_[i].length;
    running = whole ? outcome.running : Digest{};
    done_ += path_[i].length;
    progress_(done_, all_);
  }
  return complete ? Status{} : CheckNoFooterAt(last, length);
}

// A footer at the very end that did not count: damaged, or torn when the log was being closed.
Status LogVerifier::CheckNoFooterAt(SegmentId id, uint64_t length) {
  LG_ASSIGN_OR_RETURN(const auto file, files_.Get(id));
  std::array<uint8_t, kLongFrameSize> head{};
  LG_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(length, head));
  const Result<Frame> frame = DecodeFrame(ByteSpan(head).first(got));
  bool footer = frame && frame->kind == RecordKind::kFooter;
  LG_ASSIGN_OR_RETURN(const uint64_t end, EndOfContent(*file));
  if (!footer && end >= length + kFooterTrailerSize) {
    std::array<uint8_t, kFooterTrailerSize> trailer{};
    LG_ASSIGN_OR_RETURN(const size_t read, file->ReadAt(end - trailer.size(), trailer));
    footer = FooterOffsetFrom(ByteSpan(trailer).first(read)) == length;
  }
  if (footer) Found({id, length}, "footer", true);
  return {};
}

Status LogVerifier::BuildPath(SegmentId last, uint64_t length, SegmentCatalog& catalog) {
  SegmentId at = last;
  while (at.number != 0) {
    const Result<CatalogEntry> entry = catalog.Header(at);
    if (!entry && entry.error().code != Errc::kCorrupt) return entry.error();
    if (!entry) {
      // Without it nothing says what came before; nothing of that is needed before the base.
      Found({at, 0}, "segment header", at < base_);
      break;
    }
    path_.push_back({*entry, length});
    length = entry->header.previous_length;
    if (entry->header.previous >= at) break;
    at = entry->header.previous;
  }
  std::reverse(path_.begin(), path_.end());
  return {};
}

Status LogVerifier::CheckHeader(const Link& link, const Link* previous) {
  const SegmentId id = link.entry.header.id;
  LG_ASSIGN_OR_RETURN(const auto file, files_.Get(id));
  ByteVector bytes(kSegmentHeaderSize);
  LG_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, bytes));
  const ByteVector expected =
      EncodeSegmentHeader(link.entry.block, previous == nullptr ? nullptr : &previous->entry.block);
  // The oldest segment of a path that does not reach the beginning: its copy is nobody's to check.
  const bool first_of_all = link.entry.header.previous.number == 0;
  const size_t copy_at = kHeaderBlockSize;
  const bool comparable = previous != nullptr || first_of_all;
  if (!comparable && got == bytes.size())
    std::copy_n(expected.begin() + copy_at, kHeaderBlockSize, bytes.begin() + copy_at);
  if (got != bytes.size() || bytes != expected) Found({id, 0}, "segment header", true);
  return {};
}

Result<SegmentOutcome> LogVerifier::CheckRecords(size_t i) {
  const Link& link = path_[i];
  const SegmentId id = link.entry.header.id;
  LG_ASSIGN_OR_RETURN(const auto file, files_.Get(id));
  LG_ASSIGN_OR_RETURN(const SegmentScan scan,
                      ScanSegment(*file, link.entry.header.first_sequence, link.length));
  const CommitHandler open_all{[](uint64_t) { return true; }, commits_};
  const bool continued = i + 1 < path_.size();
  const std::vector<SegmentId> heirs =
      continued ? std::vector<SegmentId>{path_[i + 1].entry.header.id} : heirs_;
  // Bodies are read below, once; here nothing counts as "above the durable position".
  const Position all_durable{{UINT32_MAX, UINT64_MAX}, UINT64_MAX};
  WalkCursor cursor = WalkCursor::AtStartOf(link.entry);
  LG_ASSIGN_OR_RETURN(SegmentOutcome outcome,
                      walker_.Walk(scan, link.length, heirs, all_durable, open_all, cursor));
  for (const PassedRecord& record : outcome.passed)
    LG_RETURN_IF_ERROR(CheckRecord(*file, id, record));
  if (outcome.broken.has_value()) {
    const uint64_t at = outcome.broken->offset;
    // Behind the last commit of a segment there is its footer, and the first copies are good.
    const bool no_commit_lost = continued && path_[i + 1].entry.header.previous_head == cursor.head;
    const auto scanned =
        std::find_if(scan.records.begin(), scan.records.end(),
                     [at](const ScannedRecord& record) { return record.offset == at; });
    const char* what = no_commit_lost                  ? "footer"
                       : scanned == scan.records.end() ? "record"
                                                       : NameOf(scanned->frame.kind);
    Found({id, at}, what, no_commit_lost);
  }
  return outcome;
}

// `record.frame` is on the chain, wherever it was read from.
Status LogVerifier::CheckRecord(File& file, SegmentId id, const PassedRecord& record) {
  const Result<ByteVector> bytes = ReadRecord(file, record.offset, record.frame);
  if (!bytes && bytes.error().code != Errc::kCorrupt) return bytes.error();
  const bool body = bytes && BodyMatches(*bytes, record.frame, true);
  if (body) {
    const EncodedFrame frame = EncodeFrame(record.frame);
    if (std::equal(frame.span().begin(), frame.span().end(), bytes->begin())) return {};
  }
  // A commit that is bad here was walked from its copy; a footer has the first copies. The bytes of
  // a file exist once, but their frame twice.
  Found({id, record.offset}, NameOf(record.frame.kind),
        body || record.frame.kind != RecordKind::kData);
  return {};
}

}  // namespace leadglass
