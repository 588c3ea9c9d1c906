// SPDX-License-Identifier: Apache-2.0
#pragma once

// How commands get at a vault's configuration.

#include <optional>
#include <string>
#include <vector>

#include "cli/asked_vault.h"
#include "cli/json.h"
#include "fs/vault.h"

namespace leadglass {

// The text of a file, up to one byte more than a configuration may have. Errors of the operating
// system have their errno.
Result<std::string> ReadConfigurationFile(const std::string& file);

// nullopt: none was ever set. Errors of MountOf(), Ask() and WithVault().
Result<std::optional<PutConfiguration>> ReadConfiguration(const AskedVault& vault);
// Gives the new version. kNotFound: a group that it names is unknown here. kInvalidArgument: it
// does not parse; the message has the line.
Result<uint32_t> WriteConfiguration(const AskedVault& vault, const std::string& text);

// What the rules in force say of the studies that are there; with `make` it is done. Errors of
// MountOf(), Ask(), WithVault() and Vault::ApplyRules().
Result<std::vector<StudyMove>> ApplyRules(const AskedVault& vault, bool make);
// As `rules apply --json` prints one, too.
Json ToJson(const StudyMove& move);

// The daemon's side: answers what those above ask. nullopt: the question is not one of theirs.
std::optional<std::string> AnswerConfiguration(Vault& vault, const std::string& question,
                                               const ControlPeer& peer);

}  // namespace leadglass
