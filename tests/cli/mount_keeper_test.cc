// SPDX-License-Identifier: Apache-2.0
#include "cli/mount_keeper.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

class MountKeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char pattern[] = "/tmp/leadglass-keeper-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    kept_.mountpoint = kept_.state_folder = folder_;
    kept_.vault_id.fill(7);
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  static Head At(uint64_t commit) {
    Head head;
    head.epoch = 1;
    head.commit_number = commit;
    head.chain.fill(static_cast<uint8_t>(commit));
    return head;
  }
  std::string folder_;
  KeptMount kept_;
};

TEST_F(MountKeeperTest, RemembersHeadsAndTakesNoneBack) {
  {
    ASSERT_OK_AND_ASSIGN(const auto keeper, MountKeeper::Start(kept_));
    EXPECT_THAT(keeper->Load(), IsOkAndHolds(std::nullopt));
    EXPECT_THAT(keeper->SaveIfNewer(At(5)), IsOk());
    EXPECT_THAT(keeper->SaveIfNewer(At(3)), IsOk());
    EXPECT_THAT(keeper->Save(At(3)), FailsWith(Errc::kInvalidArgument));
    EXPECT_THAT(keeper->Load(), IsOkAndHolds(At(5)));
  }
  kept_.options.accept_rollback = true;
  ASSERT_OK_AND_ASSIGN(const auto keeper, MountKeeper::Start(kept_));
  EXPECT_THAT(keeper->Save(At(3)), IsOk());
  EXPECT_THAT(keeper->Load(), IsOkAndHolds(At(3)));
}

TEST_F(MountKeeperTest, GivesErrorsAsTheyAre) {
  ASSERT_OK_AND_ASSIGN(const auto keeper, MountKeeper::Start(kept_));
  EXPECT_THAT(keeper->Unmount(Detach::kNow), FailsWith(Errc::kInvalidArgument));  // nothing there
  EXPECT_THAT(keeper->Listen(ControlDoor::kOperators), FailsWith(Errc::kNotFound));
}

}  // namespace
}  // namespace leadglass
