// SPDX-License-Identifier: Apache-2.0
#include "cli/status_report.h"

#include <unistd.h>

#include <cstdio>

#include "cli/groups.h"
#include "cli/head_json.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/slot_json.h"
#include "cli/version.h"

namespace leadglass {

namespace {

const char* StateName(FilingState state) {
  switch (state) {
    case FilingState::kFiled: return "filed";
    case FilingState::kUnparsed: return "unparsed";
    case FilingState::kIncomplete: return "incomplete";
    case FilingState::kUnfiled: return "unfiled";
  }
  return "unknown";
}

void AddInfo(Json& json, const VaultInfo& info) {
  json["vault_id"] = ToHex(info.vault_id);
  json["format"] = std::to_string(info.format_major) + "." + std::to_string(info.format_minor);
  json["key_epoch"] = info.key_epoch;
  json["vault_file_copy_damaged"] = info.vault_file_copy_damaged;
  json["keyring_copy_damaged"] = info.keyring_copy_damaged;
  json["keyring_exported"] = nullptr;
  if (info.keyring_exported_unix_seconds) {
    json["keyring_exported"] = IsoTime(*info.keyring_exported_unix_seconds);
  }
  json["recovery_made"] = nullptr;
  if (info.recovery_made_unix_seconds)
    json["recovery_made"] = IsoTime(*info.recovery_made_unix_seconds);
}

void AddSlots(Json& json, const VaultInfo& info) {
  json["slots"] = Json::array();
  for (const SlotInfo& slot : info.slots) {
    json["slots"].push_back(SlotJson(slot));
  }
}

void AddUnfiled(Json& json, Vault& vault) {
  const auto unfiled = vault.Unfiled();
  if (!unfiled) {
    json["error"] = ToString(unfiled.error());
    return;
  }
  json["unfiled_files"] = Json::array();
  for (const UnfiledFile& file : *unfiled) {
    json["unfiled_files"].push_back(
        {{"path", file.path}, {"state", StateName(file.state)}, {"reason", file.reason}});
  }
}

void AddLockedGroups(Json& json, Vault& vault) {
  const auto groups = vault.Groups();
  if (!groups) {
    json["error"] = ToString(groups.error());
    return;
  }
  json["locked_groups"] = Json::array();
  for (const Vault::GroupState& group : *groups)
    if (group.locked) json["locked_groups"].push_back(NameOfGroup(group.gid));
}

void AddOpenVault(Json& json, Vault& vault) {
  const auto status = vault.GetStatus();
  if (!status) {
    json["error"] = ToString(status.error());
    return;
  }
  json["read_only"] = status->read_only;
  json["failed"] = status->failed;
  if (!vault.Lost().empty()) json["lost"] = vault.Lost();
  json["head"] = HeadJson(status->head);
  json["durable_head"] = HeadJson(status->durable_head);
  json["inodes"] = status->inodes;
  json["filed"] = status->filed;
  json["unfiled"] = status->unfiled;
  json["held_studies"] = status->held_studies;
  json["emergencies"] = status->emergencies;
  AddLockedGroups(json, vault);
  json["log_bytes"] = status->log_bytes;
  json["dead_bytes"] = status->dead_bytes;
  json["stale_bytes"] = status->stale_bytes;
  json["cannot_punch"] = status->cannot_punch;
  json["unaudited"] = status->unaudited;
  json["available_bytes"] = status->available_bytes;
  AddUnfiled(json, vault);
}

std::string Text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_boolean() ? (value.get<bool>() ? "yes" : "no") : JsonLine(value);
}

struct Line {
  const char* member;
  const char* label;
  bool bytes = false;
};

constexpr Line kLines[] = {
    {"mountpoint", "mounted at"},     {"folder", "vault"},
    {"vault_id", "vault id"},         {"format", "format"},
    {"key_epoch", "key epoch"},       {"pid", "process"},
    {"read_only", "read-only"},       {"inodes", "inodes"},
    {"filed", "in the views"},        {"unfiled", "in no view"},
    {"held_studies", "held studies"}, {"emergencies", "emergency access"},
    {"log_bytes", "log", true},       {"dead_bytes", "of it dead", true},
    {"index_bytes", "index", true},   {"available_bytes", "room left", true},
};

Rows PlainRows(const Json& json) {
  Rows rows;
  for (const Line& line : kLines) {
    const auto found = json.find(line.member);
    if (found == json.end() || found->is_null()) continue;
    const bool number = line.bytes && found->is_number_unsigned();
    rows.emplace_back(line.label, number ? HumanBytes(found->get<uint64_t>()) : Text(*found));
  }
  return rows;
}

void AddDerivedRows(const Json& json, Rows& rows) {
  for (const auto& place : json.value("mounted_at", Json::array())) {
    rows.emplace_back("mounted at", Text(place));
  }
  if (json.contains("mounted_at") && json["mounted_at"].empty()) {
    rows.emplace_back("mounted at",
                      json.value("held", false) ? "nowhere, but held by a process" : "nowhere");
  }
  if (json.contains("head")) {
    const Json& head = json["head"];
    rows.emplace_back("head", "epoch " + Text(head["epoch"]) + ", commit " + Text(head["commit"]));
    rows.emplace_back("durable head", "commit " + Text(json["durable_head"]["commit"]));
  }
  for (const auto& slot : json.value("slots", Json::array())) {
    rows.emplace_back("slot " + Text(slot["id"]), SlotText(slot));
  }
  for (const auto& group : json.value("locked_groups", Json::array()))
    rows.emplace_back("locked group", Text(group));
  if (json.contains("keyring_exported")) {
    const bool exported = json["keyring_exported"].is_string();
    rows.emplace_back("keyring exported", exported ? Text(json["keyring_exported"]) : "never");
  }
  if (json.contains("recovery_made")) {
    const bool made = json["recovery_made"].is_string();
    rows.emplace_back("recovery kit", made ? "made " + Text(json["recovery_made"]) : "none");
  }
}

void PrintWarnings(const Json& json) {
  const auto warn = [](const char* text) { std::printf("WARNING: %s\n", text); };
  if (json.value("failed", false)) {
    warn("writing the log or the index failed: read-only until it is mounted again");
  }
  if (json.value("cannot_punch", false)) {
    warn(
        "the disk did not take back the room of deleted files (no hole punching, or an error): it "
        "is tried again at the next mount");
  }
  if (json.value("unaudited", false)) {
    warn(
        "the audit trail could not be written: what is done now is not on record; free room or "
        "mend "
        "the disk, and mount again");
  }
  for (const Json& lost : json.value("lost", Json::array())) warn(Text(lost).c_str());
  if (json.value("vault_file_copy_damaged", false)) {
    warn("one of the two copies of the vault file is damaged; mounting for writing repairs it");
  }
  if (json.value("keyring_copy_damaged", false)) {
    warn("one of the two copies of the keyring is damaged; mounting for writing repairs it");
  }
  if (json.contains("keyring_exported") && json["keyring_exported"].is_null()) {
    warn(
        "the keyring was never exported: a lost keyring is a lost vault; "
        "run `leadglass keyring export`");
  }
  if (json.contains("recovery_made") && json["recovery_made"].is_null()) {
    warn(
        "there is no recovery kit: a lost passphrase is a lost vault; "
        "run `leadglass recovery export`");
  }
  if (json.contains("error")) warn(Text(json["error"]).c_str());
}

}  // namespace

std::string MountReport(Vault& vault, const VaultInfo& info, const std::string& folder,
                        const std::string& mountpoint) {
  Json json = {{"kind", "mount"},
               {"version", kVersion},
               {"mountpoint", mountpoint},
               {"folder", folder},
               {"pid", ::getpid()}};
  AddInfo(json, info);
  AddOpenVault(json, vault);
  return JsonText(json);
}

namespace {

Json VaultJson(const VaultFacts& facts) {
  Json json = {{"kind", "vault"}, {"version", kVersion}, {"folder", facts.folder}};
  AddInfo(json, facts.info);
  AddSlots(json, facts.info);
  json["mounted_at"] = facts.mounted_at;
  json["held"] = facts.held;
  json["log_bytes"] = facts.log_bytes;
  json["index_bytes"] = facts.index_bytes;
  return json;
}

}  // namespace

std::string VaultReport(const VaultFacts& facts) { return JsonText(VaultJson(facts)); }

std::string VaultReport(const VaultFacts& facts, Vault& vault) {
  Json json = VaultJson(facts);
  AddOpenVault(json, vault);
  return JsonText(json);
}

bool PrintReport(const std::string& text) {
  const Json json = ParseJson(text);
  if (!json.is_object() || !json.contains("kind")) return false;
  Rows rows = PlainRows(json);
  AddDerivedRows(json, rows);
  PrintRows(rows);
  PrintWarnings(json);
  const Json unfiled = json.value("unfiled_files", Json::array());
  if (!unfiled.empty()) std::printf("\nIn no view:\n");
  for (const auto& file : unfiled) {
    std::printf("  %s\n      %s: %s\n", Text(file["path"]).c_str(), Text(file["state"]).c_str(),
                Text(file["reason"]).c_str());
  }
  return true;
}

}  // namespace leadglass
