// SPDX-License-Identifier: Apache-2.0
#include "cli/remembered_head.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <tuple>

#include "cli/json.h"

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

std::optional<Digest> DigestFromHex(const std::string& text) {
  Digest digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const auto digit = [](char c) {
      if (c >= '0' && c <= '9') return c - '0';
      return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return digest;
}

std::optional<Head> Decode(std::string_view text, const Uuid& vault_id) {
  const auto json = ParseJson(text);
  if (!json.is_object() || json.value("format", Json()) != 1) return std::nullopt;
  if (json.value("vault_id", Json()) != ToHex(vault_id)) return std::nullopt;
  const auto epoch = json.value("epoch", Json());
  const auto commit = json.value("commit", Json());
  const auto chain = json.value("chain", Json());
  if (!epoch.is_number_unsigned() || !commit.is_number_unsigned() || !chain.is_string()) {
    return std::nullopt;
  }
  const auto digest = DigestFromHex(chain.get<std::string>());
  if (!digest) return std::nullopt;
  return Head{epoch.get<uint32_t>(), commit.get<uint64_t>(), *digest};
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
  const Json json = {{"format", 1},
                     {"vault_id", ToHex(vault_id_)},
                     {"epoch", head.epoch},
                     {"commit", head.commit_number},
                     {"chain", ToHex(head.chain)}};
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
