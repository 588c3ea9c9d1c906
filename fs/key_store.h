// SPDX-License-Identifier: Apache-2.0
#pragma once

// KeyStore: study keys and file keys, from the wraps in the index to keys in memory. Study keys are
// kept in a bounded cache, since thousands of files share one.
//
// Thread-safe. Errors: kCorrupt for a wrap that is missing or does not open.

#include <map>
#include <memory>
#include <string_view>

#include "crypto/base/mutex.h"
#include "crypto/study_keys.h"
#include "crypto/vault_keys.h"
#include "index/index.h"

namespace leadglass {

class KeyStore {
 public:
  KeyStore(const Index& index, const VaultKeys& keys) : index_(index), keys_(keys) {}

  // The operations that begin a vault: the default group's pair and the study-less key.
  static Result<Operations> Genesis(const VaultKeys& keys, uint32_t gid);

  // The id of the key of a study ("" is the study-less one). Where the study has none yet, a key is
  // made and the operation that records it is appended to `operations`, to be committed together
  // with its first use. Callers are serialised by the vault's names lock.
  Result<Uuid> StudyKeyFor(std::string_view study_identity, Operations& operations);
  Result<Key> FileKey(InodeId inode, uint32_t generation);
  // The study key under which that file key is wrapped.
  Result<Uuid> StudyKeyOfFile(InodeId inode, uint32_t generation);
  Result<FileKeyRecord> WrapFileKeyFor(const Uuid& study_key_id, InodeId inode, uint32_t generation,
                                       const Key& file_key);

 private:
  using KeyPtr = std::shared_ptr<const Key>;
  Result<KeyPtr> StudyKey(const Uuid& id);
  Result<KeyPtr> LoadStudyKey(const Uuid& id);
  Result<std::shared_ptr<const GroupKeyPair>> Group(uint64_t group);
  void Remember(const Uuid& id, KeyPtr key);

  static constexpr size_t kCacheLimit = 1024;

  const Index& index_;
  const VaultKeys& keys_;
  Mutex mutex_;
  std::map<Uuid, KeyPtr> study_keys_ LG_GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<const GroupKeyPair>> groups_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
