// SPDX-License-Identifier: Apache-2.0
#pragma once

// The fields of every operation and record in the order in which they are encoded, said once for
// both directions: Fields(archive, value) with a FieldWriter encodes, with a FieldReader decodes.
// docs/format.md, "Commit payload", is this file in prose; a change here is a change of the
// format. Private to index/.
//
// Both archives turn sticky "failed" at the first value that breaks a limit (OperationLimits) or a
// rule, so writing refuses exactly what reading refuses. Neither reports: the caller asks failed()
// after the last field, and says kInvalidArgument (writing) or kCorrupt (reading). After a failure
//   - a FieldWriter's bytes are not to be used: what failed may be missing in them;
//   - a FieldReader's value is half filled, and to be thrown away. Nothing was read beyond the
//     input, and no more memory taken than its bytes need, whatever they are.
// Numbers are unsigned, little-endian and of the width of their type; times are i64 nanoseconds.
// What a later version appended to a body follows `if (!a.HasMore()) return;`: bytes of an older
// version end there, and the fields keep their defaults. All of it is there, or none.
// An archive belongs to one thread. A FieldReader does not own its bytes; what it decodes does.
//
//   FieldReader fields(body);
//   InodeRecord record;
//   Fields(fields, record);
//   if (fields.failed()) return Error(Errc::kCorrupt, ...);

#include <type_traits>

#include "index/operations.h"

namespace leadglass {

class FieldWriter {
 public:
  template <typename T>
  using Ref = const T&;

  template <typename T>
  void Number(T value) {
    static_assert(std::is_unsigned_v<T>);
    if constexpr (sizeof(T) == 1) out_.U8(value);
    if constexpr (sizeof(T) == 2) out_.U16(value);
    if constexpr (sizeof(T) == 4) out_.U32(value);
    if constexpr (sizeof(T) == 8) out_.U64(value);
  }
  void Time(int64_t value) { out_.I64(value); }
  template <size_t N>
  void Array(const std::array<uint8_t, N>& value) {
    out_.Raw(value);
  }
  // A u32 length and the bytes; fails when the length is not in [least, most].
  template <typename Bytes>
  void Sized(const Bytes& value, size_t least, size_t most) {
    Require(value.size() >= least && value.size() <= most);
    if (failed_) return;
    out_.U32(static_cast<uint32_t>(value.size()));
    out_.Raw({reinterpret_cast<const uint8_t*>(value.data()), value.size()});
  }
  void Require(bool holds) { failed_ = failed_ || !holds; }
  static constexpr bool HasMore() { return true; }

  bool failed() const { return failed_; }
  // What was written; leaves nothing behind.
  ByteVector Take() { return out_.Take(); }

 private:
  ByteWriter out_;
  bool failed_ = false;
};

class FieldReader {
 public:
  template <typename T>
  using Ref = T&;

  explicit FieldReader(ByteSpan bytes) : in_(bytes) {}

  template <typename T>
  void Number(T& value) {
    static_assert(std::is_unsigned_v<T>);
    if constexpr (sizeof(T) == 1) value = in_.U8();
    if constexpr (sizeof(T) == 2) value = in_.U16();
    if constexpr (sizeof(T) == 4) value = in_.U32();
    if constexpr (sizeof(T) == 8) value = in_.U64();
  }
  void Time(int64_t& value) { value = in_.I64(); }
  template <size_t N>
  void Array(std::array<uint8_t, N>& value) {
    value = in_.Array<N>();
  }
  template <typename Bytes>
  void Sized(Bytes& value, size_t least, size_t most) {
    const uint32_t size = in_.U32();
    Require(size >= least && size <= most);
    if (failed()) return;
    const ByteSpan raw = in_.Raw(size);
    value.assign(raw.begin(), raw.end());
  }
  void Require(bool holds) { failed_ = failed_ || !holds; }

  // Whether what a later version appended to the body is there. Where not, it was written before
  // there was any, and the fields keep their defaults.
  bool HasMore() const { return in_.remaining() > 0; }

  // Bytes may be left over: a newer minor version appends fields.
  bool failed() const { return failed_ || in_.failed(); }

 private:
  ByteReader in_;
  bool failed_ = false;
};

// An enum that travels as one byte in [1, last]. A reader that fails leaves the value as it was.
template <typename E>
void EnumField(FieldWriter& a, E value, E last) {
  const auto raw = static_cast<std::underlying_type_t<E>>(value);
  a.Number(raw);
  a.Require(raw >= 1 && value <= last);
}
template <typename E>
void EnumField(FieldReader& a, E& value, E last) {
  std::underlying_type_t<E> raw = 0;
  a.Number(raw);
  a.Require(raw >= 1 && static_cast<E>(raw) <= last);
  if (!a.failed()) value = static_cast<E>(raw);
}

// Inode numbers and cookies stay below: the bit above means something to the layers on top, and one
// more than any of them is a number, too.
inline constexpr uint64_t kNumberLimit = uint64_t{1} << 63;

template <typename A>
void InodeField(A& a, typename A::template Ref<InodeId> inode) {
  a.Number(inode);
  a.Require(inode != kNoInode && inode < kNumberLimit);
}

// A u32 count and that many names, appended to what is there.
inline void NamesField(FieldWriter& a, const std::vector<std::string>& names) {
  a.Require(names.size() <= OperationLimits::kEntityNames);
  a.Number(static_cast<uint32_t>(names.size()));
  for (const std::string& name : names) a.Sized(name, 1, OperationLimits::kName);
}
inline void NamesField(FieldReader& a, std::vector<std::string>& names) {
  uint32_t count = 0;
  a.Number(count);
  a.Require(count <= OperationLimits::kEntityNames);
  for (uint32_t i = 0; i < count && !a.failed(); ++i)
    a.Sized(names.emplace_back(), 1, OperationLimits::kName);
}

template <typename A>
void Fields(A& a, typename A::template Ref<InodeRecord> r) {
  InodeField(a, r.inode);
  a.Number(r.mode);
  a.Number(r.uid);
  a.Number(r.gid);
  a.Number(r.nlink);
  a.Number(r.flags);
  a.Number(r.rdev);
  a.Number(r.size);
  a.Number(r.allocated);
  a.Time(r.atime);
  a.Time(r.mtime);
  a.Time(r.ctime);
  a.Time(r.btime);
  a.Number(r.parent);
  a.Number(r.key_generation);
  a.Sized(r.symlink_target, 0, OperationLimits::kSymlinkTarget);
  if (!a.HasMore()) return;
  a.Number(r.study);
  a.Require(r.study < kNumberLimit);
}

template <typename A>
void Fields(A& a, typename A::template Ref<NameRecord> r) {
  InodeField(a, r.parent);
  a.Sized(r.name, 1, OperationLimits::kName);
  InodeField(a, r.inode);
  a.Number(r.mode_type);
  a.Number(r.flags);
  a.Number(r.cookie);
  a.Require(r.cookie < kNumberLimit);
}

// Where a data extent's bytes lie; checks that the record holds them all.
template <typename A>
void RecordFields(A& a, typename A::template Ref<Extent> e) {
  auto& r = e.record;
  a.Number(r.position.segment.epoch);
  a.Number(r.position.segment.number);
  a.Number(r.position.offset);
  a.Number(r.file_offset);
  a.Number(r.length);
  a.Number(r.chunk_log2);
  a.Number(r.write_id.counter);
  a.Number(e.session);
  a.Number(e.key_generation);
  a.Require(r.length >= 1 && r.length <= kMaxDataLength && r.chunk_log2 >= 12 &&
            r.chunk_log2 <= 20);
  a.Require(r.file_offset <= e.file_offset && e.length <= r.length &&
            e.file_offset - r.file_offset <= r.length - e.length);
}

template <typename A>
void Fields(A& a, typename A::template Ref<Extent> e) {
  a.Number(e.file_offset);
  a.Number(e.length);
  a.Require(e.length > 0 && e.file_offset + e.length > e.file_offset);
  uint8_t hole = e.hole ? 1 : 0;
  a.Number(hole);
  a.Require(hole <= 1);
  if constexpr (std::is_same_v<A, FieldReader>) e.hole = hole != 0;
  if (hole == 0) RecordFields(a, e);
}

template <typename A>
void SegmentField(A& a, typename A::template Ref<SegmentId> segment) {
  a.Number(segment.epoch);
  a.Number(segment.number);
}

template <typename A>
void Fields(A& a, typename A::template Ref<RecordSpace> r) {
  SegmentField(a, r.position.segment);
  a.Number(r.position.offset);
  a.Number(r.length);
}

template <typename A>
void Fields(A& a, typename A::template Ref<FileKeyRecord> r) {
  InodeField(a, r.inode);
  a.Number(r.generation);
  a.Array(r.study_key_id);
  a.Sized(r.wrap, 0, OperationLimits::kWrap);
}

template <typename A>
void Fields(A& a, typename A::template Ref<StudyKeyRecord> r) {
  a.Array(r.study_key_id);
  a.Sized(r.study_identity, 0, OperationLimits::kIdentity);
  a.Number(r.group);
  a.Number(r.erasure_page);
  a.Number(r.keyring_version);
  a.Sized(r.wrap, 0, OperationLimits::kWrap);
}

template <typename A>
void Fields(A& a, typename A::template Ref<GroupKeyRecord> r) {
  a.Number(r.group);
  a.Number(r.gid);
  a.Array(r.public_key);
  a.Sized(r.private_wrap, 0, OperationLimits::kWrap);
}

template <typename A>
void Fields(A& a, typename A::template Ref<EntityRecord> r) {
  EnumField(a, r.kind, EntityKind::kSeries);
  a.Sized(r.identity, 0, OperationLimits::kIdentity);
  InodeField(a, r.folder);
  a.Sized(r.label, 0, OperationLimits::kLabel);
  a.Sized(r.label_rank, 0, OperationLimits::kLabelRank);
  NamesField(a, r.names);
  if (!a.HasMore()) return;
  a.Number(r.rule);
  a.Number(r.rules_version);
  a.Number(r.flags);
}

template <typename A>
void Fields(A& a, typename A::template Ref<ConfiguredGroup> r) {
  a.Sized(r.name, 1, OperationLimits::kGroupName);
  a.Number(r.gid);
}

template <typename A>
void Fields(A& a, typename A::template Ref<FilingRecord> r) {
  InodeField(a, r.inode);
  EnumField(a, r.state, FilingState::kUnfiled);
  a.Sized(r.reason, 0, OperationLimits::kReason);
  a.Sized(r.facts, 0, OperationLimits::kFacts);
  a.Number(r.view_folder);
  a.Sized(r.view_name, 0, OperationLimits::kName);
  a.Sized(r.instance_identity, 0, OperationLimits::kIdentity);
  a.Time(r.filed_at);
}

template <typename A>
void Fields(A& a, typename A::template Ref<HoldRecord> r) {
  a.Sized(r.study_identity, 0, OperationLimits::kIdentity);
  a.Number(r.id);
  a.Require(r.id != 0);
  a.Sized(r.study_uid, 0, OperationLimits::kUid);
  a.Sized(r.reason, 1, OperationLimits::kWhy);
  a.Number(r.uid);
  a.Sized(r.user, 0, OperationLimits::kUser);
  a.Time(r.since);
}

template <typename A>
void Fields(A& a, typename A::template Ref<EmergencyRecord> r) {
  a.Number(r.id);
  a.Require(r.id != 0);
  a.Number(r.uid);
  a.Sized(r.user, 0, OperationLimits::kUser);
  EnumField(a, r.kind, EntityKind::kStudy);
  a.Sized(r.identity, 0, OperationLimits::kIdentity);
  a.Sized(r.study_uid, 0, OperationLimits::kUid);
  a.Sized(r.patient_id, 0, OperationLimits::kUid);
  a.Sized(r.issuer, 0, OperationLimits::kUid);
  a.Sized(r.reason, 1, OperationLimits::kWhy);
  a.Number(r.by_uid);
  a.Sized(r.by_user, 0, OperationLimits::kUser);
  a.Time(r.from);
  a.Time(r.until);
}

template <typename A>
void Fields(A& a, typename A::template Ref<PutInode> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<EraseInode> op) {
  InodeField(a, op.inode);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutName> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<EraseName> op) {
  InodeField(a, op.parent);
  a.Sized(op.name, 1, OperationLimits::kName);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutExtent> op) {
  InodeField(a, op.inode);
  Fields(a, op.extent);
}
template <typename A>
void Fields(A& a, typename A::template Ref<CutExtents> op) {
  InodeField(a, op.inode);
  a.Number(op.size);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutXattr> op) {
  InodeField(a, op.inode);
  a.Sized(op.name, 1, OperationLimits::kXattrName);
  a.Sized(op.value, 0, OperationLimits::kXattrValue);
}
template <typename A>
void Fields(A& a, typename A::template Ref<EraseXattr> op) {
  InodeField(a, op.inode);
  a.Sized(op.name, 1, OperationLimits::kXattrName);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutFileKey> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutStudyKey> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutGroupKey> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutSession> op) {
  a.Number(op.number);
  a.Require(op.number != 0);
  a.Array(op.session);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutEntity> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<EraseEntity> op) {
  EnumField(a, op.kind, EntityKind::kSeries);
  a.Sized(op.identity, 0, OperationLimits::kIdentity);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutFiling> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<EraseFiling> op) {
  InodeField(a, op.inode);
}
// A u32 count and that many records.
template <typename Record>
void ListField(FieldWriter& a, const std::vector<Record>& records, size_t most) {
  a.Require(records.size() <= most);
  a.Number(static_cast<uint32_t>(records.size()));
  for (const Record& record : records) Fields(a, record);
}
template <typename Record>
void ListField(FieldReader& a, std::vector<Record>& records, size_t most) {
  uint32_t count = 0;
  a.Number(count);
  a.Require(count <= most);
  for (uint32_t i = 0; i < count && !a.failed(); ++i) Fields(a, records.emplace_back());
}
inline void Fields(FieldWriter& a, const Uuid& id) { a.Array(id); }
inline void Fields(FieldReader& a, Uuid& id) { a.Array(id); }
template <typename A>
void Fields(A& a, typename A::template Ref<Punch> op) {
  ListField(a, op.records, OperationLimits::kPunched);
}
template <typename A>
void Fields(A& a, typename A::template Ref<Checkpoint> op) {
  SegmentField(a, op.base);
  a.Number(op.next_inode);
  a.Number(op.next_session);
  a.Number(op.next_cookie);
  a.Number(op.restated_bytes);
}
template <typename A>
void Fields(A& a, typename A::template Ref<Cleared> op) {
  SegmentField(a, op.base);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutConfiguration> op) {
  a.Number(op.version);
  a.Require(op.version != 0);
  a.Number(op.rules_version);
  a.Require(op.rules_version <= op.version);
  a.Sized(op.text, 0, OperationLimits::kConfiguration);
  ListField(a, op.groups, OperationLimits::kGroups);
}
template <typename A>
void Fields(A& a, typename A::template Ref<QuoteAudit> op) {
  a.Number(op.head.epoch);
  a.Number(op.head.commit_number);
  a.Require(op.head.commit_number != 0);
  a.Array(op.head.chain);
  SegmentField(a, op.end.segment);
  a.Number(op.end.offset);
}
template <typename A>
void Fields(A& a, typename A::template Ref<EraseStudyKey> op) {
  a.Array(op.study_key_id);
  a.Number(op.group);
}
template <typename A>
void Fields(A& a, typename A::template Ref<WantedRenewal> r) {
  a.Number(r.page);
  a.Number(r.keyring_version);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutRenewals> op) {
  ListField(a, op.wanted, OperationLimits::kPages);
}
template <typename A>
void Fields(A& a, typename A::template Ref<PutShred> op) {
  a.Sized(op.study_identity, 1, OperationLimits::kIdentity);
  a.Sized(op.study, 0, OperationLimits::kUid);
  a.Time(op.at);
  a.Number(op.by);
  ListField(a, op.study_keys, OperationLimits::kStudyKeys);
  a.Number(op.keyring_version);
}

template <typename A>
void Fields(A& a, typename A::template Ref<PutHold> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<EraseHold> op) {
  a.Sized(op.study_identity, 0, OperationLimits::kIdentity);
  a.Number(op.id);
  a.Require(op.id != 0);
}

template <typename A>
void Fields(A& a, typename A::template Ref<PutEmergency> op) {
  Fields(a, op.record);
}
template <typename A>
void Fields(A& a, typename A::template Ref<EraseEmergency> op) {
  a.Sized(op.identity, 0, OperationLimits::kIdentity);
  a.Number(op.id);
  a.Require(op.id != 0);
}

}  // namespace leadglass
