// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/passphrase.h"
#include "crypto/vault_keys.h"
#include "fs/vault.h"

namespace leadglass {

namespace {

struct InitArguments {
  std::string folder;
  std::string passphrase_file;
  uint32_t scrypt_log2_n = VaultKeys::kDefaultScryptLog2N;
  bool json = false;
};

// A vault is made in a folder of its own: what else lies there would be taken for a part of it.
Status PrepareFolder(const std::string& folder) {
  FileSystem& fs = PosixFileSystem();
  LG_ASSIGN_OR_RETURN(const bool exists, fs.Exists(folder));
  if (!exists) return fs.CreateFolder(folder);
  LG_ASSIGN_OR_RETURN(const auto names, fs.List(folder));
  if (!names.empty()) return Error(Errc::kExists, "the folder is not empty: nothing was touched");
  return {};
}

// The folder was empty before; half a vault in it would only stand in the way of the next attempt.
void EmptyFolder(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    std::error_code also_ignored;
    std::filesystem::remove_all(entry.path(), also_ignored);
  }
}

Result<VaultInfo> MakeVault(const std::string& folder, const InitArguments& arguments) {
  LG_RETURN_IF_ERROR(ForbidCoreDumps());
  LG_ASSIGN_OR_RETURN(const SecretBytes passphrase,
                      GetPassphrase(arguments.passphrase_file, "New passphrase", true));
  LG_ASSIGN_OR_RETURN(const auto keys, VaultKeys::Create(PosixFileSystem(), folder, passphrase,
                                                         arguments.scrypt_log2_n, SystemClock()));
  Vault::Options options;
  options.owner_uid = ::geteuid();
  options.owner_gid = ::getegid();
  LG_RETURN_IF_ERROR(Vault::Format(PosixFileSystem(), folder, *keys, options, SystemClock()));
  return keys->info();
}

ExitCode RunInit(const InitArguments& arguments) {
  const std::string folder = AbsolutePath(arguments.folder);
  if (const Status ready = PrepareFolder(folder); !ready) return Fail(ready.error());
  const Result<VaultInfo> info = MakeVault(folder, arguments);
  if (!info) {
    EmptyFolder(folder);
    return Fail(info.error());
  }
  if (arguments.json) {
    const Json json = {{"vault_id", ToHex(info->vault_id)}, {"folder", folder}};
    std::printf("%s\n", JsonText(json).c_str());
    return ExitCode::kOk;
  }
  std::printf("vault %s made in %s\n", ToHex(info->vault_id).c_str(), folder.c_str());
  std::printf(
      "A lost passphrase is a lost vault, and so is a lost keyring. Keep a key on paper, and a "
      "copy\nof the keyring elsewhere:\n"
      "  leadglass recovery export %s\n"
      "  leadglass keyring export %s FILE\n",
      folder.c_str(), folder.c_str());
  return ExitCode::kOk;
}

}  // namespace

void AddInitCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<InitArguments>();
  CLI::App* const command = app.add_subcommand("init", "Make a new vault");
  command->add_option("VAULT", arguments->folder, "A folder that is missing or empty")->required();
  command->add_option("--passphrase-file", arguments->passphrase_file,
                      "Take the passphrase from the first line of this file; - is standard input");
  command
      ->add_option("--scryptn", arguments->scrypt_log2_n,
                   "Cost of scrypt, as log2: 16 takes 64 MiB, one more doubles it")
      ->check(CLI::Range(10, 24))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  leadglass init /srv/images.vault\n"
      "  leadglass init /srv/images.vault --passphrase-file /root/passphrase --scryptn 18");
  command->callback([arguments, &action] { action = [arguments] { return RunInit(*arguments); }; });
}

}  // namespace leadglass
