// SPDX-License-Identifier: Apache-2.0
#include "index/posix_acl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <set>

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

// acl(5), "Access check algorithm".
TEST(PosixAcl, DecidesByTheFirstClassThatTheCallerIsIn) {
  const AccessSubject subject{0750, 100, 200};
  const auto in = [](std::set<uint32_t> gids) {
    return [gids = std::move(gids)](uint32_t gid) { return gids.count(gid) > 0; };
  };
  // By mode alone.
  EXPECT_TRUE(Permits(subject, std::nullopt, 100, in({}), 7));
  EXPECT_TRUE(Permits(subject, std::nullopt, 101, in({200}), 5));
  EXPECT_FALSE(Permits(subject, std::nullopt, 101, in({200}), 2));
  EXPECT_FALSE(Permits(subject, std::nullopt, 101, in({201}), 4));
  // A class that gives less keeps from the next.
  EXPECT_FALSE(Permits({0007, 100, 200}, std::nullopt, 100, in({200}), 4));
  EXPECT_FALSE(Permits({0007, 100, 200}, std::nullopt, 101, in({200}), 4));
  EXPECT_TRUE(Permits({0007, 100, 200}, std::nullopt, 101, in({}), 4));
  // By a list: user 101 nothing, group 200 r-x, group 201 rwx, mask r-x, others r--.
  const ByteVector list = Acl({{1, 7, kNobody},
                               {2, 0, 101},
                               {4, 5, kNobody},
                               {8, 7, 201},
                               {16, 5, kNobody},
                               {32, 4, kNobody}});
  EXPECT_FALSE(Permits(subject, list, 101, in({200, 201}), 4)) << "a named user comes first";
  EXPECT_TRUE(Permits(subject, list, 102, in({200}), 5));
  EXPECT_TRUE(Permits(subject, list, 102, in({201}), 5));
  EXPECT_FALSE(Permits(subject, list, 102, in({201}), 2)) << "the mask takes it away";
  EXPECT_TRUE(Permits(subject, list, 102, in({}), 4));
  EXPECT_FALSE(Permits(subject, list, 102, in({}), 1));
}

TEST(PosixAcl, NeedsOneEntryThatGivesAllOfIt) {
  const ByteVector list =
      Acl({{1, 7, kNobody}, {4, 4, kNobody}, {8, 2, 201}, {16, 7, kNobody}, {32, 7, kNobody}});
  const auto in_both = [](uint32_t gid) { return gid == 200 || gid == 201; };
  EXPECT_TRUE(Permits({0770, 100, 200}, list, 101, in_both, 4));
  EXPECT_TRUE(Permits({0770, 100, 200}, list, 101, in_both, 2));
  EXPECT_FALSE(Permits({0770, 100, 200}, list, 101, in_both, 6));
}

TEST(PosixAcl, OfAListThatIsNotValidLetsTheOwnerInAlone) {
  const ByteVector broken = {1, 2, 3};
  const auto in_all = [](uint32_t) { return true; };
  EXPECT_TRUE(Permits({0777, 100, 200}, broken, 100, in_all, 4));
  EXPECT_FALSE(Permits({0777, 100, 200}, broken, 101, in_all, 4));
  EXPECT_THAT(ViewersOf({0777, 100, 200}, broken),
              ::testing::ElementsAre(Viewer{Viewer::Kind::kUser, 100}));
}

TEST(PosixAcl, NamesWhomItMayLetIn) {
  const Viewer owner{Viewer::Kind::kUser, 100}, group{Viewer::Kind::kGroup, 200},
      everybody{Viewer::Kind::kEverybody, 0};
  EXPECT_THAT(ViewersOf({0750, 100, 200}, std::nullopt), ::testing::ElementsAre(group, owner));
  EXPECT_THAT(ViewersOf({0001, 100, 200}, std::nullopt), ::testing::ElementsAre(everybody));
  EXPECT_THAT(ViewersOf({0222, 100, 200}, std::nullopt), ::testing::IsEmpty());
  const ByteVector list = Acl({{1, 7, kNobody},
                               {2, 5, 101},
                               {2, 0, 102},
                               {4, 0, kNobody},
                               {8, 7, 201},
                               {8, 2, 202},
                               {16, 5, kNobody},
                               {32, 0, kNobody}});
  EXPECT_THAT(ViewersOf({0750, 100, 200}, list),
              ::testing::ElementsAre(Viewer{Viewer::Kind::kGroup, 201}, owner,
                                     Viewer{Viewer::Kind::kUser, 101}));
}

// For every list: the one who is let in reads and enters, and nobody else has more or less.
TEST(PosixAcl, LetsAReaderInAndChangesNothingForOthers) {
  uint32_t seed = 1;
  const auto below = [&](uint32_t limit) {
    seed = seed * 1'103'515'245 + 12'345;
    return (seed >> 16) % limit;
  };
  for (int round = 0; round < 2'000; ++round) {
    const uint32_t mode = below(0777 + 1);
    std::optional<ByteVector> list;
    if (below(2) == 0) {
      std::vector<std::array<uint32_t, 3>> entries = {{1, mode >> 6, kNobody}};
      for (uint32_t uid = 101; uid < 101 + below(3); ++uid) entries.push_back({2, below(8), uid});
      entries.push_back({4, below(8), kNobody});
      for (uint32_t gid = 201; gid < 201 + below(3); ++gid) entries.push_back({8, below(8), gid});
      entries.push_back({16, mode >> 3 & 7, kNobody});
      entries.push_back({32, mode & 7, kNobody});
      ByteWriter writer;
      writer.U32(2);
      for (const auto& [tag, permissions, id] : entries) {
        writer.U16(static_cast<uint16_t>(tag));
        writer.U16(static_cast<uint16_t>(permissions));
        writer.U32(id);
      }
      list = writer.Take();
    }
    const std::vector<uint32_t> let_in =
        below(2) == 0 ? std::vector<uint32_t>{102} : std::vector<uint32_t>{105, 102};
    const ByteVector changed = AclWithReaders(list, mode, let_in);
    ASSERT_OK_AND_ASSIGN(const uint32_t shown, AclMode(changed));
    for (uint32_t uid = 100; uid < 107; ++uid) {
      for (uint32_t gid = 200; gid < 205; ++gid) {
        const auto is_in = [&](uint32_t group) { return group == gid; };
        const bool is_let_in = std::count(let_in.begin(), let_in.end(), uid) > 0;
        for (uint32_t wanted = 1; wanted < 8; ++wanted) {
          const bool before = Permits({mode, 100, 200}, list, uid, is_in, wanted);
          const bool after = Permits({shown, 100, 200}, changed, uid, is_in, wanted);
          if (!is_let_in) {
            EXPECT_EQ(after, before) << AclText(changed) << " " << uid << " " << gid;
          } else if ((wanted & kMayWrite) == 0) {
            EXPECT_TRUE(after) << AclText(changed);
          } else {
            EXPECT_LE(after, Permits({mode, 100, 200}, list, uid, is_in, kMayWrite))
                << AclText(changed);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace leadglass
