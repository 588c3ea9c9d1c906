// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/group_access.h"
#include "cli/json.h"
#include "cli/named_study.h"
#include "cli/output.h"

namespace leadglass {

namespace {

struct ShredArguments {
  AskedVault vault;
  std::string study;
  std::string reason;
  bool confirmed = false;
  bool json = false;
};

ExitCode RunShred(const ShredArguments& arguments) {
  const auto named = NameStudy(arguments.vault.path, arguments.study);
  if (!named) return Fail(named.error());
  if (!arguments.confirmed)
    return Fail(Error(Errc::kInvalidArgument,
                      "nothing was done: this destroys the study for good. Say --yes to do it"));
  const auto images =
      ShredStudy({named->vault, arguments.vault.passphrase_file}, named->study, arguments.reason);
  if (!images) return Fail(images.error());
  if (arguments.json) {
    std::printf("%s\n", JsonLine(Json{{"images", *images}}).c_str());
    return ExitCode::kOk;
  }
  std::printf("shredded: %llu images; nothing opens them any more\n",
              static_cast<unsigned long long>(*images));
  std::printf("exported keyrings open no longer: export again, and destroy the old exports\n");
  return ExitCode::kOk;
}

}  // namespace

void AddStudyCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ShredArguments>();
  CLI::App* const study = app.add_subcommand("study", "One study");
  study->require_subcommand(1);
  CLI::App* const shred = study->add_subcommand("shred", "Destroy a study's keys, for good");
  shred
      ->add_option("VAULT", arguments->vault.path,
                   "The folder of a vault, or a mount point; or alone: the study's folder on a "
                   "mount, or something in it")
      ->required();
  shred->add_option("STUDY", arguments->study,
                    "A StudyInstanceUID, or a path on the mount (/patients/..., /archive/...)");
  shred->add_option("--reason", arguments->reason, "Why: it is on record")->required();
  shred->add_flag("--yes", arguments->confirmed, "Do it");
  shred->add_option("--passphrase-file", arguments->vault.passphrase_file,
                    "For a vault that is not mounted: take the passphrase from the first line of "
                    "this file; - is standard input");
  shred->add_flag("--json", arguments->json, "Print JSON");
  shred->footer(
      "The images read as EKEYREVOKED from then on, files that are open included. The study leaves "
      "/patients; names in /archive stay until they are removed. A study on hold is refused. What "
      "an old copy of the vault's keyring still opens: docs/threat-model.md.\n\n"
      "Examples:\n"
      "  leadglass study shred /mnt/images 1.2.840.113619.2.55 --reason 'retention over' --yes\n"
      "  leadglass study shred '/mnt/images/patients/Smith John [4711]/2014-05-01 CT' \\\n"
      "      --reason 'request of the patient' --yes");
  shred->callback([arguments, &action] { action = [arguments] { return RunShred(*arguments); }; });
}

}  // namespace leadglass
