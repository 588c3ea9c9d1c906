// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

struct ReindexArguments {
  std::string folder;
  std::string passphrase_file;
};

ExitCode RunReindex(const ReindexArguments& arguments) {
  const auto folder = CanonicalPath(arguments.folder);
  if (!folder) return Fail(folder.error());
  const auto keys = UnlockVault(*folder, arguments.passphrase_file);
  if (!keys) return Fail(keys.error());
  uint64_t commits = 0;
  Status done;
  {
    Progress progress("rebuilding the index, commits");
    const auto update = [&](uint64_t count) {
      commits = count;
      progress.Update(count, 0);
    };
    done = Vault::Reindex(PosixFileSystem(), *folder, **keys, update, SystemClock());
  }
  if (!done) return Fail(done.error());
  std::printf("index rebuilt from the log: %llu commits\n",
              static_cast<unsigned long long>(commits));
  return ExitCode::kOk;
}

}  // namespace

void AddReindexCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ReindexArguments>();
  CLI::App* const command =
      app.add_subcommand("reindex", "Throw the index away and rebuild it from the log");
  command->add_option("VAULT", arguments->folder, "The folder of a vault that is not mounted")
      ->required();
  command->add_option("--passphrase-file", arguments->passphrase_file,
                      "Take the passphrase from the first line of this file; - is standard input");
  command->footer("Example:\n  leadglass reindex /srv/images.vault");
  command->callback(
      [arguments, &action] { action = [arguments] { return RunReindex(*arguments); }; });
}

}  // namespace leadglass
