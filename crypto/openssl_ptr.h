// SPDX-License-Identifier: Apache-2.0
#pragma once

// OpenSslPtr<T>: owns one OpenSSL object and frees it with the function of its type. The only
// place where OpenSSL's free functions appear. For .cc files of crypto/ only.

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <memory>

#include "crypto/base/result.h"

namespace leadglass {

struct OpenSslDeleter {
  void operator()(EVP_CIPHER* p) const { EVP_CIPHER_free(p); }
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(EVP_MD* p) const { EVP_MD_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(EVP_KDF* p) const { EVP_KDF_free(p); }
  void operator()(EVP_KDF_CTX* p) const { EVP_KDF_CTX_free(p); }
  void operator()(EVP_MAC* p) const { EVP_MAC_free(p); }
  void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
};

template <typename T>
using OpenSslPtr = std::unique_ptr<T, OpenSslDeleter>;

// Takes what an OpenSSL constructor or fetch returned. Aborts on null: memory ran out, or this
// OpenSSL has not the algorithm, and neither has a way on.
template <typename T>
OpenSslPtr<T> OwnOpenSsl(T* object) {
  LG_CHECK(object != nullptr);
  return OpenSslPtr<T>(object);
}

}  // namespace leadglass
