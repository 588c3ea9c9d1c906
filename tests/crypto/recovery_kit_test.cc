// SPDX-License-Identifier: Apache-2.0
#include "crypto/recovery_kit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/slot.h"
#include "tests/crypto/vault_fixture.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using testing::HasSubstr;

std::string TextOf(const RecoveryCode& code) {
  return std::string(AsText(EncodeRecoveryCode(code).ExposeForOpenSsl()));
}
RecoveryCode Copy(const RecoveryCode& code) {
  RecoveryCode copy;
  copy.kit = code.kit;
  copy.number = code.number;
  copy.shares = code.shares;
  copy.threshold = code.threshold;
  copy.value = code.value.Clone();
  return copy;
}
// The shares with these numbers, in this order.
std::vector<RecoveryCode> Pick(const std::vector<RecoveryCode>& all,
                               std::initializer_list<uint8_t> numbers) {
  std::vector<RecoveryCode> picked;
  for (const uint8_t number : numbers) picked.push_back(Copy(all[number - 1u]));
  return picked;
}

// A vault with the passphrase "one" and a recovery kit.
struct KitVault {
  std::unique_ptr<FaultFileSystem> fs = DiskWith(NewVaultImage());
  RecoveryKey key = NewRecoveryKey();
  SlotInfo slot;

  KitVault() {
    StoppedClock clock;
    auto keys = UnlockWith(*fs, "one");
    LG_CHECK(keys.has_value());
    auto added = (*keys)->AddRecoverySlot(key, clock);
    LG_CHECK(added.has_value());
    slot = *added;
  }
};

TEST(RecoveryKit, WholeCodeGivesTheKeyBack) {
  const RecoveryKey key = NewRecoveryKey();
  std::vector<RecoveryCode> codes;
  codes.push_back(WholeCode(key));
  EXPECT_EQ(MissingShares(codes), 0u);
  ASSERT_OK_AND_ASSIGN(const RecoveryKey back, CombineCodes(codes));
  EXPECT_EQ(back.kit, key.kit);
  EXPECT_TRUE(back.key == key.key);
}

TEST(RecoveryKit, SharesGiveTheKeyBackInAnyOrderAndMoreThanNeeded) {
  const RecoveryKey key = NewRecoveryKey();
  ASSERT_OK_AND_ASSIGN(const auto all, ShareCodes(key, 3, 5));
  for (const auto& numbers :
       {std::initializer_list<uint8_t>{1, 2, 3}, {5, 1, 4}, {2, 2, 3, 5}, {1, 2, 3, 4, 5}}) {
    ASSERT_OK_AND_ASSIGN(const RecoveryKey back, CombineCodes(Pick(all, numbers)));
    EXPECT_TRUE(back.key == key.key);
    EXPECT_EQ(back.kit, key.kit);
  }
}

TEST(RecoveryKit, TellsHowManySharesAreMissing) {
  ASSERT_OK_AND_ASSIGN(const auto all, ShareCodes(NewRecoveryKey(), 3, 5));
  EXPECT_EQ(MissingShares({}), 1u);
  EXPECT_EQ(MissingShares(Pick(all, {4})), 2u);
  EXPECT_EQ(MissingShares(Pick(all, {4, 4})), 2u);
  EXPECT_EQ(MissingShares(Pick(all, {4, 1, 4})), 1u);
  EXPECT_EQ(MissingShares(Pick(all, {4, 1, 2, 3})), 0u);
  EXPECT_THAT(
      CombineCodes(Pick(all, {4})),
      FailsSaying(Errc::kInvalidArgument, "3 of its 5 are needed, and there is 1 (number 4)"));
  EXPECT_THAT(CombineCodes(Pick(all, {4, 1, 4})),
              FailsSaying(Errc::kInvalidArgument, "there are 2 (numbers 1, 4); bring 1 more"));
  EXPECT_THAT(CombineCodes({}), FailsSaying(Errc::kInvalidArgument, "no recovery code"));
}

TEST(RecoveryKit, RefusesCodesOfDifferentKits) {
  ASSERT_OK_AND_ASSIGN(const auto mine, ShareCodes(NewRecoveryKey(), 2, 3));
  ASSERT_OK_AND_ASSIGN(const auto other, ShareCodes(NewRecoveryKey(), 2, 3));
  std::vector<RecoveryCode> mixed = Pick(mine, {1});
  mixed.push_back(Copy(other[1]));
  EXPECT_THAT(CombineCodes(mixed),
              FailsSaying(Errc::kInvalidArgument, "share 1 is of kit " + KitName(mine[0].kit) +
                                                      ", share 2 of kit " + KitName(other[0].kit)));
}

TEST(RecoveryKit, RefusesSharesOfTwoDivisions) {
  const RecoveryKey key = NewRecoveryKey();
  ASSERT_OK_AND_ASSIGN(const auto three, ShareCodes(key, 2, 3));
  ASSERT_OK_AND_ASSIGN(const auto five, ShareCodes(key, 2, 5));
  std::vector<RecoveryCode> mixed = Pick(three, {1});
  mixed.push_back(Copy(five[3]));
  EXPECT_THAT(CombineCodes(mixed), FailsSaying(Errc::kInvalidArgument, "same division"));
}

TEST(RecoveryKit, TellsForgedSharesWhereThereAreMoreThanNeeded) {
  ASSERT_OK_AND_ASSIGN(const auto all, ShareCodes(NewRecoveryKey(), 2, 3));
  for (size_t forged = 0; forged < 3; ++forged) {
    std::vector<RecoveryCode> codes = Pick(all, {1, 2, 3});
    codes[forged].value.ExposeForOpenSsl()[9] ^= 1;
    EXPECT_THAT(CombineCodes(codes), FailsSaying(Errc::kInvalidArgument, "do not fit together"));
  }
  std::vector<RecoveryCode> twice = Pick(all, {1, 2, 2});
  twice[2].value.ExposeForOpenSsl()[0] ^= 1;
  EXPECT_THAT(CombineCodes(twice),
              FailsSaying(Errc::kInvalidArgument, "two different codes for share 2"));
}

TEST(RecoverySlot, OpensTheVaultToTheSameKeysWithoutAPassphrase) {
  const KitVault vault;
  ASSERT_OK_AND_ASSIGN(const auto one, UnlockWith(*vault.fs, "one"));
  ASSERT_OK_AND_ASSIGN(const auto kit, UnlockWith(*vault.fs, TextOf(WholeCode(vault.key))));
  EXPECT_TRUE(one->index_key() == kit->index_key());
}

TEST(RecoverySlot, OpensWithTheKeyThatSharesGive) {
  const KitVault vault;
  ASSERT_OK_AND_ASSIGN(const auto all, ShareCodes(vault.key, 2, 3));
  ASSERT_OK_AND_ASSIGN(const RecoveryKey key, CombineCodes(Pick(all, {3, 1})));
  EXPECT_THAT(UnlockWith(*vault.fs, TextOf(WholeCode(key))), IsOk());
}

TEST(RecoverySlot, IsShownWithItsKitAndTime) {
  const KitVault vault;
  ASSERT_OK_AND_ASSIGN(const VaultInfo info, VaultKeys::Inspect(*vault.fs, "/v"));
  ASSERT_EQ(info.slots.size(), 2u);
  EXPECT_FALSE(info.slots[0].recovery_kit.has_value());
  EXPECT_EQ(info.slots[1].id, 2u);
  EXPECT_EQ(info.slots[1].kdf, "hkdf-sha256");
  EXPECT_EQ(info.slots[1].recovery_kit, vault.key.kit);
  EXPECT_EQ(info.recovery_made_unix_seconds, 1'700'000'000);
  ASSERT_OK_AND_ASSIGN(const VaultInfo none, VaultKeys::Inspect(*DiskWith(NewVaultImage()), "/v"));
  EXPECT_FALSE(none.recovery_made_unix_seconds.has_value());
}

TEST(RecoverySlot, LivesThroughTheRemovalOfThePassphrase) {
  const KitVault vault;
  const std::string code = TextOf(WholeCode(vault.key));
  {
    ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*vault.fs, code));
    ASSERT_THAT(keys->RemoveSlot(1), IsOk());
  }
  EXPECT_THAT(UnlockWith(*vault.fs, "one"), FailsWith(Errc::kAccessDenied));
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*vault.fs, code));
  EXPECT_EQ(keys->key_epoch(), 2u);
  StoppedClock clock;
  EXPECT_THAT(keys->AddSlot(Passphrase("new"), kCheapScrypt, clock), IsOk());
  EXPECT_THAT(UnlockWith(*vault.fs, "new"), IsOk());
}

TEST(RecoverySlot, ARemovedKitOpensNothingAndSaysWhichItWas) {
  const KitVault vault;
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*vault.fs, "one"));
  ASSERT_THAT(keys->RemoveSlot(vault.slot.id), IsOk());
  EXPECT_THAT(UnlockWith(*vault.fs, TextOf(WholeCode(vault.key))),
              FailsSaying(Errc::kAccessDenied,
                          "kit " + KitName(vault.key.kit) + " opens no slot: the kit was removed"));
}

TEST(RecoverySlot, TheKeyOfAnotherVaultOpensNothing) {
  const KitVault mine;
  const KitVault other;
  EXPECT_THAT(UnlockWith(*mine.fs, TextOf(WholeCode(other.key))),
              FailsSaying(Errc::kAccessDenied, "another vault's"));
  // The kit's name is no secret: another key under it.
  RecoveryKey forged = NewRecoveryKey();
  forged.kit = mine.key.kit;
  EXPECT_THAT(UnlockWith(*mine.fs, TextOf(WholeCode(forged))), FailsWith(Errc::kAccessDenied));
}

TEST(RecoverySlot, AMistypedCodeNamesTheGroup) {
  const KitVault vault;
  std::string code = TextOf(WholeCode(vault.key));
  code[4 + 6 * 6 + 2] = code[4 + 6 * 6 + 2] == 'Z' ? 'Y' : 'Z';
  EXPECT_THAT(UnlockWith(*vault.fs, code),
              FailsSaying(Errc::kAccessDenied, "group 7 (line 2, group 3 in it) is mistyped"));
}

TEST(RecoverySlot, AShareIsToldToBeOne) {
  const KitVault vault;
  ASSERT_OK_AND_ASSIGN(const auto all, ShareCodes(vault.key, 2, 3));
  const auto opened = UnlockWith(*vault.fs, TextOf(all[1]));
  EXPECT_THAT(opened, FailsSaying(Errc::kAccessDenied, "this is share 2 of recovery kit"));
  EXPECT_THAT(opened.error().context, HasSubstr("leadglass recovery combine"));
}

TEST(RecoverySlot, NoPassphraseMayLookLikeACode) {
  const KitVault vault;
  StoppedClock clock;
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*vault.fs, "one"));
  EXPECT_THAT(keys->AddSlot(Passphrase(TextOf(WholeCode(vault.key))), kCheapScrypt, clock),
              FailsSaying(Errc::kInvalidArgument, "looks like a recovery code"));
}

TEST(RecoverySlot, CountsAmongTheSixtyFour) {
  const KitVault vault;
  StoppedClock clock;
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*vault.fs, "one"));
  for (int i = 3; i <= 64; ++i) ASSERT_THAT(keys->AddRecoverySlot(NewRecoveryKey(), clock), IsOk());
  EXPECT_THAT(keys->AddRecoverySlot(NewRecoveryKey(), clock), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(UnlockWith(*vault.fs, TextOf(WholeCode(vault.key))), IsOk());
}

TEST(RecoverySlot, NothingOfTheKeyIsOnTheDisk) {
  const KitVault vault;
  const VaultImage image = Save(*vault.fs);
  const auto bytes = vault.key.key.ExposeForOpenSsl();
  for (const ByteVector& file : image)
    EXPECT_EQ(std::search(file.begin(), file.end(), bytes.begin(), bytes.end()), file.end());
}

TEST(RecoverySlot, EveryByteIsAuthenticatedBehindTheChecksum) {
  const KitVault vault;
  const VaultImage image = Save(*vault.fs);
  const std::string code = TextOf(WholeCode(vault.key));
  for (size_t byte = 80 + kSlotSize; byte < 80 + 2 * kSlotSize; ++byte) {
    VaultImage bad = image;
    bad[0][byte] ^= 1;
    FixChecksum(bad[0]);
    bad[1] = bad[0];
    EXPECT_FALSE(UnlockWith(*DiskWith(bad), code)) << "byte " << byte;
  }
}

}  // namespace
}  // namespace leadglass
