// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/record_space.h"

#include <algorithm>

#include "crypto/log/frame.h"
#include "tests/crypto/log/log_fixture.h"

namespace leadglass {
namespace {

TEST(RecordSpace, KeepsTheFrameAndItsNeighbours) {
  // Frame at 4096: its block stays, and so does the one that the record ends in.
  EXPECT_EQ(PunchableRange({{{1, 1}, 4096}, 20'000}), (FileRange{8192, 12'288}));
  // Frame right before a block, record up to a block's end: all behind the frame.
  EXPECT_EQ(PunchableRange({{{1, 1}, 8192 - 96}, 96 + 8192}), (FileRange{8192, 8192}));
  // Less than a block behind the frame.
  EXPECT_EQ(PunchableRange({{{1, 1}, 4096}, 4208}).length, 0u);
  EXPECT_EQ(PunchableRange({{{1, 1}, 4096}, 0}).length, 0u);
  EXPECT_EQ(PunchableRange({{{1, 1}, UINT64_MAX - 5}, UINT32_MAX}).length, 0u);
}

TEST(RecordSpace, IsWhatTheRecordTakes) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments()));
  for (const size_t size : {1u, 4096u, 50'000u}) {
    ASSERT_OK_AND_ASSIGN(const Written first, Write(*log, 7, Pattern(size, 1)));
    ASSERT_OK_AND_ASSIGN(const Written second, Write(*log, 7, Pattern(1, 2)));
    if (first.record.position.segment != second.record.position.segment) continue;
    EXPECT_EQ(second.record.position.offset - first.record.position.offset,
              SpaceOf(first.record).length)
        << size;
  }
}

// A log of several segments: three data records of 20,000 bytes to a commit.
class PunchTest : public ::testing::Test {
 protected:
  static constexpr size_t kCommits = 12;

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(log_, NewLog(fs_, SmallSegments(200u << 10)));
    for (size_t commit = 0; commit < kCommits; ++commit) {
      for (int i = 0; i < 3; ++i) {
        const auto seed = static_cast<uint32_t>(commit * 3) + static_cast<uint32_t>(i);
        ASSERT_OK_AND_ASSIGN(Written written, Write(*log_, seed + 10, Pattern(20'000, seed)));
        written_.push_back(std::move(written));
      }
      ASSERT_THAT(log_->AppendCommit(AsBytes("commit " + std::to_string(commit))), IsOk());
      ASSERT_THAT(log_->Sync(), IsOk());
    }
  }
  // Every second record of the segments that are complete.
  std::vector<RecordSpace> Some() const {
    std::vector<RecordSpace> some;
    for (size_t i = 0; i < written_.size(); i += 2)
      if (written_[i].record.position.segment < written_.back().record.position.segment)
        some.push_back(SpaceOf(written_[i].record));
    return some;
  }
  bool IsPunched(size_t i) const {
    const auto some = Some();
    return std::find(some.begin(), some.end(), SpaceOf(written_[i].record)) != some.end();
  }
  void ExpectTheRestReads(SealedLog& log) const {
    for (size_t i = 0; i < written_.size(); ++i) {
      const auto read = Read(log, written_[i]);
      if (IsPunched(i)) {
        EXPECT_THAT(read, FailsWith(Errc::kCorrupt)) << i;
      } else {
        EXPECT_THAT(read, IsOkAndHolds(written_[i].plain)) << i;
      }
    }
  }

  FaultFileSystem fs_;
  std::unique_ptr<SealedLog> log_;
  std::vector<Written> written_;
};

TEST_F(PunchTest, GivesTheDiskItsBlocksBackAndTakesNothingElse) {
  ASSERT_OK_AND_ASSIGN(const auto before, log_->Space());
  ASSERT_GT(Some().size(), 8u);
  ASSERT_THAT(log_->PunchData(Some()), IsOk());
  uint64_t gain = 0;
  for (const RecordSpace& record : Some()) gain += PunchableRange(record).length;
  ASSERT_OK_AND_ASSIGN(const auto after, log_->Space());
  EXPECT_EQ(before.log_bytes - after.log_bytes, gain);
  EXPECT_GT(gain, Some().size() * 12'000);
  ExpectTheRestReads(*log_);
  // Once more changes nothing.
  ASSERT_THAT(log_->PunchData(Some()), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto again, log_->Space());
  EXPECT_EQ(again.log_bytes, after.log_bytes);
}

TEST_F(PunchTest, TheLogIsRecoveredFromItsBeginningAsBefore) {
  ASSERT_THAT(log_->PunchData(Some()), IsOk());
  for (const bool crash : {false, true}) {
    if (crash) {
      fs_.Crash(FaultFileSystem::Tear::kLoseAll);
    } else {
      ASSERT_THAT(log_->Close(), IsOk());
    }
    log_.reset();
    ASSERT_OK_AND_ASSIGN(log_, OpenLog(fs_, SmallSegments(200u << 10)));
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log_));
    EXPECT_EQ(seen.payloads.size(), kCommits);
    EXPECT_EQ(seen.report.torn_bytes, 0u);
    ExpectTheRestReads(*log_);
  }
}

TEST_F(PunchTest, VerifyNamesThePunchedRecordsAndHandsOutTheCommits) {
  ASSERT_THAT(log_->PunchData(Some()), IsOk());
  std::vector<Position> damaged;
  std::vector<std::string> commits;
  ASSERT_THAT(log_->Verify(
                  [&](const SealedLog::Damage& damage) {
                    EXPECT_EQ(damage.what, "data record");
                    damaged.push_back(damage.position);
                  },
                  [](uint64_t, uint64_t) {},
                  [&](const CommitInfo&, ByteSpan payload) {
                    commits.emplace_back(AsText(payload));
                    return Status();
                  }),
              IsOk());
  std::vector<Position> punched;
  for (const RecordSpace& record : Some()) punched.push_back(record.position);
  EXPECT_EQ(damaged, punched);
  ASSERT_EQ(commits.size(), kCommits);
  EXPECT_EQ(commits.back(), "commit " + std::to_string(kCommits - 1));
}

TEST_F(PunchTest, AReaderOfTheLogMayNot) {
  ASSERT_THAT(log_->Close(), IsOk());
  SealedLog::Options options = SmallSegments();
  options.read_only = true;
  ASSERT_OK_AND_ASSIGN(const auto reader, OpenLog(fs_, options));
  ASSERT_THAT(RecoverAll(*reader), IsOk());
  EXPECT_THAT(reader->PunchData(Some()), FailsWith(Errc::kUnavailable));
  EXPECT_THAT(Read(*reader, written_[0]), IsOkAndHolds(written_[0].plain));
}

TEST_F(PunchTest, TellsOfADiskThatCannot) {
  fs_.FailFrom(1, EOPNOTSUPP, FaultFileSystem::Lasts::kForOneCall,
               {FaultFileSystem::Call::kPunchHole});
  const Status punched = log_->PunchData(Some());
  ASSERT_FALSE(punched);
  EXPECT_EQ(punched.error().posix_errno, EOPNOTSUPP);
  EXPECT_FALSE(log_->poisoned());
}

}  // namespace
}  // namespace leadglass
