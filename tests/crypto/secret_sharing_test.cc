// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret_sharing.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "crypto/internal/gf256.h"
#include "tests/crypto/vault_fixture.h"
#include "tests/support/matchers.h"
#include "tests/vectors/slip_0039.h"

namespace leadglass {
namespace {

using internal::GfInverse;
using internal::GfMultiply;

TEST(Gf256, MultipliesAsFips197Does) {
  // FIPS 197, sections 4.2 and 4.2.1.
  EXPECT_EQ(GfMultiply(0x57, 0x83), 0xc1);
  EXPECT_EQ(GfMultiply(0x57, 0x02), 0xae);
  EXPECT_EQ(GfMultiply(0x57, 0x04), 0x47);
  EXPECT_EQ(GfMultiply(0x57, 0x08), 0x8e);
  EXPECT_EQ(GfMultiply(0x57, 0x10), 0x07);
  EXPECT_EQ(GfMultiply(0x57, 0x13), 0xfe);
}

TEST(Gf256, EveryElementButZeroHasAnInverse) {
  EXPECT_EQ(GfInverse(0), 0);
  // The inverses behind two values of AES's S-box: {53} and {ca}, {01} and {01}.
  EXPECT_EQ(GfInverse(0x53), 0xca);
  for (int a = 1; a < 256; ++a) {
    const auto element = static_cast<uint8_t>(a);
    EXPECT_EQ(GfMultiply(element, GfInverse(element)), 1) << a;
  }
}

TEST(Gf256, MultiplicationCommutesAndDistributes) {
  for (int a = 0; a < 256; a += 7) {
    for (int b = 0; b < 256; ++b) {
      const auto x = static_cast<uint8_t>(a);
      const auto y = static_cast<uint8_t>(b);
      EXPECT_EQ(GfMultiply(x, y), GfMultiply(y, x));
      const auto z = static_cast<uint8_t>(b * 31 + 5);
      EXPECT_EQ(GfMultiply(x, static_cast<uint8_t>(y ^ z)), GfMultiply(x, y) ^ GfMultiply(x, z));
    }
  }
}

ByteVector AtX(const std::vector<SharePoint>& points, uint8_t x) {
  ByteVector out(points.front().values.size());
  InterpolateShares(points, x, out);
  return out;
}

// SLIP-0039, "Encryption of the master secret", backwards: a Feistel network of four rounds.
ByteVector DecryptMaster(const ByteVector& secret, uint16_t identifier, int exponent) {
  const size_t half = secret.size() / 2;
  ByteVector left(secret.begin(), secret.begin() + static_cast<std::ptrdiff_t>(half));
  ByteVector right(secret.begin() + static_cast<std::ptrdiff_t>(half), secret.end());
  for (char round = 3; round >= 0; --round) {
    const std::string password = std::string(1, round) + "TREZOR";
    ByteWriter salt;
    salt.Raw(AsBytes("shamir"));
    salt.U8(static_cast<uint8_t>(identifier >> 8));
    salt.U8(static_cast<uint8_t>(identifier & 255));
    salt.Raw(right);
    ByteVector mask(half);
    EXPECT_EQ(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                                salt.span().data(), static_cast<int>(salt.size()), 2500 << exponent,
                                EVP_sha256(), static_cast<int>(half), mask.data()),
              1);
    for (size_t i = 0; i < half; ++i) mask[i] ^= left[i];
    left = right;
    right = mask;
  }
  right.insert(right.end(), left.begin(), left.end());
  return right;
}

TEST(SecretSharing, GivesThePublishedSecretsOfSlip39) {
  for (const vectors::Slip39& vector : vectors::kSlip39) {
    SCOPED_TRACE(vector.name);
    std::vector<ByteVector> values;
    std::vector<SharePoint> points;
    for (const auto& share : vector.shares) values.push_back(FromHex(share.values_hex));
    for (size_t i = 0; i < values.size(); ++i) points.push_back({vector.shares[i].x, values[i]});
    const ByteVector secret = AtX(points, 255);
    const ByteVector digest = AtX(points, 254);
    Digest mac{};
    unsigned int size = 0;
    HMAC(EVP_sha256(), digest.data() + 4, static_cast<int>(digest.size() - 4), secret.data(),
         secret.size(), mac.data(), &size);
    EXPECT_TRUE(std::equal(digest.begin(), digest.begin() + 4, mac.begin()));
    if (!vector.master_secret_hex.empty()) {
      EXPECT_EQ(ToHex(DecryptMaster(secret, vector.identifier, vector.iteration_exponent)),
                vector.master_secret_hex);
    }
  }
}

// What the shares with these numbers say.
Key Combined(const std::vector<SecretShare>& shares, uint32_t chosen) {
  std::vector<SharePoint> points;
  for (const SecretShare& share : shares)
    if ((chosen >> (share.number - 1)) & 1u)
      points.push_back({share.number, share.value.ExposeForOpenSsl()});
  Key secret;
  InterpolateShares(points, 0, secret.ExposeForOpenSsl());
  return secret;
}

TEST(SecretSharing, AnyThresholdOfSharesGivesTheSecretAndNoFewer) {
  for (const auto& [threshold, count] : {std::pair{2u, 2u}, {2u, 3u}, {3u, 5u}, {5u, 5u}}) {
    const Key secret = NewKey();
    ASSERT_OK_AND_ASSIGN(const auto shares, SplitSecret(secret, threshold, count));
    ASSERT_EQ(shares.size(), count);
    for (uint32_t chosen = 1; chosen < (1u << count); ++chosen) {
      const bool enough = static_cast<uint32_t>(__builtin_popcount(chosen)) >= threshold;
      EXPECT_EQ(Combined(shares, chosen) == secret, enough)
          << threshold << " of " << count << ", shares in bits " << chosen;
    }
  }
}

TEST(SecretSharing, TakesTheMostSharesThereCanBe) {
  const Key secret = NewKey();
  ASSERT_OK_AND_ASSIGN(const auto shares, SplitSecret(secret, kMaxShares, kMaxShares));
  EXPECT_TRUE(Combined(shares, 0xffff) == secret);
}

// Two shares of two say nothing alone: with each value of the secret a share is as likely.
TEST(SecretSharing, AShareOfTheSameSecretIsAnotherEachTime) {
  const Key secret;
  ASSERT_OK_AND_ASSIGN(const auto once, SplitSecret(secret, 2, 3));
  ASSERT_OK_AND_ASSIGN(const auto again, SplitSecret(secret, 2, 3));
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_FALSE(once[i].value == again[i].value);
    EXPECT_FALSE(once[i].value == secret);
  }
}

TEST(SecretSharing, RefusesDivisionsThatHaveNoMeaning) {
  const Key secret = NewKey();
  for (const auto& [threshold, count] :
       {std::pair{0u, 0u}, {0u, 3u}, {1u, 3u}, {4u, 3u}, {2u, 17u}, {17u, 17u}, {2u, 1u}}) {
    EXPECT_THAT(SplitSecret(secret, threshold, count), FailsWith(Errc::kInvalidArgument));
  }
}

}  // namespace
}  // namespace leadglass
