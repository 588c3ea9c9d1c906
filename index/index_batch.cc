// SPDX-License-Identifier: Apache-2.0
#include "index/index_batch.h"

#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include <utility>

#include "index/sealed_env.h"

namespace leadglass {
namespace {

std::string_view View(const leveldb::Slice& slice) { return {slice.data(), slice.size()}; }

leveldb::ReadOptions Checked() {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  return options;
}

}  // namespace

IndexBatch::IndexBatch(leveldb::DB& db, const SealedEnv& env) : db_(db), env_(env) {}
IndexBatch::~IndexBatch() = default;

Result<std::optional<std::string>> IndexBatch::Get(const std::string& key) {
  if (const auto it = changes_.find(key); it != changes_.end()) return it->second;
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
  leveldb::Iterator& stored = *iterator_;
  auto changed = changes_.lower_bound(from);
  const auto changed_end = changes_.lower_bound(to);
  for (stored.Seek(from);; stored.Next()) {
    // A damaged block looks like an absent one to the iterator: only the status tells.
    if (!stored.status().ok()) return env_.ToError(stored.status());
    const bool more = stored.Valid() && View(stored.key()) < to;
    for (; changed != changed_end && (!more || changed->first < View(stored.key())); ++changed) {
      if (changed->second && !visitor(changed->first, *changed->second)) return {};
    }
    if (!more) return {};
    if (changed != changed_end && changed->first == View(stored.key())) {
      if (changed->second && !visitor(changed->first, *changed->second)) return {};
      ++changed;
    } else if (!visitor(View(stored.key()), View(stored.value()))) {
      return {};
    }
  }
}

Status IndexBatch::Write() {
  leveldb::WriteBatch batch;
  for (const auto& [key, value] : changes_) {
    if (value) {
      batch.Put(key, *value);
    } else {
      batch.Delete(key);
    }
  }
  iterator_.reset();
  const leveldb::Status status = db_.Write(leveldb::WriteOptions(), &batch);
  return status.ok() ? Status{} : Status(env_.ToError(status));
}

}  // namespace leadglass
