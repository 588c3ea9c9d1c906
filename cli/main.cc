// SPDX-License-Identifier: Apache-2.0
// leadglass: the program. Parses the command line and runs one subcommand.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "cli/commands.h"
#include "cli/version.h"

namespace leadglass {
namespace {

constexpr const char* kExamples = R"(Examples:
  leadglass init /srv/images.vault
  leadglass mount /srv/images.vault /mnt/images
  leadglass status /mnt/images
  leadglass umount /mnt/images

Exit codes and every command in detail: docs/cli.md, leadglass(1).)";

// A large vault's index has hundreds of tables, each an open file; the usual limit of 1,024 is made
// for programs that call select(2). Without the right to more, the index keeps fewer open.
void RaiseOpenFileLimit() {
  constexpr rlim_t kEnough = 8192;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kEnough) return;
  limit.rlim_cur = std::min(kEnough, limit.rlim_max);
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

int Run(int argc, char** argv) {
  CLI::App app("Encrypted archive of medical images, mounted as plain DICOM folders.", "leadglass");
  app.set_version_flag("--version", std::string("leadglass ") + kVersion);
  app.require_subcommand(1);
  app.footer(kExamples);
  Action action;
  AddInitCommand(app, action);
  AddMountCommand(app, action);
  AddUmountCommand(app, action);
  AddStatusCommand(app, action);
  AddCheckCommand(app, action);
  AddReindexCommand(app, action);
  AddPassphraseCommand(app, action);
  AddKeyringCommand(app, action);
  AddRecoveryCommand(app, action);
  AddRotateCommand(app, action);
  AddConfigCommand(app, action);
  AddAuditCommand(app, action);
  AddGroupCommand(app, action);
  AddStudyCommand(app, action);
  AddHoldCommand(app, action);
  AddEmergencyCommand(app, action);
  AddRulesCommand(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);  // prints help, version, or what is wrong
    return code == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(action ? action() : ExitCode::kUsage);
}

}  // namespace
}  // namespace leadglass

int main(int argc, char** argv) {
  try {
    leadglass::RaiseOpenFileLimit();
    return leadglass::Run(argc, argv);
  } catch (const std::exception&) {
    // what() could quote an argument; that it happened at all is the bug.
    std::fputs("leadglass: unexpected exception; please report what you called\n", stderr);
    return static_cast<int>(leadglass::ExitCode::kInternal);
  }
}
