// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_access.h"

#include <cstring>
#include <ctime>
#include <iomanip>
#include <sstream>

namespace leadglass {

namespace {

constexpr std::string_view kRead = "audit read\n";
constexpr std::string_view kVerify = "audit verify";
// So many records go over the socket at a time: some 50 MB of JSON.
constexpr uint64_t kPage = 100'000;
constexpr int64_t kSecond = 1'000'000'000;

std::string Utc(int64_t nanos) { return nanos == 0 ? std::string() : IsoTime(nanos / kSecond); }

Json ToJson(const AuditProof& proof) {
  return {{"whole", proof.whole},
          {"records", proof.records},
          {"commits", proof.commits},
          {"from", Utc(proof.first)},
          {"until", Utc(proof.last)},
          {"head", std::to_string(proof.head.epoch) + "/" +
                       std::to_string(proof.head.commit_number) + "/" + ToHex(proof.head.chain)},
          {"damage", proof.damage}};
}

Json ToJson(const AuditFilter& filter) {
  return {{"study", filter.study}, {"patient", filter.patient}, {"user", filter.user},
          {"since", filter.since}, {"until", filter.until},     {"refused", filter.refused}};
}

AuditFilter FilterFrom(const Json& json) {
  return {json.at("study"), json.at("patient"), json.at("user"),
          json.at("since"), json.at("until"),   json.at("refused")};
}

// A page of what is wanted, and whether there is more.
std::string AnswerRead(Vault& vault, const Json& question) {
  const AuditFilter filter = FilterFrom(question);
  const uint64_t skip = question.at("skip");
  uint64_t met = 0;
  Json records = Json::array();
  bool more = false;
  const Status read = vault.ReadAudit([&](const AuditRecord& record) {
    if (!Wants(filter, record) || ++met <= skip) return true;
    more = records.size() == kPage;
    if (!more) records.push_back(ToJson(record));
    return !more;
  });
  if (!read) return Refusal(read.error());
  return JsonLine(Json{{"records", std::move(records)}, {"more", more}});
}

std::string Text(const Json& record, const char* field) {
  return record.value(field, std::string());
}

}  // namespace

bool Wants(const AuditFilter& filter, const AuditRecord& record) {
  return (filter.study.empty() || record.study == filter.study) &&
         (filter.patient.empty() || record.patient_id == filter.patient) &&
         (filter.user.empty() || record.user == filter.user ||
          std::to_string(record.uid) == filter.user) &&
         record.until >= filter.since && record.from < filter.until &&
         (!filter.refused || record.error != 0);
}

Result<int64_t> ParseMoment(const std::string& text, int64_t now) {
  const std::string digits = text.substr(0, text.find_first_not_of("0123456789"));
  const std::string unit = text.substr(digits.size());
  if (!digits.empty() && digits.size() <= 6 && unit.size() == 1) {
    const int64_t count = std::stoll(digits);
    if (unit == "m") return now - count * 60 * kSecond;
    if (unit == "h") return now - count * 3600 * kSecond;
    if (unit == "d") return now - count * 86'400 * kSecond;
  }
  std::string spelled = text;
  if (spelled.size() > 10 && spelled[10] == 'T') spelled[10] = ' ';
  for (const char* form : {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    std::tm parts{};
    std::istringstream in(spelled);
    in >> std::get_time(&parts, form);
    if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) continue;
    parts.tm_isdst = -1;
    return static_cast<int64_t>(std::mktime(&parts)) * kSecond;
  }
  return Error(Errc::kInvalidArgument,
               "'" + text + "' is no moment: write 2026-11-28, 2026-11-28T08:00, or 30d, 12h, 90m");
}

Json ToJson(const AuditRecord& record) {
  const char* const name =
      record.error == 0 ? "ok" : ::strerrorname_np(static_cast<int>(record.error));
  return {{"from", Utc(record.from)},
          {"until", Utc(record.until)},
          {"count", record.count},
          {"action", NameOf(record.action)},
          {"result", name != nullptr ? std::string(name) : std::to_string(record.error)},
          {"uid", record.uid},
          {"user", record.user},
          {"gid", record.gid},
          {"group", record.group},
          {"groups", record.groups},
          {"pid", record.pid},
          {"program", record.program},
          {"study", record.study},
          {"patient_id", record.patient_id},
          {"issuer", record.issuer},
          {"inode", record.inode},
          {"detail", record.detail}};
}

std::string AuditLine(const Json& record) {
  std::string line = Text(record, "from") + "  " + Text(record, "action");
  if (const uint64_t count = record.value("count", uint64_t{1}); count > 1)
    line += " x" + std::to_string(count);
  line += "  " + Text(record, "result");
  const std::string uid = std::to_string(record.value("uid", uint64_t{0}));
  const std::string user = Text(record, "user");
  line += "  " + (user.empty() ? "uid " + uid : user + "(" + uid + ")");
  if (const std::string program = Text(record, "program"); !program.empty())
    line += "  " + program + "[" + std::to_string(record.value("pid", uint64_t{0})) + "]";
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) line += std::string("  ") + what + " " + value;
  };
  add("study", Text(record, "study"));
  add("patient", Text(record, "patient_id"));
  add("of", Text(record, "issuer"));
  const uint64_t inode = record.value("inode", uint64_t{0});
  if (Text(record, "study").empty() && inode != 0) add("inode", std::to_string(inode));
  if (const std::string detail = Text(record, "detail"); !detail.empty()) line += "  " + detail;
  // Headers say anything, also what moves a terminal's cursor or begins another line.
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return line;
}

Status ReadAudit(const AskedVault& vault, const AuditFilter& filter,
                 const std::function<void(const Json&)>& visitor) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount) {
    return WithVault(vault, true, [&](Vault& open) {
      return open.ReadAudit([&](const AuditRecord& record) {
        if (Wants(filter, record)) visitor(ToJson(record));
        return true;
      });
    });
  }
  Json question = ToJson(filter);
  uint64_t skip = 0;
  for (bool more = true; more;) {
    question["skip"] = skip;
    LG_ASSIGN_OR_RETURN(const auto answer, Ask(*mount, std::string(kRead) + JsonLine(question)));
    if (!answer.contains("records") || !answer["records"].is_array()) return NotUnderstood();
    for (const auto& record : answer["records"]) visitor(record);
    skip += answer["records"].size();
    more = answer.value("more", false) && !answer["records"].empty();
  }
  return {};
}

Result<Json> VerifyAudit(const AskedVault& vault) {
  LG_ASSIGN_OR_RETURN(const auto mount, MountOf(vault));
  if (!mount) {
    return WithVault(vault, true, [](Vault& open) -> Result<Json> {
      LG_ASSIGN_OR_RETURN(const AuditProof proof, open.VerifyAudit());
      return ToJson(proof);
    });
  }
  LG_ASSIGN_OR_RETURN(const auto answer, Ask(*mount, std::string(kVerify)));
  return Json(answer);
}

std::optional<std::string> AnswerAudit(Vault& vault, const std::string& question) {
  if (question == kVerify) {
    const auto proof = vault.VerifyAudit();
    return proof ? JsonLine(ToJson(*proof)) : Refusal(proof.error());
  }
  if (!question.starts_with(kRead)) return std::nullopt;
  try {
    return AnswerRead(vault, ParseJson(question.substr(kRead.size())));
  } catch (const Json::exception&) {
    return Refusal(Error(Errc::kInvalidArgument, "the question is not understood"));
  }
}

}  // namespace leadglass
