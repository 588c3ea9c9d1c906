// SPDX-License-Identifier: Apache-2.0
#pragma once

// How commands get at the keys of groups and studies: by the process behind a mount, or with the
// vault opened for it. A passphrase goes over the control socket as it is, behind the question, and
// is wiped on both sides.

#include <optional>
#include <string>
#include <vector>

#include "cli/asked_vault.h"
#include "fs/vault.h"

namespace leadglass {

// What a command is told of a group's passphrase.
struct GroupOrder {
  uint32_t gid = 0;
  bool has_passphrase = false;  // that it is to have
  bool lost = false;
  uint32_t scrypt_log2_n = VaultKeys::kDefaultScryptLog2N;
};

// Errors of MountOf(), Ask() and WithVault(), and of what Vault does.
Result<std::vector<Vault::GroupState>> ListGroups(const AskedVault& vault);
// kUnavailable: the vault is not mounted. There every group with a passphrase is locked.
Status LockGroup(const AskedVault& vault, uint32_t gid);
Status UnlockGroup(const AskedVault& vault, uint32_t gid, const SecretBytes& passphrase);
// `present` is asked for where the vault is not mounted and the group has a passphrase. Null
// `next`: the group is to have none.
Status ChangeGroupKey(const AskedVault& vault, const GroupOrder& order, const SecretBytes* next,
                      const std::function<Result<SecretBytes>()>& present);
// Gives the number of images.
Result<uint64_t> ShredStudy(const AskedVault& vault, const std::string& study,
                            const std::string& reason);

// The daemon's side: answers what those above ask. nullopt: the question is not one of theirs.
std::optional<std::string> AnswerGroup(Vault& vault, std::string_view question,
                                       const ControlPeer& peer);

}  // namespace leadglass
