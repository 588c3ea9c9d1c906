// SPDX-License-Identifier: Apache-2.0
#pragma once

// How commands get at a vault's legal holds.

#include <optional>
#include <string>
#include <vector>

#include "cli/asked_vault.h"
#include "cli/control_socket.h"
#include "cli/json.h"

namespace leadglass {

// What is to be done; see Vault::AddHold() and Vault::RemoveHold().
struct HoldOrder {
  std::string study;
  std::string reason;
  std::optional<uint32_t> id;  // of the one that is taken off
};

// {"id", "study", "reason", "uid", "user", "since"}
Json ToJson(const HoldRecord& hold);

// Each gives the holds that it is about, as ToJson() has them. Errors of MountOf(), Ask(),
// WithVault() and of the vault.
Result<std::vector<Json>> ListHolds(const AskedVault& vault);
Result<std::vector<Json>> AddHold(const AskedVault& vault, const HoldOrder& order);
Result<std::vector<Json>> RemoveHold(const AskedVault& vault, const HoldOrder& order);

// The daemon's side: answers what those above ask. nullopt: the question is not one of theirs.
std::optional<std::string> AnswerHold(Vault& vault, const std::string& question,
                                      const ControlPeer& peer);

}  // namespace leadglass
