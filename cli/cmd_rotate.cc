// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

struct RotateArguments {
  std::string folder;
  std::string passphrase_file;
  bool json = false;
};

Result<uint32_t> RotateMaster(const RotateArguments& arguments) {
  LG_ASSIGN_OR_RETURN(const std::string folder, CanonicalPath(arguments.folder));
  return ChangeKeyEpoch(folder, arguments.passphrase_file,
                        [](VaultKeys& keys) { return keys.RotateMasterKey(); });
}

ExitCode RunRotate(const RotateArguments& arguments) {
  const auto epoch = RotateMaster(arguments);
  if (!epoch) return Fail(epoch.error());
  if (arguments.json) {
    std::printf("%s\n", nlohmann::ordered_json{{"key_epoch", *epoch}}.dump(2).c_str());
    return ExitCode::kOk;
  }
  std::printf("new master key, key epoch %u; passphrases and recovery kits are as before\n",
              *epoch);
  std::printf("exported keyrings open no longer: export again\n");
  return ExitCode::kOk;
}

}  // namespace

void AddRotateCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RotateArguments>();
  CLI::App* const command = app.add_subcommand(
      "rotate", "Begin with a new master key; the vault must not be mounted, no data is rewritten");
  command->add_option("VAULT", arguments->folder, "The folder of the vault")->required();
  command->add_option("--passphrase-file", arguments->passphrase_file,
                      "Take the passphrase from the first line of this file; - is standard input");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(
      "Names, facts and new files are sealed from then on with keys that no older copy of the "
      "vault "
      "has.\n\n"
      "Example:\n  leadglass rotate /srv/images.vault");
  command->callback(
      [arguments, &action] { action = [arguments] { return RunRotate(*arguments); }; });
}

}  // namespace leadglass
