// SPDX-License-Identifier: Apache-2.0
#include "crypto/internal/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "crypto/openssl_ptr.h"

namespace leadglass::internal {
namespace {

// OpenSSL's parameters take pointers to mutable bytes, and only read them.
OSSL_PARAM Octets(const char* name, ByteSpan bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<uint8_t*>(bytes.data()), bytes.size());
}

char kSha256[] = "SHA2-256";

}  // namespace

Secret<32> HkdfSha256(const Secret<32>& input, ByteSpan salt, ByteSpan info) {
  static EVP_KDF* const hkdf = OwnOpenSsl(EVP_KDF_fetch(nullptr, "HKDF", nullptr)).release();
  const auto ctx = OwnOpenSsl(EVP_KDF_CTX_new(hkdf));
  std::array<OSSL_PARAM, 5> params;
  size_t n = 0;
  params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, kSha256, 0);
  params[n++] = Octets(OSSL_KDF_PARAM_KEY, input.ExposeForOpenSsl());
  if (!salt.empty()) params[n++] = Octets(OSSL_KDF_PARAM_SALT, salt);
  params[n++] = Octets(OSSL_KDF_PARAM_INFO, info);
  params[n] = OSSL_PARAM_construct_end();
  Secret<32> output;
  LG_CHECK(EVP_KDF_derive(ctx.get(), output.ExposeForOpenSsl().data(), 32, params.data()) == 1);
  return output;
}

Digest HmacSha256(const Secret<32>& key, ByteSpan data) {
  static EVP_MAC* const hmac = OwnOpenSsl(EVP_MAC_fetch(nullptr, "HMAC", nullptr)).release();
  const auto ctx = OwnOpenSsl(EVP_MAC_CTX_new(hmac));
  const std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, kSha256, 0),
      OSSL_PARAM_construct_end()};
  const auto bytes = key.ExposeForOpenSsl();
  Digest digest{};
  size_t size = 0;
  LG_CHECK(EVP_MAC_init(ctx.get(), bytes.data(), bytes.size(), params.data()) == 1);
  LG_CHECK(EVP_MAC_update(ctx.get(), data.data(), data.size()) == 1);
  LG_CHECK(EVP_MAC_final(ctx.get(), digest.data(), &size, digest.size()) == 1);
  LG_CHECK(size == digest.size());
  return digest;
}

}  // namespace leadglass::internal
