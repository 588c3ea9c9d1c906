// SPDX-License-Identifier: Apache-2.0
#pragma once

// Group keys, study keys and file keys as wraps: pure functions from keys to the byte strings that
// commits carry, and back. Who keeps which wrap where is the business of the layers above.
//
//   group key    X25519 pair (RFC 7748); the private half wrapped by the vault's master key
//   study key    random; wrapped to a group's public key (ephemeral X25519, HKDF-SHA256), and that
//                again under the erasure secret of its page: without the secret it is gone
//   file key     random; wrapped by its study key
//
// Every wrap begins with algorithm ids and binds vault, owner and parameters as associated data.
// docs/format.md, "Wraps". Thread safety: free functions without state.

#include <span>

#include "crypto/aead.h"

namespace leadglass {

using PublicKey = std::array<uint8_t, 32>;

struct GroupKeyPair {
  PublicKey public_key{};
  Key private_key;
};
GroupKeyPair NewGroupKeyPair();

// The page of the keyring whose secret covers a study key: by hash of the key's id.
uint32_t ErasurePage(const Uuid& study_key_id);

ByteVector WrapStudyKey(const Uuid& vault_id, const Uuid& study_key_id, uint64_t group_id,
                        const PublicKey& group_public, const Key& erasure_secret,
                        const Key& study_key);
// kCorrupt: not this vault's, study's, group's wrap, or damaged. kUnsupported: unknown algorithm.
Result<Key> UnwrapStudyKey(const Uuid& vault_id, const Uuid& study_key_id, uint64_t group_id,
                           const GroupKeyPair& group, const Key& erasure_secret, ByteSpan wrap);

// The wrap under another erasure secret: the outer layer only, so that it takes no group's key.
// `secrets` are tried in turn. Errors as UnwrapStudyKey().
Result<ByteVector> MoveToSecret(const Uuid& vault_id, const Uuid& study_key_id, uint64_t group_id,
                                const PublicKey& group_public, std::span<const Key> secrets,
                                const Key& new_secret, ByteSpan wrap);

ByteVector WrapFileKey(const Uuid& vault_id, const Uuid& study_key_id, uint64_t inode,
                       uint32_t generation, const Key& study_key, const Key& file_key);
Result<Key> UnwrapFileKey(const Uuid& vault_id, const Uuid& study_key_id, uint64_t inode,
                          uint32_t generation, const Key& study_key, ByteSpan wrap);

}  // namespace leadglass
