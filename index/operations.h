// SPDX-License-Identifier: Apache-2.0
#pragma once

// Operations: what a commit says. One commit carries one atomic batch of typed, logical operations
// with absolute values, so that replaying a batch that was already applied changes nothing. The log
// outlives every index schema, hence no operation speaks of index keys.
//
// Encoding (docs/format.md, "Commit payload"): a sequence of
//   u16 type | u8 flags (bit 0: critical) | u32 body length | body, fixed-width little-endian
//   fields
// A reader that does not know a critical operation stops (kUnsupported); others it skips. A known
// operation's body may grow at its end in a later minor version: readers ignore what follows.

#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "index/records.h"

namespace leadglass {

struct PutInode {
  InodeRecord record;
};
// The inode with its extents, extended attributes, file keys and filing record.
struct EraseInode {
  InodeId inode = kNoInode;
};
struct PutName {
  NameRecord record;
};
struct EraseName {
  InodeId parent = kNoInode;
  std::string name;
};
// Replaces whatever the file had in the extent's range.
struct PutExtent {
  InodeId inode = kNoInode;
  Extent extent;
};
// Drops everything of the file at and beyond `size`.
struct CutExtents {
  InodeId inode = kNoInode;
  uint64_t size = 0;
};
struct PutXattr {
  InodeId inode = kNoInode;
  std::string name;
  ByteVector value;
};
struct EraseXattr {
  InodeId inode = kNoInode;
  std::string name;
};
struct PutFileKey {
  FileKeyRecord record;
};
struct PutStudyKey {
  StudyKeyRecord record;
};
struct PutGroupKey {
  GroupKeyRecord record;
};
// Gives a session id a short number for extents.
struct PutSession {
  uint32_t number = 0;
  Uuid session{};
};
struct PutEntity {
  EntityRecord record;
};
struct EraseEntity {
  EntityKind kind = EntityKind::kPatient;
  std::string identity;
};
struct PutFiling {
  FilingRecord record;
};
struct EraseFiling {
  InodeId inode = kNoInode;
};
// The space of data records that no file needs any more goes back to the disk: from this commit on
// their bodies (PunchableRange()) may read as zeros, and that is no damage. Not critical: who does
// not know it misses nothing but that.
struct Punch {
  std::vector<RecordSpace> records;
};

// Ends a checkpoint: the commits from the start of segment `base` on, this one included, say
// everything that the vault has to remember, whatever was said before. The counters are those of
// the index, and only ever go up by this.
struct Checkpoint {
  SegmentId base;
  InodeId next_inode = kFirstFreeInode;
  uint32_t next_session = 1;
  uint64_t next_cookie = 16;
  uint64_t restated_bytes = 0;  // that the checkpoint's commits took in the log
};

// The segments before `base`, which is that of a checkpoint, hold nothing any more but what files
// need and what died since that checkpoint. Not critical: who does not know it clears them again.
struct Cleared {
  SegmentId base;
};

// A wrap of a study's key counts no longer: it hangs under another group now, or was shredded.
struct EraseStudyKey {
  Uuid study_key_id{};
  uint64_t group = kDefaultGroup;
};

// The erasure secrets that are still to be replaced; all of them. Until one is, what was wrapped
// under it can still be opened by who has the keys and an old copy of the log.
struct PutRenewals {
  std::vector<WantedRenewal> wanted;  // ascending page
  bool operator==(const PutRenewals&) const = default;
};

// A study was shredded: its keys are gone with this commit, and their erasure secrets are to be
// replaced. Kept for ever: who prunes old keyrings elsewhere goes by it.
struct PutShred {
  std::string study_identity;  // as StudyKeyRecord has it
  std::string study;           // StudyInstanceUID (0020,000D)
  int64_t at = 0;              // nanoseconds since 1970 UTC
  uint32_t by = 0;             // uid
  std::vector<Uuid> study_keys;
  // The first keyring without the secrets that they hung on; 0: these are not dropped yet.
  uint64_t keyring_version = 0;
  bool operator==(const PutShred&) const = default;
};

// A Unix group as the machine knew it on which the configuration was put.
struct ConfiguredGroup {
  std::string name;
  uint32_t gid = 0;
  bool operator==(const ConfiguredGroup&) const = default;
};

// Replaces the vault's configuration. All of it, so that the log keeps every version.
struct PutConfiguration {
  uint32_t version = 0;        // from 1, ascending
  uint32_t rules_version = 0;  // the `version` since which the filing rules are what they are
  std::string text;            // TOML; its meaning is that of fs/configuration.h
  std::vector<ConfiguredGroup> groups;  // all that it names
  bool operator==(const PutConfiguration&) const = default;
};

// How far the audit trail is that is durable: a point of its log. A vault whose trail does not have
// it lost its trail, or somebody removed it.
struct QuoteAudit {
  Head head;
  Position end;  // of the trail's log: first byte after the commit
  bool operator==(const QuoteAudit&) const = default;
};

struct PutHold {
  HoldRecord record;
};
struct EraseHold {
  std::string study_identity;
  uint32_t id = 0;
};

struct PutEmergency {
  EmergencyRecord record;
};
struct EraseEmergency {
  std::string identity;
  uint32_t id = 0;
};

using AnyOperation =
    std::variant<PutInode, EraseInode, PutName, EraseName, PutExtent, CutExtents, PutXattr,
                 EraseXattr, PutFileKey, PutStudyKey, PutGroupKey, PutSession, PutEntity,
                 EraseEntity, PutFiling, EraseFiling, Punch, Checkpoint, Cleared, PutConfiguration,
                 QuoteAudit, PutHold, EraseHold, PutEmergency, EraseEmergency, EraseStudyKey,
                 PutRenewals, PutShred>;

template <typename Type, typename Variant>
inline constexpr bool kIsAlternative = false;
template <typename Type, typename... Types>
inline constexpr bool kIsAlternative<Type, std::variant<Types...>> = (std::is_same_v<Type, Types> ||
                                                                      ...);
template <typename Type>
concept OperationType = kIsAlternative<Type, AnyOperation>;

// One operation. What a variant of so many types needs to be copied, moved and destroyed is
// compiled once, in operations.cc: inline it took a third of the build of every source that holds
// operations.
class Operation : public AnyOperation {
 public:
  Operation();  // a PutInode, as of the variant
  template <OperationType Type>
  Operation(Type operation);  // implicit, as of the variant
  Operation(const Operation& other);
  Operation(Operation&& other) noexcept;
  Operation& operator=(const Operation& other);
  Operation& operator=(Operation&& other) noexcept;
  ~Operation();
};
using Operations = std::vector<Operation>;

// How long the variable parts of an operation may be, in bytes. Longer ones are neither written nor
// read, so that a decoder's memory is bounded by its input.
struct OperationLimits {
  static constexpr size_t kName = 255;  // of a name, at least 1; of a view name, which may be empty
  static constexpr size_t kSymlinkTarget = 4095;
  static constexpr size_t kXattrName = 255;  // at least 1
  static constexpr size_t kXattrValue = 64u << 10;
  static constexpr size_t kWrap = 1024;
  static constexpr size_t kIdentity = 1024;  // of a patient, study, series or instance
  static constexpr size_t kLabel = 4095;
  static constexpr size_t kLabelRank = 16u << 10;
  static constexpr size_t kEntityNames = 1024;  // how many names an entity has had, each a kName
  static constexpr size_t kReason = 4095;
  static constexpr size_t kFacts = 256u << 10;
  static constexpr size_t kPunched = 4096;  // how many records one operation punches
  static constexpr size_t kConfiguration = 64u << 10;
  static constexpr size_t kGroupName = 255;  // at least 1
  static constexpr size_t kGroups = 4096;    // that a configuration names
  static constexpr size_t kUid = 16u << 10;  // of a study or patient; senders make of it anything
  static constexpr size_t kWhy = 1024;       // of a hold or an emergency, at least 1
  static constexpr size_t kUser = 255;
  static constexpr size_t kPages = 4096;          // of a keyring
  static constexpr size_t kStudyKeys = 1u << 20;  // of one study
};

// An extent's record.write_id.session is not encoded: its short number stands for it (PutSession),
// and Index::Extents() fills it in again. Nor is the record of a hole.
// Aborts where CheckOperations() would have failed: that is wrong use.
ByteVector EncodeOperations(const Operations& operations);
// How many bytes of what EncodeOperations() gave are its first operation; 0: there is none.
size_t FirstOperationLength(ByteSpan encoded);
// kInvalidArgument: an operation breaks a limit or says something that no reader would accept (a
// name of no bytes, an extent beyond its record); the message gives its place in the batch.
Status CheckOperations(const Operations& operations);
// kCorrupt: malformed, or beyond a limit (never a crash, whatever the bytes). kUnsupported: a
// critical operation of a newer version; the message names its number. An empty payload is an empty
// batch.
Result<Operations> DecodeOperations(ByteSpan payload);

}  // namespace leadglass

extern template class std::vector<leadglass::Operation>;
