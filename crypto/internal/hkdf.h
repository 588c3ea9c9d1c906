// SPDX-License-Identifier: Apache-2.0
#pragma once

// HKDF and HMAC with SHA-256, as the pieces inside crypto/ need them. Layers above use DeriveKey().
// Thread safety: free functions without state.

#include "crypto/base/bytes.h"
#include "crypto/base/secret.h"

namespace leadglass::internal {

// RFC 5869, 32 bytes of output. An empty salt is the RFC's default of zeros.
Secret<32> HkdfSha256(const Secret<32>& input, ByteSpan salt, ByteSpan info);

// RFC 2104. Compare with ConstantTimeEqual().
Digest HmacSha256(const Secret<32>& key, ByteSpan data);

}  // namespace leadglass::internal
