// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

struct KeyringArguments {
  std::string folder;
  std::string file;
  std::string passphrase_file;
  bool force = false;
};

Status Export(const std::string& folder, const KeyringArguments& arguments) {
  const std::string file = AbsolutePath(arguments.file);
  LG_ASSIGN_OR_RETURN(const bool exists, PosixFileSystem().Exists(file));
  if (exists && !arguments.force) {
    return Error(Errc::kExists, "there is a file of that name; --force replaces it");
  }
  LG_ASSIGN_OR_RETURN(const auto keys, UnlockVault(folder, arguments.passphrase_file));
  return keys->ExportKeyring(file, SystemClock());
}

ExitCode RunExport(const KeyringArguments& arguments) {
  const auto folder = CanonicalPath(arguments.folder);
  if (!folder) return Fail(folder.error());
  if (const Status done = Export(*folder, arguments); !done) return Fail(done.error());
  std::printf("keyring exported; keep the file on another machine\n");
  return ExitCode::kOk;
}

}  // namespace

void AddKeyringCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<KeyringArguments>();
  CLI::App* const keyring = app.add_subcommand("keyring", "Care for the keyring");
  keyring->require_subcommand(1);
  CLI::App* const command = keyring->add_subcommand(
      "export", "Write a sealed copy of the keyring: a lost keyring is a lost vault");
  command->add_option("VAULT", arguments->folder, "The folder of a vault, mounted or not")
      ->required();
  command->add_option("FILE", arguments->file, "Where the copy goes")->required();
  command->add_option("--passphrase-file", arguments->passphrase_file,
                      "Take the passphrase from the first line of this file; - is standard input");
  command->add_flag("--force", arguments->force, "Replace FILE if it exists");
  command->footer(
      "The copy opens with the passphrase that the vault has now.\n\n"
      "Example:\n  leadglass keyring export /srv/images.vault /media/usb/images.keyring");
  command->callback(
      [arguments, &action] { action = [arguments] { return RunExport(*arguments); }; });
}

}  // namespace leadglass
