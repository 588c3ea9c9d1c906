// SPDX-License-Identifier: Apache-2.0

// A log whose commits count from a base on: what lies before it may be cleared, and is not missed.

#include <algorithm>

#include "crypto/log/segment_header.h"
#include "tests/crypto/log/log_fixture.h"

namespace leadglass {
namespace {

constexpr uint64_t kSegment = 200u << 10;

class LogBaseTest : public ::testing::Test {
 protected:
  static constexpr size_t kCommits = 30;
  static constexpr size_t kBaseCommit = 24;  // the base is its segment

  // Several segments: three data records of 20,000 bytes to a commit.
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(log_, NewLog(fs_, SmallSegments(kSegment)));
    for (size_t commit = 0; commit < kCommits; ++commit) Append();
    base_ = infos_[kBaseCommit].start.segment;
    ASSERT_GT(base_.number, 2u);
    ASSERT_LT(base_, infos_.back().start.segment);
  }
  void Append() {
    for (int i = 0; i < 3; ++i) {
      const auto seed = static_cast<uint32_t>(written_.size());
      ASSERT_OK_AND_ASSIGN(Written written, Write(*log_, seed + 10, Pattern(20'000, seed)));
      written_.push_back(std::move(written));
    }
    ASSERT_OK_AND_ASSIGN(const CommitInfo info,
                         log_->AppendCommit(AsBytes("commit " + std::to_string(infos_.size()))));
    infos_.push_back(info);
    ASSERT_THAT(log_->Sync(), IsOk());
  }
  void StateBase() {
    log_->SetBase(base_);
    Append();
  }
  // Every third record before the base is needed, as by a file.
  bool IsNeeded(size_t i) const { return !IsBefore(i) || i % 3 == 0; }
  bool IsBefore(size_t i) const { return written_[i].record.position.segment < base_; }
  void Clear() {
    ASSERT_OK_AND_ASSIGN(const auto segments, log_->SegmentsBeforeBase());
    ASSERT_EQ(segments.size(), base_.number - 1);
    for (const SegmentId id : segments) {
      BlockMap needed;
      for (size_t i = 0; i < written_.size(); ++i)
        if (IsNeeded(i) && written_[i].record.position.segment == id)
          needed.Need(SpaceOf(written_[i].record));
      ASSERT_THAT(log_->ClearSegment(id, needed), IsOk());
    }
  }
  void Reopen(SealedLog::Options options = SmallSegments(kSegment)) {
    log_.reset();
    ASSERT_OK_AND_ASSIGN(log_, OpenLog(fs_, std::move(options)));
  }
  // And opens again.
  void Crash(FaultFileSystem::Tear tear) {
    fs_.FailFrom(1, EIO, FaultFileSystem::Lasts::kForEver);
    log_.reset();
    fs_.Crash(tear);
    Reopen();
  }
  void ExpectNeededReads() {
    for (size_t i = 0; i < written_.size(); ++i) {
      const auto read = Read(*log_, written_[i]);
      if (IsNeeded(i)) {
        EXPECT_THAT(read, IsOkAndHolds(written_[i].plain)) << i;
      } else {
        EXPECT_THAT(read, FailsWith(Errc::kCorrupt)) << i;
      }
    }
  }
  // That no second copy heals: a crash may tear the footer that is being written.
  std::vector<std::string> Damage() {
    std::vector<std::string> damage;
    EXPECT_THAT(log_->Verify(
                    [&](const SealedLog::Damage& found) {
                      if (!found.healed)
                        damage.push_back(ToString(found.position) + " " + found.what);
                    },
                    [](uint64_t, uint64_t) {}, nullptr),
                IsOk());
    return damage;
  }
  // The first commit of the base segment.
  size_t FirstOfBase() const {
    const auto first = std::find_if(infos_.begin(), infos_.end(), [this](const CommitInfo& info) {
      return info.start.segment == base_;
    });
    return static_cast<size_t>(first - infos_.begin());
  }

  FaultFileSystem fs_;
  std::unique_ptr<SealedLog> log_;
  std::vector<Written> written_;
  std::vector<CommitInfo> infos_;
  SegmentId base_;
};

TEST_F(LogBaseTest, CountsOnceACommitInASegmentThatStatesItIsDurable) {
  EXPECT_EQ(log_->base(), SegmentId());
  log_->SetBase(base_);
  EXPECT_EQ(log_->base(), SegmentId());
  EXPECT_THAT(log_->ClearSegment({1, 1}, {}), FailsWith(Errc::kInvalidArgument));
  const SegmentId open = infos_.back().start.segment;
  ASSERT_OK_AND_ASSIGN(const CommitInfo info, log_->AppendCommit(AsBytes("next")));
  EXPECT_GT(info.start.segment, open);
  EXPECT_EQ(log_->base(), SegmentId());
  ASSERT_THAT(log_->Sync(), IsOk());
  EXPECT_EQ(log_->base(), base_);
  EXPECT_THAT(log_->ClearSegment(base_, {}), FailsWith(Errc::kInvalidArgument));
  log_->SetBase({1, 1});
  Append();
  EXPECT_EQ(log_->base(), base_) << "it went back";
}

TEST_F(LogBaseTest, IsForgottenWithTheSegmentThatACrashTook) {
  log_->SetBase(base_);
  ASSERT_THAT(log_->AppendCommit(AsBytes("lost")), IsOk());
  Crash(FaultFileSystem::Tear::kLoseAll);
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log_));
  EXPECT_EQ(seen.payloads.size(), kCommits);
  EXPECT_EQ(log_->base(), SegmentId());
}

TEST_F(LogBaseTest, TheLogIsReadFromThereOn) {
  StateBase();
  Clear();
  ExpectNeededReads();
  EXPECT_THAT(Damage(), ::testing::IsEmpty());
  ASSERT_THAT(log_->Close(), IsOk());
  for (const bool read_only : {true, false}) {
    SealedLog::Options options = SmallSegments(kSegment);
    options.read_only = read_only;
    Reopen(options);
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log_));
    EXPECT_EQ(log_->base(), base_);
    EXPECT_EQ(log_->head(), infos_.back().head);
    ASSERT_FALSE(seen.payloads.empty());
    EXPECT_EQ(seen.payloads.front(), "commit " + std::to_string(FirstOfBase()));
    EXPECT_EQ(seen.payloads.size(), infos_.size() - FirstOfBase());
    ExpectNeededReads();
    EXPECT_THAT(Damage(), ::testing::IsEmpty());
  }
  // Later segments say it again.
  Append();
  ASSERT_THAT(log_->Close(), IsOk());
  Reopen();
  ASSERT_THAT(RecoverAll(*log_), IsOk());
  EXPECT_EQ(log_->base(), base_);
}

TEST_F(LogBaseTest, GivesTheRoomBackAndMayBeClearedAgain) {
  StateBase();
  const uint64_t before = fs_.UsedBytes();
  Clear();
  const auto small = [&](size_t i) { return IsBefore(i) && !IsNeeded(i); };
  uint64_t not_needed = 0;
  for (size_t i = 0; i < written_.size(); ++i) not_needed += small(i) ? 20'000 : 0;
  EXPECT_LT(fs_.UsedBytes() + not_needed * 3 / 4, before);
  ASSERT_OK_AND_ASSIGN(const auto space, log_->Space());
  const uint64_t after = fs_.UsedBytes();
  Clear();
  EXPECT_EQ(fs_.UsedBytes(), after);
  EXPECT_EQ(log_->Space()->log_bytes, space.log_bytes);
  ExpectNeededReads();
}

TEST_F(LogBaseTest, ACrashWhileClearingCostsNothingThatIsNeeded) {
  StateBase();
  size_t next = 0;
  for (const auto tear : {FaultFileSystem::Tear::kKeepAll, FaultFileSystem::Tear::kLoseAll,
                          FaultFileSystem::Tear::kScatter}) {
    for (const uint64_t call : {1u, 2u}) {
      ASSERT_OK_AND_ASSIGN(const auto segments, log_->SegmentsBeforeBase());
      ASSERT_LT(next, segments.size());
      fs_.FailFrom(call, EIO, FaultFileSystem::Lasts::kForEver,
                   {FaultFileSystem::Call::kPunchHole, FaultFileSystem::Call::kSync});
      EXPECT_THAT(log_->ClearSegment(segments[next++], {}), ::testing::Not(IsOk()));
      Crash(tear);
      ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log_));
      EXPECT_EQ(log_->head(), infos_.back().head);
      EXPECT_EQ(log_->base(), base_);
      EXPECT_THAT(Damage(), ::testing::IsEmpty());
    }
  }
}

TEST_F(LogBaseTest, APointBeforeItIsNoneToGoOnFrom) {
  StateBase();
  ASSERT_THAT(log_->Close(), IsOk());
  for (const size_t commit : {size_t{2}, FirstOfBase() - 1}) {
    Reopen();
    EXPECT_THAT(RecoverAll(*log_, std::pair(infos_[commit].head, infos_[commit].end)),
                FailsWith(Errc::kNotFound));
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log_));
    EXPECT_EQ(seen.payloads.size(), infos_.size() - FirstOfBase());
  }
  for (const size_t commit : {FirstOfBase(), infos_.size() - 1}) {
    Reopen();
    ASSERT_OK_AND_ASSIGN(const Seen seen,
                         RecoverAll(*log_, std::pair(infos_[commit].head, infos_[commit].end)));
    EXPECT_EQ(seen.payloads.size(), infos_.size() - 1 - commit);
  }
}

// The chain before the base is gone: what somebody remembers of it is told by its number, and the
// last commit before the base by its chain value, too.
TEST_F(LogBaseTest, WhoRemembersACommitBeforeItIsContentWithANewerLog) {
  StateBase();
  Clear();
  ASSERT_THAT(log_->Close(), IsOk());
  const auto recover = [&](const Head& remembered) {
    SealedLog::Options options = SmallSegments(kSegment);
    options.not_older_than = remembered;
    Reopen(options);
    return RecoverAll(*log_);
  };
  EXPECT_THAT(recover(infos_[1].head), IsOk());
  const Head last_before = infos_[FirstOfBase() - 1].head;
  EXPECT_THAT(recover(last_before), IsOk());
  EXPECT_THAT(recover(infos_[FirstOfBase() + 1].head), IsOk());
  Head other = last_before;
  other.chain[0] ^= 1;
  const auto of_another_branch = recover(other);
  EXPECT_THAT(of_another_branch, FailsWith(Errc::kAccessDenied));
  EXPECT_THAT(of_another_branch.error().context, ::testing::HasSubstr("another branch"));
  Head newer = infos_.back().head;
  ++newer.commit_number;
  EXPECT_THAT(recover(newer), FailsWith(Errc::kAccessDenied));
  Head of_another_epoch = infos_[1].head;
  of_another_epoch.epoch = 2;
  EXPECT_THAT(recover(of_another_epoch), FailsWith(Errc::kAccessDenied));
}

TEST_F(LogBaseTest, AProgramThatDoesNotKnowItOpensNoneOfItsSegments) {
  SegmentHeader header;
  header.id = {1, 7};
  EXPECT_EQ(LoadLe<uint64_t>(EncodeHeaderBlock(header).data() + 32), 0u);
  header.base = {1, 5};
  const HeaderBlock block = EncodeHeaderBlock(header);
  EXPECT_EQ(LoadLe<uint64_t>(block.data() + 32), kFeatureBase);
  ASSERT_OK_AND_ASSIGN(const SegmentHeader read, DecodeHeaderBlock(block));
  EXPECT_EQ(read.base, header.base);
}

TEST(BlockMap, HasTheBlocksThatARecordTouches) {
  BlockMap map;
  map.Need({{{1, 1}, 4096}, 4096});
  map.Need({{{1, 1}, 12'287}, 2});
  map.Need({{{1, 1}, 12'288}, 100});
  map.Need({{{1, 1}, 40'000}, 0});
  map.Need({{{1, 1}, UINT64_MAX - 3}, 100});
  for (uint64_t block = 0; block < 20; ++block)
    EXPECT_EQ(map.Needs(block), block == 1 || block == 2 || block == 3) << block;
  EXPECT_EQ(map.count(), 3u);
}

}  // namespace
}  // namespace leadglass
