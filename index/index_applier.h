// SPDX-License-Identifier: Apache-2.0
#pragma once

// IndexApplier: turns the operations of one commit into changes of keys. Every secondary key and
// every count follows from what is stored at that moment, never from what an operation hopes to
// find; so operations may be applied again, and a log replayed from any earlier point on.
//
// Thread-compatible. After an error the batch is to be dropped.

#include <vector>

#include "index/extent_map.h"
#include "index/index_batch.h"
#include "index/index_values.h"
#include "index/operations.h"

namespace leadglass {

class IndexApplier {
 public:
  // `state` is changed in place: the caller gives a copy and keeps it when the batch was written.
  // `now`: see DeadSpace. All of them outlive the object.
  IndexApplier(IndexBatch& batch, ExtentBounds& bounds, IndexState& state,
               const std::function<int64_t()>& now)
      : batch_(batch), bounds_(bounds), state_(state), dead_(batch, state, now) {}

  Status Apply(const Operation& operation);

  // Sessions that were named.
  const std::vector<PutSession>& sessions() const { return sessions_; }

 private:
  Status Do(const PutInode& op);
  Status Do(const EraseInode& op);
  Status Do(const PutName& op);
  Status Do(const EraseName& op);
  Status Do(const PutExtent& op);
  Status Do(const CutExtents& op);
  Status Do(const PutXattr& op);
  Status Do(const EraseXattr& op);
  Status Do(const PutFileKey& op);
  Status Do(const PutStudyKey& op);
  Status Do(const PutGroupKey& op);
  Status Do(const PutSession& op);
  Status Do(const PutEntity& op);
  Status Do(const EraseEntity& op);
  Status Do(const PutFiling& op);
  Status Do(const EraseFiling& op);
  Status Do(const Punch& op);
  Status Do(const Checkpoint& op);
  Status Do(const Cleared& op);
  Status Do(const PutConfiguration& op);
  Status Do(const QuoteAudit& op);
  Status Do(const PutHold& op);
  Status Do(const EraseHold& op);
  Status Do(const PutEmergency& op);
  Status Do(const EraseEmergency& op);
  Status Do(const EraseStudyKey& op);
  Status Do(const PutRenewals& op);
  Status Do(const PutShred& op);

  using StoredValue = std::optional<std::string>;

  Result<std::optional<InodeRecord>> StoredInode(InodeId inode);
  // Removes the filing record and the keys that point to it, if there is one.
  Status DropFiling(InodeId inode);
  // Removes the entity that owns `key`'s pointer from its folder, if it still points to it.
  Status DropFolderPointer(InodeId folder, const std::string& entity_key);
  // Keeps the keys that say whom a study is open to in step with its folder's record (nullopt:
  // none) and access list: what follows from the old ones goes, what follows from the new ones is
  // put.
  void ChangeViewers(const std::optional<InodeRecord>& before, const StoredValue& acl_before,
                     const std::optional<InodeRecord>& after, const StoredValue& acl_after);
  Status ChangeAcl(InodeId inode, const std::string& key, const StoredValue& acl);
  // Takes the keys away by which a study finds one of its keys.
  Status DropStudyPointers(const StudyKeyRecord& record);
  // Frees the cookie of whatever name has it.
  Status EvictCookie(const NameRecord& record);
  // True when nothing was ever stored under the inode; counts it as seen.
  bool IsNewInode(InodeId inode);

  IndexBatch& batch_;
  ExtentBounds& bounds_;
  IndexState& state_;
  DeadSpace dead_;
  std::vector<PutSession> sessions_;
};

// The part of an instance identity's hash that is in index keys.
uint64_t InstanceHash(std::string_view instance_identity);

}  // namespace leadglass
