// SPDX-License-Identifier: Apache-2.0
//
// Replacing erasure secrets, in the keyring and in what hangs on it; keys under a passphrase; two
// programs that change a vault's keys.
#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/passphrase_wrap.h"
#include "crypto/study_keys.h"
#include "crypto/vault_keys.h"
#include "tests/crypto/vault_fixture.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

constexpr uint32_t kRenewed[] = {0, 17, VaultKeys::kErasureSecrets - 1};

TEST(ErasureSecrets, OfAPageAreTwoUntilTheOlderIsDroppedAndOthersStay) {
  const auto fs = DiskWith(NewVaultImage());
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  ASSERT_OK_AND_ASSIGN(const Key old, keys->ErasureSecret(17));
  ASSERT_OK_AND_ASSIGN(const Key other, keys->ErasureSecret(18));
  ASSERT_THAT(keys->AddErasureSecrets(kRenewed), IsOk());
  for (const bool reopened : {false, true}) {
    ASSERT_OK_AND_ASSIGN(const auto again, UnlockWith(*fs, "one"));
    const VaultKeys& seen = reopened ? *again : *keys;
    const auto both = seen.ErasureSecrets(17);
    ASSERT_EQ(both.size(), 2u);
    EXPECT_FALSE(both[0] == old);
    EXPECT_TRUE(both[1] == old);
    EXPECT_TRUE(*seen.ErasureSecret(17) == both[0]);
    EXPECT_EQ(seen.ErasureSecrets(18).size(), 1u);
  }
  ASSERT_OK_AND_ASSIGN(const Key next, keys->ErasureSecret(17));
  ASSERT_THAT(keys->DropOlderErasureSecrets(kRenewed), IsOk());
  fs->Crash(FaultFileSystem::Tear::kLoseAll);
  ASSERT_OK_AND_ASSIGN(const auto later, UnlockWith(*fs, "one"));
  ASSERT_EQ(later->ErasureSecrets(17).size(), 1u);
  EXPECT_TRUE(*later->ErasureSecret(17) == next);
  EXPECT_TRUE(*later->ErasureSecret(18) == other);
  EXPECT_EQ(later->keyring_version(), 3u);
}

// The secrets that were dropped must not come back with the file that had them.
TEST(ErasureSecrets, AKeyringFromBeforeIsRefused) {
  const VaultImage before = NewVaultImage();
  const auto fs = DiskWith(before);
  {
    ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
    ASSERT_THAT(keys->AddErasureSecrets(kRenewed), IsOk());
    ASSERT_THAT(keys->DropOlderErasureSecrets(kRenewed), IsOk());
  }
  const auto old = DiskWith(before);
  for (const char* name : {"/v/keyring", "/v/keyring.copy"}) {
    ASSERT_OK_AND_ASSIGN(const auto from, old->Open(name, OpenMode::kRead));
    ASSERT_OK_AND_ASSIGN(const uint64_t size, from->Size());
    ByteVector bytes(size);
    ASSERT_THAT(from->ReadAt(0, bytes), IsOkAndHolds(size_t{size}));
    ASSERT_THAT(ReplaceFile(*fs, name, bytes), IsOk());
  }
  EXPECT_THAT(UnlockWith(*fs, "one"), FailsWith(Errc::kCorrupt));
}

TEST(ErasureSecrets, AWrapGoesOverToAnotherSecretWithoutTheGroupsKey) {
  const Uuid vault = NewUuid(), id = NewUuid();
  const GroupKeyPair group = NewGroupKeyPair();
  const Key study = NewKey(), old = NewKey(), next = NewKey();
  const ByteVector wrap = WrapStudyKey(vault, id, 7, group.public_key, old, study);
  const Key secrets[] = {next.Clone(), old.Clone()};
  ASSERT_OK_AND_ASSIGN(const ByteVector moved,
                       MoveToSecret(vault, id, 7, group.public_key, secrets, next, wrap));
  ASSERT_OK_AND_ASSIGN(const Key opened, UnwrapStudyKey(vault, id, 7, group, next, moved));
  EXPECT_TRUE(opened == study);
  EXPECT_FALSE(UnwrapStudyKey(vault, id, 7, group, old, moved).has_value());
  // It is bound to what it was bound to.
  EXPECT_FALSE(UnwrapStudyKey(vault, NewUuid(), 7, group, next, moved).has_value());
  EXPECT_THAT(MoveToSecret(vault, id, 8, group.public_key, secrets, next, wrap),
              FailsWith(Errc::kCorrupt));
  EXPECT_THAT(MoveToSecret(vault, id, 7, group.public_key, {}, next, wrap),
              FailsWith(Errc::kCorrupt));
}

TEST(PassphraseWrap, OpensWithItsPassphraseAndOwnerOnly) {
  const Key key = NewKey();
  const Uuid owner = NewUuid(), other = NewUuid();
  ASSERT_OK_AND_ASSIGN(const ByteVector wrap,
                       WrapByPassphrase(key, Passphrase("mitral"), kCheapScrypt, owner));
  EXPECT_EQ(wrap.size(), 120u);  // docs/format.md
  EXPECT_TRUE(IsWrappedByPassphrase(wrap));
  ASSERT_OK_AND_ASSIGN(const Key opened, UnwrapByPassphrase(wrap, Passphrase("mitral"), owner));
  EXPECT_TRUE(opened == key);
  EXPECT_THAT(UnwrapByPassphrase(wrap, Passphrase("aortic"), owner),
              FailsWith(Errc::kAccessDenied));
  EXPECT_THAT(UnwrapByPassphrase(wrap, Passphrase("mitral"), other),
              FailsWith(Errc::kAccessDenied));
  EXPECT_THAT(WrapByPassphrase(key, Passphrase(""), kCheapScrypt, owner),
              FailsWith(Errc::kInvalidArgument));
}

TEST(PassphraseWrap, IsRefusedWhereAnyByteIsAnother) {
  const Uuid owner = NewUuid();
  ASSERT_OK_AND_ASSIGN(const ByteVector wrap,
                       WrapByPassphrase(NewKey(), Passphrase("mitral"), kCheapScrypt, owner));
  for (size_t at = 0; at < wrap.size(); ++at) {
    ByteVector changed = wrap;
    changed[at] ^= 1;
    // A cost of 2^26 would be tried: it is refused before.
    EXPECT_FALSE(UnwrapByPassphrase(changed, Passphrase("mitral"), owner).has_value()) << at;
  }
  ByteVector shorter(wrap.begin(), wrap.end() - 1);
  EXPECT_THAT(UnwrapByPassphrase(shorter, Passphrase("mitral"), owner), FailsWith(Errc::kCorrupt));
}

TEST(VaultKeysOfTwo, WhatOneProgramAddedTheOtherKeepsOrIsToldToTryAgain) {
  const auto fs = DiskWith(NewVaultImage());
  StoppedClock clock;
  ASSERT_OK_AND_ASSIGN(const auto mount, UnlockWith(*fs, "one"));
  ASSERT_OK_AND_ASSIGN(const auto first, UnlockWith(*fs, "one"));
  ASSERT_OK_AND_ASSIGN(const auto second, UnlockWith(*fs, "one"));
  ASSERT_THAT(first->AddSlot(Passphrase("added"), kCheapScrypt, clock), IsOk());
  EXPECT_THAT(second->AddSlot(Passphrase("lost"), kCheapScrypt, clock),
              FailsWith(Errc::kUnavailable));
  EXPECT_THAT(UnlockWith(*fs, "added"), IsOk());
  EXPECT_THAT(UnlockWith(*fs, "lost"), FailsWith(Errc::kAccessDenied));
  // What is mounted goes on with what was added.
  ASSERT_THAT(mount->AddErasureSecrets(kRenewed), IsOk());
  EXPECT_THAT(first->AddSlot(Passphrase("late"), kCheapScrypt, clock),
              FailsWith(Errc::kUnavailable));
  ASSERT_THAT(mount->DropOlderErasureSecrets(kRenewed), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto now, UnlockWith(*fs, "added"));
  EXPECT_EQ(now->keyring_version(), 3u);
  EXPECT_EQ(now->ErasureSecrets(17).size(), 1u);
}

}  // namespace
}  // namespace leadglass
