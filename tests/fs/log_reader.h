// SPDX-License-Identifier: Apache-2.0
#pragma once

// What somebody has who kept every byte of a vault's log: all that commits ever said of keys. And
// what he can make of it with the vault's own keys of today.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "crypto/log/sealed_log.h"
#include "crypto/study_keys.h"
#include "crypto/vault_keys.h"
#include "index/operations.h"

namespace leadglass {

class KeptLog {
 public:
  // Of the vault in `folder`, which is closed.
  static Result<KeptLog> Read(FileSystem& fs, const std::string& folder, const VaultKeys& keys) {
    KeptLog kept;
    SealedLog::Options options;
    options.read_only = true;
    LG_ASSIGN_OR_RETURN(const auto log, SealedLog::Open(fs, folder + "/log", keys.vault_id(),
                                                        keys.log_keys(), options));
    LG_ASSIGN_OR_RETURN(
        [[maybe_unused]] const auto report,
        log->Recover(std::nullopt, [&](const CommitInfo&, ByteSpan payload) -> Status {
          LG_ASSIGN_OR_RETURN(const auto operations, DecodeOperations(payload));
          for (const Operation& operation : operations) kept.Keep(operation);
          return {};
        }));
    return kept;
  }

  // Every wrap that a study's key ever had.
  const std::vector<StudyKeyRecord>& wraps() const { return wraps_; }
  // The study keys under which any key of the file was ever wrapped.
  std::vector<Uuid> StudyKeysOfFile(InodeId inode) const {
    std::vector<Uuid> ids;
    for (const FileKeyRecord& record : file_keys_)
      if (record.inode == inode) ids.push_back(record.study_key_id);
    return ids;
  }
  // How many wraps of that study key count, by the last word of the log.
  size_t Counting(const Uuid& study_key) const {
    size_t counting = 0;
    for (const auto& [id, group] : counting_)
      if (id == study_key) ++counting;
    return counting;
  }
  // How many wraps of that study key open, with what the vault's keys open of the groups' pairs.
  size_t Openable(const VaultKeys& keys, const Uuid& study_key) const {
    size_t opened = 0;
    for (const StudyKeyRecord& wrap : wraps_) {
      const auto group = groups_.find(wrap.group);
      if (wrap.study_key_id != study_key || group == groups_.end()) continue;
      std::array<uint8_t, 8> owner{};
      StoreLe(owner.data(), wrap.group);
      auto half = keys.UnwrapForVault(group->second.private_wrap, "group private key", owner);
      if (!half) continue;  // under a passphrase
      GroupKeyPair pair;
      pair.public_key = group->second.public_key;
      pair.private_key = *std::move(half);
      for (const Key& secret : keys.ErasureSecrets(wrap.erasure_page))
        if (UnwrapStudyKey(keys.vault_id(), study_key, wrap.group, pair, secret, wrap.wrap))
          ++opened;
    }
    return opened;
  }

 private:
  void Keep(const Operation& operation) {
    if (const auto* wrap = std::get_if<PutStudyKey>(&operation)) {
      wraps_.push_back(wrap->record);
      counting_.emplace(wrap->record.study_key_id, wrap->record.group);
    }
    if (const auto* gone = std::get_if<EraseStudyKey>(&operation))
      counting_.erase({gone->study_key_id, gone->group});
    if (const auto* file = std::get_if<PutFileKey>(&operation)) file_keys_.push_back(file->record);
    if (const auto* group = std::get_if<PutGroupKey>(&operation))
      groups_[group->record.group] = group->record;
  }

  std::vector<StudyKeyRecord> wraps_;
  std::vector<FileKeyRecord> file_keys_;
  std::map<uint64_t, GroupKeyRecord> groups_;
  std::set<std::pair<Uuid, uint64_t>> counting_;
};

}  // namespace leadglass
