// SPDX-License-Identifier: Apache-2.0
#include "cli/configuration_access.h"

#include <cerrno>
#include <fstream>

#include "cli/groups.h"
#include "cli/json.h"
#include "cli/users.h"

namespace leadglass {

namespace {

constexpr std::string_view kShow = "config show";
constexpr std::string_view kSet = "config set\n";
constexpr std::string_view kWouldApply = "rules would apply";
constexpr std::string_view kApply = "rules apply";

Json ToJson(const PutConfiguration& configuration) {
  Json groups = Json::array();
  for (const ConfiguredGroup& group : configuration.groups)
    groups.push_back({{"name", group.name}, {"gid", group.gid}});
  return {{"version", configuration.version},
          {"rules_version", configuration.rules_version},
          {"text", configuration.text},
          {"groups", std::move(groups)}};
}

PutConfiguration FromJson(const Json& json) {
  PutConfiguration configuration;
  configuration.version = json.at("version");
  configuration.rules_version = json.at("rules_version");
  configuration.text = json.at("text");
  for (const Json& group : json.at("groups"))
    configuration.groups.push_back({group.at("name"), group.at("gid")});
  return configuration;
}

std::string Answer(Vault& vault, const Json& question, const ControlPeer& peer) {
  std::vector<ConfiguredGroup> groups;
  for (const Json& group : question.at("groups"))
    groups.push_back({group.at("name"), group.at("gid")});
  const auto version =
      vault.SetConfiguration(PersonOf(peer), question.at("text"), std::move(groups));
  return version ? JsonLine(Json{{"version", *version}}) : Refusal(version.error());
}

}  // namespace

Json ToJson(const StudyMove& move) {
  return {{"study", move.path},      {"old_gid", move.old_gid}, {"new_gid", move.new_gid},
          {"further", move.further}, {"rule", move.rule},       {"stays", move.stays}};
}

Result<std::string> ReadConfigurationFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return SystemError(errno, "open " + file);
  std::string text(kMaxConfigurationBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return SystemError(EIO, "read " + file);
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

Result<std::optional<PutConfiguration>> ReadConfiguration(const AskedVault& vault) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount) return WithVault(vault, true, [](Vault& open) { return open.GetConfiguration(); });
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(*mount, std::string(kShow)));
  try {
    if (answer.at("version") == 0) return std::optional<PutConfiguration>();
    return std::optional(FromJson(answer));
  } catch (const Json::exception&) {
    return NotUnderstood();
  }
}

Result<uint32_t> WriteConfiguration(const AskedVault& vault, const std::string& text) {
  LG_ASSIGN_OR_RETURN(const Configuration parsed, ParseConfiguration(text));
  LG_ASSIGN_OR_RETURN(auto groups, LookUpGroups(parsed));
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount)
    return WithVault(vault, false, [&](Vault& open) {
      return open.SetConfiguration(ThisPerson(), text, groups);
    });
  Json said = Json::array();
  for (const ConfiguredGroup& group : groups)
    said.push_back({{"name", group.name}, {"gid", group.gid}});
  const Json question{{"text", text}, {"groups", std::move(said)}};
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(*mount, std::string(kSet) + JsonLine(question)));
  return answer.value("version", 0u);
}

Result<std::vector<StudyMove>> ApplyRules(const AskedVault& vault, bool make) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount)
    return WithVault(vault, !make,
                     [&](Vault& open) { return open.ApplyRules(ThisPerson(), make); });
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(*mount, std::string(make ? kApply : kWouldApply)));
  try {
    std::vector<StudyMove> moves;
    for (const Json& move : answer.at("studies"))
      moves.push_back({move.at("study"), move.at("old_gid"), move.at("new_gid"), move.at("further"),
                       move.at("rule"), move.at("stays")});
    return moves;
  } catch (const Json::exception&) {
    return NotUnderstood();
  }
}

std::optional<std::string> AnswerConfiguration(Vault& vault, const std::string& question,
                                               const ControlPeer& peer) {
  if (question == kShow) {
    const auto configuration = vault.GetConfiguration();
    if (!configuration) return Refusal(configuration.error());
    return *configuration ? JsonLine(ToJson(**configuration)) : JsonLine(Json{{"version", 0}});
  }
  if (question == kApply || question == kWouldApply) {
    const auto moves = vault.ApplyRules(PersonOf(peer), question == kApply);
    if (!moves) return Refusal(moves.error());
    Json studies = Json::array();
    for (const StudyMove& move : *moves) studies.push_back(ToJson(move));
    return JsonLine(Json{{"studies", std::move(studies)}});
  }
  if (!question.starts_with(kSet)) return std::nullopt;
  try {
    return Answer(vault, ParseJson(question.substr(kSet.size())), peer);
  } catch (const Json::exception&) {
    return Refusal(Error(Errc::kInvalidArgument, "the question is not understood"));
  }
}

}  // namespace leadglass
