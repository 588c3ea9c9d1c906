// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the index remembers, as plain values: inodes, names, extents, extended attributes, keys, and
// the DICOM catalog. The same values travel in commits (index/operations.h), so they are part of
// the vault's format (docs/format.md, "Commit payload"); how the index stores them is private to
// it.
//
// A record that came by a commit keeps the limits of index/record_codec.h. Whether two records fit
// together (a name and its inode, the extents and the size) is for the one who reads both to doubt:
// what is missing there is damage, kCorrupt.
// Copied and compared by value, without locks. Names, targets, labels, identities and facts tell
// who was examined: they are never logged and never part of an error's context. Inode numbers are.

#include <cstdint>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/log/sealed_log.h"

namespace leadglass {

using InodeId = uint64_t;  // 1 to 2^63 - 1; never reused within a vault

// Fixed inodes of every vault.
inline constexpr InodeId kNoInode = 0;
inline constexpr InodeId kRootInode = 1;
inline constexpr InodeId kArchiveInode = 2;
inline constexpr InodeId kPatientsInode = 3;
inline constexpr InodeId kIncomingInode = 4;
inline constexpr InodeId kFirstFreeInode = 16;

enum InodeFlags : uint32_t {
  kInodeViewFolder = 1u << 0,  // a folder of an organised view
  kInodeIncomplete = 1u << 1,  // a write of it failed: kept, listed by status, in no view
  kInodeIncoming = 1u << 2,    // came through /incoming: may live by its view name alone
  kInodeShredded = 1u << 3,    // its study was shredded: it has a size and no bytes any more
};

// What stat(2) tells of a file (POSIX <sys/stat.h>), and what the vault has to know beside it.
struct InodeRecord {
  InodeId inode = kNoInode;
  uint32_t mode = 0;  // type and permission bits, as st_mode
  uint32_t uid = 0;
  uint32_t gid = 0;
  // As st_nlink: a name in a view counts, the aliases do not. A folder in a view has 1: its
  // subfolders are not counted. 0: an orphan, kept while something has it open, swept at mount.
  uint32_t nlink = 0;
  uint32_t flags = 0;      // InodeFlags; others are kept as they are
  uint64_t rdev = 0;       // device files only, as st_rdev
  uint64_t size = 0;       // plain bytes; for a symlink the length of its target
  uint64_t allocated = 0;  // how many of the bytes [0, size) lie in data extents, not in holes
  int64_t atime = 0;       // nanoseconds since 1970 UTC, as the other times
  int64_t mtime = 0;
  int64_t ctime = 0;
  int64_t btime = 0;
  // What ".." is. Of files: where it was made or last moved to; kNoInode where no one noted it.
  InodeId parent = kNoInode;
  uint32_t key_generation = 0;  // of the file key that new data is sealed with; 0: none yet
  std::string symlink_target;   // symlinks only
  // Filed images and series folders: the view folder of their study, whose group, permission bits
  // and access list hold for them (docs/design.md, "Who may see what"). kNoInode: their own do.
  InodeId study = kNoInode;
  bool operator==(const InodeRecord&) const = default;
};

// Unknown bits are kept as they are.
enum NameFlags : uint32_t {
  kNameAlias = 1u << 0,  // resolves but is not listed: an older spelling of a view folder
  kNameView = 1u << 1,   // a name in an organised view: derived, holds nothing
};

// A directory entry. (parent, name) is its key: a folder has a name once.
struct NameRecord {
  InodeId parent = kNoInode;
  std::string name;  // 1 to 255 bytes of any value but '/' and NUL; "." and ".." are not stored
  InodeId inode = kNoInode;
  uint32_t mode_type = 0;  // S_IFMT bits of the inode, for listings; they never change
  uint32_t flags = 0;      // NameFlags
  // Listing position, 16 to 2^63 - 1: unique in its folder and ascending in log order, so that a
  // listing that goes on after a cookie (POSIX seekdir) misses no name that stays.
  uint64_t cookie = 0;
  bool operator==(const NameRecord&) const = default;
};

// A run of a file's bytes. The extents of a file cover [0, size) without gaps or overlaps: a gap is
// damage, never zeros.
struct Extent {
  uint64_t file_offset = 0;  // plain bytes
  uint64_t length = 0;       // plain bytes, at least 1; end() does not overflow
  bool hole = false;         // reads as zeros, by a commit's word
  // Data only, else default. The run is the record's bytes from file_offset - record.file_offset
  // on, and lies within it; the rest of the record was overwritten.
  DataRecord record;
  uint32_t session = 0;         // number of record.write_id.session in the session table
  uint32_t key_generation = 0;  // of the FileKeyRecord that the record was sealed with
  bool operator==(const Extent&) const = default;

  uint64_t end() const { return file_offset + length; }
};

// A file's key, wrapped; one for each (inode, generation). A generation begins when the file moves
// to another study; older ones stay as long as the inode.
struct FileKeyRecord {
  InodeId inode = kNoInode;
  uint32_t generation = 0;  // from 1
  Uuid study_key_id{};      // of the study key that wraps it
  ByteVector wrap;          // WrapFileKey() in crypto/study_keys.h
  bool operator==(const FileKeyRecord&) const = default;
};

inline constexpr uint64_t kDefaultGroup = 1;

// A pair of keys of a Unix group; it may have had several: that with the greatest number is its
// present one.
struct GroupKeyRecord {
  uint64_t group = kDefaultGroup;  // the pair's number
  uint32_t gid = 0;                // the Unix group it stands for
  Digest public_key{};             // X25519 (RFC 7748): study keys are wrapped to it
  // The other half, under the vault's master key or under a passphrase of the group's own
  // (crypto/passphrase_wrap.h).
  ByteVector private_wrap;
  bool operator==(const GroupKeyRecord&) const = default;
};

// A study's key for one group; one for each (study_key_id, group). A study may have several keys,
// each of some of its files.
struct StudyKeyRecord {
  Uuid study_key_id{};
  // SHA-256 of StudyKey(); empty: the study-less key; EarlyIdentity(): of one file, whose bytes had
  // to be committed before its header told its study.
  std::string study_identity;
  uint64_t group = kDefaultGroup;
  uint32_t erasure_page = 0;     // of the keyring: without that page's secret the wrap is noise
  uint64_t keyring_version = 0;  // of the keyring that had the secret when the key was wrapped
  ByteVector wrap;               // WrapStudyKey() in crypto/study_keys.h
  bool operator==(const StudyKeyRecord&) const = default;
};

// A page of the keyring whose erasure secret is to be replaced, and the newest keyring that had not
// replaced it yet when that was asked for.
struct WantedRenewal {
  uint32_t page = 0;
  uint64_t keyring_version = 0;
  bool operator==(const WantedRenewal&) const = default;
};

// Information entities of DICOM's Patient/Study/Series/Instance model (PS3.3 A.1.2).
enum class EntityKind : uint8_t { kPatient = 1, kStudy = 2, kSeries = 3 };

inline constexpr uint32_t kNoRule = 0xffffffff;  // greater than the number of every filing rule

enum EntityFlags : uint32_t {
  kEntityPinned = 1u << 0,  // a study whose group a person chose: no rule changes it
};

// A patient, study or series and the view folder that shows it; one for each (kind, identity), and
// only while the folder is there.
struct EntityRecord {
  EntityKind kind = EntityKind::kPatient;
  std::string identity;       // SHA-256 of its key in index/dicom_keys.h
  InodeId folder = kNoInode;  // its folder in /patients
  std::string label;          // the folder's present plain name, before any suffix
  std::string label_rank;     // study date and time it came from: the greatest names the folder
  // The names it has in its parent folder: the listed one first, then older spellings (aliases),
  // newest first. Not empty in what this version writes.
  std::vector<std::string> names;
  // Studies: the filing rule that gave its folder the group, from 0 (kNoRule: the default), and the
  // PutConfiguration::rules_version that it is counted in (0: there was no configuration).
  uint32_t rule = kNoRule;
  uint32_t rules_version = 0;
  uint32_t flags = 0;  // EntityFlags; others are kept as they are
  bool operator==(const EntityRecord&) const = default;
};

enum class FilingState : uint8_t {
  kFiled = 1,       // stands in the views
  kUnparsed = 2,    // no DICOM header was read: stays where it was written, listed by status
  kIncomplete = 3,  // a write failed
  kUnfiled = 4,     // readable, but not for the views (a DICOMDIR); listed by status
};

// What filing decided about a file; one for each inode that was filed or refused. A file without
// one was not looked at yet.
struct FilingRecord {
  InodeId inode = kNoInode;
  FilingState state = FilingState::kUnparsed;
  std::string reason;              // for people, without values from the header; not for kFiled
  ByteVector facts;                // EncodeDicomFacts(); empty for kUnparsed and kIncomplete
  InodeId view_folder = kNoInode;  // kFiled: the series folder and the name in it
  std::string view_name;
  std::string instance_identity;  // kFiled: SHA-256 of InstanceKey()
  int64_t filed_at = 0;           // nanoseconds since 1970 UTC
  bool operator==(const FilingRecord&) const = default;
};

// A legal hold: while one is there, nothing of the study may be destroyed (docs/design.md). One for
// each (study_identity, id); a study may have several.
struct HoldRecord {
  std::string study_identity;  // as EntityRecord::identity of a kStudy
  uint32_t id = 0;             // random, not 0; one order may hold several studies under one id
  std::string study_uid;       // StudyInstanceUID, for people; empty: the study has none
  std::string reason;          // UTF-8, for people
  uint32_t uid = 0;            // who put it
  std::string user;            // his name there and then; empty: he had none
  int64_t since = 0;           // nanoseconds since 1970 UTC
  bool operator==(const HoldRecord&) const = default;
};

// Emergency access (45 CFR 164.312(a)(2)(ii)): until it ends a user may read a patient's studies,
// or one of them, whatever his groups let him. One for each (id, identity).
struct EmergencyRecord {
  uint32_t id = 0;   // random, not 0; one order may open several entities under one id
  uint32_t uid = 0;  // who may
  std::string user;  // his name there and then; empty: he had none
  EntityKind kind = EntityKind::kPatient;  // or kStudy
  std::string identity;                    // as EntityRecord::identity
  // For people: of a study; of the patient.
  std::string study_uid;
  std::string patient_id;
  std::string issuer;
  std::string reason;   // UTF-8
  uint32_t by_uid = 0;  // who gave it; himself, or an administrator
  std::string by_user;
  int64_t from = 0;  // nanoseconds since 1970 UTC
  int64_t until = 0;
  bool operator==(const EmergencyRecord&) const = default;
};

}  // namespace leadglass
