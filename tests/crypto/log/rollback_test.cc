// SPDX-License-Identifier: Apache-2.0
//
// Freshness: a log that is older than what somebody remembers, and epochs.
#include "crypto/log/segment_header.h"
#include "tests/crypto/log/log_fixture.h"

namespace leadglass {
namespace {

using ::testing::ElementsAre;

// Appends one commit per payload in a session of its own; gives the head after each.
std::vector<Head> Commit(FileSystem& fs, const SealedLog::Options& options,
                         std::initializer_list<const char*> payloads) {
  std::vector<Head> heads;
  auto log = OpenLog(fs, options);
  EXPECT_THAT(log, IsOk());
  EXPECT_THAT(RecoverAll(**log), IsOk());
  for (const char* payload : payloads) {
    Result<CommitInfo> info = (*log)->AppendCommit(AsBytes(payload));
    EXPECT_THAT(info, IsOk());
    if (info) heads.push_back(info->head);
  }
  EXPECT_THAT((*log)->Close(), IsOk());
  return heads;
}

class Rollback : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs_, SmallSegments()));
    log.reset();
    old_heads_ = Commit(fs_, SmallSegments(), {"one", "two"});
    new_heads_ = Commit(fs_, SmallSegments(), {"three", "four"});
  }
  SealedLog::Options Remembering(const Head& head, bool accept = false) {
    SealedLog::Options options = SmallSegments();
    options.not_older_than = head;
    options.accept_rollback = accept;
    return options;
  }
  // The disk goes back to where only "one" and "two" were.
  void RollBack() { ASSERT_THAT(fs_.Remove(SegmentFile({1, 2})), IsOk()); }

  FaultFileSystem fs_;
  std::vector<Head> old_heads_;
  std::vector<Head> new_heads_;
};

TEST_F(Rollback, EveryHeadOfTheLogItselfMayBeRemembered) {
  for (const auto& heads : {old_heads_, new_heads_}) {
    for (const Head& head : heads) {
      ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, Remembering(head)));
      ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
      EXPECT_EQ(seen.payloads.size(), 4u);
      // Also where the index is ahead of it.
      ASSERT_OK_AND_ASSIGN(log, OpenLog(fs_, Remembering(head)));
      ASSERT_OK_AND_ASSIGN(const Seen rest,
                           RecoverAll(*log, std::pair(seen.infos[3].head, seen.infos[3].end)));
      EXPECT_EQ(rest.payloads.size(), 0u);
    }
  }
}

TEST_F(Rollback, AnOlderLogIsRefused) {
  RollBack();
  for (const Head& head : new_heads_) {
    ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, Remembering(head)));
    EXPECT_THAT(RecoverAll(*log), FailsWith(Errc::kAccessDenied));
  }
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, Remembering(old_heads_.back())));
  EXPECT_THAT(RecoverAll(*log), IsOk());
}

TEST_F(Rollback, AnEmptiedLogIsRefused) {
  RollBack();
  ASSERT_THAT(fs_.Remove(SegmentFile({1, 1})), IsOk());
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, Remembering(old_heads_.front())));
  EXPECT_THAT(RecoverAll(*log), FailsWith(Errc::kAccessDenied));
}

TEST_F(Rollback, AnotherBranchOfTheSameLengthIsRefused) {
  RollBack();
  Commit(fs_, SmallSegments(), {"three again", "four again", "five"});
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, Remembering(new_heads_.back())));
  EXPECT_THAT(RecoverAll(*log), FailsWith(Errc::kAccessDenied));
}

TEST_F(Rollback, AcceptedItBeginsANewEpochAndTheOldBranchStaysOut) {
  const ByteVector stranded = FileBytes(fs_, SegmentFile({1, 2}));
  RollBack();
  const auto heads = Commit(fs_, Remembering(new_heads_.back(), true), {"five"});
  ASSERT_EQ(heads.size(), 1u);
  EXPECT_EQ(heads[0].epoch, 2u);
  EXPECT_EQ(heads[0].commit_number, 3u);
  // The header names the fork.
  ASSERT_OK_AND_ASSIGN(const DecodedSegmentHeader header,
                       DecodeSegmentHeader(FileBytes(fs_, SegmentFile({2, 2}))));
  EXPECT_EQ(header.header.parent, old_heads_.back());
  // The discarded branch turns up again: nobody reads it, new heads are not older than anything.
  Overwrite(fs_, SegmentFile({1, 2}), stranded);
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, Remembering(heads[0])));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_THAT(seen.payloads, ElementsAre("one", "two", "five"));
  log.reset();
  EXPECT_EQ(Commit(fs_, Remembering(heads[0]), {"six"})[0].epoch, 2u);
  // Who remembers the discarded branch refuses the new one until told otherwise.
  ASSERT_OK_AND_ASSIGN(log, OpenLog(fs_, Remembering(new_heads_.back())));
  EXPECT_THAT(RecoverAll(*log), FailsWith(Errc::kAccessDenied));
}

TEST_F(Rollback, AcceptingWithoutOneChangesNothing) {
  const auto heads = Commit(fs_, Remembering(new_heads_.back(), true), {"five"});
  EXPECT_EQ(heads[0].epoch, 1u);
  EXPECT_EQ(heads[0].commit_number, 5u);
}

TEST_F(Rollback, ACrashBeforeTheNewEpochsFirstCommitLeavesTheOldOne) {
  RollBack();
  {
    ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, Remembering(new_heads_.back(), true)));
    ASSERT_THAT(RecoverAll(*log), IsOk());
    ASSERT_THAT(Write(*log, 1, Pattern(100, 1)), IsOk());
    fs_.Crash(FaultFileSystem::Tear::kKeepAll);
  }
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs_, SmallSegments()));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_THAT(seen.payloads, ElementsAre("one", "two"));
  log.reset();
  // Accepted once more it becomes an epoch of its own number.
  EXPECT_EQ(Commit(fs_, Remembering(new_heads_.back(), true), {"five"})[0].epoch, 3u);
}

}  // namespace
}  // namespace leadglass
