// SPDX-License-Identifier: Apache-2.0
#include "cli/emergency_orders.h"

#include <unistd.h>

#include "cli/users.h"
#include "fs/study_holds.h"

namespace leadglass {

namespace {

using Grants = Result<std::vector<EmergencyRecord>>;

constexpr std::string_view kListGrants = "emergency list";
constexpr std::string_view kBegin = "emergency begin\n";
constexpr std::string_view kEnd = "emergency end\n";

std::string AnswerOf(const Grants& grants, const ControlPeer& peer) {
  if (!grants) return Refusal(grants.error());
  Json all = Json::array();
  for (const EmergencyRecord& grant : *grants)
    if (IsOperator(peer) || grant.uid == peer.uid) all.push_back(ToJson(grant));
  return JsonLine({{"emergencies", std::move(all)}});
}

Json ToJson(const EmergencyOrder& order) {
  Json json{{"uid", order.uid},  {"study", order.study},   {"patient_id", order.patient_id},
            {"issuer", nullptr}, {"reason", order.reason}, {"nanos", order.nanos}};
  if (order.issuer) json["issuer"] = *order.issuer;
  return json;
}

EmergencyOrder EmergencyOrderFrom(const Json& json) {
  EmergencyOrder order;
  order.uid = json.at("uid");
  order.user = NameOfUser(order.uid);
  order.study = json.at("study");
  order.patient_id = json.at("patient_id");
  if (!json.at("issuer").is_null()) order.issuer = json.at("issuer").get<std::string>();
  order.reason = json.at("reason");
  order.nanos = json.at("nanos");
  return order;
}

// By the process behind the mount, or with the vault opened for it.
template <typename Use>
Result<std::vector<Json>> GrantsOf(const AskedVault& vault, bool read_only,
                                   const std::string& question, const Use& use) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  std::vector<Json> all;
  if (!mount) {
    LG_ASSIGN_OR_RETURN(const auto grants, WithVault(vault, read_only, use));
    for (const EmergencyRecord& grant : grants) all.push_back(ToJson(grant));
    return all;
  }
  const bool operates = ::geteuid() == 0 || ::geteuid() == mount->owner;
  LG_ASSIGN_OR_RETURN(
      const auto answer,
      Ask(*mount, question, operates ? ControlDoor::kOperators : ControlDoor::kEmergency));
  if (!answer.contains("emergencies") || !answer["emergencies"].is_array()) return NotUnderstood();
  for (const auto& grant : answer["emergencies"]) all.emplace_back(grant);
  return all;
}

}  // namespace

Json ToJson(const EmergencyRecord& grant) {
  return {{"id", HoldIdText(grant.id)},
          {"kind", grant.kind == EntityKind::kPatient ? "patient" : "study"},
          {"patient_id", grant.patient_id},
          {"issuer", grant.issuer},
          {"study", grant.study_uid},
          {"uid", grant.uid},
          {"user", grant.user},
          {"reason", grant.reason},
          {"by_uid", grant.by_uid},
          {"by_user", grant.by_user},
          {"from", IsoTime(grant.from / 1'000'000'000)},
          {"until", IsoTime(grant.until / 1'000'000'000)}};
}

Result<std::vector<Json>> ListEmergencies(const AskedVault& vault) {
  return GrantsOf(vault, true, std::string(kListGrants),
                  [](Vault& open) { return open.Emergencies(); });
}

Result<std::vector<Json>> BeginEmergency(const AskedVault& vault, const EmergencyOrder& order) {
  return GrantsOf(vault, false, std::string(kBegin) + JsonLine(ToJson(order)),
                  [&](Vault& open) { return open.BeginEmergency(ThisPerson(), order); });
}

Result<std::vector<Json>> EndEmergency(const AskedVault& vault, uint32_t id) {
  return GrantsOf(vault, false, std::string(kEnd) + std::to_string(id),
                  [&](Vault& open) { return open.EndEmergency(ThisPerson(), id); });
}

std::optional<std::string> AnswerEmergency(Vault& vault, const std::string& question,
                                           const ControlPeer& peer) {
  if (question == kListGrants) return AnswerOf(vault.Emergencies(), peer);
  try {
    if (question.starts_with(kBegin)) {
      const Json json = ParseJson(question.substr(kBegin.size()));
      return AnswerOf(vault.BeginEmergency(PersonOf(peer), EmergencyOrderFrom(json)), peer);
    }
    if (question.starts_with(kEnd)) {
      const uint32_t id = ParseJson(question.substr(kEnd.size()));
      return AnswerOf(vault.EndEmergency(PersonOf(peer), id), peer);
    }
  } catch (const Json::exception&) {
    return Refusal(Error(Errc::kInvalidArgument, "the question is not understood"));
  }
  return std::nullopt;
}

}  // namespace leadglass
