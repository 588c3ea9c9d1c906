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
  if (json.contains("error"))
    return Error(static_cast<Errc>(json.value("code", 0)), json.value("error", std::string()),
                 json.value("errno", 0));
  if (json.empty())
    return Error(Errc::kUnsupported,
                 "the mounted version does not know this question: unmount, and mount with this "
                 "version");
  return json;
}

std::string Refusal(const Error& error) {
  return JsonLine(Json{{"error", error.context},
                       {"code", static_cast<int>(error.code)},
                       {"errno", error.posix_errno}});
}

}  // namespace leadglass
