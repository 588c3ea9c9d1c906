// SPDX-License-Identifier: Apache-2.0
#include "cli/hold_access.h"

#include "cli/users.h"
#include "fs/study_holds.h"

namespace leadglass {

namespace {

using Holds = Result<std::vector<HoldRecord>>;

constexpr std::string_view kListHolds = "hold list";
constexpr std::string_view kAddHold = "hold add\n";
constexpr std::string_view kRemoveHold = "hold remove\n";

std::string Answered(const Holds& holds) {
  if (!holds) return Refusal(holds.error());
  Json all = Json::array();
  for (const HoldRecord& hold : *holds) all.push_back(ToJson(hold));
  return JsonLine(Json{{"holds", std::move(all)}});
}

std::string QuestionOf(std::string_view what, const HoldOrder& order) {
  const Json json{{"study", order.study}, {"reason", order.reason}, {"id", order.id.value_or(0)}};
  return std::string(what) + JsonLine(json);
}

HoldOrder OrderFrom(const std::string& question, std::string_view what) {
  const Json json = ParseJson(question.substr(what.size()));
  HoldOrder order{json.at("study"), json.at("reason"), std::nullopt};
  if (const uint32_t id = json.at("id"); id != 0) order.id = id;
  return order;
}

// By the process behind the mount, or with the vault opened for it.
template <typename Use>
Result<std::vector<Json>> OfVault(const AskedVault& vault, bool read_only,
                                  const std::string& question, const Use& use) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  std::vector<Json> all;
  if (!mount) {
    LG_ASSIGN_OR_RETURN(const auto holds, WithVault(vault, read_only, use));
    for (const HoldRecord& hold : holds) all.push_back(ToJson(hold));
    return all;
  }
  LG_ASSIGN_OR_RETURN(const auto answer, Ask(*mount, question));
  if (!answer.contains("holds") || !answer["holds"].is_array()) return NotUnderstood();
  for (const auto& hold : answer["holds"]) all.emplace_back(hold);
  return all;
}

}  // namespace

Json ToJson(const HoldRecord& hold) {
  return {{"id", HoldIdText(hold.id)}, {"study", hold.study_uid},
          {"reason", hold.reason},     {"uid", hold.uid},
          {"user", hold.user},         {"since", IsoTime(hold.since / 1'000'000'000)}};
}

Result<std::vector<Json>> ListHolds(const AskedVault& vault) {
  return OfVault(vault, true, std::string(kListHolds), [](Vault& open) { return open.Holds(); });
}

Result<std::vector<Json>> AddHold(const AskedVault& vault, const HoldOrder& order) {
  return OfVault(vault, false, QuestionOf(kAddHold, order), [&](Vault& open) {
    return open.AddHold(ThisPerson(), order.study, order.reason);
  });
}

Result<std::vector<Json>> RemoveHold(const AskedVault& vault, const HoldOrder& order) {
  return OfVault(vault, false, QuestionOf(kRemoveHold, order), [&](Vault& open) {
    return open.RemoveHold(ThisPerson(), order.study, order.id, order.reason);
  });
}

std::optional<std::string> AnswerHold(Vault& vault, const std::string& question,
                                      const ControlPeer& peer) {
  if (question == kListHolds) return Answered(vault.Holds());
  try {
    if (question.starts_with(kAddHold)) {
      const HoldOrder order = OrderFrom(question, kAddHold);
      return Answered(vault.AddHold(PersonOf(peer), order.study, order.reason));
    }
    if (question.starts_with(kRemoveHold)) {
      const HoldOrder order = OrderFrom(question, kRemoveHold);
      return Answered(vault.RemoveHold(PersonOf(peer), order.study, order.id, order.reason));
    }
  } catch (const Json::exception&) {
    return Refusal(Error(Errc::kInvalidArgument, "the question is not understood"));
  }
  return std::nullopt;
}

}  // namespace leadglass
