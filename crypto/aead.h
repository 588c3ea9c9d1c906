// SPDX-License-Identifier: Apache-2.0
#pragma once

// XAES-256-GCM (C2SP): authenticated encryption with a 256-bit key and a 192-bit nonce that is
// drawn at random inside and never seen in this interface.
//
// Property: indistinguishable under adaptive chosen-ciphertext attack for up to 2^80 messages a key
// (C2SP XAES-256-GCM, "Security"); the associated data is authenticated, not secret. Built on
// AES-256-GCM (NIST SP 800-38D) with a key derived per nonce (SP 800-108 with CMAC).
//
// Thread safety: free functions without state.

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace leadglass {

using Key = Secret<32>;

inline constexpr size_t kTagSize = 16;
inline constexpr size_t kNonceSize = 24;
inline constexpr size_t kSealOverhead = kNonceSize + kTagSize;

// Fills with bytes from the operating system's generator. Aborts if it has none.
void RandomBytes(MutableByteSpan out);
Key NewKey();
Uuid NewUuid();

// One short message (a wrap, a slot, a commit): nonce || ciphertext || tag, kSealOverhead longer
// than `plain`.
ByteVector Seal(const Key& key, ByteSpan plain, ByteSpan associated_data);
// kCorrupt: the bytes, the key or the associated data is not what was sealed.
Result<ByteVector> Open(const Key& key, ByteSpan sealed, ByteSpan associated_data);

// A key wrapped by another: Seal() of exactly 32 bytes, kWrappedKeySize long.
inline constexpr size_t kWrappedKeySize = 32 + kSealOverhead;
ByteVector WrapKey(const Key& wrapping, const Key& wrapped, ByteSpan associated_data);
Result<Key> UnwrapKey(const Key& wrapping, ByteSpan sealed, ByteSpan associated_data);

// HKDF-SHA256 (RFC 5869) of a key for a named purpose; `context` binds it to an owner.
Key DeriveKey(const Key& from, std::string_view purpose, ByteSpan context);

Digest Sha256(ByteSpan data);

// One message in chunks (STREAM, Hoang et al. 2015): 19 random bytes of nonce shared by the
// message, then the 4-byte chunk number and a last-chunk flag, so that chunks cannot be reordered,
// dropped, or taken from another message. Chunks can be opened one by one.
inline constexpr size_t kStreamPrefixSize = 19;
using StreamPrefix = std::array<uint8_t, kStreamPrefixSize>;

// Seals `plain` (not empty) into `out`: each chunk of `chunk_size` plaintext bytes (the last may be
// shorter) followed by its tag. out.size() == StreamSealedSize(). Gives the random prefix.
StreamPrefix SealStream(const Key& key, ByteSpan plain, uint32_t chunk_size,
                        ByteSpan associated_data, MutableByteSpan out);
// Opens consecutive chunks first_chunk.. of a message of `plain_size` bytes. `sealed` holds exactly
// those chunks with their tags; `out` exactly their plaintext. kCorrupt leaves `out` zeroed.
Status OpenStream(const Key& key, const StreamPrefix& prefix, uint32_t chunk_size,
                  uint64_t plain_size, uint32_t first_chunk, ByteSpan associated_data,
                  ByteSpan sealed, MutableByteSpan out);
uint64_t StreamSealedSize(uint64_t plain_size, uint32_t chunk_size);

}  // namespace leadglass
