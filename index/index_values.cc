// SPDX-License-Identifier: Apache-2.0
#include "index/index_values.h"

#include <limits>

namespace leadglass {
namespace {

enum ExtentBits : uint64_t {
  kHoleBit = 1,
  kWholeRecordBit = 2,  // the extent is all of its record
};

class VarWriter {
 public:
  void U(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  // Small for numbers near zero, negative ones too.
  void S(int64_t value) { U((static_cast<uint64_t>(value) << 1) ^ (value < 0 ? ~uint64_t{0} : 0)); }
  void Raw(std::string_view text) { out_.append(text); }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

class VarReader {
 public:
  explicit VarReader(std::string_view rest) : rest_(rest) {}
  uint64_t U() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    failed_ = true;
    return 0;
  }
  template <typename T>
  T As() {
    const uint64_t value = U();
    if (value > std::numeric_limits<T>::max()) failed_ = true;
    return static_cast<T>(value);
  }
  int64_t S() {
    const uint64_t value = U();
    return static_cast<int64_t>((value >> 1) ^ ((value & 1) != 0 ? ~uint64_t{0} : 0));
  }
  std::string_view Rest() { return std::exchange(rest_, {}); }
  bool failed() const { return failed_; }
  bool Finished() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// Differences of times wrap round rather than overflow.
int64_t Minus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
int64_t Plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

}  // namespace

Error MalformedValue(const char* what) {
  return Error(Errc::kCorrupt,
               std::string("index: a stored ") + what + " is malformed: rebuild the index");
}

std::string EncodeState(const IndexState& state) {
  ByteWriter out;
  const auto [head, position] = state.head.value_or(std::pair<Head, Position>{});
  out.U8(state.head ? 1 : 0);
  out.U32(head.epoch);
  out.U64(head.commit_number);
  out.Raw(head.chain);
  out.U32(position.segment.epoch);
  out.U64(position.segment.number);
  out.U64(position.offset);
  out.U64(state.next_inode);
  out.U32(state.next_session);
  out.U64(state.next_cookie);
  out.U64(state.counts.inodes);
  out.U64(state.counts.filed);
  out.U64(state.counts.unfiled);
  out.U64(state.counts.dead_bytes);
  out.U32(state.checkpoint.base.epoch);
  out.U64(state.checkpoint.base.number);
  out.U64(static_cast<uint64_t>(state.checkpoint.applied_at));
  out.U32(state.checkpoint.cleared.epoch);
  out.U64(state.checkpoint.cleared.number);
  out.U64(state.checkpoint.restated_bytes);
  out.U64(state.checkpoint.stale_bytes);
  return std::string(AsText(out.span()));
}

Result<IndexState> DecodeState(std::string_view value) {
  ByteReader in(AsBytes(value));
  IndexState state;
  const uint8_t has_head = in.U8();
  Head head;
  head.epoch = in.U32();
  head.commit_number = in.U64();
  head.chain = in.Array<32>();
  Position position;
  position.segment.epoch = in.U32();
  position.segment.number = in.U64();
  position.offset = in.U64();
  if (has_head != 0) state.head = {head, position};
  state.next_inode = in.U64();
  state.next_session = in.U32();
  state.next_cookie = in.U64();
  state.counts.inodes = in.U64();
  state.counts.filed = in.U64();
  state.counts.unfiled = in.U64();
  state.counts.dead_bytes = in.U64();
  state.checkpoint.base.epoch = in.U32();
  state.checkpoint.base.number = in.U64();
  state.checkpoint.applied_at = static_cast<int64_t>(in.U64());
  state.checkpoint.cleared.epoch = in.U32();
  state.checkpoint.cleared.number = in.U64();
  state.checkpoint.restated_bytes = in.U64();
  state.checkpoint.stale_bytes = in.U64();
  if (!in.Finished()) return MalformedValue("state");
  return state;
}

std::string EncodeInode(const InodeRecord& r) {
  VarWriter out;
  out.U(r.mode);
  out.U(r.uid);
  out.U(r.gid);
  out.U(r.nlink);
  out.U(r.flags);
  out.U(r.rdev);
  out.U(r.size);
  out.S(Minus(static_cast<int64_t>(r.allocated), static_cast<int64_t>(r.size)));
  out.S(r.mtime);
  out.S(Minus(r.ctime, r.mtime));
  out.S(Minus(r.btime, r.mtime));
  out.S(Minus(r.atime, r.mtime));
  out.U(r.parent);
  out.U(r.key_generation);
  out.U(r.study);
  out.Raw(r.symlink_target);
  return out.Take();
}

Result<InodeRecord> DecodeInode(InodeId inode, std::string_view value) {
  VarReader in(value);
  InodeRecord r;
  r.inode = inode;
  r.mode = in.As<uint32_t>();
  r.uid = in.As<uint32_t>();
  r.gid = in.As<uint32_t>();
  r.nlink = in.As<uint32_t>();
  r.flags = in.As<uint32_t>();
  r.rdev = in.U();
  r.size = in.U();
  r.allocated = static_cast<uint64_t>(Plus(in.S(), static_cast<int64_t>(r.size)));
  r.mtime = in.S();
  r.ctime = Plus(in.S(), r.mtime);
  r.btime = Plus(in.S(), r.mtime);
  r.atime = Plus(in.S(), r.mtime);
  r.parent = in.U();
  r.key_generation = in.As<uint32_t>();
  r.study = in.U();
  if (in.failed()) return MalformedValue("inode");
  r.symlink_target = in.Rest();
  return r;
}

std::string EncodeExtent(const Extent& e) {
  const DataRecord& r = e.record;
  const bool whole = !e.hole && r.file_offset == e.file_offset && r.length == e.length;
  VarWriter out;
  out.U((e.hole ? uint64_t{kHoleBit} : 0) | (whole ? uint64_t{kWholeRecordBit} : 0));
  out.U(e.length);
  if (e.hole) return out.Take();
  out.U(r.position.segment.epoch);
  out.U(r.position.segment.number);
  out.U(r.position.offset);
  if (!whole) {
    out.U(e.file_offset - r.file_offset);
    out.U(r.length);
  }
  out.U(r.chunk_log2);
  out.U(r.write_id.counter);
  out.U(e.session);
  out.U(e.key_generation);
  return out.Take();
}

Result<Extent> DecodeExtent(uint64_t end, std::string_view value) {
  VarReader in(value);
  const uint64_t bits = in.U();
  Extent e;
  e.length = in.U();
  if (e.length == 0 || e.length > end) return MalformedValue("extent");
  e.file_offset = end - e.length;
  e.hole = (bits & kHoleBit) != 0;
  if (!e.hole) {
    DataRecord& r = e.record;
    r.position.segment.epoch = in.As<uint32_t>();
    r.position.segment.number = in.U();
    r.position.offset = in.U();
    const bool whole = (bits & kWholeRecordBit) != 0;
    r.file_offset = e.file_offset - (whole ? 0 : in.U());
    r.length = whole ? static_cast<uint32_t>(e.length) : in.As<uint32_t>();
    r.chunk_log2 = in.As<uint8_t>();
    r.write_id.counter = in.U();
    e.session = in.As<uint32_t>();
    e.key_generation = in.As<uint32_t>();
  }
  if (!in.Finished()) return MalformedValue("extent");
  return e;
}

std::string EncodeDeadRecord(const DeadRecord& r) {
  VarWriter out;
  out.U(r.inode);
  out.U(r.file_offset);
  out.U(r.length);
  out.U(r.space);
  out.U(r.dead);
  out.S(r.since);
  return out.Take();
}

Result<DeadRecord> DecodeDeadRecord(std::string_view value) {
  VarReader in(value);
  DeadRecord r;
  r.inode = in.U();
  r.file_offset = in.U();
  r.length = in.As<uint32_t>();
  r.space = in.As<uint32_t>();
  r.dead = in.As<uint32_t>();
  r.since = in.S();
  if (!in.Finished() || r.dead > r.length) return MalformedValue("dead record");
  return r;
}

std::string EncodeName(const NameRecord& r) {
  VarWriter out;
  out.U(r.inode);
  out.U(r.mode_type);
  out.U(r.flags);
  out.U(r.cookie);
  return out.Take();
}

Result<NameRecord> DecodeName(InodeId parent, std::string_view name, std::string_view value) {
  VarReader in(value);
  NameRecord r;
  r.parent = parent;
  r.name = name;
  r.inode = in.U();
  r.mode_type = in.As<uint32_t>();
  r.flags = in.As<uint32_t>();
  r.cookie = in.U();
  if (!in.Finished()) return MalformedValue("name");
  return r;
}

std::string EncodeListedName(const NameRecord& r) {
  VarWriter out;
  out.U(r.inode);
  out.U(r.mode_type);
  out.U(r.flags);
  out.Raw(r.name);
  return out.Take();
}

Result<NameRecord> DecodeListedName(InodeId parent, uint64_t cookie, std::string_view value) {
  VarReader in(value);
  NameRecord r;
  r.parent = parent;
  r.cookie = cookie;
  r.inode = in.U();
  r.mode_type = in.As<uint32_t>();
  r.flags = in.As<uint32_t>();
  if (in.failed()) return MalformedValue("listed name");
  r.name = in.Rest();
  if (r.name.empty()) return MalformedValue("listed name");
  return r;
}

}  // namespace leadglass
