// SPDX-License-Identifier: Apache-2.0
#include "crypto/vault_keys.h"

#include <gtest/gtest.h>

#include "tests/crypto/vault_fixture.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

TEST(VaultKeys, UnlocksToTheKeysItWasCreatedWith) {
  const auto fs = EmptyDisk();
  StoppedClock clock;
  ASSERT_OK_AND_ASSIGN(const auto made,
                       VaultKeys::Create(*fs, "/v", Passphrase("one"), kCheapScrypt, clock));
  ASSERT_OK_AND_ASSIGN(const auto opened, UnlockWith(*fs, "one"));
  EXPECT_EQ(opened->info().vault_id, made->info().vault_id);
  EXPECT_EQ(opened->key_epoch(), 1u);
  EXPECT_TRUE(opened->index_key() == made->index_key());
  ASSERT_EQ(opened->log_keys().metadata.size(), 1u);
  EXPECT_TRUE(opened->log_keys().metadata[0].key == made->log_keys().metadata[0].key);
  for (uint32_t page = 0; page < VaultKeys::kErasureSecrets; page += 101) {
    ASSERT_OK_AND_ASSIGN(const Key a, made->ErasureSecret(page));
    ASSERT_OK_AND_ASSIGN(const Key b, opened->ErasureSecret(page));
    EXPECT_TRUE(a == b);
  }
  EXPECT_THAT(opened->ErasureSecret(VaultKeys::kErasureSecrets), FailsWith(Errc::kNotFound));
}

TEST(VaultKeys, GivesEachPurposeAKeyOfItsOwn) {
  const auto fs = DiskWith(NewVaultImage());
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  EXPECT_FALSE(keys->index_key() == keys->log_keys().metadata[0].key);
  ASSERT_OK_AND_ASSIGN(const Key first, keys->ErasureSecret(0));
  ASSERT_OK_AND_ASSIGN(const Key second, keys->ErasureSecret(1));
  EXPECT_FALSE(first == second);
}

TEST(VaultKeys, IsDurableOnceCreated) {
  const auto fs = EmptyDisk();
  StoppedClock clock;
  ASSERT_THAT(VaultKeys::Create(*fs, "/v", Passphrase("one"), kCheapScrypt, clock), IsOk());
  fs->Crash(FaultFileSystem::Tear::kLoseAll);
  EXPECT_THAT(UnlockWith(*fs, "one"), IsOk());
}

TEST(VaultKeys, RefusesAWrongPassphrase) {
  const auto fs = DiskWith(NewVaultImage(2));
  for (const char* wrong : {"", "One", "one ", "on", "three"}) {
    EXPECT_THAT(UnlockWith(*fs, wrong), FailsWith(Errc::kAccessDenied)) << '"' << wrong << '"';
  }
}

TEST(VaultKeys, RefusesToCreateOverAnythingOfAVault) {
  const VaultImage image = NewVaultImage();
  StoppedClock clock;
  for (size_t i = 0; i < image.size(); ++i) {
    VaultImage one;
    one[i] = image[i];
    const auto fs = DiskWith(one);
    EXPECT_THAT(VaultKeys::Create(*fs, "/v", Passphrase("x"), kCheapScrypt, clock),
                FailsWith(Errc::kExists))
        << kVaultFiles[i];
    EXPECT_EQ(Save(*fs), one);
  }
}

TEST(VaultKeys, RefusesEmptyPassphrasesAndOddCosts) {
  const auto fs = EmptyDisk();
  StoppedClock clock;
  EXPECT_THAT(VaultKeys::Create(*fs, "/v", Passphrase(""), kCheapScrypt, clock),
              FailsWith(Errc::kInvalidArgument));
  for (const uint32_t cost : {0u, 9u, 25u, 64u, 0xFFFFFFFFu}) {
    EXPECT_THAT(VaultKeys::Create(*fs, "/v", Passphrase("x"), cost, clock),
                FailsWith(Errc::kInvalidArgument));
  }
  EXPECT_EQ(Save(*fs), VaultImage{});
}

TEST(VaultKeys, TellsAFolderThatIsNoVault) {
  const auto fs = EmptyDisk();
  EXPECT_THAT(VaultKeys::Inspect(*fs, "/v"), FailsWith(Errc::kNotFound));
  EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kNotFound));
  EXPECT_THAT(VaultKeys::Inspect(*fs, "/none"), FailsWith(Errc::kNotFound));
}

TEST(VaultKeys, ShowsSlotsWithoutAPassphrase) {
  const auto fs = DiskWith(NewVaultImage(2));
  ASSERT_OK_AND_ASSIGN(const VaultInfo info, VaultKeys::Inspect(*fs, "/v"));
  ASSERT_EQ(info.slots.size(), 2u);
  EXPECT_EQ(info.slots[0].id, 1u);
  EXPECT_EQ(info.slots[1].id, 2u);
  EXPECT_EQ(info.slots[1].kdf, "scrypt");
  EXPECT_EQ(info.slots[1].scrypt_log2_n, kCheapScrypt);
  EXPECT_EQ(info.slots[1].created_unix_seconds, 1'700'000'000);
  EXPECT_EQ(info.format_major, 1u);
  EXPECT_FALSE(info.vault_file_copy_damaged);
  EXPECT_FALSE(info.keyring_copy_damaged);
  EXPECT_FALSE(info.keyring_exported_unix_seconds.has_value());
}

TEST(VaultKeys, OpensWithEachOfSeveralPassphrases) {
  const auto fs = DiskWith(NewVaultImage(2));
  ASSERT_OK_AND_ASSIGN(const auto one, UnlockWith(*fs, "one"));
  ASSERT_OK_AND_ASSIGN(const auto two, UnlockWith(*fs, "two"));
  EXPECT_TRUE(one->index_key() == two->index_key());
}

TEST(VaultKeys, TakesNoMoreThanSixtyFourSlots) {
  const auto fs = DiskWith(NewVaultImage());
  StoppedClock clock;
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  for (int i = 2; i <= 64; ++i) {
    ASSERT_THAT(keys->AddSlot(Passphrase("more"), kCheapScrypt, clock), IsOk());
  }
  EXPECT_THAT(keys->AddSlot(Passphrase("more"), kCheapScrypt, clock),
              FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(UnlockWith(*fs, "one"), IsOk());
}

TEST(VaultKeys, RemovedPassphraseDoesNotOpenAndTheOthersDo) {
  const auto fs = DiskWith(NewVaultImage(2));
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  const Key old_index = keys->index_key();
  const LogKeys old_log = keys->log_keys();
  ASSERT_OK_AND_ASSIGN(const Key secret, keys->ErasureSecret(5));
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  EXPECT_EQ(keys->key_epoch(), 2u);
  EXPECT_FALSE(keys->index_key() == old_index) << "a new master key";

  EXPECT_THAT(UnlockWith(*fs, "two"), FailsWith(Errc::kAccessDenied));
  ASSERT_OK_AND_ASSIGN(const auto again, UnlockWith(*fs, "one"));
  EXPECT_EQ(again->key_epoch(), 2u);
  EXPECT_TRUE(again->index_key() == keys->index_key());
  ASSERT_EQ(again->log_keys().metadata.size(), 2u);
  EXPECT_TRUE(again->log_keys().metadata[0].key == old_log.metadata[0].key);
  EXPECT_EQ(again->log_keys().metadata[1].key_epoch, 2u);
  EXPECT_FALSE(again->log_keys().metadata[1].key == old_log.metadata[0].key);
  ASSERT_OK_AND_ASSIGN(const Key same_secret, again->ErasureSecret(5));
  EXPECT_TRUE(same_secret == secret);
}

TEST(VaultKeys, AnotherPassphraseCanRemoveTheFirst) {
  const auto fs = DiskWith(NewVaultImage(2));
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "two"));
  ASSERT_THAT(keys->RemoveSlot(1), IsOk());
  EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kAccessDenied));
  EXPECT_THAT(UnlockWith(*fs, "two"), IsOk());
}

TEST(VaultKeys, KeepsEveryEpochThroughManyRemovals) {
  const auto fs = DiskWith(NewVaultImage());
  StoppedClock clock;
  for (uint32_t round = 0; round < 5; ++round) {
    ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
    const LogKeys before = keys->log_keys();
    ASSERT_OK_AND_ASSIGN(const SlotInfo slot,
                         keys->AddSlot(Passphrase("guest"), kCheapScrypt, clock));
    EXPECT_EQ(slot.id, 2 + round) << "slot ids are never used again";
    ASSERT_THAT(keys->RemoveSlot(slot.id), IsOk());
    ASSERT_OK_AND_ASSIGN(const auto again, UnlockWith(*fs, "one"));
    const LogKeys after = again->log_keys();
    ASSERT_EQ(after.metadata.size(), before.metadata.size() + 1);
    for (size_t i = 0; i < before.metadata.size(); ++i) {
      EXPECT_TRUE(after.metadata[i].key == before.metadata[i].key) << "epoch " << i + 1;
    }
  }
}

TEST(VaultKeys, RotationGivesEverySlotANewMasterKey) {
  const auto fs = DiskWith(NewVaultImage(2));
  StoppedClock clock;
  const RecoveryKey recovery = NewRecoveryKey();
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->AddRecoverySlot(recovery, clock), IsOk());
  const Key old_index = keys->index_key();
  const LogKeys old_log = keys->log_keys();
  const LogKeys old_audit = keys->audit_keys();
  ASSERT_OK_AND_ASSIGN(const Key secret, keys->ErasureSecret(5));
  const ByteVector wrap = keys->WrapForVault(secret, "group", AsBytes("7"));
  ASSERT_THAT(keys->RotateMasterKey(), IsOk());
  EXPECT_EQ(keys->key_epoch(), 2u);
  EXPECT_EQ(keys->info().slots.size(), 3u);

  const SecretBytes code = EncodeRecoveryCode(WholeCode(recovery));
  for (const std::string_view opener :
       {std::string_view("one"), std::string_view("two"), AsText(code.ExposeForOpenSsl())}) {
    ASSERT_OK_AND_ASSIGN(const auto again, UnlockWith(*fs, opener));
    EXPECT_EQ(again->key_epoch(), 2u);
    EXPECT_FALSE(again->index_key() == old_index);
    EXPECT_TRUE(again->index_key() == keys->index_key());
    const LogKeys log = again->log_keys();
    const LogKeys audit = again->audit_keys();
    ASSERT_EQ(log.metadata.size(), 2u);
    EXPECT_TRUE(log.metadata[0].key == old_log.metadata[0].key) << "what was written still opens";
    EXPECT_FALSE(log.metadata[1].key == old_log.metadata[0].key);
    ASSERT_EQ(audit.metadata.size(), 2u);
    EXPECT_TRUE(audit.metadata[0].key == old_audit.metadata[0].key);
    EXPECT_FALSE(audit.metadata[1].key == old_audit.metadata[0].key);
    ASSERT_OK_AND_ASSIGN(const Key same_secret, again->ErasureSecret(5));
    EXPECT_TRUE(same_secret == secret);
    EXPECT_THAT(again->UnwrapForVault(wrap, "group", AsBytes("7")), IsOk());
  }
}

TEST(VaultKeys, RotationKeepsALonePassphrase) {
  const auto fs = DiskWith(NewVaultImage());
  for (uint32_t round = 2; round <= 4; ++round) {
    ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
    ASSERT_THAT(keys->RotateMasterKey(), IsOk());
    EXPECT_EQ(keys->key_epoch(), round);
  }
  EXPECT_THAT(UnlockWith(*fs, "one"), IsOk());
}

TEST(VaultKeys, RotationForgetsTheExportedKeyring) {
  const auto fs = DiskWith(NewVaultImage());
  StoppedClock clock;
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->ExportKeyring("/export", clock), IsOk());
  ASSERT_THAT(keys->RotateMasterKey(), IsOk());
  EXPECT_FALSE(keys->info().keyring_exported_unix_seconds.has_value());
}

TEST(VaultKeys, KeepsTheLastSlot) {
  const auto fs = DiskWith(NewVaultImage());
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  EXPECT_THAT(keys->RemoveSlot(1), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(keys->RemoveSlot(9), FailsWith(Errc::kNotFound));
  EXPECT_EQ(keys->key_epoch(), 1u);
}

TEST(VaultKeys, WrapsOpenInEveryLaterEpoch) {
  const auto fs = DiskWith(NewVaultImage(2));
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  const Key key = NewKey();
  const ByteVector old_wrap = keys->WrapForVault(key, "group", AsBytes("7"));
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  const ByteVector new_wrap = keys->WrapForVault(key, "group", AsBytes("7"));
  for (const ByteVector& wrap : {old_wrap, new_wrap}) {
    ASSERT_OK_AND_ASSIGN(const Key back, keys->UnwrapForVault(wrap, "group", AsBytes("7")));
    EXPECT_TRUE(back == key);
  }
}

TEST(VaultKeys, WrapOfANewerEpochTellsThatTheVaultFileIsOld) {
  const VaultImage old_image = NewVaultImage(2);
  const auto fs = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  const ByteVector wrap = keys->WrapForVault(NewKey(), "group", {});
  const auto old_fs = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto old_keys, UnlockWith(*old_fs, "two"));
  EXPECT_THAT(old_keys->UnwrapForVault(wrap, "group", {}), FailsWith(Errc::kCorrupt));
}

TEST(VaultKeys, WrapRefusesAllDamageAndOtherOwners) {
  const auto fs = DiskWith(NewVaultImage());
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  const ByteVector wrap = keys->WrapForVault(NewKey(), "group", AsBytes("7"));
  ASSERT_THAT(keys->UnwrapForVault(wrap, "group", AsBytes("7")), IsOk());
  for (size_t bit = 0; bit < wrap.size() * 8; ++bit) {
    ByteVector bad = wrap;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_FALSE(keys->UnwrapForVault(bad, "group", AsBytes("7"))) << "bit " << bit;
  }
  for (size_t size = 0; size < wrap.size(); ++size) {
    EXPECT_FALSE(keys->UnwrapForVault(ByteSpan(wrap).first(size), "group", AsBytes("7")));
  }
  EXPECT_THAT(keys->UnwrapForVault(wrap, "grouP", AsBytes("7")), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(keys->UnwrapForVault(wrap, "group", AsBytes("8")), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(keys->UnwrapForVault(wrap, "group7", {}), FailsWith(Errc::kCorrupt));
  const auto other_fs = DiskWith(NewVaultImage());
  ASSERT_OK_AND_ASSIGN(const auto other, UnlockWith(*other_fs, "one"));
  EXPECT_THAT(other->UnwrapForVault(wrap, "group", AsBytes("7")), FailsWith(Errc::kCorrupt));
}

TEST(VaultKeys, ExportedKeyringStandsInForBothCopies) {
  const auto fs = DiskWith(NewVaultImage());
  StoppedClock clock;
  {
    ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
    ASSERT_THAT(keys->ExportKeyring("/export", clock), IsOk());
    EXPECT_EQ(keys->info().keyring_exported_unix_seconds, 1'700'000'000);
  }
  ASSERT_OK_AND_ASSIGN(const ByteVector exported, ReadWholeFile(*fs, "/export", 1u << 24));
  ASSERT_THAT(fs->Remove("/v/keyring"), IsOk());
  ASSERT_THAT(fs->Remove("/v/keyring.copy"), IsOk());
  EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kCorrupt));
  ASSERT_THAT(ReplaceFile(*fs, "/v/keyring", exported), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  EXPECT_EQ(keys->info().keyring_exported_unix_seconds, 1'700'000'000);
  EXPECT_TRUE(keys->info().keyring_copy_damaged);
}

TEST(VaultKeys, ForgetsAnExportThatNoLongerOpens) {
  const auto fs = DiskWith(NewVaultImage(2));
  StoppedClock clock;
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->ExportKeyring("/export", clock), IsOk());
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  EXPECT_FALSE(keys->info().keyring_exported_unix_seconds.has_value());
  ASSERT_OK_AND_ASSIGN(const ByteVector exported, ReadWholeFile(*fs, "/export", 1u << 24));
  ASSERT_THAT(ReplaceFile(*fs, "/v/keyring", exported), IsOk());
  ASSERT_THAT(ReplaceFile(*fs, "/v/keyring.copy", exported), IsOk());
  EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kCorrupt));
}

}  // namespace
}  // namespace leadglass
