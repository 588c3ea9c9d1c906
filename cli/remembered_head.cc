// SPDX-License-Identifier: Apache-2.0
#include "cli/remembered_head.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <tuple>

#include "cli/head_json.h"

namespace leadglass {

namespace {

constexpr size_t kLimit = 4096;

std::string DefaultStateFolder() {
  if (::geteuid() == 0) return "/var/lib/leadglass";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && state[0] == '/') {
    return std::string(state) + "/leadglass";
  }
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : std::string(home) + "/.local/state/leadglass";
}

std::optional<Head> Decode(std::string_view text, const Uuid& vault_id) {
  const auto json = ParseJson(text);
  if (!json.is_object() || json.value("format", Json()) != 1) return std::nullopt;
  if (json.value("vault_id", Json()) != ToHex(vault_id)) return std::nullopt;
  return HeadFromJson(json);
}

}  // namespace

Result<std::string> StateFolder(const std::string& wanted) {
  const std::string folder = wanted.empty() ? DefaultStateFolder() : wanted;
  if (folder.empty()) {
    return Error(Errc::kInvalidArgument, "no home folder to keep state in: give --state-dir");
  }
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return folder;
  std::filesystem::create_directories(folder, error);
  if (!error) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  if (error) return SystemError(error.value(), "make the state folder (--state-dir)");
  return folder;
}

RememberedHead::RememberedHead(FileSystem& fs, const std::string& state_folder,
                               const Uuid& vault_id)
    : fs_(fs), vault_id_(vault_id), path_(state_folder + "/" + ToHex(vault_id) + ".head") {}

Result<std::optional<Head>> RememberedHead::Load() {
  LG_ASSIGN_OR_RETURN(const bool exists, fs_.Exists(path_));
  if (!exists) return std::optional<Head>();
  LG_ASSIGN_OR_RETURN(const ByteVector bytes, ReadWholeFile(fs_, path_, kLimit));
  known_ = Decode(AsText(bytes), vault_id_);
  if (!known_) {
    return Error(Errc::kCorrupt, "the remembered head of vault " + ToHex(vault_id_) +
                                     " is unreadable; if the vault is surely the newest, remove "
                                     "its .head file from the state folder");
  }
  return known_;
}

Status RememberedHead::Save(const Head& head) {
  if (known_ == head) return {};
  Json json = {{"format", 1}, {"vault_id", ToHex(vault_id_)}};
  json.update(HeadJson(head));
  LG_RETURN_IF_ERROR(ReplaceFile(fs_, path_, AsBytes(JsonText(json) + "\n")));
  known_ = head;
  return {};
}

Status RememberedHead::SaveIfNewer(const Head& head) {
  const auto order = [](const Head& h) { return std::make_tuple(h.epoch, h.commit_number); };
  if (known_ && order(head) < order(*known_)) return {};
  return Save(head);
}

}  // namespace leadglass
