// SPDX-License-Identifier: Apache-2.0
#include "crypto/internal/xaes.h"

#include <gtest/gtest.h>

#include "crypto/openssl_ptr.h"
#include "tests/vectors/xaes_256_gcm.h"

namespace leadglass {
namespace {

using internal::Nonce;
using internal::XaesOpener;
using internal::XaesSealer;

ByteVector SealAt(const Secret<32>& key, const Nonce& nonce, ByteSpan plain, ByteSpan aad) {
  ByteVector out(plain.size() + 16);
  const std::span<const uint8_t, 24> all(nonce);
  XaesSealer(key, all.first<12>()).Seal(all.last<12>(), plain, aad, out.data());
  return out;
}

bool OpensTo(const Secret<32>& key, const Nonce& nonce, ByteSpan sealed, ByteSpan aad,
             ByteSpan plain) {
  ByteVector out(sealed.size() - 16);
  const std::span<const uint8_t, 24> all(nonce);
  return XaesOpener(key, all.first<12>()).Open(all.last<12>(), sealed, aad, out.data()) &&
         std::equal(out.begin(), out.end(), plain.begin(), plain.end());
}

// Output of SHAKE128(""), in order. OpenSSL 3.0 squeezes once only, so all of it is made at once.
class ShakeReader {
 public:
  explicit ShakeReader(size_t size) : bytes_(size) {
    const auto md = OwnOpenSsl(EVP_MD_fetch(nullptr, "SHAKE128", nullptr));
    const auto ctx = OwnOpenSsl(EVP_MD_CTX_new());
    LG_CHECK(EVP_DigestInit_ex2(ctx.get(), md.get(), nullptr) == 1);
    LG_CHECK(EVP_DigestFinalXOF(ctx.get(), bytes_.data(), bytes_.size()) == 1);
  }
  ByteSpan Next(size_t size) {
    LG_CHECK(at_ + size <= bytes_.size());
    at_ += size;
    return ByteSpan(bytes_).subspan(at_ - size, size);
  }

 private:
  ByteVector bytes_;
  size_t at_ = 0;
};

TEST(Xaes, GivesThePublishedVectors) {
  for (const vectors::Xaes& vector : vectors::kXaes) {
    Secret<32> key;
    std::memset(key.ExposeForOpenSsl().data(), vector.key_byte, 32);
    Nonce nonce{};
    std::memcpy(nonce.data(), vector.nonce.data(), nonce.size());
    const ByteSpan aad = AsBytes(vector.associated_data);
    const ByteVector sealed = SealAt(key, nonce, AsBytes(vector.plain), aad);
    EXPECT_EQ(ToHex(sealed), vector.sealed_hex);
    EXPECT_TRUE(OpensTo(key, nonce, sealed, aad, AsBytes(vector.plain)));
  }
}

TEST(Xaes, GivesThePublishedDigestOfTenThousandMessages) {
  const size_t most = size_t{vectors::kXaesAccumulatedMessages} * (32 + 24 + 2 + 2 * 255);
  ShakeReader input(most);
  const auto md = OwnOpenSsl(EVP_MD_fetch(nullptr, "SHAKE128", nullptr));
  const auto digest = OwnOpenSsl(EVP_MD_CTX_new());
  ASSERT_EQ(EVP_DigestInit_ex2(digest.get(), md.get(), nullptr), 1);
  for (int i = 0; i < vectors::kXaesAccumulatedMessages; ++i) {
    Secret<32> key;
    std::memcpy(key.ExposeForOpenSsl().data(), input.Next(32).data(), 32);
    Nonce nonce{};
    std::memcpy(nonce.data(), input.Next(24).data(), 24);
    const ByteSpan plain = input.Next(input.Next(1)[0]);
    const ByteSpan aad = input.Next(input.Next(1)[0]);
    const ByteVector sealed = SealAt(key, nonce, plain, aad);
    ASSERT_TRUE(OpensTo(key, nonce, sealed, aad, plain)) << "message " << i;
    ASSERT_EQ(EVP_DigestUpdate(digest.get(), sealed.data(), sealed.size()), 1);
  }
  Digest got{};
  ASSERT_EQ(EVP_DigestFinalXOF(digest.get(), got.data(), got.size()), 1);
  EXPECT_EQ(ToHex(got), vectors::kXaesAccumulatedHex);
}

}  // namespace
}  // namespace leadglass
