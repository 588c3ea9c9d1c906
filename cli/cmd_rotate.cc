// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "cli/commands.h"
#include "cli/group_access.h"
#include "cli/groups.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

struct RotateArguments {
  std::string folder;
  std::string passphrase_file;
  std::string group;
  bool json = false;
};

Result<uint32_t> RotateMaster(const RotateArguments& arguments) {
  LG_ASSIGN_OR_RETURN(const std::string folder, CanonicalPath(arguments.folder));
  return ChangeKeyEpoch(folder, arguments.passphrase_file,
                        [](VaultKeys& keys) { return keys.RotateMasterKey(); });
}

// Never asked for: such a group is refused before.
Result<SecretBytes> NoPassphrase() {
  return Error(Errc::kInternal, "a group without a passphrase was locked");
}

// A group with a passphrase gets its new key together with a passphrase.
Status RotateGroup(const RotateArguments& arguments) {
  const AskedVault vault{arguments.folder, arguments.passphrase_file};
  GroupOrder order;
  LG_ASSIGN_OR_RETURN(order.gid, GidNamed(arguments.group));
  LG_ASSIGN_OR_RETURN(const auto groups, ListGroups(vault));
  const auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](const auto& known) { return known.gid == order.gid; });
  if (group == groups.end())
    return Error(Errc::kNotFound, "the group has no studies here, and so no key");
  if (group->has_passphrase)
    return Error(Errc::kInvalidArgument,
                 "the group has a passphrase: `leadglass group passphrase` gives it another key");
  return ChangeGroupKey(vault, order, nullptr, [] { return NoPassphrase(); });
}

ExitCode RunRotateGroup(const RotateArguments& arguments) {
  if (const Status done = RotateGroup(arguments); !done) return Fail(done.error());
  if (arguments.json) {
    std::printf("%s\n", JsonText(Json{{"group", arguments.group}}).c_str());
    return ExitCode::kOk;
  }
  std::printf("group %s has a new key\n", arguments.group.c_str());
  std::printf("exported keyrings open no longer: export again\n");
  return ExitCode::kOk;
}

ExitCode RunRotate(const RotateArguments& arguments) {
  if (!arguments.group.empty()) return RunRotateGroup(arguments);
  const auto epoch = RotateMaster(arguments);
  if (!epoch) return Fail(epoch.error());
  if (arguments.json) {
    std::printf("%s\n", JsonText(Json{{"key_epoch", *epoch}}).c_str());
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
  command
      ->add_option("VAULT", arguments->folder,
                   "The folder of the vault; with --group, or a mount point")
      ->required();
  command->add_option("--group", arguments->group,
                      "Give this Unix group a new key instead; the vault may be mounted");
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
