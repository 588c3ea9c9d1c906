// SPDX-License-Identifier: Apache-2.0
//
// Data records whose own frame is damaged: read by the copy in a footer, if there is one, and then
// exactly what was written; else an error, and zeros in place of bytes.
#include <algorithm>

#include "crypto/log/footer.h"
#include "crypto/log/frame_copies.h"
#include "crypto/log/segment_scan.h"
#include "tests/crypto/log/log_fixture.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;

class SecondCopy : public ::testing::Test {
 protected:
  enum class End { kClosed, kKilled, kKilledAndContinued };

  // Two data records, one of them long enough for reads that do not touch its frame.
  void Make(End end) {
    std::unique_ptr<SealedLog> log;
    ASSERT_OK_AND_ASSIGN(log, NewLog(fs_, SmallSegments(256u << 10)));
    ASSERT_OK_AND_ASSIGN(small_, Write(*log, 1, Pattern(50, 1)));
    ASSERT_OK_AND_ASSIGN(long_, Write(*log, 2, Pattern(kLong, 2)));
    ASSERT_THAT(log->AppendCommit(AsBytes("names both")), IsOk());
    ASSERT_THAT(log->Sync(), IsOk());
    if (end != End::kClosed) fs_.Crash(FaultFileSystem::Tear::kKeepAll);
    if (end == End::kKilledAndContinued) {
      ASSERT_OK_AND_ASSIGN(log, OpenLog(fs_, SmallSegments(256u << 10)));
      ASSERT_THAT(RecoverAll(*log), IsOk());
      ASSERT_THAT(log->AppendCommit(AsBytes("goes on")), IsOk());
      ASSERT_THAT(log->Close(), IsOk());
    }
  }

  std::unique_ptr<SealedLog> Reader() {
    SealedLog::Options options = SmallSegments();
    options.read_only = true;
    auto log = OpenLog(fs_, options);
    return log ? std::move(*log) : nullptr;
  }
  static Result<ByteVector> ReadPart(SealedLog& log, const Written& written, uint32_t skip,
                                     size_t length) {
    ByteVector out(length, 0xee);
    const Status read = log.ReadData({FileKey(), 1}, written.inode, written.record, skip, out);
    if (read) return out;
    EXPECT_EQ(out, ByteVector(length)) << "bytes left after an error";
    return read.error();
  }
  static ByteVector Part(const Written& written, size_t skip, size_t length) {
    const auto from = written.plain.begin() + static_cast<ptrdiff_t>(skip);
    return {from, from + static_cast<ptrdiff_t>(length)};
  }
  void Flip(const Written& written, uint64_t at) {
    const Position& position = written.record.position;
    fs_.FlipBits(SegmentFile(position.segment), position.offset + at,
                 static_cast<uint8_t>(1u << (at % 8)));
  }
  // Reads of files during `work`.
  template <typename Work>
  uint64_t Reads(const Work& work) {
    fs_.FailFrom(UINT64_MAX, EIO, FaultFileSystem::Lasts::kForOneCall, {Call::kRead});
    work();
    return fs_.calls();
  }

  void ExpectEveryDamagedFrameIsServed() {
    for (uint64_t at = 0; at < kDataFrameSize; ++at) {
      SCOPED_TRACE("byte " + std::to_string(at));
      Flip(small_, at);
      Flip(long_, at);
      const auto log = Reader();
      EXPECT_THAT(Read(*log, small_), IsOkAndHolds(small_.plain));
      EXPECT_THAT(ReadPart(*log, small_, 7, 20), IsOkAndHolds(Part(small_, 7, 20)));
      EXPECT_THAT(ReadPart(*log, long_, kLong - 100, 90),
                  IsOkAndHolds(Part(long_, kLong - 100, 90)));
      EXPECT_THAT(Read(*log, long_), IsOkAndHolds(long_.plain));
      Flip(small_, at);
      Flip(long_, at);
    }
  }

  static constexpr uint32_t kLong = 150000;
  FaultFileSystem fs_;
  Written small_;
  Written long_;
};

TEST_F(SecondCopy, ServesEveryDamagedFrameFromTheSegmentsFooter) {
  Make(End::kClosed);
  ExpectEveryDamagedFrameIsServed();
}

TEST_F(SecondCopy, ServesEveryDamagedFrameFromTheFooterThatTheNextSegmentInherited) {
  Make(End::kKilledAndContinued);
  ExpectEveryDamagedFrameIsServed();
}

TEST_F(SecondCopy, WithoutAFooterADamagedFrameIsAnErrorAndZeros) {
  Make(End::kKilled);
  for (uint64_t at = 0; at < kDataFrameSize; ++at) {
    Flip(small_, at);
    const auto log = Reader();
    EXPECT_THAT(ReadPart(*log, small_, 0, 50), FailsWith(Errc::kCorrupt)) << at;
    EXPECT_THAT(Read(*log, long_), IsOkAndHolds(long_.plain)) << at;
    Flip(small_, at);
  }
}

TEST_F(SecondCopy, DamagedTooIsAnErrorAndZeros) {
  Make(End::kClosed);
  const std::string path = SegmentFile(small_.record.position.segment);
  const ByteVector bytes = FileBytes(fs_, path);
  const auto frame = bytes.begin() + static_cast<ptrdiff_t>(small_.record.position.offset);
  const auto copy = std::search(frame + 1, bytes.end(), frame, frame + kDataFrameSize);
  ASSERT_NE(copy, bytes.end());
  for (uint64_t at = 0; at < kDataFrameSize; ++at) {
    Flip(small_, at);
    const auto copy_at = static_cast<uint64_t>(copy - bytes.begin()) + at;
    fs_.FlipBits(path, copy_at);
    EXPECT_THAT(ReadPart(*Reader(), small_, 0, 50), FailsWith(Errc::kCorrupt)) << at;
    Flip(small_, at);
    fs_.FlipBits(path, copy_at);
  }
}

TEST_F(SecondCopy, IsNotTrustedForItself) {
  Make(End::kClosed);
  const SegmentId id = small_.record.position.segment;
  ByteVector bytes = FileBytes(fs_, SegmentFile(id));
  // A footer that is well-formed, but names another stream prefix.
  const auto at = FooterOffsetFrom(ByteSpan(bytes).last(kFooterTrailerSize));
  ASSERT_TRUE(at.has_value());
  const MutableByteSpan record = MutableByteSpan(bytes).subspan(static_cast<size_t>(*at));
  ASSERT_OK_AND_ASSIGN(Frame frame, DecodeFrame(record));
  const MutableByteSpan entry =
      record.subspan(kLongFrameSize + kFooterFixedSize + kFooterEntryHead);
  ASSERT_OK_AND_ASSIGN(Frame forged, DecodeFrame(entry));
  ASSERT_TRUE(Describes(forged, small_.record));
  forged.stream_prefix[3] ^= 1;
  std::copy_n(EncodeFrame(forged).bytes.begin(), kDataFrameSize, entry.begin());
  DescribeBody(record, frame);
  std::copy_n(EncodeFrame(frame).bytes.begin(), kLongFrameSize, record.begin());
  Overwrite(fs_, SegmentFile(id), bytes);
  EXPECT_THAT(Read(*Reader(), small_), IsOkAndHolds(small_.plain));
  Flip(small_, 20);
  EXPECT_THAT(ReadPart(*Reader(), small_, 0, 50), FailsWith(Errc::kCorrupt));
}

TEST_F(SecondCopy, BytesBehindTheSegmentsEndDoNotHideIt) {
  Make(End::kClosed);
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, SmallSegments()));
  ASSERT_THAT(RecoverAll(*log), IsOk());
  ASSERT_THAT(log->AppendCommit(AsBytes("another session")), IsOk());
  ASSERT_THAT(log->Close(), IsOk());
  const SegmentId id = small_.record.position.segment;
  ByteVector bytes = FileBytes(fs_, SegmentFile(id));
  bytes.insert(bytes.end(), 64, 0x5a);
  Overwrite(fs_, SegmentFile(id), bytes);
  Flip(small_, 5);
  EXPECT_THAT(Read(*Reader(), small_), IsOkAndHolds(small_.plain));
}

TEST_F(SecondCopy, OneReadServesAnUndamagedRecordAndADamagedOneTheSecondTime) {
  Make(End::kClosed);
  EXPECT_EQ(Reads([&, log = Reader()] { EXPECT_THAT(Read(*log, small_), IsOk()); }), 1u);
  Flip(small_, 5);
  const auto log = Reader();
  EXPECT_THAT(Read(*log, small_), IsOk());
  EXPECT_EQ(Reads([&] { EXPECT_THAT(Read(*log, small_), IsOk()); }), 1u);
  SegmentFiles files(fs_, kLogFolder);
  FrameCopies copies(files);
  const auto found = copies.Find(small_.record);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(Reads([&] { EXPECT_EQ(copies.Find(small_.record), found); }), 0u);
}

// Segments that a crash left open, and sessions that end without a commit.
class OpenEnd : public SecondCopy {
 protected:
  std::unique_ptr<SealedLog> Writer() {
    auto log = OpenLog(fs_, SmallSegments(256u << 10));
    if (!log) return nullptr;
    const Result<Seen> seen = RecoverAll(**log);
    EXPECT_THAT(seen, IsOk());
    return seen ? std::move(*log) : nullptr;
  }
  // All that was written is seen, whatever `where` says was done.
  void ExpectWhole(size_t commits, const std::string& where) {
    const auto log = Reader();
    ASSERT_NE(log, nullptr) << where;
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
    ASSERT_EQ(seen.payloads.size(), commits) << where;
    ASSERT_THAT(Read(*log, small_), IsOkAndHolds(small_.plain)) << where;
    ASSERT_THAT(Read(*log, long_), IsOkAndHolds(long_.plain)) << where;
  }
  std::vector<SegmentId> Segments() {
    const auto listing = ListSegments(fs_, kLogFolder);
    return listing ? listing->segments : std::vector<SegmentId>();
  }
  // Frames of data, and everything else but the bodies of data and the zeros of a header.
  std::vector<uint64_t> BytesWithACopy(SegmentId id) {
    std::vector<uint64_t> offsets;
    for (uint64_t at = 0; at < 3 * kHeaderBlockSize; at += 5) offsets.push_back(at);
    const auto file = fs_.Open(SegmentFile(id), OpenMode::kRead);
    EXPECT_THAT(file, IsOk());
    const ByteVector bytes = FileBytes(fs_, SegmentFile(id));
    const auto scan = ScanSegment(**file, LoadLe<uint64_t>(bytes.data() + 88), std::nullopt);
    EXPECT_THAT(scan, IsOk());
    for (const ScannedRecord& record : scan->records) {
      const Frame& frame = record.frame;
      const bool data = frame.kind == RecordKind::kData;
      for (uint64_t at = 0; at < (data ? frame.size() : frame.record_length); at += 3)
        offsets.push_back(record.offset + at);
    }
    return offsets;
  }
};

TEST_F(OpenEnd, IsGivenItsSecondCopyByTheNextWriterBeforeItsFirstAppend) {
  Make(End::kKilled);
  ASSERT_NE(Writer(), nullptr);
  fs_.Crash(FaultFileSystem::Tear::kLoseAll);
  ASSERT_EQ(Segments().size(), 2u);
  for (const SegmentId id : Segments()) {
    for (const uint64_t at : BytesWithACopy(id)) {
      fs_.FlipBits(SegmentFile(id), at, static_cast<uint8_t>(1u << (at % 8)));
      ExpectWhole(1, ToString(Position{id, at}));
      if (HasFatalFailure()) return;
      fs_.FlipBits(SegmentFile(id), at, static_cast<uint8_t>(1u << (at % 8)));
    }
  }
}

TEST_F(OpenEnd, IsVerifiedAndServedByThatCopyWhileItIsTheNewest) {
  Make(End::kKilled);
  ASSERT_NE(Writer(), nullptr);
  fs_.Crash(FaultFileSystem::Tear::kKeepAll);
  Flip(small_, 30);
  const auto log = Reader();
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_EQ(seen.payloads.size(), 1u);
  std::vector<SealedLog::Damage> damages;
  ASSERT_THAT(log->Verify([&](const SealedLog::Damage& d) { damages.push_back(d); },
                          [](uint64_t, uint64_t) {}, nullptr),
              IsOk());
  ASSERT_EQ(damages.size(), 1u);
  EXPECT_TRUE(damages[0].healed);
  EXPECT_EQ(damages[0].position, small_.record.position);
}

TEST_F(OpenEnd, WritersThatCommitNothingMakeOneCopyAndNoMore) {
  Make(End::kKilled);
  for (int i = 0; i < 6; ++i) {
    auto log = Writer();
    ASSERT_NE(log, nullptr);
    if (i % 2 == 0) fs_.Crash(FaultFileSystem::Tear::kLoseAll);
    log.reset();
    EXPECT_EQ(Segments().size(), 2u);
    ExpectWhole(1, "writer " + std::to_string(i));
  }
  auto log = Writer();
  ASSERT_NE(log, nullptr);
  ASSERT_THAT(log->AppendCommit(AsBytes("at last")), IsOk());
  ASSERT_THAT(log->Close(), IsOk());
  EXPECT_EQ(Segments().size(), 3u);
  ExpectWhole(2, "after a commit");
  Flip(small_, 3);
  ExpectWhole(2, "with the copy that the newest inherited");
}

TEST_F(OpenEnd, ACleanEndCostsTheNextWriterNothing) {
  Make(End::kClosed);
  fs_.FailFrom(UINT64_MAX, EIO, FaultFileSystem::Lasts::kForOneCall,
               {Call::kWrite, Call::kAllocate, Call::kTruncate});
  auto log = Writer();
  ASSERT_NE(log, nullptr);
  ASSERT_THAT(log->Close(), IsOk());
  EXPECT_EQ(fs_.calls(), 0u);
  EXPECT_EQ(Segments().size(), 1u);
}

// A disk that is full takes a small record of data, and then not the commit.
class DataWithoutACommit : public OpenEnd,
                           public ::testing::WithParamInterface<std::tuple<bool, bool>> {};

TEST_P(DataWithoutACommit, KeepsNobodyOut) {
  const auto [closed_before, closed] = GetParam();
  Make(closed_before ? End::kClosed : End::kKilled);
  auto log = Writer();
  ASSERT_NE(log, nullptr);
  ASSERT_THAT(Write(*log, 3, Pattern(60, 3)), IsOk());
  ASSERT_THAT(log->Sync(), IsOk());
  if (closed) {
    ASSERT_THAT(log->Close(), IsOk());
  } else {
    fs_.Crash(FaultFileSystem::Tear::kKeepAll);
  }
  ExpectWhole(1, "without a commit");
  const SegmentId newest = Segments().back();
  for (const uint64_t at : BytesWithACopy(newest)) {
    fs_.FlipBits(SegmentFile(newest), at);
    ExpectWhole(1, ToString(Position{newest, at}));
    if (HasFatalFailure()) return;
    fs_.FlipBits(SegmentFile(newest), at);
  }
  log = Writer();
  ASSERT_NE(log, nullptr);
  ASSERT_THAT(log->AppendCommit(AsBytes("goes on")), IsOk());
  ASSERT_THAT(log->Close(), IsOk());
  ExpectWhole(2, "and on");
}

INSTANTIATE_TEST_SUITE_P(AllEnds, DataWithoutACommit,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()));

// Writers before that rule stated positions in such a segment.
TEST_F(OpenEnd, WhatASegmentWithoutACommitSaysOfItselfKeepsNobodyOut) {
  Make(End::kClosed);
  auto log = Writer();
  ASSERT_NE(log, nullptr);
  ASSERT_THAT(Write(*log, 3, Pattern(60, 3)), IsOk());
  ASSERT_THAT(log->Close(), IsOk());
  const SegmentId newest = Segments().back();
  ByteVector bytes = FileBytes(fs_, SegmentFile(newest));
  const auto at = FooterOffsetFrom(ByteSpan(bytes).last(kFooterTrailerSize));
  ASSERT_TRUE(at.has_value());
  ASSERT_OK_AND_ASSIGN(Frame frame, DecodeFrame(ByteSpan(bytes).subspan(*at)));
  frame.durable = {newest, *at};
  std::copy_n(EncodeFrame(frame).bytes.begin(), kLongFrameSize,
              bytes.begin() + static_cast<ptrdiff_t>(*at));
  Overwrite(fs_, SegmentFile(newest), bytes);
  ExpectWhole(1, "read");
  // What it continues is known to have been durable still.
  fs_.FlipBits(SegmentFile({1, 1}), FileBytes(fs_, SegmentFile({1, 1})).size() - 400);
  ExpectWhole(1, "the first copies serve where the footer is damaged");
}

}  // namespace
}  // namespace leadglass
