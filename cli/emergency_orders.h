// SPDX-License-Identifier: Apache-2.0
#pragma once

// How commands get at a vault's emergency access. Who does not operate the mount asks at a door of
// his own (cli/control_socket.h), and is told of his own only.

#include <optional>
#include <string>
#include <vector>

#include "cli/asked_vault.h"
#include "cli/control_socket.h"
#include "cli/json.h"

namespace leadglass {

// {"id", "kind", "patient_id", "issuer", "study", "uid", "user", "reason", "by_uid", "by_user",
// "from", "until"}
Json ToJson(const EmergencyRecord& grant);

// Each gives what it is about, as ToJson() has it. Errors of MountOf(), Ask(), WithVault() and of
// the vault.
Result<std::vector<Json>> ListEmergencies(const AskedVault& vault);
Result<std::vector<Json>> BeginEmergency(const AskedVault& vault, const EmergencyOrder& order);
Result<std::vector<Json>> EndEmergency(const AskedVault& vault, uint32_t id);

// The daemon's side: answers what those above ask. nullopt: the question is not one of theirs.
std::optional<std::string> AnswerEmergency(Vault& vault, const std::string& question,
                                           const ControlPeer& peer);

}  // namespace leadglass
