// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/hold_access.h"
#include "cli/json.h"
#include "cli/named_study.h"
#include "cli/output.h"
#include "fs/study_holds.h"

namespace leadglass {

namespace {

struct HoldArguments {
  AskedVault vault;
  std::string study;
  std::string id;
  std::string reason;
  bool json = false;
};

// One line, such as
//   1f2e3d4c  1.2.840.113619.2.55  since 2026-11-28T08:00:00Z  by clerk(1000): Smith v. Hospital
std::string HoldLine(const Json& hold) {
  const std::string study = hold.value("study", std::string());
  const std::string uid = std::to_string(hold.value("uid", uint64_t{0}));
  const std::string user = hold.value("user", std::string());
  std::string line = hold.value("id", std::string()) + "  " +
                     (study.empty() ? "(without a StudyInstanceUID)" : study) + "  since " +
                     hold.value("since", std::string()) + "  by " +
                     (user.empty() ? "uid " + uid : user + "(" + uid + ")") + ": " +
                     hold.value("reason", std::string());
  // Headers say anything, also what moves a terminal's cursor.
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return line;
}

ExitCode PrintHolds(const Result<std::vector<Json>>& holds, bool json) {
  if (!holds) return Fail(holds.error());
  if (json) {
    const Json out{{"holds", *holds}};
    std::printf("%s\n", JsonLine(out).c_str());
    return ExitCode::kOk;
  }
  for (const Json& hold : *holds) std::printf("%s\n", HoldLine(hold).c_str());
  return ExitCode::kOk;
}

ExitCode RunHoldList(const HoldArguments& arguments) {
  return PrintHolds(ListHolds(arguments.vault), arguments.json);
}

ExitCode RunHoldChange(const HoldArguments& arguments, bool add) {
  const auto named = NameStudy(arguments.vault.path, arguments.study);
  if (!named) return Fail(named.error());
  HoldOrder order{named->study, arguments.reason, std::nullopt};
  if (!arguments.id.empty()) {
    order.id = ParseHoldId(arguments.id);
    if (!order.id)
      return Fail(Error(Errc::kInvalidArgument,
                        "--id is eight hexadecimal digits, as `leadglass hold list` shows them"));
  }
  const AskedVault vault{named->vault, arguments.vault.passphrase_file};
  return PrintHolds(add ? AddHold(vault, order) : RemoveHold(vault, order), arguments.json);
}

void AddHoldOptions(CLI::App& command, HoldArguments& arguments) {
  command.add_option("--passphrase-file", arguments.vault.passphrase_file,
                     "For a vault that is not mounted: take the passphrase from the first line of "
                     "this file; - is standard input");
  command.add_flag("--json", arguments.json, "Print JSON");
}

void AddHeldStudy(CLI::App& command, HoldArguments& arguments) {
  command
      .add_option("VAULT", arguments.vault.path,
                  "The folder of a vault, or a mount point; or alone: the study's folder on a "
                  "mount, or something in it")
      ->required();
  command.add_option("STUDY", arguments.study,
                     "A StudyInstanceUID, or a path on the mount (/patients/..., /archive/...)");
  command.add_option("--reason", arguments.reason, "Why: it is kept, and shown to who is refused")
      ->required();
  AddHoldOptions(command, arguments);
}

}  // namespace

void AddHoldCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<HoldArguments>();
  CLI::App* const hold =
      app.add_subcommand("hold", "Legal holds: studies of which nothing may be destroyed");
  hold->require_subcommand(1);

  CLI::App* const add = hold->add_subcommand("add", "Put a hold on a study");
  AddHeldStudy(*add, *arguments);
  add->footer(
      "From then on nothing of the study can be removed, renamed or overwritten, by nobody: the "
      "PACS, root and upkeep included. What is refused is on record (`leadglass audit "
      "--refused`).\n\n"
      "Examples:\n"
      "  leadglass hold add /mnt/images 1.2.840.113619.2.55 --reason 'Smith v. Hospital'\n"
      "  leadglass hold add '/mnt/images/patients/Smith John [4711]/2024-05-01 CT' --reason '...'");
  add->callback(
      [arguments, &action] { action = [arguments] { return RunHoldChange(*arguments, true); }; });

  CLI::App* const remove = hold->add_subcommand("remove", "Take a hold off");
  AddHeldStudy(*remove, *arguments);
  remove->add_option("--id", arguments->id, "Which one, where the study has several");
  remove->footer(
      "Example:\n  leadglass hold remove /mnt/images 1.2.840.113619.2.55 --reason 'settled'");
  remove->callback(
      [arguments, &action] { action = [arguments] { return RunHoldChange(*arguments, false); }; });

  CLI::App* const list = hold->add_subcommand("list", "Show the holds there are");
  list->add_option("VAULT", arguments->vault.path, "The folder of a vault, or a mount point")
      ->required();
  AddHoldOptions(*list, *arguments);
  list->footer("Example:\n  leadglass hold list /mnt/images --json");
  list->callback(
      [arguments, &action] { action = [arguments] { return RunHoldList(*arguments); }; });
}

}  // namespace leadglass
