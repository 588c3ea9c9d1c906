// SPDX-License-Identifier: Apache-2.0
#pragma once

// MergedIterator: the database's keys as they will be once changes that it has not got yet are
// written to it.
//
// Thread-compatible.

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace leveldb {
class Iterator;
class Status;
}  // namespace leveldb

namespace leadglass {

using IndexChanges = std::map<std::string, std::optional<std::string>>;  // nullopt: erased

// Those of `changes` with keys in [from, to) go into `into`, over what it has.
void CopyChanges(const IndexChanges& changes, const std::string& from, const std::string& to,
                 IndexChanges& into);

class MergedIterator {
 public:
  // `stored` must outlive it. Keys outside the range that `changes` was copied for come as `stored`
  // has them.
  MergedIterator(leveldb::Iterator& stored, IndexChanges changes);

  // To the first key that is not less than `key`.
  void Seek(std::string_view key);
  // Needs Valid().
  void Next();
  // Whether it stands at a key. False, too, where the database cannot be read: status() tells.
  bool Valid() const;
  leveldb::Status status() const;
  // Of where it stands, until it moves. Need Valid().
  std::string_view key() const;
  std::string_view value() const;

 private:
  // Passes over erased keys, and decides which of the two comes next.
  void Settle();

  leveldb::Iterator& stored_;
  const IndexChanges changes_;
  IndexChanges::const_iterator changed_;
  bool at_changed_ = false;
};

}  // namespace leadglass
