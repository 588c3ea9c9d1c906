// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/sealed_log.h"

#include <malloc.h>

#include <algorithm>
#include <thread>

#include "crypto/log/frame.h"
#include "tests/crypto/log/log_fixture.h"
#include "tests/support/sanitized.h"

namespace leadglass {
namespace {

using ::testing::ElementsAre;

TEST(SealedLog, GivesBackWhatWasAppended) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(8u << 20)));
  for (const size_t size : {1u, 15u, 4096u, 4097u, 100'000u, 1u << 20}) {
    ASSERT_OK_AND_ASSIGN(const Written written,
                         Write(*log, 7, Pattern(size, static_cast<uint32_t>(size))));
    EXPECT_THAT(Read(*log, written), IsOkAndHolds(written.plain)) << size;
  }
}

TEST(SealedLog, ReadsAnyRangeOfARecord) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(8u << 20)));
  ASSERT_OK_AND_ASSIGN(const Written written, Write(*log, 7, Pattern(150'001, 3)));
  for (const uint32_t skip : {0u, 1u, 4095u, 4096u, 4097u, 65'536u, 149'999u, 150'000u}) {
    for (const size_t size : {1u, 100u, 4096u, 8192u, 8193u, 60'000u}) {
      if (skip + size > written.plain.size()) continue;
      ByteVector out(size);
      ASSERT_THAT(log->ReadData({FileKey(), 1}, 7, written.record, skip, out), IsOk());
      EXPECT_TRUE(std::equal(out.begin(), out.end(), written.plain.begin() + skip))
          << skip << "+" << size;
    }
  }
  ByteVector out(2);
  EXPECT_THAT(log->ReadData({FileKey(), 1}, 7, written.record, 150'000, out),
              FailsWith(Errc::kInvalidArgument));
}

TEST(SealedLog, AsksTheDiskForTheBeginningOfARecord) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(8u << 20)));
  ASSERT_OK_AND_ASSIGN(const Written written, Write(*log, 7, Pattern(10'000, 3)));
  ASSERT_THAT(log->AppendCommit(AsBytes("commit")), IsOk());
  ASSERT_THAT(log->Close(), IsOk());
  log.reset();
  ASSERT_OK_AND_ASSIGN(log, OpenLog(fs, SmallSegments(8u << 20)));
  ASSERT_OK_AND_ASSIGN([[maybe_unused]] const Seen seen, RecoverAll(*log));
  const uint64_t chunk = uint64_t{1} << written.record.chunk_log2;
  ASSERT_LT(2 * chunk, 10'000u);
  log->StartReading(written.record, 0);
  log->StartReading(written.record, 1);
  log->StartReading(written.record, static_cast<uint32_t>(chunk) + 1);
  log->StartReading(written.record, UINT32_MAX);
  const uint64_t at = written.record.position.offset;
  const auto place = [&](uint64_t sealed) { return std::pair(at, kDataFrameSize + sealed); };
  EXPECT_THAT(fs.started_reading(),
              ElementsAre(place(chunk + kTagBytes), place(2 * (chunk + kTagBytes)),
                          place(BodyLength(RecordKind::kData, 10'000, written.record.chunk_log2))));
}

TEST(SealedLog, RefusesARecordUnderAnyOtherIdentity) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(8u << 20)));
  ASSERT_OK_AND_ASSIGN(const Written written, Write(*log, 7, Pattern(5000, 1)));
  ASSERT_OK_AND_ASSIGN(const Written other, Write(*log, 7, Pattern(5000, 2)));
  ByteVector out(5000, 0xff);
  const auto read = [&](const Key& key, uint32_t generation, uint64_t inode, DataRecord record) {
    return log->ReadData({key, generation}, inode, record, 0, out);
  };
  EXPECT_THAT(read(TestKey(1), 1, 7, written.record), FailsWith(Errc::kCorrupt));
  EXPECT_EQ(out, ByteVector(5000));
  EXPECT_THAT(read(FileKey(), 2, 7, written.record), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(read(FileKey(), 1, 8, written.record), FailsWith(Errc::kCorrupt));
  DataRecord record = written.record;
  record.position = other.record.position;
  EXPECT_THAT(read(FileKey(), 1, 7, record), FailsWith(Errc::kCorrupt));
  record = written.record;
  record.file_offset = 4096;
  EXPECT_THAT(read(FileKey(), 1, 7, record), FailsWith(Errc::kCorrupt));
  record = written.record;
  record.write_id.counter += 1;
  EXPECT_THAT(read(FileKey(), 1, 7, record), FailsWith(Errc::kCorrupt));
  record = written.record;
  record.chunk_log2 = 13;
  EXPECT_THAT(read(FileKey(), 1, 7, record), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(read(FileKey(), 1, 7, written.record), IsOk());
}

TEST(SealedLog, HandsOutCommitsInOrderAfterClose) {
  FaultFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments()));
    for (const char* payload : {"one", "two", "three"})
      ASSERT_THAT(log->AppendCommit(AsBytes(payload)), IsOk());
    ASSERT_THAT(log->Close(), IsOk());
    EXPECT_THAT(log->AppendCommit(AsBytes("four")), FailsWith(Errc::kUnavailable));
  }
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments()));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_THAT(seen.payloads, ElementsAre("one", "two", "three"));
  EXPECT_EQ(seen.report.head.commit_number, 3u);
  EXPECT_EQ(seen.report.torn_bytes, 0u);
  EXPECT_EQ(log->head(), seen.report.head);
}

TEST(SealedLog, GoesOnFromAnyCommitThatAnIndexRemembers) {
  FaultFileSystem fs;
  std::vector<CommitInfo> infos;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(12u << 10)));
    for (int i = 0; i < 30; ++i) {
      ASSERT_THAT(Write(*log, 7, Pattern(1000, 1)), IsOk());
      ASSERT_OK_AND_ASSIGN(const CommitInfo info, log->AppendCommit(Pattern(100, 1)));
      infos.push_back(info);
    }
  }
  for (size_t i = 0; i < infos.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments()));
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log, std::pair(infos[i].head, infos[i].end)));
    EXPECT_EQ(seen.payloads.size(), infos.size() - 1 - i);
    EXPECT_EQ(seen.report.head, infos.back().head);
    EXPECT_EQ(seen.report.end, infos.back().end);
  }
}

TEST(SealedLog, SaysNotFoundForAPointOfAnotherLogAndCanBeAskedAgain) {
  FaultFileSystem fs;
  CommitInfo info;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments()));
    ASSERT_OK_AND_ASSIGN(info, log->AppendCommit(AsBytes("one")));
    ASSERT_THAT(log->AppendCommit(AsBytes("two")), IsOk());
  }
  std::vector<std::pair<Head, Position>> wrong(5, {info.head, info.end});
  wrong[0].first.chain[5] ^= 1;
  wrong[1].first.commit_number = 9;
  wrong[2].second.offset += 16;
  wrong[3].second.segment.number = 9;
  wrong[4].first.commit_number = 2;
  for (const auto& from : wrong) {
    ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments()));
    EXPECT_THAT(RecoverAll(*log, from), FailsWith(Errc::kNotFound));
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
    EXPECT_EQ(seen.payloads.size(), 2u);
  }
}

TEST(SealedLog, RollsSegmentsAndGoesOnAcrossSessions) {
  FaultFileSystem fs;
  std::vector<Written> written;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(16u << 10)));
  for (int session = 0; session < 4; ++session) {
    for (uint32_t i = 0; i < 20; ++i) {
      ASSERT_OK_AND_ASSIGN(Written one, Write(*log, i, Pattern(1500, i)));
      written.push_back(std::move(one));
      ASSERT_THAT(log->AppendCommit(AsBytes("commit " + std::to_string(i))), IsOk());
    }
    log.reset();
    ASSERT_OK_AND_ASSIGN(log, OpenLog(fs, SmallSegments(16u << 10)));
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
    EXPECT_EQ(seen.payloads.size(), 20u * static_cast<size_t>(session + 1));
    EXPECT_GT(seen.report.segments, 3u);
  }
  for (const Written& one : written) EXPECT_THAT(Read(*log, one), IsOkAndHolds(one.plain));
}

TEST(SealedLog, CutsATornTailAndGoesOnBehindIt) {
  FaultFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments()));
    ASSERT_THAT(log->AppendCommit(AsBytes("kept")), IsOk());
    ASSERT_THAT(log->Sync(), IsOk());
    ASSERT_THAT(Write(*log, 1, Pattern(3000, 1)), IsOk());
    ASSERT_THAT(log->AppendCommit(AsBytes("lost")), IsOk());
    fs.Crash(FaultFileSystem::Tear::kLoseAll);
  }
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments()));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_THAT(seen.payloads, ElementsAre("kept"));
  ASSERT_THAT(log->AppendCommit(AsBytes("after")), IsOk());
  log.reset();
  ASSERT_OK_AND_ASSIGN(log, OpenLog(fs, SmallSegments()));
  ASSERT_OK_AND_ASSIGN(const Seen again, RecoverAll(*log));
  EXPECT_THAT(again.payloads, ElementsAre("kept", "after"));
}

TEST(SealedLog, KeepsWhatAKilledProcessHadWritten) {
  FaultFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(4u << 20)));
    ASSERT_THAT(log->AppendCommit(AsBytes("one")), IsOk());
    // So much that it does not wait in memory for a sync.
    ASSERT_THAT(Write(*log, 1, Pattern(500'000, 1)), IsOk());
    fs.Crash(FaultFileSystem::Tear::kKeepAll);
  }
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments()));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_THAT(seen.payloads, ElementsAre("one"));
  EXPECT_GT(seen.report.torn_bytes, 3000u);
  EXPECT_EQ(log->durable_head(), seen.report.head);
  // Recovery made it durable before anything is built on it.
  fs.Crash(FaultFileSystem::Tear::kLoseAll);
  ASSERT_OK_AND_ASSIGN(log, OpenLog(fs, SmallSegments()));
  ASSERT_OK_AND_ASSIGN(const Seen again, RecoverAll(*log));
  EXPECT_THAT(again.payloads, ElementsAre("one"));
}

// The room behind the tail is given back at the next mount; the zeros that end a record are not
// part of it. With this payload a record ends in 15 bytes of padding, and one tag in 256 ends in
// the zero that makes them a whole cell of zeros.
TEST(SealedLog, KeepsARecordThatEndsInZeros) {
  const ByteVector payload = Pattern(17, 1);
  FaultFileSystem fs;
  size_t commits = 0;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(16u << 20)));
    bool ends_in_zeros = false;
    while (!ends_in_zeros) {
      ASSERT_LT(++commits, 10'000u);
      ASSERT_OK_AND_ASSIGN(const CommitInfo info, log->AppendCommit(payload));
      ASSERT_OK_AND_ASSIGN(const auto file, fs.Open(SegmentFile({1, 1}), OpenMode::kRead));
      ByteVector cell(kRecordAlignment);
      ASSERT_THAT(file->ReadAt(info.end.offset - cell.size(), cell), IsOkAndHolds(cell.size()));
      ends_in_zeros = cell == ByteVector(kRecordAlignment);
    }
    ASSERT_THAT(log->Sync(), IsOk());
    fs.Crash(FaultFileSystem::Tear::kLoseAll);
  }
  for (size_t mounts = 0; mounts < 3; ++mounts) {
    SCOPED_TRACE(mounts);
    ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments(16u << 20)));
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
    ASSERT_EQ(seen.payloads.size(), commits + mounts);
    const auto damaged = [](const SealedLog::Damage& damage) {
      ADD_FAILURE() << damage.what << " at " << ToString(damage.position);
    };
    ASSERT_THAT(log->Verify(
                    damaged, [](uint64_t, uint64_t) {}, nullptr),
                IsOk());
    ASSERT_THAT(log->AppendCommit(AsBytes("goes on")), IsOk());
    ASSERT_THAT(log->Sync(), IsOk());
    fs.Crash(FaultFileSystem::Tear::kLoseAll);
  }
}

// A rebuild of the index walks the whole log, which may be longer than memory could hold the frames
// of. Not with a sanitizer, whose allocator does not tell its use.
#ifndef LG_TEST_SANITIZED
TEST(SealedLog, RecoveryHoldsTheFramesOfOneSegmentAtATime) {
  constexpr size_t kManyCommits = 40'000;
  FaultFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(256u << 10)));
    for (size_t i = 0; i < kManyCommits; ++i) ASSERT_THAT(log->AppendCommit(AsBytes("x")), IsOk());
    ASSERT_THAT(log->Close(), IsOk());
  }
  ASSERT_OK_AND_ASSIGN(const auto log, OpenLog(fs, SmallSegments(256u << 10)));
  const auto in_use = [] {
    const struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const size_t before = in_use();
  size_t most = before, commits = 0;
  ASSERT_THAT(log->Recover({},
                           [&](const CommitInfo&, ByteSpan) -> Status {
                             if (++commits % 100 == 0) most = std::max(most, in_use());
                             return {};
                           }),
              IsOk());
  EXPECT_EQ(commits, kManyCommits);
  EXPECT_LT(most - before, kManyCommits * sizeof(Frame) / 4);
}
#endif

TEST(SealedLog, ReadOnlyChangesNothing) {
  FaultFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments()));
    ASSERT_THAT(log->AppendCommit(AsBytes("one")), IsOk());
    ASSERT_THAT(log->Sync(), IsOk());
    fs.Crash(FaultFileSystem::Tear::kKeepAll);
  }
  SealedLog::Options options = SmallSegments();
  options.read_only = true;
  const ByteVector before = FileBytes(fs, SegmentFile({1, 1}));
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, options));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_THAT(seen.payloads, ElementsAre("one"));
  EXPECT_THAT(log->AppendCommit(AsBytes("two")), FailsWith(Errc::kUnavailable));
  EXPECT_THAT(log->Sync(), IsOk());
  log.reset();
  EXPECT_EQ(FileBytes(fs, SegmentFile({1, 1})), before);
}

TEST(SealedLog, RefusesWhatNoLogIs) {
  FaultFileSystem fs;
  EXPECT_THAT(OpenLog(fs, {}), FailsWith(Errc::kNotFound));
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, {}));
  EXPECT_THAT(SealedLog::Create(fs, kLogFolder, TestVaultId(), TestKeys(), {}),
              FailsWith(Errc::kExists));
  EXPECT_THAT(log->AppendCommit({}), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(log->AppendCommit(Pattern(kMaxCommitLength + 1, 1)),
              FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(Write(*log, 1, Pattern(kMaxDataLength + 1, 1)), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(Write(*log, 1, Pattern(10, 1), 11), FailsWith(Errc::kInvalidArgument));
}

TEST(SealedLog, NamesAMissingSegment) {
  FaultFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(8u << 10)));
    for (int i = 0; i < 9; ++i) ASSERT_THAT(log->AppendCommit(Pattern(2000, 1)), IsOk());
  }
  ASSERT_THAT(fs.Remove(SegmentFile({1, 2})), IsOk());
  const auto log = OpenLog(fs, SmallSegments());
  ASSERT_THAT(log, FailsWith(Errc::kCorrupt));
  EXPECT_NE(log.error().context.find("segment 2"), std::string::npos);
}

TEST(SealedLog, OpensCommitsOfEveryKeyEpochAndRefusesAnUnknownOne) {
  FaultFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments()));
    ASSERT_THAT(log->AppendCommit(AsBytes("first key")), IsOk());
  }
  {
    ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments(), 2));
    ASSERT_THAT(RecoverAll(*log), IsOk());
    ASSERT_THAT(log->AppendCommit(AsBytes("second key")), IsOk());
  }
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments(), 2));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_THAT(seen.payloads, ElementsAre("first key", "second key"));
  ASSERT_OK_AND_ASSIGN(auto old, OpenLog(fs, SmallSegments(), 1));
  EXPECT_THAT(RecoverAll(*old), FailsWith(Errc::kAccessDenied));
}

TEST(SealedLog, ManyThreadsAppendAndSyncTogether) {
  FaultFileSystem fs;
  std::vector<Written> written;
  Mutex mutex;
  {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(256u << 10)));
    std::vector<std::jthread> threads;
    for (uint32_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (uint32_t i = 0; i < 50; ++i) {
          Result<Written> one = Write(*log, t, Pattern(3000 + i, t * 100 + i));
          ASSERT_THAT(one, IsOk());
          Result<CommitInfo> info = log->AppendCommit(AsBytes("x"));
          ASSERT_THAT(info, IsOk());
          ASSERT_THAT(log->Sync(), IsOk());
          ASSERT_GE(log->durable_head().commit_number, info->head.commit_number);
          MutexLock lock(mutex);
          written.push_back(std::move(*one));
        }
      });
    threads.clear();
    fs.Crash(FaultFileSystem::Tear::kLoseAll);
  }
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments()));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_EQ(seen.payloads.size(), 200u);
  for (const Written& one : written) EXPECT_THAT(Read(*log, one), IsOkAndHolds(one.plain));
}

}  // namespace
}  // namespace leadglass
