// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/configuration_access.h"
#include "cli/groups.h"
#include "cli/json.h"
#include "cli/output.h"

namespace leadglass {

namespace {

struct ConfigArguments {
  AskedVault vault;
  std::string file;
  bool json = false;
};

ExitCode RunShow(const ConfigArguments& arguments) {
  const auto configuration = ReadConfiguration(arguments.vault);
  if (!configuration) return Fail(configuration.error());
  if (arguments.json) {
    Json out{{"version", 0}, {"text", ""}, {"groups", Json::array()}};
    if (*configuration) {
      out["version"] = (*configuration)->version;
      out["rules_version"] = (*configuration)->rules_version;
      out["text"] = (*configuration)->text;
      for (const ConfiguredGroup& group : (*configuration)->groups)
        out["groups"].push_back({{"name", group.name}, {"gid", group.gid}});
    }
    std::printf("%s\n", JsonLine(out).c_str());
    return ExitCode::kOk;
  }
  if (!*configuration) {
    PrintMessage("no configuration was ever set: studies have the group of /patients");
    return ExitCode::kOk;
  }
  std::fwrite((*configuration)->text.data(), 1, (*configuration)->text.size(), stdout);
  return ExitCode::kOk;
}

ExitCode RunSet(const ConfigArguments& arguments) {
  const auto text = ReadConfigurationFile(arguments.file);
  if (!text) return Fail(text.error());
  const auto version = WriteConfiguration(arguments.vault, *text);
  if (!version) return Fail(version.error());
  if (arguments.json) {
    std::printf("%s\n", JsonLine(Json{{"version", *version}}).c_str());
  } else {
    std::printf("version %u is in force; its rules are for studies that come from now on\n",
                *version);
  }
  return ExitCode::kOk;
}

// What a person would want to see before it is set: each rule, each group with its number here.
ExitCode PrintChecked(const Configuration& parsed, const std::vector<ConfiguredGroup>& groups,
                      bool json) {
  if (json) {
    Json out{{"rules", parsed.rules.size()}, {"groups", Json::array()}};
    for (const ConfiguredGroup& group : groups)
      out["groups"].push_back({{"name", group.name}, {"gid", group.gid}});
    std::printf("%s\n", JsonLine(out).c_str());
    return ExitCode::kOk;
  }
  Rows rows{{"rules", std::to_string(parsed.rules.size())}};
  for (const ConfiguredGroup& group : groups)
    rows.push_back({"group", group.name + " (" + std::to_string(group.gid) + ")"});
  PrintRows(rows);
  return ExitCode::kOk;
}

ExitCode RunCheck(const ConfigArguments& arguments) {
  std::string text;
  if (arguments.file.empty()) {
    const auto stored = ReadConfiguration(arguments.vault);
    if (!stored) return Fail(stored.error());
    if (*stored) text = (*stored)->text;
  } else {
    auto read = ReadConfigurationFile(arguments.file);
    if (!read) return Fail(read.error());
    text = *std::move(read);
  }
  const auto parsed = ParseConfiguration(text);
  if (!parsed) return Fail(parsed.error());
  const auto groups = LookUpGroups(*parsed);
  if (!groups) return Fail(groups.error());
  return PrintChecked(*parsed, *groups, arguments.json);
}

CLI::App* AddPart(CLI::App& config, const std::shared_ptr<ConfigArguments>& arguments,
                  const char* name, const char* what) {
  CLI::App* const command = config.add_subcommand(name, what);
  command->add_option("VAULT", arguments->vault.path, "The folder of a vault, or a mount point")
      ->required();
  command->add_option("--passphrase-file", arguments->vault.passphrase_file,
                      "For a vault that is not mounted: take the passphrase from the first line of "
                      "this file; - is standard input");
  command->add_flag("--json", arguments->json, "Print JSON");
  return command;
}

}  // namespace

void AddConfigCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* const config =
      app.add_subcommand("config", "Who may see which studies: the vault's configuration");
  config->require_subcommand(1);

  CLI::App* const show = AddPart(*config, arguments, "show", "Print it");
  show->footer("Example:\n  leadglass config show /mnt/images > leadglass.toml");
  show->callback([arguments, &action] { action = [arguments] { return RunShow(*arguments); }; });

  CLI::App* const set = AddPart(*config, arguments, "set", "Replace it");
  set->add_option("FILE", arguments->file, "TOML, see docs/configuration.md")->required();
  set->footer(
      "Studies that are filed from now on follow its rules; those that are there keep their "
      "groups.\n"
      "A group is looked up on this machine and kept by its number.\n\n"
      "Example:\n  leadglass config set /mnt/images leadglass.toml");
  set->callback([arguments, &action] { action = [arguments] { return RunSet(*arguments); }; });

  CLI::App* const check = AddPart(*config, arguments, "check",
                                  "See whether FILE, or what is in force, could be set here");
  check->add_option("FILE", arguments->file, "TOML; without it, what is in force");
  check->footer("Example:\n  leadglass config check /mnt/images leadglass.toml");
  check->callback([arguments, &action] { action = [arguments] { return RunCheck(*arguments); }; });
}

}  // namespace leadglass
