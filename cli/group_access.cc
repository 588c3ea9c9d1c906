// SPDX-License-Identifier: Apache-2.0
#include "cli/group_access.h"

#include <cstring>

#include "cli/json.h"
#include "cli/users.h"

namespace leadglass {

namespace {

constexpr std::string_view kListGroups = "group list";
constexpr std::string_view kLockGroup = "group lock\n";
constexpr std::string_view kUnlockGroup = "group unlock\n";
constexpr std::string_view kChangeGroupKey = "group key\n";
constexpr std::string_view kShredStudy = "study shred\n";

// A question that ends with a secret, in one buffer from the beginning, which is wiped.
class SecretQuestion {
 public:
  SecretQuestion(std::string_view what, const Json& order, const SecretBytes* secret) {
    const std::string text = JsonLine(order);
    text_.reserve(what.size() + text.size() + 1 + (secret != nullptr ? secret->size() : 0));
    text_.append(what).append(text).append("\n");
    if (secret != nullptr) text_.append(AsText(secret->ExposeForOpenSsl()));
  }
  ~SecretQuestion() { ::explicit_bzero(text_.data(), text_.size()); }
  SecretQuestion(const SecretQuestion&) = delete;
  SecretQuestion& operator=(const SecretQuestion&) = delete;

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Such a question taken apart.
struct SecretOrder {
  Json order;
  SecretBytes secret{0};
};
SecretOrder OrderWithSecret(std::string_view rest) {
  const size_t end = rest.find('\n');
  SecretOrder taken{ParseJson(rest.substr(0, end)), SecretBytes(0)};
  const std::string_view secret = end == rest.npos ? std::string_view() : rest.substr(end + 1);
  taken.secret = SecretBytes(secret.size());
  if (!secret.empty())
    std::memcpy(taken.secret.ExposeForOpenSsl().data(), secret.data(), secret.size());
  return taken;
}

std::string Done(const Status& status) {
  return status ? JsonLine(Json{{"done", true}}) : Refusal(status.error());
}

Status AskToDo(const FuseMount& mount, const std::string& question) {
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(mount, question));
  return answer.value("done", false) ? Status() : Status(NotUnderstood());
}

Error NotMounted() {
  return Error(Errc::kUnavailable,
               "the vault is not mounted: at each mount every group that has a passphrase of its "
               "own is locked until `leadglass group unlock`");
}

Json ToJson(const Vault::GroupState& group) {
  return {{"gid", group.gid},
          {"passphrase", group.has_passphrase},
          {"locked", group.locked},
          {"study_keys", group.study_keys},
          {"older_study_keys", group.older_study_keys}};
}

Vault::GroupKeyChange ChangeOf(const GroupOrder& order, const SecretBytes* passphrase) {
  return {order.has_passphrase ? passphrase : nullptr, order.scrypt_log2_n, order.lost};
}

// An unmounted vault's group is locked; who knows its passphrase may change it all the same.
Status ChangeInOpenedVault(Vault& vault, const GroupOrder& order, const SecretBytes* next,
                           const std::function<Result<SecretBytes>()>& present) {
  LG_ASSIGN_OR_RETURN(const auto groups, vault.Groups());
  for (const Vault::GroupState& group : groups) {
    if (group.gid != order.gid || !group.locked || order.lost) continue;
    LG_ASSIGN_OR_RETURN(const SecretBytes passphrase, present());
    LG_RETURN_IF_ERROR(vault.UnlockGroup(ThisPerson(), order.gid, passphrase));
  }
  return vault.ChangeGroupKey(ThisPerson(), order.gid, ChangeOf(order, next));
}

}  // namespace

Result<std::vector<Vault::GroupState>> ListGroups(const AskedVault& vault) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount) return WithVault(vault, true, [](Vault& open) { return open.Groups(); });
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(*mount, std::string(kListGroups)));
  try {
    std::vector<Vault::GroupState> groups;
    for (const Json& group : answer.at("groups"))
      groups.push_back({group.at("gid"), group.at("passphrase"), group.at("locked"),
                        group.at("study_keys"), group.at("older_study_keys")});
    return groups;
  } catch (const Json::exception&) {
    return NotUnderstood();
  }
}

Status LockGroup(const AskedVault& vault, uint32_t gid) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount) return NotMounted();
  return AskToDo(*mount, std::string(kLockGroup) + JsonLine(Json{{"gid", gid}}));
}

Status UnlockGroup(const AskedVault& vault, uint32_t gid, const SecretBytes& passphrase) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount) return NotMounted();
  const SecretQuestion question(kUnlockGroup, Json{{"gid", gid}}, &passphrase);
  return AskToDo(*mount, question.text());
}

Status ChangeGroupKey(const AskedVault& vault, const GroupOrder& order, const SecretBytes* next,
                      const std::function<Result<SecretBytes>()>& present) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount) {
    return WithVault(vault, false,
                     [&](Vault& open) { return ChangeInOpenedVault(open, order, next, present); });
  }
  const Json json{{"gid", order.gid},
                  {"passphrase", order.has_passphrase},
                  {"lost", order.lost},
                  {"scrypt_log2_n", order.scrypt_log2_n}};
  const SecretQuestion question(kChangeGroupKey, json, next);
  return AskToDo(*mount, question.text());
}

Result<uint64_t> ShredStudy(const AskedVault& vault, const std::string& study,
                            const std::string& reason) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount) {
    return WithVault(vault, false,
                     [&](Vault& open) { return open.ShredStudy(ThisPerson(), study, reason); });
  }
  const Json order{{"study", study}, {"reason", reason}};
  LG_ASSIGN_OR_RETURN(const Json answer, Ask(*mount, std::string(kShredStudy) + JsonLine(order)));
  if (!answer.contains("images")) return NotUnderstood();
  return answer.value("images", uint64_t{0});
}

std::optional<std::string> AnswerGroup(Vault& vault, std::string_view question,
                                       const ControlPeer& peer) {
  if (question == kListGroups) {
    const auto groups = vault.Groups();
    if (!groups) return Refusal(groups.error());
    Json all = Json::array();
    for (const Vault::GroupState& group : *groups) all.push_back(ToJson(group));
    return JsonLine(Json{{"groups", std::move(all)}});
  }
  try {
    if (question.starts_with(kLockGroup)) {
      const Json order = ParseJson(question.substr(kLockGroup.size()));
      return Done(vault.LockGroup(PersonOf(peer), order.at("gid")));
    }
    if (question.starts_with(kUnlockGroup)) {
      const SecretOrder taken = OrderWithSecret(question.substr(kUnlockGroup.size()));
      return Done(vault.UnlockGroup(PersonOf(peer), taken.order.at("gid"), taken.secret));
    }
    if (question.starts_with(kChangeGroupKey)) {
      const SecretOrder taken = OrderWithSecret(question.substr(kChangeGroupKey.size()));
      const GroupOrder order{taken.order.at("gid"), taken.order.at("passphrase"),
                             taken.order.at("lost"), taken.order.at("scrypt_log2_n")};
      return Done(vault.ChangeGroupKey(PersonOf(peer), order.gid, ChangeOf(order, &taken.secret)));
    }
    if (question.starts_with(kShredStudy)) {
      const Json order = ParseJson(question.substr(kShredStudy.size()));
      const auto images = vault.ShredStudy(PersonOf(peer), order.at("study"), order.at("reason"));
      return images ? JsonLine(Json{{"images", *images}}) : Refusal(images.error());
    }
  } catch (const Json::exception&) {
    return Refusal(Error(Errc::kInvalidArgument, "the question is not understood"));
  }
  return std::nullopt;
}

}  // namespace leadglass
