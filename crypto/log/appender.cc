// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/appender.h"

#include <algorithm>
#include <utility>

#include "crypto/log/sealing.h"

namespace leadglass {
namespace {

uint64_t EmptyFooterSize() { return kLongFrameSize + kFooterFixedSize + kFooterTrailerSize; }

Error ReadOnlyNow(const std::string& why) {
  return Error(Errc::kUnavailable, why + ": the vault is read-only until it is mounted again");
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Appender::Appender(SegmentFiles& files, const LogKeys& keys, Start start)
    : files_(files),
      keys_(keys),
      start_(std::move(start)),
      spares_(files.fs(), files.folder(), start_.segment_size, start_.spare_segments),
      reserve_(files.fs(), files.folder(), start_.reserve_bytes),
      chain_(start_.tail.link),
      next_base_(start_.base),
      segment_base_(start_.base),
      base_(start_.base),
      head_(start_.tail.head),
      next_sequence_(start_.tail.next_sequence),
      next_number_(start_.next_number),
      durable_head_(start_.tail.head) {
  if (start_.tail.segment.has_value()) durable_ = {*start_.tail.segment, start_.tail.length};
  reserve_.Refill();
  spares_.RemoveLeftovers();
}

Appender::~Appender() { spares_.Drop(); }

Status Appender::CheckWritable() const {
  if (poisoned_) return ReadOnlyNow("a write of the log failed earlier");
  if (closed_) return Error(Errc::kUnavailable, "the log is closed");
  return {};
}

Status Appender::Poison(const Error& cause) {
  poisoned_ = true;
  changed_.NotifyAll();
  return ReadOnlyNow("writing the log failed (" + ToString(cause) + ")");
}

Status Appender::SecureTail() {
  const LogTail& tail = start_.tail;
  MutexLock lock(mutex_);
  const bool open = tail.segment.has_value() && !tail.complete && !tail.records.empty();
  if (!open || segment_ != nullptr || start_.begins_epoch || TailHasHeir()) return {};
  LG_ASSIGN_OR_RETURN(inherited_, MissingFooter());
  if (!inherited_.has_value()) return {};
  LG_RETURN_IF_ERROR(BeginSegment(0, false));
  return SyncAsLeader();
}

// Whether a segment without commits holds the tail's footer already: a session that began it died,
// or ended without a commit.
bool Appender::TailHasHeir() {
  const LogTail& tail = start_.tail;
  for (const SegmentId heir : tail.heirs) {
    const auto file = files_.Get(heir);
    if (!file) continue;
    const Result<FoundFooter> found = ReadInheritedFooter(**file, *tail.segment);
    if (!found || found->footer.covered_length != tail.length) continue;
    if (std::equal(tail.records.begin(), tail.records.end(), found->footer.entries.begin(),
                   found->footer.entries.end(),
                   [](const PassedRecord& record, const FooterEntry& entry) {
                     return record.frame == entry.frame &&
                            (entry.commit.empty() || BodyMatches(entry.commit, entry.frame, true));
                   }))
      return true;
  }
  return false;
}

Result<Position> Appender::AppendData(Frame frame, MutableByteSpan record) {
  Ticket ticket;
  SegmentId id;
  {
    MutexLock lock(mutex_);
    LG_RETURN_IF_ERROR(CheckWritable());
    LG_RETURN_IF_ERROR(Prepare(frame, false));
    frame.sequence = next_sequence_++;
    const EncodedFrame encoded = EncodeFrame(frame);
    std::memcpy(record.data(), encoded.bytes.data(), encoded.used);
    chain_.Absorb(frame);
    ticket = TakeTicket(frame, {});
    id = segment_->id();
  }
  LG_RETURN_IF_ERROR(Write(ticket, record));
  return Position{id, ticket.offset};
}

Frame Appender::CommitFrame(size_t payload_length) {
  Frame frame;
  frame.kind = RecordKind::kCommit;
  frame.plain_length = static_cast<uint32_t>(payload_length);
  frame.record_length =
      static_cast<uint32_t>(RecordLength(frame.kind, frame.plain_length, kCommitChunkLog2));
  return frame;
}

Status Appender::HoldRoom(size_t payload_length, bool use_reserve) {
  const Frame frame = CommitFrame(payload_length);
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(CheckWritable());
  const uint64_t before = std::exchange(held_, 0);
  if (segment_ != nullptr) segment_->Hold(0);
  const Status room = Prepare(frame, use_reserve);
  held_ = room ? frame.record_length + FooterBuilder::EntrySize(frame) : before;
  if (segment_ != nullptr) segment_->Hold(held_);
  return room;
}

Result<CommitInfo> Appender::AppendCommit(ByteSpan payload, bool use_reserve) {
  Ticket ticket;
  CommitInfo info;
  ByteVector record;
  {
    MutexLock lock(mutex_);
    LG_RETURN_IF_ERROR(CheckWritable());
    Frame frame = CommitFrame(payload.size());
    const uint64_t held = std::exchange(held_, 0);
    if (segment_ != nullptr) segment_->Hold(0);
    if (Status room = Prepare(frame, use_reserve); !room) {
      held_ = held;
      if (segment_ != nullptr) segment_->Hold(held);
      return room.error();
    }
    frame.sequence = next_sequence_++;
    frame.commit_number = head_.commit_number + 1;
    frame.durable = durable_;
    // Sealed under the lock: a commit is bound to all that is before it.
    record = SealCommit(keys_, start_.vault_id, chain_.Running(), payload, frame);
    chain_.Reset(frame.chain);
    ticket = TakeTicket(frame, record);
    const SegmentId id = segment_->id();
    head_ = {id.epoch, frame.commit_number, frame.chain};
    segment_has_commit_ = true;
    info = {head_, {id, ticket.offset}, {id, ticket.offset + frame.record_length}};
  }
  LG_RETURN_IF_ERROR(Write(ticket, record));
  return info;
}

// Makes sure that there is a segment with room for such a record.
Status Appender::Prepare(const Frame& frame, bool use_reserve) {
  const uint64_t record_bytes = frame.record_length + FooterBuilder::EntrySize(frame);
  if (segment_ == nullptr || !segment_->Fits(frame)) return BeginSegment(record_bytes, use_reserve);
  if (segment_base_ < next_base_) {
    // A segment that is to state a base begins at once: nothing is given back before one does.
    // Where a full disk has no room for it, the open one still has what is held in it.
    const Status begun = BeginSegment(record_bytes, use_reserve);
    if (begun || begun.error().code != Errc::kNoSpace) return begun;
  }
  return segment_->MakeRoom(frame, reserve_, use_reserve);
}

// With room for `record_bytes`: the first record and its entry in the footer.
Status Appender::BeginSegment(uint64_t record_bytes, bool use_reserve) {
  LG_RETURN_IF_ERROR(EnsureEpochFolder());
  uint64_t need = EmptyFooterSize() + record_bytes + held_;
  if (segment_ == nullptr && !inherited_.has_value()) {
    LG_ASSIGN_OR_RETURN(inherited_, MissingFooter());
  }
  if (inherited_.has_value()) need += inherited_->RecordSize() + kFooterEntryHead + kLongFrameSize;
  // The file first: where there is no room for it, the segment that is open stays as it is.
  const std::string path = SegmentPath(files_.folder(), {start_.epoch, next_number_});
  Result<std::unique_ptr<SegmentWriter>> next = OpenSegment(path, need, use_reserve);
  if (!next) {
    // An empty file may be left behind: its number is spent, or the next attempt finds it taken.
    if (const Result<bool> exists = files_.fs().Exists(path); !exists || *exists) ++next_number_;
    return next.error();
  }
  const uint64_t number = next_number_++;
  if (Status status = StartSegment(std::move(*next), number); !status)
    return Poison(status.error());
  reserve_.Refill();
  return {};
}

// A spare one where there is one.
Result<std::unique_ptr<SegmentWriter>> Appender::OpenSegment(const std::string& path, uint64_t need,
                                                             bool use_reserve) {
  // Moving a spare there would replace what is there.
  const Result<bool> exists = files_.fs().Exists(path);
  if (kSegmentHeaderSize + need <= start_.segment_size && exists && !*exists) {
    if (auto file = spares_.Take(path)) {
      folders_unsynced_.insert(files_.folder());
      return SegmentWriter::Adopt(std::move(file), start_.segment_size, buffers_, start_.flushing);
    }
  }
  return SegmentWriter::Create(files_.fs(), path, start_.segment_size, need, reserve_, use_reserve,
                               buffers_, start_.flushing);
}

bool Appender::PrepareAhead() {
  {
    MutexLock lock(mutex_);
    if (poisoned_ || closed_ || segment_ == nullptr) return false;
    if (std::exchange(taken_at_prepare_, taken_) != taken_) return false;
  }
  return spares_.Prepare();
}

Status Appender::StartSegment(std::unique_ptr<SegmentWriter> next, uint64_t number) {
  SegmentHeader header;
  header.vault_id = start_.vault_id;
  header.segment_class = start_.segment_class;
  header.id = {start_.epoch, number};
  header.session = start_.session;
  header.previous_head = head_;
  HeaderBlock previous_block = start_.tail.block;
  bool has_previous = start_.tail.segment.has_value();
  if (segment_ != nullptr) {
    LG_RETURN_IF_ERROR(EndSegment(durable_));
    header.previous = segment_->id();
    header.previous_length = segment_->end();
    header.link = chain_.Running();
    previous_block = segment_->block();
    has_previous = true;
  } else if (has_previous) {
    header.previous = *start_.tail.segment;
    header.previous_length = start_.tail.length;
    header.link = start_.tail.link;
    if (start_.begins_epoch) header.parent = head_;
  }
  header.first_sequence = next_sequence_;
  header.durable = durable_;
  header.base = next_base_;
  LG_RETURN_IF_ERROR(next->WriteHeader(header, has_previous ? &previous_block : nullptr));
  folders_unsynced_.insert(EpochFolder(files_.folder(), start_.epoch));
  segment_ = std::move(next);
  files_.SetWriting(segment_->id(), segment_->file());
  segment_->Hold(held_);
  segment_has_commit_ = false;
  segment_base_ = header.base;
  segment_continues_ = {header.previous, header.previous_length};
  chain_.Reset(ChainBaseOf(segment_->block()));
  return inherited_.has_value() ? InheritFooter() : Status{};
}

// Writes the footer of the open segment, which then is complete.
Status Appender::EndSegment(const Position& durable) {
  Frame frame;
  frame.sequence = next_sequence_++;
  frame.commit_number = head_.commit_number;
  frame.durable = durable;
  frame.chain = head_.chain;
  LG_RETURN_IF_ERROR(segment_->WriteFooter(frame));
  chain_.Absorb(frame);
  ended_unsynced_.push_back(segment_->file());
  ended_bytes_ += segment_->end();
  return {};
}

// What a crash kept the last session from writing.
Result<std::optional<FooterBuilder>> Appender::MissingFooter() {
  const LogTail& tail = start_.tail;
  if (!tail.segment.has_value() || tail.complete || tail.records.empty())
    return std::optional<FooterBuilder>();
  LG_ASSIGN_OR_RETURN(const auto file, files_.Get(*tail.segment));
  FooterBuilder footer(*tail.segment, tail.block);
  for (const PassedRecord& record : tail.records) {
    if (record.frame.kind != RecordKind::kCommit) {
      footer.Add(record.offset, record.frame);
      continue;
    }
    ByteVector bytes = record.copied_commit;
    if (bytes.empty()) {
      LG_ASSIGN_OR_RETURN(bytes, ReadRecord(*file, record.offset, record.frame));
    }
    // A commit that decayed since recovery read it: no copy is better than a wrong one.
    if (!BodyMatches(bytes, record.frame, true)) return std::optional<FooterBuilder>();
    footer.AddCommit(record.offset, bytes);
  }
  return std::optional<FooterBuilder>(std::move(footer));
}

Status Appender::InheritFooter() {
  Frame frame;
  frame.sequence = next_sequence_++;
  frame.commit_number = head_.commit_number;
  frame.durable = durable_;
  frame.chain = head_.chain;
  const ByteVector record =
      inherited_->Build(RecordKind::kInheritedFooter, start_.tail.length, segment_->end(), frame);
  inherited_.reset();
  start_.tail.records.clear();
  chain_.Absorb(frame);
  return segment_->file()->WriteAt(segment_->Take(frame, {}), record);
}

Status Appender::EnsureEpochFolder() {
  if (segment_ != nullptr) return {};
  const std::string folder = EpochFolder(files_.folder(), start_.epoch);
  LG_ASSIGN_OR_RETURN(const bool exists, files_.fs().Exists(folder));
  if (!exists) {
    LG_RETURN_IF_ERROR(files_.fs().CreateFolder(folder));
  }
  // The names of a folder that a crashed session made may not be durable either.
  if (!start_.tail.segment.has_value() || start_.tail.segment->epoch != start_.epoch) {
    folders_unsynced_.insert(files_.folder());
    folders_unsynced_.insert(ParentOf(files_.folder()));
  }
  return {};
}

Appender::Ticket Appender::TakeTicket(const Frame& frame, ByteSpan commit) {
  Ticket ticket;
  ticket.number = ++taken_;
  ticket.file = segment_->file();
  ticket.offset = segment_->Take(frame, commit);
  unwritten_.insert(ticket.number);
  return ticket;
}

Status Appender::Write(const Ticket& ticket, ByteSpan record) {
  const Status status = ticket.file->WriteAt(ticket.offset, record);
  MutexLock lock(mutex_);
  unwritten_.erase(ticket.number);
  changed_.NotifyAll();
  // Room was there before the place was taken, so even "no space" is not an ordinary answer here.
  if (!status) return Poison(status.error());
  return {};
}

bool Appender::AllWritten(uint64_t up_to) const {
  return unwritten_.empty() || *unwritten_.begin() > up_to;
}

Status Appender::Sync() {
  MutexLock lock(mutex_);
  const uint64_t target = taken_;
  while (true) {
    if (poisoned_) return ReadOnlyNow("a write of the log failed earlier");
    if (synced_ >= target) return {};
    if (!syncing_) {
      LG_RETURN_IF_ERROR(SyncAsLeader());
      continue;
    }
    changed_.Wait(mutex_);
  }
}

// What is durable once all of the open segment is. A segment without a commit holds nothing that
// counts, so nothing may be said to be durable in it: a reader would miss it.
Position Appender::EndToState() const {
  return segment_has_commit_ ? Position{segment_->id(), segment_->end()} : segment_continues_;
}

// One sync for all who wait by then. Whoever comes during it waits for the next one.
Status Appender::SyncAsLeader() {
  syncing_ = true;
  const uint64_t batch = taken_;
  const Head head = head_;
  const Position end = EndToState();
  const SegmentId base = segment_has_commit_ ? segment_base_ : base_;
  // Earlier segments before the one that continues them.
  std::vector<std::shared_ptr<File>> files = std::move(ended_unsynced_);
  ended_unsynced_.clear();
  files.push_back(segment_->file());
  const std::set<std::string> folders = std::move(folders_unsynced_);
  folders_unsynced_.clear();
  while (!poisoned_ && !AllWritten(batch)) changed_.Wait(mutex_);
  Status status;
  if (!poisoned_) {
    mutex_.Unlock();
    for (const auto& file : files)
      if (status) status = file->Sync();
    for (const std::string& folder : folders)
      if (status) status = files_.fs().SyncFolder(folder);
    mutex_.Lock();
  }
  syncing_ = false;
  changed_.NotifyAll();
  if (poisoned_) return ReadOnlyNow("a write of the log failed earlier");
  if (!status) return Poison(status.error());
  synced_ = batch;
  durable_ = end;
  durable_head_ = head;
  base_ = base;
  return {};
}

Status Appender::Close() {
  {
    MutexLock lock(mutex_);
    if (closed_) return {};
    closed_ = true;
    if (segment_ == nullptr) return {};
  }
  LG_RETURN_IF_ERROR(Sync());
  MutexLock lock(mutex_);
  spares_.Drop();
  // All is durable now, and the footer says so: whatever is missing later is damage.
  Status status = EndSegment(EndToState());
  ended_unsynced_.clear();
  if (status) status = segment_->file()->Sync();
  if (!status) return Poison(status.error());
  return {};
}

Head Appender::head() const {
  MutexLock lock(mutex_);
  return head_;
}

Head Appender::durable_head() const {
  MutexLock lock(mutex_);
  return durable_head_;
}

void Appender::SetBase(SegmentId base) {
  MutexLock lock(mutex_);
  next_base_ = std::max(next_base_, base);
}

SegmentId Appender::base() const {
  MutexLock lock(mutex_);
  return base_;
}

bool Appender::poisoned() const {
  MutexLock lock(mutex_);
  return poisoned_;
}

Appender::Written Appender::WaitUntilWritten() {
  MutexLock lock(mutex_);
  const uint64_t target = taken_;
  Written written{head_, start_.tail.segment, start_.tail.length, start_.tail.complete};
  if (segment_ != nullptr)
    written = {head_, segment_->id(), segment_->end(), closed_ && !poisoned_};
  while (!AllWritten(target)) changed_.Wait(mutex_);
  return written;
}

Appender::Room Appender::room() {
  MutexLock lock(mutex_);
  reserve_.Refill();
  Room room{ended_bytes_, 0, reserve_.missing(), spares_.bytes()};
  if (segment_ != nullptr && !closed_) {
    room.own_bytes += segment_->allocated();
    room.unused = segment_->unused();
  }
  return room;
}

}  // namespace leadglass
