// SPDX-License-Identifier: Apache-2.0
#include "fs/posix_acl.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

ByteVector Acl(std::initializer_list<std::array<uint32_t, 3>> entries) {
  ByteWriter writer;
  writer.U32(2);
  for (const auto& [tag, permissions, id] : entries) {
    writer.U16(static_cast<uint16_t>(tag));
    writer.U16(static_cast<uint16_t>(permissions));
    writer.U32(id);
  }
  return writer.Take();
}

constexpr uint32_t kNobody = 0xffffffff;
const ByteVector kMinimal = Acl({{1, 6, kNobody}, {4, 4, kNobody}, {32, 0, kNobody}});
const ByteVector kNamed =
    Acl({{1, 7, kNobody}, {2, 5, 1000}, {4, 5, kNobody}, {16, 5, kNobody}, {32, 1, kNobody}});

TEST(PosixAcl, ShowsOwnerGroupAndOthersAsMode) {
  EXPECT_THAT(AclMode(kMinimal), IsOkAndHolds(0640u));
}

TEST(PosixAcl, ShowsTheMaskAsGroupBits) { EXPECT_THAT(AclMode(kNamed), IsOkAndHolds(0751u)); }

TEST(PosixAcl, NeedsNoKeepingWhenTheModeSaysItAll) {
  EXPECT_THAT(AclIsMinimal(kMinimal), IsOkAndHolds(true));
  EXPECT_THAT(AclIsMinimal(kNamed), IsOkAndHolds(false));
}

TEST(PosixAcl, FollowsChmodInTheMask) {
  EXPECT_THAT(
      AclWithMode(kNamed, 0600),
      IsOkAndHolds(Acl(
          {{1, 6, kNobody}, {2, 5, 1000}, {4, 5, kNobody}, {16, 0, kNobody}, {32, 0, kNobody}})));
}

TEST(PosixAcl, InheritsWithinWhatTheCreatorAskedFor) {
  ASSERT_OK_AND_ASSIGN(const InheritedAcl inherited, InheritAcl(kNamed, 0640));
  EXPECT_EQ(inherited.mode, 0640u);
  EXPECT_EQ(
      inherited.access,
      Acl({{1, 6, kNobody}, {2, 5, 1000}, {4, 5, kNobody}, {16, 4, kNobody}, {32, 0, kNobody}}));
}

TEST(PosixAcl, InheritsAMinimalListAsModeAlone) {
  ASSERT_OK_AND_ASSIGN(const InheritedAcl inherited, InheritAcl(kMinimal, 0777));
  EXPECT_EQ(inherited.mode, 0640u);
  EXPECT_TRUE(inherited.access.empty());
}

TEST(PosixAcl, RefusesEveryTruncation) {
  for (size_t length = 0; length < kNamed.size(); ++length) {
    const bool whole_entries = length >= 28 && (length - 4) % 8 == 0;
    if (whole_entries) continue;
    EXPECT_THAT(AclMode(ByteSpan(kNamed).first(length)), FailsWithErrno(EINVAL)) << length;
  }
}

TEST(PosixAcl, RefusesANamedEntryWithoutMask) {
  EXPECT_THAT(AclMode(Acl({{1, 7, kNobody}, {2, 5, 1000}, {4, 5, kNobody}, {32, 1, kNobody}})),
              FailsWithErrno(EINVAL));
}

TEST(PosixAcl, RefusesUnknownTagsAndPermissions) {
  EXPECT_THAT(AclMode(Acl({{1, 8, kNobody}, {4, 5, kNobody}, {32, 1, kNobody}})),
              FailsWithErrno(EINVAL));
  EXPECT_THAT(AclMode(Acl({{1, 7, kNobody}, {4, 5, kNobody}, {32, 1, kNobody}, {64, 1, 0}})),
              FailsWithErrno(EINVAL));
}

}  // namespace
}  // namespace leadglass
