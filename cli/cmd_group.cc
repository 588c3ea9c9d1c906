// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/group_access.h"
#include "cli/groups.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/passphrase.h"
#include "crypto/base/secret.h"

namespace leadglass {

namespace {

struct GroupArguments {
  AskedVault vault;
  std::string group;
  std::string group_passphrase_file;
  std::string new_passphrase_file;
  uint32_t scrypt_log2_n = VaultKeys::kDefaultScryptLog2N;
  bool remove = false;
  bool lost = false;
  bool json = false;
};

Result<SecretBytes> PresentPassphrase(const GroupArguments& arguments) {
  return GetPassphrase(arguments.group_passphrase_file, "Passphrase of group " + arguments.group,
                       false);
}

ExitCode RunGroupList(const GroupArguments& arguments) {
  const auto groups = ListGroups(arguments.vault);
  if (!groups) return Fail(groups.error());
  Json all = Json::array();
  for (const Vault::GroupState& group : *groups) {
    const std::string name = NameOfGroup(group.gid);
    if (arguments.json) {
      all.push_back({{"group", name},
                     {"gid", group.gid},
                     {"passphrase", group.has_passphrase},
                     {"locked", group.locked},
                     {"study_keys", group.study_keys},
                     {"older_study_keys", group.older_study_keys}});
      continue;
    }
    const char* const state = group.locked           ? "locked"
                              : group.has_passphrase ? "unlocked"
                                                     : "no passphrase";
    std::printf("%s(%u)  %s  %llu study keys", name.c_str(), group.gid, state,
                static_cast<unsigned long long>(group.study_keys));
    if (group.older_study_keys != 0)
      std::printf(", %llu more under an earlier key of the group",
                  static_cast<unsigned long long>(group.older_study_keys));
    std::printf("\n");
  }
  if (arguments.json) std::printf("%s\n", JsonText(Json{{"groups", all}}).c_str());
  return ExitCode::kOk;
}

ExitCode RunGroupLock(const GroupArguments& arguments) {
  const auto gid = GidNamed(arguments.group);
  if (!gid) return Fail(gid.error());
  if (const Status done = LockGroup(arguments.vault, *gid); !done) return Fail(done.error());
  std::printf(
      "group %s is locked: its studies' images give ENOKEY; their names and headers' "
      "attributes show\n",
      arguments.group.c_str());
  return ExitCode::kOk;
}

Status Unlock(const GroupArguments& arguments) {
  LG_RETURN_IF_ERROR(ForbidCoreDumps());
  LG_ASSIGN_OR_RETURN(const uint32_t gid, GidNamed(arguments.group));
  LG_ASSIGN_OR_RETURN(const SecretBytes passphrase, PresentPassphrase(arguments));
  return UnlockGroup(arguments.vault, gid, passphrase);
}

ExitCode RunGroupUnlock(const GroupArguments& arguments) {
  if (const Status done = Unlock(arguments); !done) return Fail(done.error());
  std::printf("group %s is unlocked until it is locked again, or the vault unmounted\n",
              arguments.group.c_str());
  return ExitCode::kOk;
}

Status ChangePassphrase(const GroupArguments& arguments) {
  LG_RETURN_IF_ERROR(ForbidCoreDumps());
  GroupOrder order;
  LG_ASSIGN_OR_RETURN(order.gid, GidNamed(arguments.group));
  order.has_passphrase = !arguments.remove;
  order.lost = arguments.lost;
  order.scrypt_log2_n = arguments.scrypt_log2_n;
  const auto present = [&] { return PresentPassphrase(arguments); };
  if (arguments.remove) return ChangeGroupKey(arguments.vault, order, nullptr, present);
  LG_ASSIGN_OR_RETURN(const SecretBytes next,
                      GetPassphrase(arguments.new_passphrase_file,
                                    "New passphrase of group " + arguments.group, true));
  return ChangeGroupKey(arguments.vault, order, &next, present);
}

ExitCode RunGroupPassphrase(const GroupArguments& arguments) {
  if (const Status done = ChangePassphrase(arguments); !done) return Fail(done.error());
  if (arguments.remove) {
    std::printf("group %s has no passphrase of its own any more\n", arguments.group.c_str());
  } else {
    std::printf(
        "group %s has its passphrase, and is locked at each mount until it is given. "
        "Nobody can open its studies without it: keep it safe\n",
        arguments.group.c_str());
  }
  std::printf("exported keyrings open no longer: export again\n");
  return ExitCode::kOk;
}

using RunGroup = ExitCode (*)(const GroupArguments&);

CLI::App* AddGroupSub(CLI::App& parent, const char* name, const char* description,
                      const std::shared_ptr<GroupArguments>& arguments, Action& action,
                      RunGroup run) {
  CLI::App* const command = parent.add_subcommand(name, description);
  command->add_option("VAULT", arguments->vault.path, "The folder of a vault, or a mount point")
      ->required();
  command->callback(
      [arguments, &action, run] { action = [arguments, run] { return run(*arguments); }; });
  return command;
}

void AddGroupName(CLI::App& command, GroupArguments& arguments) {
  command.add_option("GROUP", arguments.group, "A Unix group, by name or number")->required();
}

void AddVaultPassphrase(CLI::App& command, GroupArguments& arguments) {
  command.add_option("--passphrase-file", arguments.vault.passphrase_file,
                     "For a vault that is not mounted: take its passphrase from the first line of "
                     "this file; - is standard input");
}

}  // namespace

void AddGroupCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<GroupArguments>();
  CLI::App* const group =
      app.add_subcommand("group", "Groups whose studies need a passphrase of their own");
  group->require_subcommand(1);

  CLI::App* const list = AddGroupSub(*group, "list", "Show the groups that have studies", arguments,
                                     action, RunGroupList);
  AddVaultPassphrase(*list, *arguments);
  list->add_flag("--json", arguments->json, "Print JSON");
  list->footer("Example:\n  leadglass group list /mnt/images --json");

  CLI::App* const lock = AddGroupSub(*group, "lock", "Close a group's studies, to root as well",
                                     arguments, action, RunGroupLock);
  AddGroupName(*lock, *arguments);
  lock->footer(
      "Images that are open give ENOKEY from then on; images that come are filed all the same. "
      "Names, sizes and what headers say (user.dicom.*) are not hidden.\n\n"
      "Example:\n  leadglass group lock /mnt/images psychiatry");

  CLI::App* const unlock = AddGroupSub(*group, "unlock", "Open a group's studies by its passphrase",
                                       arguments, action, RunGroupUnlock);
  AddGroupName(*unlock, *arguments);
  unlock->add_option("--group-passphrase-file", arguments->group_passphrase_file,
                     "Take the group's passphrase from the first line of this file; - is standard "
                     "input");
  unlock->footer("Example:\n  leadglass group unlock /mnt/images psychiatry");

  CLI::App* const passphrase =
      AddGroupSub(*group, "passphrase", "Give a group a passphrase, another one, or none",
                  arguments, action, RunGroupPassphrase);
  AddGroupName(*passphrase, *arguments);
  AddVaultPassphrase(*passphrase, *arguments);
  passphrase->add_option("--new-passphrase-file", arguments->new_passphrase_file,
                         "Take the new one from the first line of this file; - is standard input");
  passphrase->add_option("--group-passphrase-file", arguments->group_passphrase_file,
                         "For a vault that is not mounted: take the present one from the first "
                         "line of this file");
  passphrase->add_option("--scryptn", arguments->scrypt_log2_n, "Cost of scrypt, as log2")
      ->check(CLI::Range(10, 24))
      ->capture_default_str();
  CLI::Option* const remove =
      passphrase->add_flag("--remove", arguments->remove, "The group is to have none");
  passphrase
      ->add_flag("--lost", arguments->lost,
                 "The present one is lost: studies under it stay closed, what comes gets a new key")
      ->excludes(remove);
  passphrase->footer(
      "A mounted group has to be unlocked. Its studies' keys are wrapped anew, so it takes a "
      "moment "
      "for each ten thousand studies.\n\n"
      "Examples:\n"
      "  leadglass group passphrase /mnt/images psychiatry\n"
      "  leadglass group passphrase /mnt/images psychiatry --remove");
}

}  // namespace leadglass
