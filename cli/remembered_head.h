// SPDX-License-Identifier: Apache-2.0
#pragma once

// RememberedHead: the newest durable head of a vault that this machine has seen, kept apart from
// the vault, so that putting an older copy of the whole vault back is noticed.
//
//   <state folder>/<vault id, 32 hex>.head    JSON: format, vault_id, epoch, commit, chain
//
// The file holds nothing secret. It is as trustworthy as its folder: who can write both the vault
// and the folder can turn both back.

#include <optional>
#include <string>

#include "crypto/base/file.h"
#include "crypto/log/position.h"

namespace leadglass {

// `wanted` if it is not empty; else /var/lib/leadglass for root, $XDG_STATE_HOME/leadglass or
// ~/.local/state/leadglass for others. Created (0700) if it is missing.
Result<std::string> StateFolder(const std::string& wanted);

// Where a mount looks for the newest head, and leaves it.
class HeadMemory {
 public:
  virtual ~HeadMemory() = default;
  // nullopt: none yet. kCorrupt: the file is not one of ours; it is not guessed at.
  virtual Result<std::optional<Head>> Load() = 0;
  // Replaces the file atomically. Durable on return. Does nothing where it holds `head` already.
  virtual Status Save(const Head& head) = 0;
  // The same, unless `head` is older than what Load() or Save() saw last.
  virtual Status SaveIfNewer(const Head& head) = 0;
};

class RememberedHead final : public HeadMemory {
 public:
  RememberedHead(FileSystem& fs, const std::string& state_folder, const Uuid& vault_id);

  Result<std::optional<Head>> Load() override;
  Status Save(const Head& head) override;
  Status SaveIfNewer(const Head& head) override;

 private:
  FileSystem& fs_;
  const Uuid vault_id_;
  const std::string path_;
  std::optional<Head> known_;
};

}  // namespace leadglass
