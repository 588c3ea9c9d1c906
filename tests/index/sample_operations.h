// SPDX-License-Identifier: Apache-2.0
#pragma once

// One valid operation of every type, in the order of the variant, for tests.

#include <sys/stat.h>

#include "index/operations.h"

namespace leadglass {

inline Uuid SampleUuid(uint8_t first) {
  Uuid id{};
  for (size_t i = 0; i < id.size(); ++i) id[i] = static_cast<uint8_t>(first + i);
  return id;
}

inline InodeRecord SampleInode(InodeId inode) {
  InodeRecord r;
  r.inode = inode;
  r.mode = S_IFREG | 0640;
  r.uid = 1000;
  r.gid = 2000;
  r.nlink = 2;
  r.flags = kInodeIncoming;
  r.rdev = 0x0103;
  r.size = 525'312;
  r.allocated = 524'288;
  r.atime = -1;
  r.mtime = 1'764'054'000'123'456'789;
  r.ctime = 1'764'054'000'123'456'790;
  r.btime = 1'764'054'000'123'456'791;
  r.parent = kArchiveInode;
  r.key_generation = 3;
  r.symlink_target = "target";
  r.study = 1234;
  return r;
}

// `length` bytes at `offset`, the whole of a record that begins there.
inline Extent SampleExtent(uint64_t offset, uint32_t length, uint64_t counter = 7) {
  Extent e;
  e.file_offset = offset;
  e.length = length;
  e.record.position = {{1, 42}, 4096 + counter};
  e.record.file_offset = offset;
  e.record.length = length;
  e.record.write_id.counter = counter;
  e.session = 5;
  e.key_generation = 1;
  return e;
}

inline Extent SampleHole(uint64_t offset, uint64_t length) {
  Extent e;
  e.file_offset = offset;
  e.length = length;
  e.hole = true;
  return e;
}

inline NameRecord SampleName(InodeId parent, std::string name, InodeId inode, uint64_t cookie) {
  NameRecord r;
  r.parent = parent;
  r.name = std::move(name);
  r.inode = inode;
  r.mode_type = S_IFREG;
  r.cookie = cookie;
  return r;
}

inline FilingRecord SampleFiling(InodeId inode, InodeId folder, std::string identity) {
  FilingRecord r;
  r.inode = inode;
  r.state = FilingState::kFiled;
  r.facts = {1, 2, 3};
  r.view_folder = folder;
  r.view_name = "0001.dcm";
  r.instance_identity = std::move(identity);
  r.filed_at = 1'764'054'001'000'000'000;
  return r;
}

inline EntityRecord SampleEntity(EntityKind kind, std::string identity, InodeId folder) {
  EntityRecord r;
  r.kind = kind;
  r.identity = std::move(identity);
  r.folder = folder;
  r.label = "Doe Jane [1]";
  r.label_rank = "20251125 120000";
  r.names = {"Doe Jane [1]", "Doe J [1]"};
  r.rule = 3;
  r.rules_version = 2;
  r.flags = kEntityPinned;
  return r;
}

inline Operations OneOfEach() {
  NameRecord name = SampleName(kArchiveInode, "image", 99, 17);
  name.flags = kNameAlias | kNameView;
  Extent part = SampleExtent(4096, 65536);
  part.file_offset += 100;
  part.length -= 200;
  FileKeyRecord file_key{99, 2, SampleUuid(1), ByteVector(72, 0xab)};
  StudyKeyRecord study_key{SampleUuid(2), "study", kDefaultGroup, 4095, 3, ByteVector(200, 0xcd)};
  GroupKeyRecord group_key{kDefaultGroup, 1000, {}, ByteVector(72, 0xef)};
  group_key.public_key.fill(0x77);
  return {PutInode{SampleInode(99)},
          EraseInode{98},
          PutName{name},
          EraseName{kArchiveInode, "old"},
          PutExtent{99, part},
          CutExtents{99, 1000},
          PutXattr{99, "user.note", ByteVector(10, 0x20)},
          EraseXattr{99, "user.old"},
          PutFileKey{file_key},
          PutStudyKey{study_key},
          PutGroupKey{group_key},
          PutSession{5, SampleUuid(3)},
          PutEntity{SampleEntity(EntityKind::kStudy, "1.2.3", 50)},
          EraseEntity{EntityKind::kSeries, "1.2.4"},
          PutFiling{SampleFiling(99, 51, "1.2.3.4")},
          EraseFiling{97},
          Punch{{{{{1, 42}, 8192}, 525'904}}},
          Checkpoint{{1, 40}, 50, 3, 17, 123'456},
          Cleared{{1, 40}},
          PutConfiguration{3, 2, "root = \"none\"\n", {{"cardio", 2001}, {"radiology", 2002}}},
          QuoteAudit{{1, 7, Digest{9}}, {{1, 3}, 5'000}},
          PutHold{{"study", 77, "1.2.3", "a court's order", 1000, "clerk", 1'764'054'002}},
          EraseHold{"study", 77},
          PutEmergency{{78, 2000, "doctor", EntityKind::kPatient, "patient", "", "4711", "HIS",
                        "unconscious", 1000, "clerk", 1'764'054'003, 1'764'055'003}},
          EraseEmergency{"patient", 78},
          EraseStudyKey{SampleUuid(2), 7},
          PutRenewals{{{17, 3}, {4095, 4}}},
          PutShred{"study", "1.2.3", 1'700'000'000'000'000'000, 3001, {SampleUuid(2)}, 5}};
}

}  // namespace leadglass
