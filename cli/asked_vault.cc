// SPDX-License-Identifier: Apache-2.0
#include "cli/asked_vault.h"

namespace leadglass {

Result<std::optional<FuseMount>> MountOf(const AskedVault& vault) {
  const auto canonical = CanonicalPath(vault.path);
  const std::string path = canonical ? *canonical : AbsolutePath(vault.path);
  LG_ASSIGN_OR_RETURN(const auto mounts, ListFuseMounts());
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount)
    if (mount->mountpoint == path || mount->source == path) return std::optional(*mount);
  return std::optional<FuseMount>();
}

Error NotUnderstood() {
  return Error(Errc::kInternal, "the answer is not understood: is the mounted version another?");
}

Result<Json> Ask(const FuseMount& mount, const std::string& question, ControlDoor door) {
  LG_ASSIGN_OR_RETURN(const std::string answer, AskControl(mount, question, door));
  Json json = ParseJson(answer);
  if (!json.is_object()) return NotUnderstood();
  if (auto refused = RefusalIn(json)) return *std::move(refused);
  if (json.empty())
    return Error(Errc::kUnsupported,
                 "the mounted version does not know this question: unmount, and mount with this "
                 "version");
  return json;
}

std::optional<Error> RefusalIn(const Json& answer) {
  if (!answer.contains("error")) return std::nullopt;
  return Error(static_cast<Errc>(answer.value("code", 0)), answer.value("error", std::string()),
               answer.value("errno", 0));
}

std::string Refusal(const Error& error) {
  return JsonLine(Json{{"error", error.context},
                       {"code", static_cast<int>(error.code)},
                       {"errno", error.posix_errno}});
}

}  // namespace leadglass
