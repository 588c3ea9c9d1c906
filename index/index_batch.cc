// SPDX-License-Identifier: Apache-2.0
#include "index/index_batch.h"

#include <leveldb/db.h>

#include <utility>

#include "index/sealed_env.h"

namespace leadglass {
namespace {

leveldb::ReadOptions Checked() {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  return options;
}

}  // namespace

IndexBatch::IndexBatch(leveldb::DB& db, const SealedEnv& env, const IndexChanges& staged)
    : db_(db), env_(env), staged_(staged) {}
IndexBatch::~IndexBatch() = default;

Result<std::optional<std::string>> IndexBatch::Get(const std::string& key) {
  if (const auto it = changes_.find(key); it != changes_.end()) return it->second;
  if (const auto it = staged_.find(key); it != staged_.end()) return it->second;
  std::string value;
  const leveldb::Status status = db_.Get(Checked(), key, &value);
  if (status.ok()) return std::optional(std::move(value));
  if (status.IsNotFound()) return std::optional<std::string>();
  return env_.ToError(status);
}

void IndexBatch::Put(std::string key, std::string value) {
  changes_.insert_or_assign(std::move(key), std::move(value));
}

void IndexBatch::Erase(std::string key) { changes_.insert_or_assign(std::move(key), std::nullopt); }

Status IndexBatch::Scan(const std::string& from, const std::string& to, const Visitor& visitor) {
  if (!iterator_) iterator_.reset(db_.NewIterator(Checked()));
  IndexChanges changes;
  CopyChanges(staged_, from, to, changes);
  CopyChanges(changes_, from, to, changes);
  MergedIterator it(*iterator_, std::move(changes));
  for (it.Seek(from); it.Valid() && it.key() < to; it.Next())
    if (!visitor(it.key(), it.value())) return {};
  return it.status().ok() ? Status{} : Status(env_.ToError(it.status()));
}

IndexChanges IndexBatch::Take() {
  iterator_.reset();
  return std::exchange(changes_, {});
}

}  // namespace leadglass
