// SPDX-License-Identifier: Apache-2.0
#pragma once

// The keys of the index: one letter for the kind, then numbers in big-endian, so that the order of
// the bytes is the order of the numbers. Private to index/ (kIndexSchema); docs/format.md
// gives the summary.
//
//   A                              how far the audit trail is
//   B gid                          the number of a Unix group's present pair of keys
//   C                              the configuration
//   D identity                     that a study was shredded
//   E id identity                  emergency access to a patient or study
//   G group                        a group key
//   H id identity                  a legal hold of a study
//   I inode, then one part byte:
//     0x00                         the inode
//     0x01 end                     an extent, by the offset after its last byte
//     0x02 generation              a file key
//     0x03 name                    an extended attribute
//     0x04                         the filing record
//     0x05                         of a view folder: its entity
//     0x06 name                    of a folder: a name, by name
//     0x07 cookie                  of a folder: a name, by listing position
//     0x08 hash inode              of a series folder: a filed image, by hash of its identity
//     0x09 viewer study            of a patient's folder: one whom a study in it is open to
//   J                              state: head, position, counters
//   K                              which erasure secrets are to be replaced
//   M number                       a session
//   O inode                        an orphan
//   P kind identity                an entity
//   R                              what the newest punch said
//   S viewer patient study         the same by viewer (a letter for the kind, and a uid or gid)
//   T length identity id           a key of a study
//   U inode                        a file whose filing state is not kFiled
//   V time position                a data record that is wholly dead, by when it died
//   W position                     a small data record before the base with bytes that died since
//                                  the checkpoint
//   X position                     a data record with dead bytes
//   Y id group, Z identity         a study key; the id of the key that a study's new files get
//
// Inode numbers grow, and an image that arrives has a new one, as its study's folders had shortly
// before. So almost all that an import writes stands together at the end of I, with the state right
// behind it, and LevelDB moves the tables that hold it down from level to level as they are. With a
// letter for each kind of key every table reached from the first letter to the last, overlapped all
// that was there, and was merged with it at each level (docs/performance.md).
//
// Extents are keyed by their end because LevelDB seeks forward only: the first key beyond an offset
// is the extent that holds it.

#include <string>
#include <string_view>

#include "index/posix_acl.h"
#include "index/records.h"

namespace leadglass::index_keys {

inline void AppendBe64(std::string& key, uint64_t value) {
  uint8_t bytes[8];
  StoreBe(bytes, value);
  key.append(reinterpret_cast<const char*>(bytes), sizeof(bytes));
}
inline void AppendBe32(std::string& key, uint32_t value) {
  uint8_t bytes[4];
  StoreBe(bytes, value);
  key.append(reinterpret_cast<const char*>(bytes), sizeof(bytes));
}
inline uint64_t Be64At(std::string_view key, size_t at) {
  return key.size() < at + 8 ? 0 : LoadBe<uint64_t>(AsBytes(key).data() + at);
}

inline constexpr char kInodePart = 0;
inline constexpr char kExtentPart = 1;
inline constexpr char kFileKeyPart = 2;
inline constexpr char kXattrPart = 3;
inline constexpr char kFilingPart = 4;
inline constexpr char kEntityPart = 5;
inline constexpr char kNamePart = 6;
inline constexpr char kCookiePart = 7;
inline constexpr char kInstancePart = 8;
inline constexpr char kViewerPart = 9;
inline constexpr size_t kPartSize = 10;  // letter, inode and part byte; what follows is the part's

// A letter and a number: a whole key, or the beginning of one.
inline std::string Numbered(char letter, uint64_t number) {
  std::string key(1, letter);
  AppendBe64(key, number);
  return key;
}
inline std::string InodePart(InodeId inode, char part) { return Numbered('I', inode) + part; }

inline std::string State() { return "J"; }
inline std::string Inode(InodeId inode) { return InodePart(inode, kInodePart); }
inline std::string Extent(InodeId inode, uint64_t end) {
  std::string key = InodePart(inode, kExtentPart);
  AppendBe64(key, end);
  return key;
}
inline std::string FileKey(InodeId inode, uint32_t generation) {
  std::string key = InodePart(inode, kFileKeyPart);
  AppendBe32(key, generation);
  return key;
}
inline std::string Xattr(InodeId inode, std::string_view name) {
  return InodePart(inode, kXattrPart).append(name);
}
inline std::string Filing(InodeId inode) { return InodePart(inode, kFilingPart); }
inline std::string Name(InodeId folder, std::string_view name) {
  return InodePart(folder, kNamePart).append(name);
}
inline std::string Cookie(InodeId folder, uint64_t cookie) {
  std::string key = InodePart(folder, kCookiePart);
  AppendBe64(key, cookie);
  return key;
}
inline std::string Orphan(InodeId inode) { return Numbered('O', inode); }
inline std::string Unfiled(InodeId inode) { return Numbered('U', inode); }
// `hash` is 8 bytes of a hash of the instance identity: what matches is looked at.
inline std::string Instances(InodeId folder, uint64_t hash) {
  std::string key = InodePart(folder, kInstancePart);
  AppendBe64(key, hash);
  return key;
}
inline std::string Instance(InodeId folder, uint64_t hash, InodeId inode) {
  std::string key = Instances(folder, hash);
  AppendBe64(key, inode);
  return key;
}
inline std::string Entity(EntityKind kind, std::string_view identity) {
  return std::string{'P', static_cast<char>(kind)}.append(identity);
}
inline std::string EntityOfFolder(InodeId folder) { return InodePart(folder, kEntityPart); }
inline std::string StudyKey(const Uuid& id, uint64_t group) {
  std::string key("Y");
  key.append(AsText(id));
  AppendBe64(key, group);
  return key;
}
inline std::string StudyKeyOfIdentity(std::string_view identity) {
  return std::string("Z").append(identity);
}
inline std::string StudyKeysOf(std::string_view identity) {
  std::string key("T");
  AppendBe32(key, static_cast<uint32_t>(identity.size()));
  return key.append(identity);
}
inline std::string StudyKeyOf(std::string_view identity, const Uuid& id) {
  return StudyKeysOf(identity).append(AsText(id));
}
inline std::string Shred(std::string_view identity) { return std::string("D").append(identity); }
inline std::string Renewals() { return "K"; }
inline std::string GroupKeyOf(uint32_t gid) {
  std::string key("B");
  AppendBe32(key, gid);
  return key;
}
inline void AppendViewer(std::string& key, const Viewer& viewer) {
  key += static_cast<char>(viewer.kind);
  AppendBe32(key, viewer.id);
}
inline constexpr size_t kViewerSize = 5;
inline Viewer ViewerAt(std::string_view key, size_t at) {
  if (key.size() < at + kViewerSize) return {};
  const uint8_t* const bytes = AsBytes(key).data() + at;
  return {static_cast<Viewer::Kind>(bytes[0]), LoadBe<uint32_t>(bytes + 1)};
}
inline std::string ViewerOf(InodeId patient, const Viewer& viewer, InodeId study) {
  std::string key = InodePart(patient, kViewerPart);
  AppendViewer(key, viewer);
  AppendBe64(key, study);
  return key;
}
inline std::string SeenBy(const Viewer& viewer, InodeId patient, InodeId study) {
  std::string key("S");
  AppendViewer(key, viewer);
  AppendBe64(key, patient);
  AppendBe64(key, study);
  return key;
}
inline std::string Hold(uint32_t id, std::string_view study_identity) {
  std::string key("H");
  AppendBe32(key, id);
  return key.append(study_identity);
}
inline std::string Emergency(uint32_t id, std::string_view identity) {
  std::string key("E");
  AppendBe32(key, id);
  return key.append(identity);
}
inline std::string AuditQuote() { return "A"; }
inline std::string Configuration() { return "C"; }
inline std::string GroupKey(uint64_t group) { return Numbered('G', group); }
inline void AppendPosition(std::string& key, const Position& position) {
  AppendBe32(key, position.segment.epoch);
  AppendBe64(key, position.segment.number);
  AppendBe64(key, position.offset);
}
inline constexpr size_t kPositionSize = 20;
inline Position PositionAt(std::string_view key, size_t at) {
  if (key.size() < at + kPositionSize) return {};
  const uint8_t* const bytes = AsBytes(key).data() + at;
  return {{LoadBe<uint32_t>(bytes), LoadBe<uint64_t>(bytes + 4)}, LoadBe<uint64_t>(bytes + 12)};
}
inline std::string DeadRecord(const Position& position) {
  std::string key("X");
  AppendPosition(key, position);
  return key;
}
// Times before 1970 come last; nothing dies then.
inline std::string DeadSince(int64_t time, const Position& position) {
  std::string key = Numbered('V', static_cast<uint64_t>(time));
  AppendPosition(key, position);
  return key;
}
inline int64_t DeadSinceAt(std::string_view key) { return static_cast<int64_t>(Be64At(key, 1)); }
inline std::string LastPunch() { return "R"; }
inline std::string DeadBeforeBase(const Position& position) {
  std::string key("W");
  AppendPosition(key, position);
  return key;
}
inline std::string Session(uint32_t number) {
  std::string key("M");
  AppendBe32(key, number);
  return key;
}

// The first key after all that begin with `prefix`.
inline std::string After(std::string prefix) {
  while (prefix.back() == '\xff') prefix.pop_back();  // a prefix begins with a letter
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}
// The end of what an inode is itself; what a folder holds comes behind it.
inline std::string AfterInode(InodeId inode) { return InodePart(inode, kFilingPart + 1); }
// The end of everything keyed by the inode.
inline std::string NextInode(InodeId inode) { return Numbered('I', inode + 1); }

}  // namespace leadglass::index_keys
