// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/spare_segments.h"

#include <algorithm>
#include <cerrno>

#include "tests/crypto/log/log_fixture.h"

namespace leadglass {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr uint64_t kSize = 5u << 20;  // two whole steps and half of one

class SpareSegmentsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(fs_.CreateFolder("/log"), IsOk());
    ASSERT_THAT(fs_.SyncFolder("/"), IsOk());
  }
  // Prepares all that is wanted; gives the steps.
  size_t PrepareAll() {
    size_t steps = 1;
    while (spares_.Prepare()) ++steps;
    return steps;
  }
  std::vector<std::string> Names() { return *fs_.List("/log"); }

  FaultFileSystem fs_;
  SpareSegments spares_{fs_, "/log", kSize, 2};
};

TEST_F(SpareSegmentsTest, AreWrittenInSteps) {
  EXPECT_EQ(PrepareAll(), 6u);
  EXPECT_FALSE(spares_.Prepare());
  EXPECT_THAT(Names(), SizeIs(2));
  EXPECT_EQ(spares_.bytes(), 2 * kSize);
}

TEST_F(SpareSegmentsTest, AreZerosThatAPowerCutLeaves) {
  PrepareAll();
  ASSERT_NE(spares_.Take("/log/segment"), nullptr);
  ASSERT_THAT(fs_.SyncFolder("/log"), IsOk());
  fs_.Crash(FaultFileSystem::Tear::kLoseAll);
  const ByteVector bytes = FileBytes(fs_, "/log/segment");
  EXPECT_THAT(bytes, SizeIs(kSize));
  EXPECT_THAT(bytes, Each(0));
}

TEST_F(SpareSegmentsTest, AreTakenOnce) {
  PrepareAll();
  EXPECT_NE(spares_.Take("/log/a"), nullptr);
  EXPECT_NE(spares_.Take("/log/b"), nullptr);
  EXPECT_EQ(spares_.Take("/log/c"), nullptr);
  EXPECT_THAT(Names(), ::testing::UnorderedElementsAre("a", "b"));
}

TEST_F(SpareSegmentsTest, AreNotTakenUnfinished) {
  ASSERT_TRUE(spares_.Prepare());
  EXPECT_EQ(spares_.Take("/log/a"), nullptr);
}

TEST_F(SpareSegmentsTest, AreRemovedWhenTheyAreDropped) {
  PrepareAll();
  ASSERT_NE(spares_.Take("/log/a"), nullptr);
  ASSERT_TRUE(spares_.Prepare());
  spares_.Drop();
  EXPECT_THAT(Names(), ::testing::ElementsAre("a"));
  EXPECT_EQ(spares_.bytes(), 0u);
}

TEST_F(SpareSegmentsTest, OfAnEarlierSessionAreRemovedByNameAlone) {
  PrepareAll();
  // As a power cut may leave it: two names of one file, which holds a segment by now.
  ASSERT_THAT(fs_.Link("/log/spare-1", "/log/segment"), IsOk());
  Overwrite(fs_, "/log/segment", AsBytes("in use"));
  SpareSegments next(fs_, "/log", kSize, 2);
  next.RemoveLeftovers();
  EXPECT_THAT(Names(), ::testing::ElementsAre("segment"));
  while (next.Prepare()) {
  }
  EXPECT_EQ(AsText(FileBytes(fs_, "/log/segment")), "in use");
}

TEST_F(SpareSegmentsTest, NeverOpenAFileThatIsThere) {
  Overwrite(fs_, "/log/spare-1", AsBytes("in use"));
  PrepareAll();
  EXPECT_EQ(AsText(FileBytes(fs_, "/log/spare-1")), "in use");
}

TEST_F(SpareSegmentsTest, AreGivenBackWhereTheDiskHasLittleRoom) {
  PrepareAll();
  fs_.SetCapacity(fs_.UsedBytes() + SpareSegments::kRoomFactor * kSize - 1);
  EXPECT_FALSE(spares_.Prepare());
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(SpareSegmentsTest, AreNotLeftBehindByACallThatFails) {
  for (uint64_t n = 1;; ++n) {
    fs_.FailFrom(n, EIO, FaultFileSystem::Lasts::kForOneCall,
                 {FaultFileSystem::Call::kOpen, FaultFileSystem::Call::kAllocate,
                  FaultFileSystem::Call::kWrite, FaultFileSystem::Call::kSync});
    PrepareAll();
    const bool done = fs_.faults() == 0;
    fs_.Heal();
    // What failed is gone; what is there is whole.
    const auto names = Names();
    EXPECT_EQ(spares_.bytes(), names.size() * kSize) << n;
    spares_.Drop();
    ASSERT_THAT(Names(), IsEmpty()) << n;
    if (done) break;
  }
}

// The log above them.

std::vector<std::string> SpareNames(FileSystem& fs) {
  std::vector<std::string> names = *fs.List(kLogFolder);
  std::erase_if(names, [](const std::string& name) { return !name.starts_with("spare-"); });
  return names;
}

SealedLog::Options WithSpares() {
  SealedLog::Options options = SmallSegments();
  options.spare_segments = 2;
  return options;
}

TEST(SpareSegmentsOfALog, ArePreparedOnlyWhileNobodyAppends) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(const auto log, NewLog(fs, WithSpares()));
  EXPECT_FALSE(log->PrepareAhead()) << "nothing was ever written";
  ASSERT_THAT(log->AppendCommit(AsBytes("one")), IsOk());
  EXPECT_FALSE(log->PrepareAhead());
  EXPECT_THAT(SpareNames(fs), IsEmpty());
  EXPECT_TRUE(log->PrepareAhead());
  EXPECT_THAT(SpareNames(fs), SizeIs(1));
  ASSERT_THAT(log->AppendCommit(AsBytes("two")), IsOk());
  EXPECT_FALSE(log->PrepareAhead());
}

TEST(SpareSegmentsOfALog, AskForOneStepACallWhileSomebodyReads) {
  FaultFileSystem fs;
  SealedLog::Options options = WithSpares();
  options.spare_segments = 3;
  ASSERT_OK_AND_ASSIGN(const auto log, NewLog(fs, options));
  ASSERT_OK_AND_ASSIGN(const Written one, Write(*log, 1, Pattern(9000, 1)));
  ASSERT_THAT(log->AppendCommit(AsBytes("one")), IsOk());
  EXPECT_FALSE(log->PrepareAhead());
  ASSERT_THAT(Read(*log, one), IsOkAndHolds(one.plain));
  EXPECT_FALSE(log->PrepareAhead()) << "there is time until the next call";
  EXPECT_THAT(SpareNames(fs), SizeIs(1)) << "it goes on all the same";
  EXPECT_TRUE(log->PrepareAhead()) << "nobody reads any more";
  EXPECT_THAT(SpareNames(fs), SizeIs(2));
}

TEST(SpareSegmentsOfALog, BecomeSegmentsThatReadAfterACrash) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, WithSpares()));
  std::vector<Written> written;
  for (uint32_t i = 0; i < 40; ++i) {
    ASSERT_OK_AND_ASSIGN(Written one, Write(*log, i, Pattern(9000, i)));
    written.push_back(std::move(one));
    ASSERT_THAT(log->AppendCommit(AsBytes("commit")), IsOk());
    log->PrepareAhead();
    while (log->PrepareAhead()) {
    }
  }
  ASSERT_THAT(log->Sync(), IsOk());
  ASSERT_THAT(SpareNames(fs), SizeIs(2));
  fs.Crash(FaultFileSystem::Tear::kLoseAll);
  log.reset();
  ASSERT_OK_AND_ASSIGN(log, OpenLog(fs, WithSpares()));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_THAT(seen.payloads, SizeIs(40));
  EXPECT_THAT(SpareNames(fs), IsEmpty()) << "what the crashed session left is gone";
  for (const Written& one : written) EXPECT_THAT(Read(*log, one), IsOkAndHolds(one.plain));
}

TEST(SpareSegmentsOfALog, CountAsRoomAndAreGivenBackByClose) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(const auto log, NewLog(fs, WithSpares()));
  fs.SetCapacity(8u << 20);
  ASSERT_THAT(log->AppendCommit(AsBytes("one")), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto before, log->Space());
  log->PrepareAhead();
  while (log->PrepareAhead()) {
  }
  ASSERT_THAT(SpareNames(fs), SizeIs(2));
  ASSERT_OK_AND_ASSIGN(const auto after, log->Space());
  EXPECT_EQ(after.writable_bytes, before.writable_bytes);
  ASSERT_THAT(log->Close(), IsOk());
  EXPECT_THAT(SpareNames(fs), IsEmpty());
}

}  // namespace
}  // namespace leadglass
