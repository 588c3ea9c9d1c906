// SPDX-License-Identifier: Apache-2.0
#pragma once

// SealedEnv: the file system that LevelDB sees. Tables and MANIFESTs are sealed files
// (index/sealed_file.h) under a registry (index/file_registry.h); CURRENT lives in the registry;
// LevelDB's write-ahead log is a null file, for writing and reading: the sealed log of the vault is
// its log. LevelDB's own LOG, which prints keys, is dropped (NewDroppingLogger()).
//
// Order of durability, which makes the index never be ahead of the log:
//   table Sync():     make_log_durable(), then the table
//   MANIFEST Sync():  FILES with the tables it is about to name, then the MANIFEST
//   CURRENT:          FILES
//
// LevelDB's status texts hold keys and paths; errors are therefore remembered here as Errors.
// Thread safety: any thread.

#include <functional>
#include <memory>
#include <string>

#include "crypto/aead.h"
#include "crypto/base/file.h"

namespace leveldb {
class Env;
class Logger;
class Status;
}  // namespace leveldb

namespace leadglass {

class SealedEnv {
 public:
  // Opens the index files in `folder`, or makes the folder and begins an index there.
  // kUnavailable: somebody else has it open. kCorrupt: it holds something that is no index of this
  // vault and key.
  static Result<std::unique_ptr<SealedEnv>> Open(FileSystem& fs, const std::string& folder,
                                                 const Key& key, const Uuid& vault_id,
                                                 std::function<Status()> make_log_durable);
  virtual ~SealedEnv() = default;

  // Valid as long as this object.
  virtual leveldb::Env* env() = 0;

  // What a failed LevelDB call comes to. Bad or unreadable bytes are kCorrupt. A failed write keeps
  // its own code (kNoSpace, kUnavailable, kInternal), and stays: LevelDB takes no more writes.
  virtual Error ToError(const leveldb::Status& status) const = 0;
};

// A logger that drops everything: LevelDB's messages print keys.
std::unique_ptr<leveldb::Logger> NewDroppingLogger();

}  // namespace leadglass
