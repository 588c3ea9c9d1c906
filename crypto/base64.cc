// SPDX-License-Identifier: Apache-2.0
#include "crypto/base64.h"

#include <openssl/evp.h>

namespace leadglass {

std::string ToBase64(ByteSpan bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock() adds a NUL
  auto* const to = reinterpret_cast<unsigned char*>(text.data());
  const int length = ::EVP_EncodeBlock(to, bytes.data(), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

}  // namespace leadglass
