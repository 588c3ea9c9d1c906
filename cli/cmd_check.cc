// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/remembered_head.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

struct CheckArguments {
  std::string folder;
  std::string passphrase_file;
  std::string state_dir;
  bool json = false;
};

// The vault file and the keyring: what Inspect() saw before the vault was opened.
void AddCopies(const VaultInfo& info, Vault::CheckReport& report) {
  const auto add = [&report](const char* what) {
    report.damage.push_back(std::string(what) + ": one of two copies is damaged; the other serves");
  };
  if (info.vault_file_copy_damaged) add("vault file");
  if (info.keyring_copy_damaged) add("keyring");
}

// nullopt as well where there is no state folder to look into: checking needs none.
Result<std::optional<Head>> Remembered(const CheckArguments& arguments, const Uuid& vault_id) {
  const auto folder = StateFolder(arguments.state_dir);
  if (!folder) return std::optional<Head>();
  return RememberedHead(PosixFileSystem(), *folder, vault_id).Load();
}

ExitCode Print(const Vault::CheckReport& report, bool json) {
  const bool clean = report.damage.empty();
  if (json) {
    const Json out = {{"clean", clean},
                      {"data_lost", report.data_lost},
                      {"files_checked", report.files_checked},
                      {"bytes_checked", report.bytes_checked},
                      {"files_locked", report.files_locked},
                      {"files_shredded", report.files_shredded},
                      {"damage", report.damage}};
    std::printf("%s\n", JsonText(out).c_str());
  } else {
    for (const std::string& line : report.damage) std::printf("%s\n", line.c_str());
    std::printf("%s: %llu files, %s read\n", clean ? "clean" : "DAMAGED",
                static_cast<unsigned long long>(report.files_checked),
                HumanBytes(report.bytes_checked).c_str());
    if (report.files_locked != 0)
      std::printf("%llu files were not read: their groups are locked\n",
                  static_cast<unsigned long long>(report.files_locked));
    if (report.data_lost) std::printf("some of it has no second copy: see above what is lost\n");
  }
  return clean ? ExitCode::kOk : ExitCode::kDamaged;
}

// A vault too damaged to open is a finding, too.
ExitCode PrintUnopened(const Error& error, bool json) {
  if (error.code != Errc::kCorrupt) return FailToOpen(error);
  Vault::CheckReport report;
  report.damage.push_back(error.context);
  report.data_lost = true;
  return Print(report, json);
}

ExitCode CheckOpened(const std::string& folder, VaultKeys& keys, const CheckArguments& arguments) {
  Vault::Options options;
  options.read_only = true;
  const auto remembered = Remembered(arguments, keys.info().vault_id);
  if (!remembered) return Fail(remembered.error());
  options.not_older_than = *remembered;
  const auto vault = Vault::Open(PosixFileSystem(), folder, keys, nullptr, options, SystemClock());
  if (!vault) return PrintUnopened(vault.error(), arguments.json);
  Progress progress("checking, bytes");
  auto report =
      (*vault)->Check([&progress](uint64_t done, uint64_t total) { progress.Update(done, total); });
  if (!report) return PrintUnopened(report.error(), arguments.json);
  AddCopies(keys.info(), *report);
  const Status closed = (*vault)->Close();
  if (!closed) return Fail(closed.error());
  return Print(*report, arguments.json);
}

ExitCode RunCheck(const CheckArguments& arguments) {
  const auto folder = CanonicalPath(arguments.folder);
  if (!folder) return Fail(folder.error());
  if (IsVaultHeld(*folder)) {
    return Fail(Error(Errc::kUnavailable, "the vault is mounted; unmount it to check it"));
  }
  const auto keys = UnlockVault(*folder, arguments.passphrase_file);
  if (!keys && keys.error().code != Errc::kCorrupt) return Fail(keys.error());
  if (!keys) return PrintUnopened(keys.error(), arguments.json);
  return CheckOpened(*folder, **keys, arguments);
}

}  // namespace

void AddCheckCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* const command =
      app.add_subcommand("check", "Read and authenticate everything in a vault");
  command->add_option("VAULT", arguments->folder, "The folder of a vault that is not mounted")
      ->required();
  command->add_option("--passphrase-file", arguments->passphrase_file,
                      "Take the passphrase from the first line of this file; - is standard input");
  command->add_option("--state-dir", arguments->state_dir,
                      "Where the newest head that was seen is remembered");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(
      "Exit code 0: clean. 6: something is damaged, also where a second copy serves.\n\n"
      "Example:\n  leadglass check /srv/images.vault --passphrase-file /root/passphrase --json");
  command->callback(
      [arguments, &action] { action = [arguments] { return RunCheck(*arguments); }; });
}

}  // namespace leadglass
