// SPDX-License-Identifier: Apache-2.0
#pragma once

// IndexModel: what an index should hold, in maps, done in the most obvious way. And random
// operations over a small universe, so that they meet each other often.
//
// Dump() of the model and DumpIndex() of an index give the same lines when they hold the same. A
// lookup that fails with kCorrupt gives the line kCorruptLine, any other error fails the test.

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "index/index.h"

namespace leadglass {

using IndexDump = std::vector<std::string>;
inline constexpr const char* kCorruptLine = "CORRUPT";

class IndexModel {
 public:
  void Apply(const Operations& operations);
  IndexDump Dump() const;

 private:
  friend struct ModelApplier;
  std::map<InodeId, InodeRecord> inodes_;
  std::map<std::pair<InodeId, std::string>, NameRecord> names_;
  std::map<InodeId, std::map<uint64_t, std::string>> bytes_;
  std::map<std::pair<InodeId, std::string>, ByteVector> xattrs_;
  std::map<std::pair<InodeId, uint32_t>, FileKeyRecord> file_keys_;
  std::map<std::pair<EntityKind, std::string>, EntityRecord> entities_;
  std::map<InodeId, std::pair<EntityKind, std::string>> folders_;
  std::map<InodeId, FilingRecord> filings_;
  std::map<uint32_t, Uuid> sessions_;
  std::optional<PutConfiguration> configuration_;
  std::optional<QuoteAudit> audit_quote_;
  std::map<std::pair<uint32_t, std::string>, HoldRecord> holds_;
  std::map<std::pair<uint32_t, std::string>, EmergencyRecord> emergencies_;
  std::map<std::pair<Uuid, uint64_t>, StudyKeyRecord> study_keys_;
  std::map<std::string, Uuid> studies_;  // the key that was put last
  std::map<uint64_t, GroupKeyRecord> group_keys_;
  PutRenewals renewals_;
  std::map<std::string, PutShred> shreds_;
  InodeId next_inode_ = kFirstFreeInode;
  uint64_t next_cookie_ = 16;
};

IndexDump DumpIndex(const Index& index);

// `fresh_cookie` counts up: as in the vault, a cookie is rarely used twice.
Operations RandomOperations(std::mt19937_64& random, size_t count, uint64_t& fresh_cookie);

// Empty when each line of `got` is as expected or, with `may_be_corrupt`, kCorruptLine.
std::string Difference(const IndexDump& got, const IndexDump& expected, bool may_be_corrupt);

}  // namespace leadglass
