// SPDX-License-Identifier: Apache-2.0
#include "crypto/study_keys.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

class StudyKeys : public ::testing::Test {
 protected:
  ByteVector Wrap() const {
    return WrapStudyKey(vault_, study_, kGroup, group_.public_key, erasure_, study_key_);
  }
  Result<Key> Unwrap(ByteSpan wrap) const {
    return UnwrapStudyKey(vault_, study_, kGroup, group_, erasure_, wrap);
  }
  ByteVector WrapFile() const {
    return WrapFileKey(vault_, study_, kInode, kGeneration, study_key_, file_key_);
  }
  Result<Key> UnwrapFile(ByteSpan wrap) const {
    return UnwrapFileKey(vault_, study_, kInode, kGeneration, study_key_, wrap);
  }

  static constexpr uint64_t kGroup = 7;
  static constexpr uint64_t kInode = 1234;
  static constexpr uint32_t kGeneration = 3;
  const Uuid vault_ = NewUuid();
  const Uuid study_ = NewUuid();
  const GroupKeyPair group_ = NewGroupKeyPair();
  const Key erasure_ = NewKey();
  const Key study_key_ = NewKey();
  const Key file_key_ = NewKey();
};

// Damage is never taken for a key: a bit of the algorithm ids reads as an unknown algorithm.
MATCHER(IsRefused, "is refused as corrupt or unsupported") {
  return !arg.has_value() &&
         (arg.error().code == Errc::kCorrupt || arg.error().code == Errc::kUnsupported);
}

template <typename Unwrap>
void RefusesAllDamage(const ByteVector& wrap, const Unwrap& unwrap) {
  ASSERT_THAT(unwrap(wrap), IsOk());
  for (size_t bit = 0; bit < wrap.size() * 8; ++bit) {
    ByteVector bad = wrap;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_THAT(unwrap(bad), IsRefused()) << "bit " << bit;
  }
  for (size_t size = 0; size < wrap.size(); ++size) {
    EXPECT_THAT(unwrap(ByteSpan(wrap).first(size)), IsRefused()) << "cut to " << size;
  }
  ByteVector longer = wrap;
  longer.push_back(0);
  EXPECT_THAT(unwrap(longer), IsRefused());
}

TEST_F(StudyKeys, UnwrapsWhatWasWrapped) {
  ASSERT_OK_AND_ASSIGN(const Key study, Unwrap(Wrap()));
  EXPECT_TRUE(study == study_key_);
  ASSERT_OK_AND_ASSIGN(const Key file, UnwrapFile(WrapFile()));
  EXPECT_TRUE(file == file_key_);
}

TEST_F(StudyKeys, StudyWrapRefusesAllDamage) {
  RefusesAllDamage(Wrap(), [this](ByteSpan wrap) { return Unwrap(wrap); });
}

TEST_F(StudyKeys, FileWrapRefusesAllDamage) {
  RefusesAllDamage(WrapFile(), [this](ByteSpan wrap) { return UnwrapFile(wrap); });
}

TEST_F(StudyKeys, StudyWrapBelongsToOneVaultStudyAndGroup) {
  const ByteVector wrap = Wrap();
  const GroupKeyPair other = NewGroupKeyPair();
  EXPECT_THAT(UnwrapStudyKey(NewUuid(), study_, kGroup, group_, erasure_, wrap),
              FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapStudyKey(vault_, NewUuid(), kGroup, group_, erasure_, wrap),
              FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapStudyKey(vault_, study_, kGroup + 1, group_, erasure_, wrap),
              FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapStudyKey(vault_, study_, kGroup, other, erasure_, wrap),
              FailsWith(Errc::kCorrupt));
}

TEST_F(StudyKeys, StudyWrapIsGoneWithoutItsErasureSecret) {
  EXPECT_THAT(UnwrapStudyKey(vault_, study_, kGroup, group_, NewKey(), Wrap()),
              FailsWith(Errc::kCorrupt));
}

TEST_F(StudyKeys, StudyWrapNeedsThePrivateHalf) {
  GroupKeyPair thief;
  thief.public_key = group_.public_key;
  thief.private_key = NewKey();
  EXPECT_THAT(UnwrapStudyKey(vault_, study_, kGroup, thief, erasure_, Wrap()),
              FailsWith(Errc::kCorrupt));
}

TEST_F(StudyKeys, FileWrapBelongsToOneVaultStudyInodeAndGeneration) {
  const ByteVector wrap = WrapFile();
  EXPECT_THAT(UnwrapFileKey(NewUuid(), study_, kInode, kGeneration, study_key_, wrap),
              FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapFileKey(vault_, NewUuid(), kInode, kGeneration, study_key_, wrap),
              FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapFileKey(vault_, study_, kInode + 1, kGeneration, study_key_, wrap),
              FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapFileKey(vault_, study_, kInode, kGeneration + 1, study_key_, wrap),
              FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapFileKey(vault_, study_, kInode, kGeneration, NewKey(), wrap),
              FailsWith(Errc::kCorrupt));
}

TEST_F(StudyKeys, WrapsOfOneKindAreNotTakenForTheOther) {
  EXPECT_THAT(UnwrapFile(Wrap()), FailsWith(Errc::kUnsupported));
  EXPECT_THAT(Unwrap(WrapFile()), FailsWith(Errc::kUnsupported));
}

TEST_F(StudyKeys, WrapsHaveTheSizesOfTheFormat) {
  EXPECT_EQ(Wrap().size(), 148u);
  EXPECT_EQ(WrapFile().size(), 76u);
}

TEST(ErasurePage, SpreadsStudiesOverAllPages) {
  std::set<uint32_t> pages;
  Uuid id{};
  for (uint32_t i = 0; i < 40'000; ++i) {
    StoreLe<uint32_t>(id.data(), i);
    pages.insert(ErasurePage(id));
  }
  EXPECT_LT(*pages.rbegin(), 4096u);
  EXPECT_GT(pages.size(), 4000u);
}

TEST(ErasurePage, IsPartOfTheFormat) {
  // SHA-256 of sixteen zero bytes begins 37 47 08 ff: 0xff084737 mod 4096.
  EXPECT_EQ(ErasurePage(Uuid{}), 0x737u);
}

}  // namespace
}  // namespace leadglass
