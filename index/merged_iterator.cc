// SPDX-License-Identifier: Apache-2.0
#include "index/merged_iterator.h"

#include <leveldb/iterator.h>
#include <leveldb/status.h>

#include <utility>

namespace leadglass {
namespace {

std::string_view View(const leveldb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace

void CopyChanges(const IndexChanges& changes, const std::string& from, const std::string& to,
                 IndexChanges& into) {
  if (to <= from) return;
  const auto end = changes.lower_bound(to);
  for (auto it = changes.lower_bound(from); it != end; ++it)
    into.insert_or_assign(it->first, it->second);
}

MergedIterator::MergedIterator(leveldb::Iterator& stored, IndexChanges changes)
    : stored_(stored), changes_(std::move(changes)), changed_(changes_.end()) {}

void MergedIterator::Seek(std::string_view key) {
  stored_.Seek(leveldb::Slice(key.data(), key.size()));
  changed_ = changes_.empty() ? changes_.end() : changes_.lower_bound(std::string(key));
  Settle();
}

void MergedIterator::Next() {
  if (at_changed_) {
    ++changed_;
  } else {
    stored_.Next();
  }
  Settle();
}

void MergedIterator::Settle() {
  for (;;) {
    at_changed_ =
        changed_ != changes_.end() && (!stored_.Valid() || changed_->first <= View(stored_.key()));
    if (!at_changed_) return;
    // The stored one of that key is not so any more.
    if (stored_.Valid() && changed_->first == View(stored_.key())) stored_.Next();
    if (changed_->second.has_value()) return;
    ++changed_;
  }
}

// A damaged block looks like the end of all keys to the iterator: nothing behind it is told.
bool MergedIterator::Valid() const {
  return stored_.status().ok() && (at_changed_ || stored_.Valid());
}

leveldb::Status MergedIterator::status() const { return stored_.status(); }

std::string_view MergedIterator::key() const {
  return at_changed_ ? std::string_view(changed_->first) : View(stored_.key());
}

std::string_view MergedIterator::value() const {
  return at_changed_ ? std::string_view(*changed_->second) : View(stored_.value());
}

}  // namespace leadglass
