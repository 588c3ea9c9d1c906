// SPDX-License-Identifier: Apache-2.0
// The format is a promise: a frozen vault opens for ever, and sizes are as docs/format.md says.
#include <algorithm>

#include <gtest/gtest.h>

#include "crypto/keyring.h"
#include "crypto/study_keys.h"
#include "crypto/vault_keys.h"
#include "tests/crypto/vault_fixture.h"
#include "tests/support/matchers.h"
#include "tests/vectors/vault_v1.h"
#include "tests/vectors/vault_v1_recovery.h"

namespace leadglass {
namespace {

namespace frozen = vectors::vault_v1;

TEST(VaultFormat, OpensTheFrozenVaultOfFormatOne) {
  const ByteVector file = FromHex(frozen::kVaultFile);
  const ByteVector keyring = FromHex(frozen::kKeyring);
  const auto fs = DiskWith({file, file, keyring, keyring});
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  EXPECT_EQ(keys->key_epoch(), 2u);
  EXPECT_EQ(ToHex(keys->index_key().ExposeForOpenSsl()), frozen::kIndexKey);
  const LogKeys log = keys->log_keys();
  ASSERT_EQ(log.metadata.size(), 2u);
  EXPECT_EQ(ToHex(log.metadata[0].key.ExposeForOpenSsl()), frozen::kMetadataKey1);
  EXPECT_EQ(ToHex(log.metadata[1].key.ExposeForOpenSsl()), frozen::kMetadataKey2);
  ASSERT_OK_AND_ASSIGN(const Key secret, keys->ErasureSecret(1));
  EXPECT_EQ(ToHex(secret.ExposeForOpenSsl()), frozen::kErasureSecret1);

  GroupKeyPair group;
  const ByteVector group_public = FromHex(frozen::kGroupPublic);
  std::memcpy(group.public_key.data(), group_public.data(), group.public_key.size());
  ASSERT_OK_AND_ASSIGN(group.private_key,
                       keys->UnwrapForVault(FromHex(frozen::kGroupWrap), "group", AsBytes("7")));
  const Uuid study = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Uuid& vault = keys->info().vault_id;
  ASSERT_OK_AND_ASSIGN(const Key study_key,
                       UnwrapStudyKey(vault, study, 7, group, secret, FromHex(frozen::kStudyWrap)));
  ASSERT_OK_AND_ASSIGN(const Key file_key,
                       UnwrapFileKey(vault, study, 1234, 3, study_key, FromHex(frozen::kFileWrap)));
  EXPECT_EQ(ToHex(file_key.ExposeForOpenSsl()), frozen::kFileKey);
}

TEST(VaultFormat, OpensTheFrozenVaultWithARecoveryKit) {
  namespace kit = vectors::vault_v1_recovery;
  const ByteVector file = FromHex(kit::kVaultFile);
  const ByteVector keyring = FromHex(kit::kKeyring);
  for (const std::string_view secret : {std::string_view("one"), kit::kCode}) {
    const auto fs = DiskWith({file, file, keyring, keyring});
    ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, secret));
    EXPECT_EQ(ToHex(keys->index_key().ExposeForOpenSsl()), kit::kIndexKey);
  }
}

TEST(VaultFormat, FilesHaveTheSizesOfTheFormat) {
  const VaultImage image = NewVaultImage();
  EXPECT_EQ(image[0].size(), 552u);
  EXPECT_EQ(image[2].size(), 163'964u);
  EXPECT_EQ(NewVaultImage(2)[0].size(), 552u + 408u);
}

TEST(VaultFormat, NothingOfTheSecretsIsOnTheDisk) {
  const auto fs = DiskWith(NewVaultImage());
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
  const VaultImage image = Save(*fs);
  for (const uint32_t page : {0u, 1u, 4095u}) {
    ASSERT_OK_AND_ASSIGN(const Key secret, keys->ErasureSecret(page));
    const auto bytes = secret.ExposeForOpenSsl();
    for (const ByteVector& file : image) {
      EXPECT_EQ(std::search(file.begin(), file.end(), bytes.begin(), bytes.end()), file.end());
    }
  }
}

}  // namespace
}  // namespace leadglass
