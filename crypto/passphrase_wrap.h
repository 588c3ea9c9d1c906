// SPDX-License-Identifier: Apache-2.0
#pragma once

// A key under a passphrase of its own, which no other key of the vault opens: scrypt(passphrase,
// salt) wraps it. What carries such a wrap is itself sealed, so the passphrase alone opens nothing.
// docs/format.md, "Wraps". Thread safety: free functions without state.

#include "crypto/aead.h"
#include "crypto/scrypt.h"

namespace leadglass {

// `owner` is bound as associated data. kInvalidArgument: an empty passphrase, or a cost outside
// 10..24. kUnavailable: as Scrypt().
Result<ByteVector> WrapByPassphrase(const Key& key, const SecretBytes& passphrase,
                                    uint32_t scrypt_log2_n, ByteSpan owner);
// kAccessDenied: another passphrase, another owner, or the wrap was altered. kCorrupt: no such
// wrap. kUnsupported: algorithms or costs of a newer version. kUnavailable: as Scrypt().
Result<Key> UnwrapByPassphrase(ByteSpan wrap, const SecretBytes& passphrase, ByteSpan owner);
// Whether it begins as such a wrap, and not as one that the vault's own keys open.
bool IsWrappedByPassphrase(ByteSpan wrap);

}  // namespace leadglass
