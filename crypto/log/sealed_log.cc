// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/sealed_log.h"

#include <algorithm>
#include <atomic>

#include "crypto/log/appender.h"
#include "crypto/log/log_verifier.h"
#include "crypto/log/record_reader.h"
#include "crypto/log/recovery.h"
#include "crypto/log/sealing.h"

namespace leadglass {

namespace {

// Not worth the work, and what a partial block here and there takes.
constexpr uint64_t kLeastCleared = 64u << 10;

class SegmentedLog final : public SealedLog {
 public:
  SegmentedLog(FileSystem& fs, const std::string& folder, const Uuid& vault_id, LogKeys keys,
               Options options)
      : files_(fs, folder),
        vault_id_(vault_id),
        keys_(std::move(keys)),
        options_(std::move(options)),
        session_(NewUuid()),
        reader_(files_, vault_id) {}

  ~SegmentedLog() override {
    if (Status closed = Close(); !closed) return;  // nobody to tell; recovery deals with it
  }

  // Reads names and the newest header.
  Status ReadCatalog() {
    LG_ASSIGN_OR_RETURN(SegmentCatalog catalog,
                        SegmentCatalog::Read(files_, vault_id_, options_.segment_class,
                                             options_.read_only, options_.salvage));
    catalog_ = std::make_unique<SegmentCatalog>(std::move(catalog));
    if (catalog_->listing().segments.empty()) return {};
    const SegmentId newest = catalog_->listing().segments.back();
    // A newest segment without a header is Recover()'s business: a crash leaves that.
    LG_ASSIGN_OR_RETURN(const bool gone, catalog_->HeaderIsGone(newest));
    if (gone || options_.salvage) return {};
    if (const Result<CatalogEntry> entry = catalog_->Header(newest); !entry) return entry.error();
    return {};
  }

  Result<RecoveryReport> Recover(const std::optional<std::pair<Head, Position>>& from,
                                 const CommitVisitor& visitor) override {
    LG_CHECK(!recovered_);
    Recovery recovery(files_, *catalog_, vault_id_, keys_, options_);
    LG_ASSIGN_OR_RETURN(Recovered found, recovery.Run(from, visitor));
    const RecoveryReport report = found.report;
    tail_head_ = found.tail.head;
    tail_durable_head_ = found.durable_head;
    tail_segment_ = found.tail.segment;
    tail_length_ = found.tail.length;
    tail_complete_ = found.tail.complete;
    tail_heirs_ = found.tail.heirs;
    tail_base_ = found.base;
    if (!options_.read_only) {
      LG_RETURN_IF_ERROR(MakeTailDurable(found));
      StartAppender(std::move(found));
      // Where this fails, appends say so: for want of room the next one tries again.
      (void)appender_->SecureTail();
    }
    recovered_ = true;
    return report;
  }

  const Uuid& session() const override { return session_; }

  Head head() const override { return appender_ ? appender_->head() : tail_head_; }
  Head durable_head() const override {
    return appender_ ? appender_->durable_head() : tail_durable_head_;
  }
  bool poisoned() const override { return appender_ && appender_->poisoned(); }

  Result<DataRecord> AppendData(const FileKeyRef& key, uint64_t inode, uint64_t file_offset,
                                ByteSpan plain, uint8_t chunk_log2) override {
    LG_RETURN_IF_ERROR(CheckAppend(plain.size(), kMaxDataLength));
    if (chunk_log2 < kMinChunkLog2 || chunk_log2 > kMaxChunkLog2)
      return Error(Errc::kInvalidArgument, "chunk size out of range");
    DataRecord record;
    record.file_offset = file_offset;
    record.length = static_cast<uint32_t>(plain.size());
    record.chunk_log2 = chunk_log2;
    record.write_id = {session_, write_counter_.fetch_add(1, std::memory_order_relaxed)};
    Frame frame;
    frame.kind = RecordKind::kData;
    frame.chunk_log2 = chunk_log2;
    frame.plain_length = record.length;
    frame.record_length =
        static_cast<uint32_t>(RecordLength(frame.kind, record.length, chunk_log2));
    // Ciphertext only, at most 1 MiB and a little a thread: kept, so that no append allocates.
    thread_local ByteVector bytes;
    bytes.resize(frame.record_length);
    const size_t body = static_cast<size_t>(BodyLength(frame.kind, record.length, chunk_log2));
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(frame.size() + body), bytes.end(), uint8_t{0});
    frame.stream_prefix = SealStream(key.key, plain, 1u << chunk_log2,
                                     DataAssociatedData(vault_id_, inode, key.generation, record),
                                     MutableByteSpan(bytes).subspan(frame.size(), body));
    DescribeBody(bytes, frame);
    LG_ASSIGN_OR_RETURN(record.position, appender_->AppendData(frame, bytes));
    return record;
  }

  Result<CommitInfo> AppendCommit(ByteSpan payload, bool use_reserve) override {
    LG_RETURN_IF_ERROR(CheckAppend(payload.size(), kMaxCommitLength));
    return appender_->AppendCommit(payload, use_reserve);
  }

  Status HoldRoom(size_t payload_length, bool use_reserve) override {
    LG_RETURN_IF_ERROR(CheckAppend(payload_length, kMaxCommitLength));
    return appender_->HoldRoom(payload_length, use_reserve);
  }

  Status Sync() override {
    // An index that takes in what Recover() hands out may write tables meanwhile, and must not get
    // ahead of the disk: what a crashed session wrote may be in the page cache only.
    if (!recovered_) return SyncSegments();
    return appender_ ? appender_->Sync() : Status{};
  }

  bool PrepareAhead() override {
    const uint64_t reads = reads_.load(std::memory_order_relaxed);
    const bool nobody_reads = std::exchange(reads_at_prepare_, reads) == reads;
    return appender_ && appender_->PrepareAhead() && nobody_reads;
  }

  void StartReading(const DataRecord& record, uint32_t length) override {
    reader_.StartReading(record, length);
  }

  Status ReadData(const FileKeyRef& key, uint64_t inode, const DataRecord& record, uint32_t skip,
                  MutableByteSpan out) override {
    reads_.fetch_add(1, std::memory_order_relaxed);
    return reader_.Read(key, inode, record, skip, out);
  }

  Status PunchData(std::span<const RecordSpace> records) override {
    LG_CHECK(recovered_);
    if (!appender_) return Error(Errc::kUnavailable, "the log is open for reading only");
    // Counted before there are holes of this session in it: they are subtracted from it.
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t counted, OldBytes());
    for (auto next = records.begin(); next != records.end();) {
      const SegmentId id = next->position.segment;
      const auto end = std::find_if(next, records.end(), [id](const RecordSpace& record) {
        return record.position.segment != id;
      });
      LG_RETURN_IF_ERROR(PunchSegment(id, {next, end}));
      next = end;
    }
    return {};
  }

  void SetBase(SegmentId base) override {
    LG_CHECK(recovered_);
    if (appender_) appender_->SetBase(base);
  }

  SegmentId base() const override { return appender_ ? appender_->base() : tail_base_; }

  Result<std::vector<SegmentId>> SegmentsBeforeBase() const override {
    LG_ASSIGN_OR_RETURN(SegmentListing listing, ListSegments(files_.fs(), files_.folder()));
    const SegmentId base = this->base();
    std::erase_if(listing.segments, [base](SegmentId id) { return !(id < base); });
    return std::move(listing.segments);
  }

  Result<uint64_t> ClearSegment(SegmentId id, const BlockMap& needed) override {
    LG_CHECK(recovered_);
    if (!appender_) return Error(Errc::kUnavailable, "the log is open for reading only");
    if (!(id < base()))
      return Error(Errc::kInvalidArgument, ToString(id) + " is not before the base");
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t counted, OldBytes());
    LG_ASSIGN_OR_RETURN(const auto file,
                        files_.fs().Open(SegmentPath(files_.folder(), id), OpenMode::kReadWrite));
    LG_ASSIGN_OR_RETURN(const uint64_t before, file->AllocatedBytes());
    const uint64_t stays = kSegmentHeaderSize + needed.count() * kPunchBlock;
    if (before < stays + kLeastCleared) return uint64_t{0};
    LG_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    static_assert(kSegmentHeaderSize == kPunchBlock);
    for (uint64_t block = 1; block * kPunchBlock < size;) {
      uint64_t end = block;
      while (end * kPunchBlock < size && !needed.Needs(end)) ++end;
      if (end > block) {
        const uint64_t from = block * kPunchBlock;
        LG_RETURN_IF_ERROR(file->PunchHole(from, std::min(end * kPunchBlock, size) - from));
      }
      block = end + 1;
    }
    return FinishPunching(*file, before);
  }

  Result<SpaceUse> Space() const override {
    SpaceUse use;
    LG_ASSIGN_OR_RETURN(use.log_bytes, OldBytes());
    if (appender_) use.log_bytes += appender_->room().own_bytes;
    use.log_bytes -= std::min(use.log_bytes, punched_bytes_.load());
    LG_ASSIGN_OR_RETURN(use.writable_bytes, WritableBytes());
    return use;
  }

  Result<uint64_t> WritableBytes() const override {
    if (!appender_) return uint64_t{0};
    LG_ASSIGN_OR_RETURN(const SpaceInfo disk, files_.fs().Space(files_.folder()));
    const Appender::Room room = appender_->room();
    const uint64_t free = disk.available_bytes + room.unused + room.spare;
    return free > room.reserve_missing ? free - room.reserve_missing : 0;
  }

  Status Verify(const std::function<void(const Damage&)>& report,
                const std::function<void(uint64_t, uint64_t)>& progress,
                const CommitVisitor& commits) override {
    LG_CHECK(recovered_);
    std::optional<SegmentId> segment = tail_segment_;
    uint64_t length = tail_length_;
    bool complete = tail_complete_;
    if (appender_) {
      const Appender::Written written = appender_->WaitUntilWritten();
      segment = written.segment;
      length = written.length;
      complete = written.complete;
    }
    if (!segment.has_value()) return {};
    return LogVerifier(files_, vault_id_, options_.segment_class, keys_, report, progress, commits)
        .Run(*segment, length, complete,
             segment == tail_segment_ ? tail_heirs_ : std::vector<SegmentId>(), base());
  }

  Status Close() override { return appender_ ? appender_->Close() : Status{}; }

 private:
  Status CheckAppend(size_t size, size_t limit) const {
    LG_CHECK(recovered_);
    if (!appender_) return Error(Errc::kUnavailable, "the log is open for reading only");
    if (size == 0 || size > limit)
      return Error(Errc::kInvalidArgument, "a record of " + std::to_string(size) + " bytes");
    return {};
  }

  Status SyncSegments() {
    for (const SegmentId id : catalog_->listing().segments) {
      LG_ASSIGN_OR_RETURN(const auto file, files_.Get(id));
      LG_RETURN_IF_ERROR(file->Sync());
    }
    return {};
  }

  // What a crashed session wrote may be in the page cache only; what follows will build on it.
  Status MakeTailDurable(const Recovered& found) {
    const LogTail& tail = found.tail;
    if (!tail.segment.has_value()) return {};
    for (const SegmentId id : found.counted) {
      LG_ASSIGN_OR_RETURN(const auto file, files_.Get(id));
      LG_RETURN_IF_ERROR(file->Sync());
      LG_RETURN_IF_ERROR(files_.fs().SyncFolder(EpochFolder(files_.folder(), id.epoch)));
    }
    LG_RETURN_IF_ERROR(files_.fs().SyncFolder(files_.folder()));
    if (!tail.complete) GiveBackRoom(*tail.segment, tail.length);
    for (const SegmentId id : found.dropped) GiveBackRoom(id, 0);
    return {};
  }

  // Preallocated zeros at the end of a segment that nobody will write to any more. Torn bytes stay,
  // for whoever wants to look at them. So do the first `counted` bytes whatever they are: a record
  // may end in zeros of its own, in its padding and in the end of its tag.
  void GiveBackRoom(SegmentId id, uint64_t counted) {
    const auto file = files_.fs().Open(SegmentPath(files_.folder(), id), OpenMode::kReadWrite);
    if (!file) return;
    const Result<uint64_t> content = EndOfContent(**file);
    const Result<uint64_t> size = (*file)->Size();
    if (!content || !size) return;
    const uint64_t end = std::max(*content, counted);
    if (*size <= end) return;
    if (Status truncated = (*file)->Truncate(end); !truncated) return;  // only room is lost
  }

  void StartAppender(Recovered found) {
    Appender::Start start;
    start.vault_id = vault_id_;
    start.segment_class = options_.segment_class;
    start.session = session_;
    start.segment_size = options_.segment_size;
    start.reserve_bytes = options_.reserve_bytes;
    start.spare_segments = options_.spare_segments;
    if (options_.background_writes) start.flushing = StagedFile::Flushing::kInBackground;
    start.next_number = catalog_->listing().highest_number() + 1;
    start.epoch = found.tail.segment.has_value() ? found.tail.segment->epoch : 1;
    if (found.older_than_remembered) {
      const auto& epochs = catalog_->listing().epochs;
      uint32_t highest = std::max(start.epoch, options_.not_older_than->epoch);
      if (!epochs.empty()) highest = std::max(highest, epochs.back());
      start.epoch = highest + 1;
      start.begins_epoch = true;
    }
    start.base = found.base;
    start.tail = std::move(found.tail);
    appender_ = std::make_unique<Appender>(files_, keys_, std::move(start));
  }

  Status PunchSegment(SegmentId id, std::span<const RecordSpace> records) {
    LG_ASSIGN_OR_RETURN(const auto file,
                        files_.fs().Open(SegmentPath(files_.folder(), id), OpenMode::kReadWrite));
    LG_ASSIGN_OR_RETURN(const uint64_t before, file->AllocatedBytes());
    for (const RecordSpace& record : records) {
      const FileRange range = PunchableRange(record);
      if (range.length > 0) LG_RETURN_IF_ERROR(file->PunchHole(range.offset, range.length));
    }
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t got, FinishPunching(*file, before));
    return {};
  }

  Result<uint64_t> FinishPunching(File& file, uint64_t allocated_before) {
    LG_RETURN_IF_ERROR(file.Sync());
    LG_ASSIGN_OR_RETURN(const uint64_t after, file.AllocatedBytes());
    const uint64_t got = allocated_before - std::min(allocated_before, after);
    punched_bytes_ += got;
    return got;
  }

  // Bytes of the segments that were there before; counted at the first question.
  Result<uint64_t> OldBytes() const {
    MutexLock lock(old_bytes_mutex_);
    if (old_bytes_.has_value()) return *old_bytes_;
    uint64_t sum = 0;
    for (const SegmentId id : catalog_->listing().segments) {
      LG_ASSIGN_OR_RETURN(const auto file,
                          files_.fs().Open(SegmentPath(files_.folder(), id), OpenMode::kRead));
      LG_ASSIGN_OR_RETURN(const uint64_t bytes, file->AllocatedBytes());
      sum += bytes;
    }
    old_bytes_ = sum;
    return sum;
  }

  SegmentFiles files_;
  const Uuid vault_id_;
  const LogKeys keys_;
  const Options options_;
  const Uuid session_;
  RecordReader reader_;
  std::unique_ptr<SegmentCatalog> catalog_;
  std::unique_ptr<Appender> appender_;  // none when read-only
  std::atomic<uint64_t> reads_{0};
  uint64_t reads_at_prepare_ = 0;  // of the thread that prepares
  std::atomic<uint64_t> write_counter_{0};
  std::atomic<uint64_t> punched_bytes_{0};  // that this session gave back

  std::atomic<bool> recovered_{false};
  Head tail_head_;
  Head tail_durable_head_;
  std::optional<SegmentId> tail_segment_;
  uint64_t tail_length_ = 0;
  bool tail_complete_ = false;
  std::vector<SegmentId> tail_heirs_;
  SegmentId tail_base_;

  mutable Mutex old_bytes_mutex_;
  mutable std::optional<uint64_t> old_bytes_ LG_GUARDED_BY(old_bytes_mutex_);
};

}  // namespace

Result<std::unique_ptr<SealedLog>> SealedLog::Create(FileSystem& fs, const std::string& folder,
                                                     const Uuid& vault_id, LogKeys keys,
                                                     Options options) {
  LG_RETURN_IF_ERROR(fs.CreateFolder(folder));
  LG_RETURN_IF_ERROR(fs.CreateFolder(EpochFolder(folder, 1)));
  return Open(fs, folder, vault_id, std::move(keys), std::move(options));
}

Result<std::unique_ptr<SealedLog>> SealedLog::Open(FileSystem& fs, const std::string& folder,
                                                   const Uuid& vault_id, LogKeys keys,
                                                   Options options) {
  if (keys.metadata.empty())
    return Error(Errc::kInvalidArgument, "a log cannot be opened without a metadata key");
  if (options.salvage && !options.read_only)
    return Error(Errc::kInvalidArgument, "a damaged log is salvaged read-only, never written to");
  auto log =
      std::make_unique<SegmentedLog>(fs, folder, vault_id, std::move(keys), std::move(options));
  LG_RETURN_IF_ERROR(log->ReadCatalog());
  return std::unique_ptr<SealedLog>(std::move(log));
}

}  // namespace leadglass
