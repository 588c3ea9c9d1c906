// SPDX-License-Identifier: Apache-2.0
#include "cli/remembered_head.h"

#include <gtest/gtest.h>

#include "tests/support/fault_file_system.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

class RememberedHeadTest : public ::testing::Test {
 protected:
  RememberedHeadTest() {
    EXPECT_THAT(fs_.CreateFolder("/state"), IsOk());
    EXPECT_THAT(fs_.SyncFolder("/"), IsOk());
    id_.fill(0xab);
  }
  RememberedHead Fresh() { return {fs_, "/state", id_}; }
  static Head HeadOf(uint32_t epoch, uint64_t commit) {
    Head head;
    head.epoch = epoch;
    head.commit_number = commit;
    head.chain.fill(static_cast<uint8_t>(commit));
    return head;
  }

  FaultFileSystem fs_;
  Uuid id_{};
  const std::string path_ = "/state/abababababababababababababababab.head";
};

TEST_F(RememberedHeadTest, IsEmptyAtFirst) {
  RememberedHead head = Fresh();
  EXPECT_THAT(head.Load(), IsOkAndHolds(std::optional<Head>()));
}

TEST_F(RememberedHeadTest, GivesBackWhatWasSaved) {
  RememberedHead head = Fresh();
  ASSERT_THAT(head.Save(HeadOf(2, 1'000'000'000'000)), IsOk());
  RememberedHead again = Fresh();
  EXPECT_THAT(again.Load(), IsOkAndHolds(std::optional<Head>(HeadOf(2, 1'000'000'000'000))));
}

TEST_F(RememberedHeadTest, IsDurableOnReturn) {
  RememberedHead head = Fresh();
  ASSERT_THAT(head.Save(HeadOf(1, 5)), IsOk());
  fs_.Crash(FaultFileSystem::Tear::kLoseAll);
  RememberedHead again = Fresh();
  EXPECT_THAT(again.Load(), IsOkAndHolds(std::optional<Head>(HeadOf(1, 5))));
}

TEST_F(RememberedHeadTest, NeverGoesBackByItself) {
  RememberedHead head = Fresh();
  ASSERT_THAT(head.Save(HeadOf(2, 5)), IsOk());
  EXPECT_THAT(head.SaveIfNewer(HeadOf(2, 4)), IsOk());
  EXPECT_THAT(head.SaveIfNewer(HeadOf(1, 9)), IsOk());
  RememberedHead again = Fresh();
  EXPECT_THAT(again.Load(), IsOkAndHolds(std::optional<Head>(HeadOf(2, 5))));
  EXPECT_THAT(again.SaveIfNewer(HeadOf(3, 1)), IsOk());
  EXPECT_THAT(again.Load(), IsOkAndHolds(std::optional<Head>(HeadOf(3, 1))));
}

TEST_F(RememberedHeadTest, AcceptedRollbackGoesBack) {
  RememberedHead head = Fresh();
  ASSERT_THAT(head.Save(HeadOf(2, 5)), IsOk());
  ASSERT_THAT(head.Save(HeadOf(2, 3)), IsOk());
  EXPECT_THAT(head.SaveIfNewer(HeadOf(2, 4)), IsOk());
  RememberedHead again = Fresh();
  EXPECT_THAT(again.Load(), IsOkAndHolds(std::optional<Head>(HeadOf(2, 4))));
}

// Any damage: refused, or the very same head. A head that was guessed could let an older vault in.
TEST_F(RememberedHeadTest, DamageNeverGivesAnotherHead) {
  RememberedHead head = Fresh();
  const Head saved = HeadOf(2, 5);
  ASSERT_THAT(head.Save(saved), IsOk());
  ASSERT_OK_AND_ASSIGN(const ByteVector good, ReadWholeFile(fs_, path_, 4096));
  int refused = 0;
  for (size_t size = 0; size < good.size(); ++size) {
    const ByteSpan cut = ByteSpan(good).first(size);
    ASSERT_THAT(ReplaceFile(fs_, path_, cut), IsOk());
    RememberedHead again = Fresh();
    const auto loaded = again.Load();
    if (loaded) {
      EXPECT_EQ(*loaded, std::optional<Head>(saved)) << "cut to " << size;
    } else {
      EXPECT_EQ(loaded.error().code, Errc::kCorrupt);
      ++refused;
    }
  }
  EXPECT_GE(refused, static_cast<int>(good.size()) - 2);
}

TEST_F(RememberedHeadTest, RefusesTheHeadOfAnotherVault) {
  RememberedHead head = Fresh();
  ASSERT_THAT(head.Save(HeadOf(2, 5)), IsOk());
  ASSERT_OK_AND_ASSIGN(const ByteVector bytes, ReadWholeFile(fs_, path_, 4096));
  id_.fill(0xcd);
  ASSERT_THAT(ReplaceFile(fs_, "/state/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd.head", bytes), IsOk());
  RememberedHead other = Fresh();
  EXPECT_THAT(other.Load(), FailsWith(Errc::kCorrupt));
}

TEST_F(RememberedHeadTest, KeepsTheOldHeadWhereSavingFails) {
  RememberedHead head = Fresh();
  ASSERT_THAT(head.Save(HeadOf(1, 5)), IsOk());
  for (uint64_t n = 1;; ++n) {
    fs_.FailFrom(n, ENOSPC, FaultFileSystem::Lasts::kForOneCall);
    const Status saved = head.Save(HeadOf(1, 5 + n));
    fs_.Heal();
    if (fs_.faults() == 0) break;
    EXPECT_FALSE(saved.has_value());
    RememberedHead again = Fresh();
    const auto loaded = again.Load();
    ASSERT_THAT(loaded, IsOk());
    EXPECT_TRUE(**loaded == HeadOf(1, 5) || **loaded == HeadOf(1, 5 + n)) << "call " << n;
    ASSERT_THAT(head.Save(HeadOf(1, 5)), IsOk());
  }
}

}  // namespace
}  // namespace leadglass
