// SPDX-License-Identifier: Apache-2.0
#pragma once

// X25519 (RFC 7748) pairs, and keys wrapped to a public one: ephemeral X25519, HKDF-SHA256 over the
// shared secret and both public keys, XAES-256-GCM. Study wraps and passphrase slots are made of
// it. Thread safety: free functions without state.

#include "crypto/aead.h"

namespace leadglass::internal {

using X25519Public = std::array<uint8_t, 32>;

// The public half of a private key (any 32 bytes are one).
X25519Public X25519PublicOf(const Key& private_key);

// Ephemeral public key, then the sealed key.
inline constexpr size_t kPublicWrapSize = 32 + kWrappedKeySize;

// Anyone who knows `to` and `sender_secret` can make such a wrap. The sender secret (may be empty)
// is what keeps a stranger, who has read `to` on the disk, from making one. Aborts when `to` is a
// point of low order: the caller vouches for it.
ByteVector WrapToPublic(const X25519Public& to, ByteSpan sender_secret, const Key& wrapped,
                        ByteSpan associated_data);
// kCorrupt: another recipient, sender secret or associated data, or damaged.
Result<Key> UnwrapWithPrivate(const Key& private_key, const X25519Public& public_key,
                              ByteSpan sender_secret, ByteSpan wrap, ByteSpan associated_data);

}  // namespace leadglass::internal
