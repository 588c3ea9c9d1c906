// SPDX-License-Identifier: Apache-2.0
#pragma once

// IndexBatch: the changes of one commit before they are written. Reads see the changes made so far
// over what the database held when the batch began, so operations can build on each other.
// Nothing reaches the database before Write(); a batch that is dropped changed nothing.
//
// Thread-compatible. No other writer may be active while a batch lives.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/base/result.h"

namespace leveldb {
class DB;
class Iterator;
}  // namespace leveldb

namespace leadglass {

class SealedEnv;

class IndexBatch {
 public:
  IndexBatch(leveldb::DB& db, const SealedEnv& env);
  ~IndexBatch();

  // kCorrupt when the database cannot be read; nullopt when there is no such key.
  Result<std::optional<std::string>> Get(const std::string& key);
  void Put(std::string key, std::string value);
  void Erase(std::string key);

  // Visits the keys in [from, to) in order, until the visitor returns false. The visitor must not
  // change the batch.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
  Status Scan(const std::string& from, const std::string& to, const Visitor& visitor);

  // Writes all changes atomically, in memory: the index has no log of its own.
  Status Write();

 private:
  using Changes = std::map<std::string, std::optional<std::string>>;  // nullopt: erased

  leveldb::DB& db_;
  const SealedEnv& env_;
  Changes changes_;
  std::unique_ptr<leveldb::Iterator> iterator_;  // of the time before the batch; made when needed
};

}  // namespace leadglass
