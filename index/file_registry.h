// SPDX-License-Identifier: Apache-2.0
#pragma once

// FileRegistry: which files an index consists of. One small sealed file, FILES, that is replaced
// atomically; it is the root from which all other files of the index are believed.
//
// For each file name it keeps the random id of the file that has it, and how many bytes of it are
// durable. So a file that was put back from an earlier moment, renamed, or swapped is another file
// than the one registered; and a journal that was cut back is too short. It also keeps what LevelDB
// thinks is the file CURRENT, which therefore changes atomically with the registry.
//
// What stays possible is that all of it is put back together: that is an older index, whose head
// the owner finds on the log's chain, or does not.
//
// Thread safety: any thread. Save() calls are serialised inside.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/mutex.h"
#include "index/sealed_file.h"

namespace leadglass {

class FileRegistry {
 public:
  struct Entry {
    Uuid file_id{};
    uint64_t durable_size = 0;  // plain bytes
  };
  static constexpr const char* kFileName = "FILES";

  // An empty registry of a new index; nothing is on disk before Save().
  FileRegistry(FileSystem& fs, std::string folder, const Key& key, const Uuid& vault_id);
  // What is on disk. kCorrupt: damaged, of another vault or schema, or missing.
  static Result<std::unique_ptr<FileRegistry>> Load(FileSystem& fs, const std::string& folder,
                                                    const Key& key, const Uuid& vault_id);

  const SealedFileContext& context() const { return context_; }
  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }

  std::optional<Entry> Find(const std::string& name) const;
  std::vector<std::string> Names() const;
  void Put(const std::string& name, const Entry& entry);
  void Remove(const std::string& name);
  // The contents of CURRENT; empty: there is none yet.
  std::string current() const;
  void SetCurrent(std::string text);

  // True when a table was registered that the file on disk does not know.
  bool HasUnsavedTables() const;
  // Durable on return. After an error FILES is what it was before, or what it should have become.
  Status Save();

 private:
  ByteVector Encode() const LG_REQUIRES(mutex_);
  Status Decode(ByteSpan plain);

  const std::string folder_;
  SealedFileContext context_;  // constant once Load() is done
  Mutex save_mutex_;           // before mutex_
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ LG_GUARDED_BY(mutex_);
  std::string current_ LG_GUARDED_BY(mutex_);
  bool unsaved_tables_ LG_GUARDED_BY(mutex_) = false;
};

}  // namespace leadglass
