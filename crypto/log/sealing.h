// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sealing of records: what exactly a data or commit record is bound to. Associated data, byte by
// byte: docs/format.md, "What a record is sealed with".
//
// A data record is bound to what it is (vault, file, key generation, offset, length, write id) and
// not to where it lies. A commit is bound to its place: to every clear field of its frame, and by
// the running digest to everything before it in the log.
// Thread safety: free functions without state; a LogKeys is only read.

#include "crypto/aead.h"
#include "crypto/log/frame.h"
#include "crypto/log/sealed_log.h"

namespace leadglass {

ByteVector DataAssociatedData(const Uuid& vault_id, uint64_t inode, uint32_t generation,
                              const DataRecord& record);

// The commit record with this payload. `frame` has sequence, commit number and durable position
// set; the rest is filled in, the chain value for `running` included.
ByteVector SealCommit(const LogKeys& keys, const Uuid& vault_id, const Digest& running,
                      ByteSpan payload, Frame& frame);
// The payload of a commit record. kCorrupt: not what was sealed there. kAccessDenied with
// EKEYREVOKED: sealed with a newer metadata key than the vault file knows, which is an old one.
Result<ByteVector> OpenCommit(const LogKeys& keys, const Uuid& vault_id, const Digest& running,
                              const Frame& frame, ByteSpan record);

}  // namespace leadglass
