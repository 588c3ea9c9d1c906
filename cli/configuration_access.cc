// SPDX-License-Identifier: Apache-2.0
#include "cli/configuration_access.h"

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/groups.h"
#include "cli/output.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kShow = "config show";
constexpr std::string_view kSet = "config set\n";

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

std::string Refusal(const Error& error) {
  return Json{{"error", error.context},
              {"code", static_cast<int>(error.code)},
              {"errno", error.posix_errno}}
      .dump();
}

Result<Json> Ask(const FuseMount& mount, const std::string& question) {
  LG_ASSIGN_OR_RETURN(const std::string answer, AskControl(mount, question));
  Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object())
    return Error(Errc::kInternal, "the answer is not understood: is the mounted version another?");
  if (json.contains("error"))
    return Error(static_cast<Errc>(json.value("code", 0)), json.value("error", std::string()),
                 json.value("errno", 0));
  if (json.empty())
    return Error(Errc::kUnsupported, "the mounted version does not know configurations");
  return json;
}

Result<std::optional<FuseMount>> MountAt(const std::string& path) {
  LG_ASSIGN_OR_RETURN(const auto mounts, ListFuseMounts());
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount)
    if (mount->mountpoint == path || mount->source == path) return std::optional(*mount);
  return std::optional<FuseMount>();
}

// Opens the vault for the time of the call.
template <typename Use>
auto WithVault(const ConfiguredVault& wanted, bool read_only, const Use& use)
    -> decltype(use(std::declval<Vault&>())) {
  LG_ASSIGN_OR_RETURN(const std::string folder, CanonicalPath(wanted.path));
  LG_ASSIGN_OR_RETURN(const auto keys, UnlockVault(folder, wanted.passphrase_file));
  Vault::Options options;
  options.read_only = read_only;
  LG_ASSIGN_OR_RETURN(const auto vault, Vault::Open(PosixFileSystem(), folder, *keys, nullptr,
                                                    options, SystemClock()));
  auto result = use(*vault);
  if (const Status closed = vault->Close(); !closed && result) return closed.error();
  return result;
}

std::string Answer(Vault& vault, const Json& question) {
  std::vector<ConfiguredGroup> groups;
  for (const Json& group : question.at("groups"))
    groups.push_back({group.at("name"), group.at("gid")});
  const auto version = vault.SetConfiguration(question.at("text"), std::move(groups));
  return version ? Json{{"version", *version}}.dump() : Refusal(version.error());
}

}  // namespace

Result<std::string> ReadConfigurationFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return SystemError(errno, "open " + file);
  std::string text(kMaxConfigurationBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return SystemError(EIO, "read " + file);
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

Result<std::optional<PutConfiguration>> ReadConfiguration(const ConfiguredVault& vault) {
  const auto path = CanonicalPath(vault.path);
  LG_ASSIGN_OR_RETURN(const auto mount, MountAt(path ? *path : AbsolutePath(vault.path)));
  if (!mount) return WithVault(vault, true, [](Vault& open) { return open.GetConfiguration(); });
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(*mount, std::string(kShow)));
  try {
    if (answer.at("version") == 0) return std::optional<PutConfiguration>();
    return std::optional(FromJson(answer));
  } catch (const Json::exception&) {
    return Error(Errc::kInternal, "the answer is not understood: is the mounted version another?");
  }
}

Result<uint32_t> WriteConfiguration(const ConfiguredVault& vault, const std::string& text) {
  LG_ASSIGN_OR_RETURN(const Configuration parsed, ParseConfiguration(text));
  LG_ASSIGN_OR_RETURN(auto groups, LookUpGroups(parsed));
  const auto path = CanonicalPath(vault.path);
  LG_ASSIGN_OR_RETURN(const auto mount, MountAt(path ? *path : AbsolutePath(vault.path)));
  if (!mount)
    return WithVault(vault, false,
                     [&](Vault& open) { return open.SetConfiguration(text, groups); });
  Json said = Json::array();
  for (const ConfiguredGroup& group : groups)
    said.push_back({{"name", group.name}, {"gid", group.gid}});
  const Json question{{"text", text}, {"groups", std::move(said)}};
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(*mount, std::string(kSet) + question.dump()));
  return answer.value("version", 0u);
}

std::optional<std::string> AnswerConfiguration(Vault& vault, const std::string& question) {
  if (question == kShow) {
    const auto configuration = vault.GetConfiguration();
    if (!configuration) return Refusal(configuration.error());
    return *configuration ? ToJson(**configuration).dump() : Json{{"version", 0}}.dump();
  }
  if (!question.starts_with(kSet)) return std::nullopt;
  try {
    return Answer(vault, Json::parse(question.substr(kSet.size())));
  } catch (const Json::exception&) {
    return Refusal(Error(Errc::kInvalidArgument, "the question is not understood"));
  }
}

}  // namespace leadglass
