// SPDX-License-Identifier: Apache-2.0
#pragma once

// The values of the index. What there is one of per file is packed in varints (a size counts ten
// million times); the rest is encoded as in commits. Private to index/ (kIndexSchema).
//
// Decoding fails with kCorrupt. The bytes were sealed by us, so that means a bug or a schema that
// was changed without its number; it is still an error and never a guess.

#include <optional>
#include <string>
#include <utility>

#include "index/index.h"
#include "index/record_codec.h"

namespace leadglass {

// What the index knows of itself, written with every batch.
struct IndexState {
  std::optional<std::pair<Head, Position>> head;
  InodeId next_inode = kFirstFreeInode;
  uint32_t next_session = 1;
  uint64_t next_cookie = 16;
  Index::Counts counts;
  CheckpointState checkpoint;
};

std::string EncodeState(const IndexState& state);
Result<IndexState> DecodeState(std::string_view value);

std::string EncodeInode(const InodeRecord& record);
Result<InodeRecord> DecodeInode(InodeId inode, std::string_view value);

// The session id is left zero.
std::string EncodeExtent(const Extent& extent);
Result<Extent> DecodeExtent(uint64_t end, std::string_view value);

// What is known of a record with dead bytes, apart from its position.
struct DeadRecord {
  InodeId inode = kNoInode;  // of the file whose bytes it holds
  uint64_t file_offset = 0;  // of its first byte in the file
  uint32_t length = 0;       // plain bytes
  uint32_t space = 0;        // RecordSpace::length
  uint32_t dead = 0;         // plain bytes that were dropped, at most `length`
  int64_t since = 0;  // when the last byte was dropped; nanoseconds since 1970 UTC; 0: some live
};

std::string EncodeDeadRecord(const DeadRecord& record);
Result<DeadRecord> DecodeDeadRecord(std::string_view value);

// Under the name: all but the name. Under the cookie: all but the cookie.
std::string EncodeName(const NameRecord& record);
Result<NameRecord> DecodeName(InodeId parent, std::string_view name, std::string_view value);
std::string EncodeListedName(const NameRecord& record);
Result<NameRecord> DecodeListedName(InodeId parent, uint64_t cookie, std::string_view value);

Error MalformedValue(const char* what);

// Records that are stored as they are encoded in commits.
template <typename Record>
std::string EncodeRecord(const Record& record) {
  FieldWriter out;
  Fields(out, record);
  LG_CHECK(!out.failed());
  return std::string(AsText(out.Take()));
}
template <typename Record>
Result<Record> DecodeRecord(std::string_view value) {
  FieldReader in(AsBytes(value));
  Record record;
  Fields(in, record);
  if (in.failed()) return MalformedValue("record");
  return record;
}

}  // namespace leadglass
