// SPDX-License-Identifier: Apache-2.0
#include "cli/mount_options.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

TEST(MountOptions, DefaultsAreSafeAndRootLetsOthersIn) {
  ASSERT_OK_AND_ASSIGN(const MountOptionSet root, ParseMountOptions({}, true));
  EXPECT_TRUE(root.allow_other);
  EXPECT_FALSE(root.dev);
  EXPECT_FALSE(root.suid);
  EXPECT_FALSE(root.read_only);
  ASSERT_OK_AND_ASSIGN(const MountOptionSet user, ParseMountOptions({}, false));
  EXPECT_FALSE(user.allow_other);
}

TEST(MountOptions, LaterOnesWinAcrossLists) {
  ASSERT_OK_AND_ASSIGN(const MountOptionSet set,
                       ParseMountOptions({"ro,suid", "rw,nosuid,durable-close"}, true));
  EXPECT_FALSE(set.read_only);
  EXPECT_FALSE(set.suid);
  EXPECT_TRUE(set.durable_close);
}

TEST(MountOptions, ADamagedVaultIsSalvagedReadOnlyWhateverElseIsAskedFor) {
  ASSERT_OK_AND_ASSIGN(const MountOptionSet set, ParseMountOptions({"salvage,rw"}, true));
  EXPECT_TRUE(set.salvage);
  EXPECT_TRUE(set.read_only);
}

TEST(MountOptions, TakesWhatFstabNeeds) {
  EXPECT_THAT(ParseMountOptions({"defaults,noauto,_netdev,nofail,x-systemd.automount"}, true),
              IsOk());
}

TEST(MountOptions, TakesAHorizonInAnyUnit) {
  const auto horizon = [](const std::string& option) {
    const auto set = ParseMountOptions({option}, true);
    return set ? set->horizon : std::nullopt;
  };
  using std::chrono::seconds;
  EXPECT_EQ(horizon("ro"), std::nullopt);
  EXPECT_EQ(horizon("horizon=0"), seconds(0));
  EXPECT_EQ(horizon("horizon=90"), seconds(90));
  EXPECT_EQ(horizon("horizon=90s"), seconds(90));
  EXPECT_EQ(horizon("ro,horizon=15m"), seconds(900));
  EXPECT_EQ(horizon("horizon=24h"), seconds(86'400));
  EXPECT_EQ(horizon("horizon=7d"), seconds(604'800));
  for (const char* wrong : {"horizon=", "horizon=h", "horizon=-1s", "horizon=1w", "horizon=1 h",
                            "horizon=1.5h", "horizon=99999999999999999999d", "horizon=36501d"}) {
    const auto set = ParseMountOptions({wrong}, true);
    ASSERT_THAT(set, FailsWith(Errc::kInvalidArgument)) << wrong;
    EXPECT_NE(set.error().context.find(wrong), std::string::npos);
  }
}

TEST(MountOptions, NamesTheOneItDoesNotKnow) {
  const auto set = ParseMountOptions({"ro,sloppy"}, true);
  ASSERT_THAT(set, FailsWith(Errc::kInvalidArgument));
  EXPECT_NE(set.error().context.find("sloppy"), std::string::npos);
}

TEST(MountOptions, OnlyRootMayAskForDevicesAndSetId) {
  EXPECT_THAT(ParseMountOptions({"dev"}, false), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(ParseMountOptions({"suid"}, false), FailsWith(Errc::kInvalidArgument));
}

}  // namespace
}  // namespace leadglass
