// SPDX-License-Identifier: Apache-2.0
// What an attacker, or the disk, may do to the vault file and the keyring, and what comes of it.
#include <gtest/gtest.h>

#include "crypto/keyring.h"
#include "crypto/vault_file.h"
#include "crypto/vault_keys.h"
#include "tests/crypto/vault_fixture.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

void Flip(ByteVector& bytes, size_t bit) {
  bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1u << (bit % 8)));
}

// Both copies of the vault file, or of the keyring, become `bytes`.
VaultImage WithVaultFile(VaultImage image, const ByteVector& bytes) {
  image[0] = image[1] = bytes;
  return image;
}
VaultImage WithKeyring(VaultImage image, const ByteVector& bytes) {
  image[2] = image[3] = bytes;
  return image;
}

TEST(VaultDamage, OneCopyOfEachFileIsEnough) {
  const VaultImage image = NewVaultImage();
  for (size_t damaged = 0; damaged < image.size(); ++damaged) {
    for (const bool missing : {false, true}) {
      VaultImage bad = image;
      if (missing) {
        bad[damaged].clear();
      } else {
        Flip(bad[damaged], 1001);
      }
      const auto fs = DiskWith(bad);
      ASSERT_OK_AND_ASSIGN(const VaultInfo info, VaultKeys::Inspect(*fs, "/v"));
      ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
      for (const VaultInfo& shown : {info, keys->info()}) {
        EXPECT_EQ(shown.vault_file_copy_damaged, damaged < 2) << kVaultFiles[damaged];
        EXPECT_EQ(shown.keyring_copy_damaged, damaged >= 2) << kVaultFiles[damaged];
      }
      ASSERT_THAT(keys->RepairCopies(), IsOk());
      EXPECT_FALSE(keys->info().vault_file_copy_damaged || keys->info().keyring_copy_damaged);
      EXPECT_EQ(Save(*fs), image) << "the copy is as it was";
    }
  }
}

TEST(VaultDamage, AChangeRepairsTheVaultFileToo) {
  StoppedClock clock;
  for (size_t damaged = 0; damaged < 2; ++damaged) {
    VaultImage bad = NewVaultImage();
    Flip(bad[damaged], 1001);
    const auto fs = DiskWith(bad);
    ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
    ASSERT_THAT(keys->AddSlot(Passphrase("two"), kCheapScrypt, clock), IsOk());
    EXPECT_FALSE(keys->info().vault_file_copy_damaged);
    const VaultImage now = Save(*fs);
    EXPECT_EQ(now[0], now[1]);
  }
}

TEST(VaultDamage, EveryFlippedBitInBothCopiesIsRefused) {
  const VaultImage image = NewVaultImage();
  for (size_t bit = 0; bit < image[0].size() * 8; ++bit) {
    ByteVector bad = image[0];
    Flip(bad, bit);
    EXPECT_THAT(DecodeVaultFile(bad), FailsWith(Errc::kCorrupt)) << "bit " << bit;
  }
  ByteVector bad = image[0];
  Flip(bad, 77);
  const auto fs = DiskWith(WithVaultFile(image, bad));
  EXPECT_THAT(VaultKeys::Inspect(*fs, "/v"), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kCorrupt));
}

TEST(VaultDamage, EveryTruncationIsRefused) {
  const ByteVector whole = NewVaultImage()[0];
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(DecodeVaultFile(ByteSpan(whole).first(size)), FailsWith(Errc::kCorrupt));
  }
  ByteVector longer = whole;
  longer.push_back(0);
  EXPECT_THAT(DecodeVaultFile(longer), FailsWith(Errc::kCorrupt));
}

// The checksum keeps no attacker out: he computes it anew. One bit of each byte is enough to show
// that each byte is authenticated, and takes one scrypt each.
TEST(VaultTamper, EveryByteIsAuthenticatedBehindTheChecksum) {
  const VaultImage image = NewVaultImage();
  for (size_t byte = 0; byte + sizeof(Digest) < image[0].size(); ++byte) {
    ByteVector bad = image[0];
    Flip(bad, byte * 8 + byte % 8);
    FixChecksum(bad);
    const auto fs = DiskWith(WithVaultFile(image, bad));
    EXPECT_FALSE(UnlockWith(*fs, "one")) << "byte " << byte;
  }
}

TEST(VaultTamper, AnOlderVaultFileBesideANewerKeyringIsRefused) {
  const VaultImage old_image = NewVaultImage(2);
  const auto fs = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  const VaultImage new_image = Save(*fs);
  const auto rolled_back = DiskWith(WithVaultFile(new_image, old_image[0]));
  // The removed passphrase and the one that stayed both open the old file's slots.
  for (const char* passphrase : {"one", "two"})
    EXPECT_THAT(UnlockWith(*rolled_back, passphrase),
                FailsSaying(Errc::kCorrupt,
                            "vault file: it is an old one, put back: it knows key epoch 1, and the "
                            "keyring beside it is of key epoch 2"));
}

TEST(VaultTamper, AnOlderKeyringIsRefused) {
  const VaultImage old_image = NewVaultImage(2);
  const auto fs = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  const auto rolled_back = DiskWith(WithKeyring(Save(*fs), old_image[2]));
  EXPECT_THAT(UnlockWith(*rolled_back, "one"),
              FailsSaying(Errc::kCorrupt,
                          "keyring: it is an old one, put back: version 1 of key epoch 1, and the "
                          "vault file demands version 2 or newer of key epoch 2"));
  ASSERT_OK_AND_ASSIGN(const VaultInfo info, VaultKeys::Inspect(*rolled_back, "/v"));
  EXPECT_TRUE(info.keyring_copy_damaged);
}

// The slot with this id, as it lies in a vault file.
ByteVector SlotBytes(const ByteVector& file, uint32_t id) {
  for (size_t at = 80; at + kSlotSize <= file.size(); at += kSlotSize)
    if (LoadLe<uint32_t>(file.data() + at) == id)
      return ByteVector(file.begin() + static_cast<std::ptrdiff_t>(at),
                        file.begin() + static_cast<std::ptrdiff_t>(at + kSlotSize));
  return {};
}
// The vault file with `slot` behind its only slot, and all that needs no key made right.
ByteVector WithSlotAppended(ByteVector file, const ByteVector& slot) {
  file.insert(file.begin() + 80 + kSlotSize, slot.begin(), slot.end());
  StoreLe<uint32_t>(file.data() + 12, static_cast<uint32_t>(file.size()));
  StoreLe<uint16_t>(file.data() + 72, 2);
  FixChecksum(file);
  return file;
}

TEST(VaultTamper, ARemovedSlotPutBackIsNamed) {
  const VaultImage old_image = NewVaultImage(2);
  const auto fs = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  ASSERT_THAT(keys->RotateMasterKey(), IsOk());
  const VaultImage new_image = Save(*fs);
  const auto spliced = DiskWith(
      WithVaultFile(new_image, WithSlotAppended(new_image[0], SlotBytes(old_image[0], 2))));
  // To whom it belonged, and to whoever opens the vault by right.
  for (const char* passphrase : {"two", "one"})
    EXPECT_THAT(UnlockWith(*spliced, passphrase),
                FailsSaying(Errc::kCorrupt,
                            "vault file: slot 2 was put back into it: it is of key epoch 1, and "
                            "the vault is in 3"))
        << passphrase;
}

TEST(VaultTamper, ARemovedRecoveryKitPutBackIsNamed) {
  const auto fs = DiskWith(NewVaultImage());
  StoppedClock clock;
  const RecoveryKey recovery = NewRecoveryKey();
  const SecretBytes code = EncodeRecoveryCode(WholeCode(recovery));
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->AddRecoverySlot(recovery, clock), IsOk());
  const ByteVector old_file = Save(*fs)[0];
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  const VaultImage new_image = Save(*fs);
  const auto spliced =
      DiskWith(WithVaultFile(new_image, WithSlotAppended(new_image[0], SlotBytes(old_file, 2))));
  EXPECT_THAT(UnlockWith(*spliced, AsText(code.ExposeForOpenSsl())),
              FailsSaying(Errc::kCorrupt, "slot 2 was put back into it: it is of key epoch 1"));
}

TEST(VaultTamper, AnOldCopyOfASlotThatStaysIsNamed) {
  const VaultImage old_image = NewVaultImage(1);
  const auto fs = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->RotateMasterKey(), IsOk());
  const VaultImage new_image = Save(*fs);
  ByteVector spliced = new_image[0];
  const ByteVector slot = SlotBytes(old_image[0], 1);
  std::copy(slot.begin(), slot.end(), spliced.begin() + 80);
  FixChecksum(spliced);
  EXPECT_THAT(UnlockWith(*DiskWith(WithVaultFile(new_image, spliced)), "one"),
              FailsSaying(Errc::kCorrupt, "slot 1 was put back into it: it is of key epoch 1"));
}

// What the two files cannot tell: they fit each other. The log does
// (VaultNames.RefusesAVaultFileFromBeforeARemovedPassphrase).
TEST(VaultTamper, AnOldVaultFileWithItsOldKeyringOpensToTheKeysOfThenOnly) {
  const VaultImage old_image = NewVaultImage(2);
  const auto fs = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  const auto rolled_back = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto old_keys, UnlockWith(*rolled_back, "two"));
  EXPECT_EQ(old_keys->log_keys().metadata.size(), 1u);
  EXPECT_FALSE(old_keys->index_key() == keys->index_key());
}

// One old copy of each beside one of now is no attack that works, nor one that does harm.
TEST(VaultTamper, TheNewerCopiesWinOverOldOnesPutBackBesideThem) {
  const VaultImage old_image = NewVaultImage(2);
  const auto fs = DiskWith(old_image);
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_THAT(keys->RemoveSlot(2), IsOk());
  const VaultImage new_image = Save(*fs);
  for (size_t vault_copy = 0; vault_copy < 2; ++vault_copy) {
    for (size_t keyring_copy = 2; keyring_copy < 4; ++keyring_copy) {
      VaultImage mixed = new_image;
      mixed[vault_copy] = old_image[vault_copy];
      mixed[keyring_copy] = old_image[keyring_copy];
      ASSERT_OK_AND_ASSIGN(const auto opened, UnlockWith(*DiskWith(mixed), "one"));
      EXPECT_EQ(opened->key_epoch(), 2u);
    }
  }
}

TEST(VaultTamper, AKeyringOfAnOlderVersionIsRefusedEvenUnderTheSameKey) {
  const Key master = NewKey();
  VaultFile file;
  file.vault_id = NewUuid();
  file.version = file.key_epoch = 1;
  file.next_slot_id = 2;
  file.min_keyring_version = 2;
  auto slot = NewSlot(file.vault_id, 1, Passphrase("one"), kCheapScrypt, 0, {master, 1});
  ASSERT_THAT(slot, IsOk());
  file.slots.push_back(*slot);
  const Keyring keyring = Keyring::New(8);
  const VaultImage none;
  const VaultImage base = WithVaultFile(none, EncodeVaultFile(file, master));
  const auto with = [&](uint64_t version) {
    return DiskWith(WithKeyring(base, keyring.Seal(file.vault_id, master, 1, version)));
  };
  EXPECT_THAT(UnlockWith(*with(1), "one"),
              FailsSaying(Errc::kCorrupt, "keyring: it is an old one, put back: version 1 of"));
  EXPECT_THAT(UnlockWith(*with(2), "one"), IsOk());
  EXPECT_THAT(UnlockWith(*with(3), "one"), IsOk());
}

TEST(VaultTamper, TheKeyringOfAnotherVaultIsRefused) {
  const VaultImage mine = NewVaultImage();
  const VaultImage other = NewVaultImage();
  const auto fs = DiskWith(WithKeyring(mine, other[2]));
  EXPECT_THAT(UnlockWith(*fs, "one"),
              FailsSaying(Errc::kCorrupt, "keyring: it is the one of vault "));
}

TEST(VaultTamper, ACopyOfAnotherVaultDoesNotTakeOver) {
  // The other vault's file is newer by its version, and opens with the same passphrase.
  const VaultImage mine = NewVaultImage(1);
  const VaultImage other = NewVaultImage(2);
  VaultImage mixed = mine;
  mixed[1] = other[0];
  const auto fs = DiskWith(mixed);
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  const auto mine_fs = DiskWith(mine);
  ASSERT_OK_AND_ASSIGN(const VaultInfo info, VaultKeys::Inspect(*mine_fs, "/v"));
  EXPECT_EQ(keys->info().vault_id, info.vault_id);
  EXPECT_TRUE(keys->info().vault_file_copy_damaged);
}

TEST(VaultTamper, ASlotOfAnotherVaultIsRefused) {
  const VaultImage mine = NewVaultImage();
  const VaultImage other = NewVaultImage();
  ByteVector spliced = mine[0];
  std::memcpy(spliced.data() + 80, other[0].data() + 80, kSlotSize);
  FixChecksum(spliced);
  const auto fs = DiskWith(WithVaultFile(mine, spliced));
  EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kAccessDenied));
}

// Whoever can write the disk knows the slot's public key and can make a master key, a MAC and a
// keyring that fit together. Without the sender key none of it opens.
TEST(VaultTamper, AStrangerCannotPlantAMasterKeyOfHisOwn) {
  const VaultImage image = NewVaultImage();
  ASSERT_OK_AND_ASSIGN(VaultFile file, DecodeVaultFile(image[0]));
  const Key planted = NewKey();
  ByteWriter aad;
  aad.Bytes8(AsBytes("slot master key"));
  aad.Raw(file.vault_id);
  aad.U32(1);
  aad.U32(1);
  aad.Raw(file.slots[0].public_key);
  for (const size_t guess : {0u, 32u}) {
    const ByteVector sender(guess);
    const ByteVector wrap =
        internal::WrapToPublic(file.slots[0].public_key, sender, planted, aad.span());
    std::memcpy(file.slots[0].master_key.data(), wrap.data(), wrap.size());
    const ByteVector keyring = Keyring::New(8).Seal(file.vault_id, planted, 1, 1);
    const auto fs =
        DiskWith(WithKeyring(WithVaultFile(image, EncodeVaultFile(file, planted)), keyring));
    EXPECT_THAT(UnlockWith(*fs, "one"),
                FailsSaying(Errc::kCorrupt, "the master key in slot 1 was altered"));
  }
}

TEST(VaultTamper, AKeyringThatSomebodyWithoutTheKeysMadeIsToldApart) {
  const VaultImage image = NewVaultImage();
  ASSERT_OK_AND_ASSIGN(const VaultFile file, DecodeVaultFile(image[0]));
  const ByteVector forged = Keyring::New(8).Seal(file.vault_id, NewKey(), 1, 9);
  EXPECT_THAT(
      UnlockWith(*DiskWith(WithKeyring(image, forged)), "one"),
      FailsSaying(Errc::kCorrupt, "keyring: it does not open under the vault's master key"));
}

TEST(VaultTamper, DamageOfTheKeyringIsNotCalledAnAttack) {
  VaultImage image = NewVaultImage();
  Flip(image[2], 4000);
  image[3].clear();
  EXPECT_THAT(UnlockWith(*DiskWith(image), "one"),
              FailsSaying(Errc::kCorrupt, "keyring: both copies are damaged or missing"));
}

// Who followed the advice that goes with damage would overwrite the good copy.
TEST(VaultTamper, AKeyringThatCannotBeReadIsNotCalledDamaged) {
  VaultImage image = NewVaultImage();
  Flip(image[2], 4000);
  for (const int error : {EACCES, EIO}) {
    const auto fs = DiskWith(image);
    EXPECT_THAT(UnlockWith(*fs, "one"), IsOk());  // the second copy serves
    fs->FailFrom(1, error, FaultFileSystem::Lasts::kForEver, {FaultFileSystem::Call::kOpen},
                 "keyring.copy");
    const auto unlocked = UnlockWith(*fs, "one");
    ASSERT_FALSE(unlocked.has_value());
    EXPECT_EQ(unlocked.error().posix_errno, error);
  }
}

TEST(VaultTamper, AChangeOfTheFileWithoutTheKeysIsToldApart) {
  const VaultImage image = NewVaultImage();
  ByteVector bad = image[0];
  bad[56] ^= 1;  // the minimum version of the keyring
  FixChecksum(bad);
  EXPECT_THAT(
      UnlockWith(*DiskWith(WithVaultFile(image, bad)), "one"),
      FailsSaying(Errc::kCorrupt, "vault file: it was changed by somebody without the keys"));
}

TEST(VaultTamper, ANewerFormatIsToldApartFromDamage) {
  const VaultImage image = NewVaultImage();
  // Offsets: major version, incompatible features, kdf, kem, aead, log2 of the cost, r, p.
  for (const size_t offset : {8u, 16u, 23u, 84u, 85u, 86u, 88u, 92u}) {
    ByteVector newer = image[0];
    newer[offset] = static_cast<uint8_t>(newer[offset] + 1);
    FixChecksum(newer);
    const auto fs = DiskWith(WithVaultFile(image, newer));
    EXPECT_THAT(VaultKeys::Inspect(*fs, "/v"), FailsWith(Errc::kUnsupported)) << offset;
    EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kUnsupported)) << offset;
  }
}

TEST(VaultTamper, AHostileCostIsRefusedBeforeItIsSpent) {
  const VaultImage image = NewVaultImage();
  for (const int cost : {0, 1, 9, 25, 31, 63, 64, 255}) {
    ByteVector bad = image[0];
    bad[87] = static_cast<uint8_t>(cost);
    FixChecksum(bad);
    const auto fs = DiskWith(WithVaultFile(image, bad));
    EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kUnsupported)) << cost;
  }
}

TEST(KeyringTamper, EveryFlippedBitAndEveryTruncationIsRefused) {
  const Uuid vault = NewUuid();
  const Key master = NewKey();
  const ByteVector whole = Keyring::New(3).Seal(vault, master, 1, 7);
  ASSERT_OK_AND_ASSIGN(const Keyring keyring, Keyring::Open(whole, vault, master));
  EXPECT_EQ(keyring.version(), 7u);
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    ByteVector bad = whole;
    Flip(bad, bit);
    EXPECT_THAT(Keyring::Open(bad, vault, master), FailsWith(Errc::kCorrupt)) << "bit " << bit;
    FixChecksum(bad);
    if (bad == whole) continue;  // the bit was in the checksum
    EXPECT_FALSE(Keyring::Open(bad, vault, master)) << "bit " << bit << ", checksum made good";
  }
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(Keyring::Open(ByteSpan(whole).first(size), vault, master),
                FailsWith(Errc::kCorrupt));
  }
}

TEST(KeyringTamper, BelongsToOneVaultAndMasterKey) {
  const Uuid vault = NewUuid();
  const Key master = NewKey();
  const ByteVector whole = Keyring::New(3).Seal(vault, master, 1, 1);
  EXPECT_THAT(Keyring::Open(whole, NewUuid(), master), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(Keyring::Open(whole, vault, NewKey()), FailsWith(Errc::kCorrupt));
}

TEST(KeyringTamper, FlippedBitsAllOverARealKeyringAreServedByTheCopy) {
  const VaultImage image = NewVaultImage();
  const size_t step = image[2].size() * 8 / 50;
  for (size_t bit = 3; bit < image[2].size() * 8; bit += step) {
    VaultImage bad = image;
    Flip(bad[2], bit);
    EXPECT_THAT(UnlockWith(*DiskWith(bad), "one"), IsOk()) << "bit " << bit;
    Flip(bad[3], bit);
    EXPECT_THAT(UnlockWith(*DiskWith(bad), "one"), FailsWith(Errc::kCorrupt)) << "bit " << bit;
  }
}

}  // namespace
}  // namespace leadglass
