// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/passphrase.h"
#include "cli/slot_json.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

struct PassphraseArguments {
  std::string folder;
  std::string passphrase_file;
  std::string new_passphrase_file;
  uint32_t scrypt_log2_n = VaultKeys::kDefaultScryptLog2N;
  uint32_t slot = 0;
  bool json = false;
};

Result<SlotInfo> Add(const PassphraseArguments& arguments) {
  LG_ASSIGN_OR_RETURN(const std::string folder, CanonicalPath(arguments.folder));
  LG_ASSIGN_OR_RETURN(const auto keys, UnlockVault(folder, arguments.passphrase_file));
  LG_ASSIGN_OR_RETURN(const SecretBytes passphrase,
                      GetPassphrase(arguments.new_passphrase_file, "New passphrase", true));
  return keys->AddSlot(passphrase, arguments.scrypt_log2_n, SystemClock());
}

ExitCode RunAdd(const PassphraseArguments& arguments) {
  const Result<SlotInfo> slot = Add(arguments);
  if (!slot) return Fail(slot.error());
  if (arguments.json) {
    std::printf("%s\n", JsonText(SlotJson(*slot)).c_str());
  } else {
    std::printf("passphrase added as slot %u\n", slot->id);
  }
  return ExitCode::kOk;
}

Result<uint32_t> Remove(const PassphraseArguments& arguments) {
  LG_ASSIGN_OR_RETURN(const std::string folder, CanonicalPath(arguments.folder));
  return ChangeKeyEpoch(folder, arguments.passphrase_file,
                        [&](VaultKeys& keys) { return keys.RemoveSlot(arguments.slot); });
}

ExitCode RunRemove(const PassphraseArguments& arguments) {
  if (const auto done = Remove(arguments); !done) return Fail(done.error());
  std::printf("slot %u removed; names, facts and new files are out of its reach from now on\n",
              arguments.slot);
  std::printf("exported keyrings open no longer: export again\n");
  return ExitCode::kOk;
}

ExitCode RunList(const PassphraseArguments& arguments) {
  const auto folder = CanonicalPath(arguments.folder);
  if (!folder) return Fail(folder.error());
  const auto info = VaultKeys::Inspect(PosixFileSystem(), *folder);
  if (!info) return Fail(info.error());
  Json slots = Json::array();
  for (const SlotInfo& slot : info->slots) slots.push_back(SlotJson(slot));
  if (arguments.json) {
    std::printf("%s\n", JsonText(slots).c_str());
    return ExitCode::kOk;
  }
  for (const SlotInfo& slot : info->slots) {
    std::printf("slot %u  %s\n", slot.id, SlotText(SlotJson(slot)).c_str());
  }
  return ExitCode::kOk;
}

using Run = ExitCode (*)(const PassphraseArguments&);

CLI::App* AddSub(CLI::App& parent, const char* name, const char* description,
                 const std::shared_ptr<PassphraseArguments>& arguments, Action& action, Run run) {
  CLI::App* const command = parent.add_subcommand(name, description);
  command->add_option("VAULT", arguments->folder, "The folder of the vault")->required();
  command->callback(
      [arguments, &action, run] { action = [arguments, run] { return run(*arguments); }; });
  return command;
}

void AddPassphraseOption(CLI::App& command, PassphraseArguments& arguments) {
  command.add_option("--passphrase-file", arguments.passphrase_file,
                     "A passphrase that opens the vault; - is standard input");
}

}  // namespace

void AddPassphraseCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PassphraseArguments>();
  CLI::App* const passphrase = app.add_subcommand(
      "passphrase", "Add passphrases; remove and list passphrases and recovery kits");
  passphrase->require_subcommand(1);

  CLI::App* const add = AddSub(*passphrase, "add", "Add a passphrase", arguments, action, RunAdd);
  AddPassphraseOption(*add, *arguments);
  add->add_option("--new-passphrase-file", arguments->new_passphrase_file,
                  "The new passphrase; with - for both, standard input's second line");
  add->add_option("--scryptn", arguments->scrypt_log2_n, "Cost of scrypt, as log2")
      ->check(CLI::Range(10, 24))
      ->capture_default_str();
  add->add_flag("--json", arguments->json, "Print JSON");
  add->footer("Example:\n  leadglass passphrase add /srv/images.vault");

  CLI::App* const remove = AddSub(
      *passphrase, "remove", "Remove a passphrase or recovery kit; the vault must not be mounted",
      arguments, action, RunRemove);
  remove->add_option("SLOT", arguments->slot, "The slot's number, from list")->required();
  AddPassphraseOption(*remove, *arguments);
  remove->footer("Example:\n  leadglass passphrase remove /srv/images.vault 1");

  CLI::App* const list =
      AddSub(*passphrase, "list", "List passphrases and recovery kits (needs none)", arguments,
             action, RunList);
  list->add_flag("--json", arguments->json, "Print JSON");
  list->footer("Example:\n  leadglass passphrase list /srv/images.vault --json");
}

}  // namespace leadglass
