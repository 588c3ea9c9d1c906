// SPDX-License-Identifier: Apache-2.0
#pragma once

// ViewEditor: works out what one filing, or one removal, changes in the organised view, as
// operations for a commit. It sees its own changes over the index, so several steps add up to one
// atomic change.
//
// Names within a folder are unique also for readers that fold case (SMB, Windows): each name's
// collision key is claimed by an alias that begins with kClaimMark, a byte no view name holds.
//
// Not thread-safe: one editor serves one change under the vault's names lock.

#include <map>
#include <optional>
#include <set>
#include <string>

#include "fs/id_source.h"
#include "fs/study_access.h"
#include "index/dicom_facts.h"
#include "index/index.h"

namespace leadglass {

class ViewEditor {
 public:
  static constexpr char kClaimMark = '\x01';

  ViewEditor(const Index& index, IdSource& ids, int64_t now)
      : index_(index), ids_(ids), now_(now) {}

  // Puts the image into the view where its header says. `previous` is what filing said last time,
  // if anything: a name that still fits is kept, one that does not is removed. A study that is new
  // is open to whom `assignment` says. Gives the new filing record (state kFiled), which it has
  // already added to the operations, and the study's folder.
  struct Placed {
    FilingRecord filing;
    InodeId study = kNoInode;
    std::optional<uint32_t> new_study_gid;  // the group of the study, where this image begins it
  };
  Result<Placed> Place(InodeId inode, const DicomFacts& facts, const StudyAssignment& assignment,
                       const std::optional<FilingRecord>& previous);
  // Takes the image out of the view; folders that become empty go with it, and the newest of those
  // that were marked as its conflicts gets the plain name. The filing record is not erased.
  Status Remove(const FilingRecord& filed);

  const Operations& operations() const { return operations_; }

  // SHA-256 of a key of index/dicom_keys.h, as the bytes of a string: the identity in records.
  static std::string Identity(std::string_view key);

 private:
  struct FolderWanted {
    EntityKind kind;
    std::string identity;
    InodeId parent;
    std::string label;
    std::string rank;
    uint32_t mode;
    const StudyAssignment* assignment = nullptr;  // studies only
  };

  Result<std::optional<NameRecord>> Find(InodeId folder, std::string_view name) const;
  void PutNameRecord(NameRecord record);
  void DropName(InodeId folder, const std::string& name);
  Result<bool> IsEmpty(InodeId folder) const;

  Result<InodeRecord> FolderRecord(InodeId folder) const;
  // The folder of an entity, made if need be: owner and group are those of the folder above.
  Result<InodeId> EnsureFolder(const FolderWanted& wanted);
  Result<std::string> FreeFolderName(InodeId parent, InodeId folder, const std::string& label,
                                     const std::string& identity) const;
  void AddFolderName(InodeId parent, InodeId folder, const std::string& name, uint32_t flags);
  Status Relabel(EntityRecord entity, const FolderWanted& wanted);
  Status RemoveFolderIfEmpty(InodeId folder);

  Result<std::string> FreeImageName(InodeId folder, InodeId inode, const DicomFacts& facts,
                                    const std::string& identity);
  Status MarkAsConflict(InodeId folder, const std::string& plain, InodeId older);
  Status PromoteConflict(const FilingRecord& gone);

  const Index& index_;
  IdSource& ids_;
  const int64_t now_;
  Operations operations_;
  // Names as they will be, where they differ from the index; nullopt: gone.
  std::map<std::pair<InodeId, std::string>, std::optional<NameRecord>> names_;
  std::map<InodeId, InodeRecord> made_;  // folders that this change makes
};

}  // namespace leadglass
