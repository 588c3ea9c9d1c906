// SPDX-License-Identifier: Apache-2.0
#pragma once

// IndexBatch: the changes of some operations before anybody else sees them. Reads see the changes
// made so far over what there was when the batch began, so operations can build on each other.
// A batch that is dropped changed nothing.
//
// Thread-compatible. No other writer may be active while a batch lives.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/base/result.h"
#include "index/merged_iterator.h"

namespace leveldb {
class DB;
class Iterator;
}  // namespace leveldb

namespace leadglass {

class SealedEnv;

class IndexBatch {
 public:
  // On top of the database and of `staged`, which is not written there yet. All of them must
  // outlive the batch, and `staged` stay as it is.
  IndexBatch(leveldb::DB& db, const SealedEnv& env, const IndexChanges& staged);
  ~IndexBatch();

  // kCorrupt when the database cannot be read; nullopt when there is no such key.
  Result<std::optional<std::string>> Get(const std::string& key);
  void Put(std::string key, std::string value);
  void Erase(std::string key);

  // Visits the keys in [from, to) in order, until the visitor returns false. The visitor must not
  // change the batch.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
  Status Scan(const std::string& from, const std::string& to, const Visitor& visitor);

  // The changes; the batch has none after it.
  IndexChanges Take();

 private:
  leveldb::DB& db_;
  const SealedEnv& env_;
  const IndexChanges& staged_;
  IndexChanges changes_;
  std::unique_ptr<leveldb::Iterator> iterator_;  // of the time before the batch; made when needed
};

}  // namespace leadglass
