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
