// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ids by which slots, wraps and the keyring name their algorithms: docs/format.md. An id is
// never used again for another algorithm; a reader that does not know one answers kUnsupported.

#include <cstdint>

namespace leadglass {

inline constexpr uint8_t kKdfScrypt = 1;    // of a passphrase: RFC 7914
inline constexpr uint8_t kKdfRecovery = 2;  // of a random key: HKDF-SHA256, RFC 5869
inline constexpr uint8_t kKemNone = 0;      // wrapped by a symmetric key
inline constexpr uint8_t kKemX25519 = 1;    // X25519 with HKDF-SHA256: RFC 7748, RFC 5869
inline constexpr uint8_t kAeadXaes = 1;     // XAES-256-GCM: C2SP

}  // namespace leadglass
