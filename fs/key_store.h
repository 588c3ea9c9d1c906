// SPDX-License-Identifier: Apache-2.0
#pragma once

// KeyStore: study keys and file keys, from the wraps in the index to keys in memory, and who may
// have them: the pairs of keys of Unix groups, of which those under a passphrase of their own are
// locked until it is given.
//
// A study's keys hang under the present pair of the group that owns it, and under no other: a
// further group that an access list lets in reads by that one's key, or a lock would have a way
// around it.
//
// Thread-safe; what appends operations is serialised by the vault's names lock. Errors: kCorrupt
// for a wrap that is missing or does not open; kLocked where it is under a locked group;
// EKEYREVOKED (kPosix) where it was shredded.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string_view>

#include "crypto/base/clock.h"
#include "crypto/base/mutex.h"
#include "crypto/study_keys.h"
#include "crypto/vault_keys.h"
#include "index/index.h"

namespace leadglass {

class KeyStore {
 public:
  KeyStore(const Index& index, const VaultKeys& keys, Clock& clock)
      : index_(index), keys_(keys), clock_(clock) {}

  // Which groups there are, those under a passphrase being locked, and what was shredded. Before
  // anything else.
  Status Load();
  // The operations that begin a vault: the default group's pair and the study-less key.
  static Result<Operations> Genesis(const VaultKeys& keys, uint32_t gid);

  // The id of the key that a study's new files get ("" is the study-less one). Where there is none
  // that is to be had, a key is made and what records it is appended to `operations`, to be
  // committed together with its first use. `gid_of` tells the group of the study; not asked for "".
  // A locked group's study gets a further key, that is wrapped to the public half, is good for a
  // minute's files, and can then only be had by unlocking.
  Result<Uuid> StudyKeyFor(std::string_view study_identity,
                           const std::function<Result<uint32_t>()>& gid_of, Operations& operations);
  // The same for a file whose bytes have to be committed before its header tells its study: a study
  // key of its own, which goes over to the study as it is (GiveEarlyKey()).
  Result<Uuid> EarlyKeyFor(InodeId inode, Operations& operations);
  // Whose key it is: a study's identity, "", or a file's own. nullopt: it was shredded.
  Result<std::optional<std::string>> StudyOfKey(const Uuid& study_key_id) const;
  // The key of such a file, while it is its own.
  Result<std::optional<Uuid>> EarlyKeyOf(InodeId inode) const;
  // Whether an identity is a file's own.
  static bool IsEarlyIdentity(std::string_view study_identity);
  Status GiveEarlyKey(const Uuid& study_key_id, std::string_view study_identity, uint32_t gid,
                      Operations& operations);
  // Hangs all keys of a study under that group. Under a passphrase, the erasure secrets of their
  // pages are to be renewed: the old wraps are in the log. kLocked: it is in a locked group now.
  Status MoveStudy(std::string_view study_identity, uint32_t gid, Operations& operations);
  // The same of one key, but for the renewal. False: it is there already.
  Result<bool> MoveKey(const Uuid& study_key_id, uint32_t gid, Operations& operations);
  // Says in `operations` that the secrets of these pages are to be replaced.
  Status WantRenewal(std::span<const uint32_t> pages, Operations& operations) const;
  // The wrap, which hangs on one of its page's secrets, on the newest of them.
  Result<StudyKeyRecord> OnNewestSecret(StudyKeyRecord record) const;

  Result<Key> FileKey(InodeId inode, uint32_t generation);
  // The study key under which that file key is wrapped.
  Result<Uuid> StudyKeyOfFile(InodeId inode, uint32_t generation) const;
  Result<FileKeyRecord> WrapFileKeyFor(const Uuid& study_key_id, InodeId inode, uint32_t generation,
                                       const Key& file_key);

  // Groups.
  bool any_locked() const { return any_locked_; }
  bool IsLocked(uint32_t gid) const;
  // A new pair for the group, which is its present one once `operations` are committed. Null
  // passphrase: under the vault's own keys. Errors of WrapByPassphrase().
  Result<GroupKeyRecord> NewPair(uint32_t gid, const SecretBytes* passphrase,
                                 uint32_t scrypt_log2_n, Operations& operations);
  // Once that is committed: `record` is unlocked.
  Status UsePair(const GroupKeyRecord& record, const SecretBytes* passphrase);
  // Takes every pair of the group that the passphrase opens into use. kAccessDenied: it does not
  // open the present one. kNotFound: the group has no passphrase.
  Status Unlock(uint32_t gid, const SecretBytes& passphrase);
  // Forgets every key that hangs under the group. kNotFound: the group has no passphrase.
  Status Lock(uint32_t gid);
  // Forgets a study's keys, which hang elsewhere now.
  void Forget(std::span<const Uuid> study_keys);
  // They hang nowhere any more: who asks for one is told so (EKEYREVOKED).
  void Shredded(std::span<const Uuid> study_keys);
  // To be called now and then: what a locked group's studies were sealed with for a while goes.
  void DropSealingKeys();

 private:
  using KeyPtr = std::shared_ptr<const Key>;
  using PairPtr = std::shared_ptr<const GroupKeyPair>;
  struct Known {
    KeyPtr key;
    uint64_t group = 0;  // the pair under which it hangs
  };
  // Of a study in a locked group, for files that come.
  struct Sealing {
    Uuid id{};
    Known known;
    int64_t until = 0;  // monotonic nanoseconds
  };

  Result<KeyPtr> StudyKey(const Uuid& id);
  Result<Known> LoadStudyKey(const Uuid& id);
  Result<PairPtr> Pair(uint64_t group);
  Result<PairPtr> OpenPair(const GroupKeyRecord& record, const SecretBytes* passphrase) const;
  // The present pair of a group, made if need be.
  Result<GroupKeyRecord> PairFor(uint32_t gid, Operations& operations);
  Result<GroupKeyRecord> MakePair(uint32_t gid, const SecretBytes* passphrase,
                                  uint32_t scrypt_log2_n);
  Result<Uuid> MakeStudyKey(std::string_view identity, const GroupKeyRecord& group,
                            Operations& operations);
  // `locks` is what locks() said before the key was looked for.
  void Remember(const Uuid& id, Known known, uint64_t locks);
  // The operations that hang a key, whose wraps these are, under that group and no other.
  Status Rehang(const std::vector<StudyKeyRecord>& wraps, std::string_view identity,
                const GroupKeyRecord& group, const Key& study_key, Operations& operations);
  uint64_t locks() const;
  bool HasPair(uint64_t group) const;
  std::optional<Uuid> SealingKeyOf(std::string_view identity, uint64_t group) const;

  static constexpr size_t kCacheLimit = 1024;

  const Index& index_;
  const VaultKeys& keys_;
  Clock& clock_;
  std::atomic<bool> any_locked_{false};
  mutable Mutex mutex_;
  uint64_t next_group_ LG_GUARDED_BY(mutex_) = kDefaultGroup + 1;
  std::map<Uuid, Known> study_keys_ LG_GUARDED_BY(mutex_);
  std::map<std::string, Sealing> sealing_ LG_GUARDED_BY(mutex_);  // by study identity
  std::map<uint64_t, PairPtr> pairs_ LG_GUARDED_BY(mutex_);
  std::set<uint32_t> locked_ LG_GUARDED_BY(mutex_);  // by gid
  std::set<Uuid> shredded_ LG_GUARDED_BY(mutex_);
  uint64_t locks_ LG_GUARDED_BY(mutex_) = 0;  // how often keys were forgotten
};

}  // namespace leadglass
