// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/commands.h"
#include "cli/configuration_access.h"
#include "cli/groups.h"
#include "cli/json.h"
#include "cli/output.h"
#include "fs/configuration.h"
#include "fs/fuse_mounts.h"
#include "index/parser_worker.h"

namespace leadglass {

namespace {

struct RulesArguments {
  AskedVault vault;
  std::vector<std::string> files;
  std::string configuration;  // a file, instead of what is in force
  std::string folder;         // that the files are to count as written to
  bool make = false;
  bool json = false;
};

// ---- What the rules say

// Why an image meets a condition, or not: {"attribute", "value", "wanted", "met"}.
Json Explain(const Condition& condition, const RuleSubject& image, const std::string& folder) {
  std::string wanted;
  for (const Pattern& pattern : condition.any_of)
    wanted += (wanted.empty() ? "" : " or ") + ToString(pattern);
  Json out{{"attribute", condition.attribute},
           {"wanted", wanted},
           {"met", Meets(condition, image)},
           {"value", nullptr}};
  if (condition.attribute == kFolderAttribute) {
    out["value"] = folder;
  } else if (const auto value = image.attribute(condition.attribute)) {
    out["value"] = *value;
  }
  return out;
}

Json Verdict(const Configuration& configuration, const DicomFacts& facts,
             const std::string& folder) {
  const RuleSubject image = SubjectOf(facts, [&](std::string_view wanted) {
    while (wanted.size() > 1 && wanted.ends_with('/')) wanted.remove_suffix(1);
    return folder == wanted ||
           (folder.starts_with(wanted) && folder.substr(wanted.size()).starts_with('/'));
  });
  const auto match = FirstMatch(configuration.rules, image);
  Json out{{"rule", nullptr},
           {"name", nullptr},
           {"further", Json::array()},
           {"group", configuration.default_group}};
  if (match) {
    const FilingRule& rule = configuration.rules[*match];
    out["rule"] = *match + 1;
    out["name"] = rule.name;
    out["group"] = rule.group;
    out["further"] = rule.further;
  }
  Json& looked_at = out["looked_at"] = Json::array();
  const size_t end = match ? *match + 1 : configuration.rules.size();
  for (size_t i = 0; i < end; ++i) {
    Json conditions = Json::array();
    for (const Condition& condition : configuration.rules[i].conditions)
      conditions.push_back(Explain(condition, image, folder));
    looked_at.push_back({{"rule", i + 1},
                         {"name", configuration.rules[i].name},
                         {"conditions", std::move(conditions)}});
  }
  return out;
}

// ---- Files

Result<ParseOutcome> ParseFile(HeaderParserPool& parser, const std::string& path) {
  LG_ASSIGN_OR_RETURN(const auto file, PosixFileSystem().Open(path, OpenMode::kRead));
  LG_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size == 0) return ParseOutcome(Unparsed{UnparsedReason::kEmpty});
  return parser.Parse(
      [&](uint64_t offset, MutableByteSpan into) { return file->ReadAt(offset, into); }, size,
      ::geteuid());
}

// The folder of a file on the mount of that vault, from the mount's root; empty elsewhere.
std::string FolderOnMount(const std::string& vault, const std::string& file) {
  const auto mounts = ListFuseMounts();
  const auto real = CanonicalPath(file);
  const auto asked = CanonicalPath(vault);
  if (!mounts || !real || !asked) return {};
  for (const FuseMount& mount : *mounts) {
    if (mount.mountpoint != *asked && mount.source != *asked) continue;
    if (!real->starts_with(mount.mountpoint + "/")) continue;
    const std::string inside = real->substr(mount.mountpoint.size());
    return inside.substr(0, inside.rfind('/'));
  }
  return {};
}

Json TestFile(const Configuration& configuration, HeaderParserPool& parser,
              const RulesArguments& arguments, const std::string& file) {
  Json out{{"file", file}};
  const auto outcome = ParseFile(parser, file);
  if (!outcome) {
    out["error"] = ToString(outcome.error());
  } else if (const auto* unparsed = std::get_if<Unparsed>(&*outcome)) {
    out["unparsed"] = UnparsedText(unparsed->reason);
  } else {
    const std::string folder =
        arguments.folder.empty() ? FolderOnMount(arguments.vault.path, file) : arguments.folder;
    out.update(Verdict(configuration, std::get<DicomFacts>(*outcome), folder));
  }
  return out;
}

// ---- Printing

std::string Shown(const Json& value) {
  return value.is_null() ? "none" : '"' + value.get<std::string>() + '"';
}

void PrintForPeople(const Json& result) {
  std::printf("%s: ", result["file"].get<std::string>().c_str());
  if (result.contains("unparsed") || result.contains("error")) {
    const bool unparsed = result.contains("unparsed");
    std::printf("%s%s\n", unparsed ? "not filed: " : "",
                result[unparsed ? "unparsed" : "error"].get<std::string>().c_str());
    return;
  }
  std::string group = result["group"];
  if (group.empty()) group = "that of /patients";
  for (const Json& further : result["further"]) group += ", also " + further.get<std::string>();
  if (result["rule"].is_null()) {
    std::printf("no rule matches; group %s\n", group.c_str());
  } else {
    std::printf("'%s' (rule %u) wins; group %s\n", result["name"].get<std::string>().c_str(),
                result["rule"].get<unsigned>(), group.c_str());
  }
  for (const Json& rule : result["looked_at"]) {
    for (const Json& condition : rule["conditions"]) {
      std::printf("  '%s': %s is %s, wanted %s: %s\n", rule["name"].get<std::string>().c_str(),
                  condition["attribute"].get<std::string>().c_str(),
                  Shown(condition["value"]).c_str(), condition["wanted"].get<std::string>().c_str(),
                  condition["met"].get<bool>() ? "yes" : "no");
    }
  }
}

void PrintForPeople(const StudyMove& move) {
  if (!move.stays.empty()) {
    std::printf("%s: stays with %s: %s\n", move.path.c_str(), NameOfGroup(move.old_gid).c_str(),
                move.stays.c_str());
    return;
  }
  std::string groups = NameOfGroup(move.new_gid);
  for (const uint32_t gid : move.further) groups += ", also " + NameOfGroup(gid);
  std::printf("%s: %s -> %s (%s)\n", move.path.c_str(), NameOfGroup(move.old_gid).c_str(),
              groups.c_str(), move.rule.empty() ? "no rule" : move.rule.c_str());
}

Result<Configuration> WantedConfiguration(const RulesArguments& arguments) {
  if (arguments.configuration.empty()) {
    LG_ASSIGN_OR_RETURN(const auto stored, ReadConfiguration(arguments.vault));
    return ParseConfiguration(stored ? stored->text : std::string());
  }
  LG_ASSIGN_OR_RETURN(const std::string text, ReadConfigurationFile(arguments.configuration));
  return ParseConfiguration(text);
}

ExitCode RunTest(const RulesArguments& arguments) {
  // Before anything else: the parser's processes are to have nothing of this one.
  const auto parser = HeaderParserPool::Start();
  if (!parser) return Fail(parser.error());
  const auto configuration = WantedConfiguration(arguments);
  if (!configuration) return Fail(configuration.error());
  (*parser)->SetFurther(configuration->further);
  Json all = Json::array();
  ExitCode code = ExitCode::kOk;
  for (const std::string& file : arguments.files) {
    all.push_back(TestFile(*configuration, **parser, arguments, file));
    if (all.back().contains("error")) code = ExitCode::kSystem;
    if (!arguments.json) PrintForPeople(all.back());
  }
  if (arguments.json) std::printf("%s\n", JsonLine(all).c_str());
  return code;
}

ExitCode RunApply(const RulesArguments& arguments) {
  const auto moves = ApplyRules(arguments.vault, arguments.make);
  if (!moves) return Fail(moves.error());
  const auto staying = static_cast<size_t>(std::count_if(
      moves->begin(), moves->end(), [](const StudyMove& move) { return !move.stays.empty(); }));
  if (arguments.json) {
    Json all = Json::array();
    for (const StudyMove& move : *moves) all.push_back(ToJson(move));
    const Json out{{"made", arguments.make}, {"studies", std::move(all)}};
    std::printf("%s\n", JsonLine(out).c_str());
  } else {
    for (const StudyMove& move : *moves) PrintForPeople(move);
    std::printf("%zu studies %s\n", moves->size() - staying,
                arguments.make ? "changed"
                               : "would change; with --yes they do. Those whose access a person "
                                 "chose are left as they are");
  }
  return staying == 0 ? ExitCode::kOk : ExitCode::kSystem;
}

}  // namespace

void AddRulesCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RulesArguments>();
  CLI::App* const rules = app.add_subcommand("rules", "The configuration's filing rules");
  rules->require_subcommand(1);
  CLI::App* const test =
      rules->add_subcommand("test", "Say which rule wins for images, and why; changes nothing");
  test->add_option("VAULT", arguments->vault.path, "The folder of a vault, or a mount point")
      ->required();
  test->add_option("FILE", arguments->files, "DICOM files, anywhere")->required();
  test->add_option("--config", arguments->configuration,
                   "Try this TOML file instead of what is in force");
  test->add_option("--folder", arguments->folder,
                   "As if they were written to this folder (/archive/...); else where they lie");
  test->add_option("--passphrase-file", arguments->vault.passphrase_file,
                   "For a vault that is not mounted: take the passphrase from the first line of "
                   "this file; - is standard input");
  test->add_flag("--json", arguments->json, "Print JSON");
  test->footer(
      "Prints what the headers say: do not keep its output where patients' data may not be.\n\n"
      "Example:\n  leadglass rules test /mnt/images --config new.toml /mnt/images/archive/ct/*");
  test->callback([arguments, &action] { action = [arguments] { return RunTest(*arguments); }; });

  CLI::App* const apply = rules->add_subcommand(
      "apply", "Show which studies the rules in force would give to other groups, or do it");
  apply->add_option("VAULT", arguments->vault.path, "The folder of a vault, or a mount point")
      ->required();
  apply->add_flag("--yes", arguments->make, "Do it, instead of showing it");
  apply->add_option("--passphrase-file", arguments->vault.passphrase_file,
                    "For a vault that is not mounted: take the passphrase from the first line of "
                    "this file; - is standard input");
  apply->add_flag("--json", arguments->json, "Print JSON");
  apply->footer(
      "`config set` changes what holds for studies that come. This is for those that are there; "
      "those whose group, mode or access list a person chose are left as they are. Those whose "
      "group "
      "is locked, or of which an image cannot be read for what the rules ask, stay and are named; "
      "the exit code is 10 then.\n"
      "Prints the studies' folders, with patients' names: do not keep its output where patients' "
      "data may not be.\n\n"
      "Example:\n  leadglass rules apply /mnt/images && leadglass rules apply /mnt/images --yes");
  apply->callback([arguments, &action] { action = [arguments] { return RunApply(*arguments); }; });
}

}  // namespace leadglass
