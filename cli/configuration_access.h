// SPDX-License-Identifier: Apache-2.0
#pragma once

// How commands get at a vault's configuration: by the process behind a mount where there is one,
// else by opening the vault. What goes over the control socket is JSON.

#include <optional>
#include <string>

#include "cli/control_socket.h"
#include "fs/vault.h"

namespace leadglass {

// Where a configuration is asked for.
struct ConfiguredVault {
  std::string path;             // the folder of a vault, or a mount point
  std::string passphrase_file;  // for a vault that is not mounted; empty: asks
};

// The text of a file, up to one byte more than a configuration may have. Errors of the operating
// system have their errno.
Result<std::string> ReadConfigurationFile(const std::string& file);

// nullopt: none was ever set. Errors of AskControl(), UnlockVault() and Vault::Open().
Result<std::optional<PutConfiguration>> ReadConfiguration(const ConfiguredVault& vault);
// Gives the new version. kNotFound: a group that it names is unknown here. kInvalidArgument: it
// does not parse; the message has the line.
Result<uint32_t> WriteConfiguration(const ConfiguredVault& vault, const std::string& text);

// The daemon's side: answers what the two above ask. nullopt: the question is not one of theirs.
std::optional<std::string> AnswerConfiguration(Vault& vault, const std::string& question);

}  // namespace leadglass
