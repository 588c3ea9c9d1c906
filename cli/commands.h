// SPDX-License-Identifier: Apache-2.0
#pragma once

// The subcommands of leadglass, one file each (cli/cmd_*.cc). Each adds itself to the command line;
// what was chosen is left in `action`, and main() runs it after parsing has succeeded. So nothing
// is touched by a command line that is wrong.

#include <CLI/CLI.hpp>

#include <functional>

#include "cli/exit_codes.h"

namespace leadglass {

using Action = std::function<ExitCode()>;

void AddInitCommand(CLI::App& app, Action& action);
void AddMountCommand(CLI::App& app, Action& action);
void AddUmountCommand(CLI::App& app, Action& action);
void AddStatusCommand(CLI::App& app, Action& action);
void AddCheckCommand(CLI::App& app, Action& action);
void AddReindexCommand(CLI::App& app, Action& action);
void AddPassphraseCommand(CLI::App& app, Action& action);
void AddKeyringCommand(CLI::App& app, Action& action);
void AddRecoveryCommand(CLI::App& app, Action& action);
void AddRotateCommand(CLI::App& app, Action& action);
void AddConfigCommand(CLI::App& app, Action& action);
void AddAuditCommand(CLI::App& app, Action& action);
void AddGroupCommand(CLI::App& app, Action& action);
void AddStudyCommand(CLI::App& app, Action& action);
void AddHoldCommand(CLI::App& app, Action& action);
void AddEmergencyCommand(CLI::App& app, Action& action);
void AddRulesCommand(CLI::App& app, Action& action);

}  // namespace leadglass
