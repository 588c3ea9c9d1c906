// SPDX-License-Identifier: Apache-2.0
#include "fs/configuration.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <toml.hpp>

#include "fs/duration.h"
#include "index/dicom_facts.h"

namespace leadglass {
namespace {

constexpr size_t kMaxTextBytesHere = 1024;
constexpr const char* kFile = "configuration";

// Unwinds to ParseConfiguration(); toml11 throws as well.
struct Refused {
  std::string why;
};

[[noreturn]] void Refuse(const toml::value& at, const std::string& why) {
  throw Refused{"line " + std::to_string(at.location().line()) + ": " + why};
}

const std::string& TextOf(const toml::value& value, const std::string& what) {
  if (!value.is_string()) Refuse(value, what + " has to be a text in quotes");
  const std::string& text = value.as_string().str;
  if (text.empty()) Refuse(value, what + " is empty");
  if (text.size() > kMaxTextBytesHere)
    Refuse(value, what + " is longer than " + std::to_string(kMaxTextBytesHere) + " bytes");
  if (text.find('\0') != text.npos) Refuse(value, what + " holds a NUL");
  return text;
}

void RefuseOthers(const toml::value& table, const std::set<std::string>& known,
                  const std::string& where) {
  for (const auto& [key, value] : table.as_table()) {
    if (known.contains(key)) continue;
    std::string all;
    for (const std::string& one : known) all += (all.empty() ? "" : ", ") + one;
    Refuse(value, "'" + key + "' is not known " + where + "; known are " + all);
  }
}

bool IsNumber(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

std::string NumberText(const toml::value& value, const std::string& what) {
  if (value.is_integer()) return std::to_string(value.as_integer());
  return TextOf(value, what);
}

Range RangeOf(const toml::value& value, const std::string& attribute) {
  RefuseOthers(value, {"from", "to"}, "in a range of " + attribute);
  Range range;
  if (value.contains("from")) range.from = NumberText(value.at("from"), "'from'");
  if (value.contains("to")) range.to = NumberText(value.at("to"), "'to'");
  if (range.from.empty() || range.to.empty()) return range;
  const bool numbers = IsNumber(range.from) && IsNumber(range.to);
  const bool is_empty =
      numbers ? std::stod(range.from) > std::stod(range.to) : range.from > range.to;
  if (is_empty) Refuse(value, "nothing lies between 'from' and 'to' of " + attribute);
  return range;
}

Pattern PatternOf(const toml::value& value, const std::string& attribute) {
  if (!value.is_table()) return ExactText{NumberText(value, "the value of " + attribute)};
  if (!value.contains("glob")) {
    if (value.contains("from") || value.contains("to")) return RangeOf(value, attribute);
    Refuse(value, "a condition on " + attribute +
                      " is a text, a list of them, { glob = \"...\" } or { from = ..., to = ... }");
  }
  RefuseOthers(value, {"glob"}, "beside 'glob' of " + attribute);
  return Glob{TextOf(value.at("glob"), "'glob' of " + attribute)};
}

Condition ConditionOf(const std::string& attribute, const toml::value& value) {
  Condition condition;
  condition.attribute = attribute;
  if (value.is_array()) {
    if (value.as_array().empty()) Refuse(value, "the list of " + attribute + " is empty");
    for (const toml::value& one : value.as_array())
      condition.any_of.push_back(PatternOf(one, attribute));
  } else {
    condition.any_of.push_back(PatternOf(value, attribute));
  }
  if (attribute != kFolderAttribute) return condition;
  for (const Pattern& pattern : condition.any_of) {
    const auto* exact = std::get_if<ExactText>(&pattern);
    if (exact == nullptr || !exact->text.starts_with("/archive"))
      Refuse(value, "a folder is named as it is, from the mount's root: \"/archive/...\"");
  }
  return condition;
}

FilingRule RuleOf(const toml::value& value, size_t number) {
  if (!value.is_table()) Refuse(value, "a rule begins with [[rule]]");
  RefuseOthers(value, {"name", "group", "further", "where"}, "in a rule");
  FilingRule rule;
  rule.name = value.contains("name") ? TextOf(value.at("name"), "the name of a rule")
                                     : "rule " + std::to_string(number);
  if (!value.contains("group"))
    Refuse(value, "'" + rule.name + "' has no 'group': the Unix group of the studies it matches");
  rule.group = TextOf(value.at("group"), "'group'");
  if (value.contains("further")) {
    const toml::value& further = value.at("further");
    if (!further.is_array()) Refuse(further, "'further' is a list of groups");
    for (const toml::value& one : further.as_array()) {
      rule.further.push_back(TextOf(one, "a group in 'further'"));
      if (rule.further.back() == rule.group)
        Refuse(one, "'" + rule.group + "' owns the studies of '" + rule.name + "' already");
      if (std::count(rule.further.begin(), rule.further.end(), rule.further.back()) > 1)
        Refuse(one, "'" + rule.further.back() + "' stands in 'further' twice");
    }
  }
  if (!value.contains("where")) return rule;
  const toml::value& where = value.at("where");
  if (!where.is_table()) Refuse(where, "'where' holds conditions: where.Modality = \"CT\"");
  for (const auto& [attribute, condition] : where.as_table())
    rule.conditions.push_back(ConditionOf(attribute, condition));
  // TOML's tables have no order: the messages and the dry run shall.
  std::sort(rule.conditions.begin(), rule.conditions.end(),
            [](const Condition& a, const Condition& b) { return a.attribute < b.attribute; });
  return rule;
}

// Notes what the rule's conditions ask for besides the folder and what is read of every header.
void AddFurther(const toml::value& value, const FilingRule& rule, FurtherElements& further) {
  for (const Condition& condition : rule.conditions) {
    const std::string& attribute = condition.attribute;
    if (attribute == kFolderAttribute || IsAlwaysRead(attribute)) continue;
    auto element = FurtherElementOf(attribute);
    if (!element) Refuse(value.at("where").at(attribute), element.error().context);
    const auto place =
        std::lower_bound(further.begin(), further.end(), element->tag,
                         [](const FurtherElement& one, uint32_t tag) { return one.tag < tag; });
    if (place != further.end() && place->tag == element->tag) continue;
    if (further.size() == kMaxFurtherElements)
      Refuse(value.at("where").at(attribute),
             "'" + attribute +
                 "' is one too many: of the attributes that are not read of every "
                 "header (docs/configuration.md) the rules may ask for " +
                 std::to_string(kMaxFurtherElements));
    further.insert(place, *std::move(element));
  }
}

std::vector<FilingRule> RulesOf(const toml::value& value, FurtherElements& further) {
  if (!value.is_array()) Refuse(value, "rules are written as [[rule]], each its own");
  if (value.as_array().size() > kMaxRules)
    Refuse(value, "more than " + std::to_string(kMaxRules) + " rules");
  std::vector<FilingRule> rules;
  for (const toml::value& one : value.as_array()) {
    FilingRule rule = RuleOf(one, rules.size() + 1);
    for (const FilingRule& earlier : rules) {
      if (earlier.name == rule.name) Refuse(one, "there is another rule '" + rule.name + "'");
      if (earlier.conditions.empty())
        Refuse(one, "'" + rule.name + "' is never reached: '" + earlier.name +
                        "' before it has no conditions and matches every image");
    }
    AddFurther(one, rule, further);
    rules.push_back(std::move(rule));
  }
  return rules;
}

Configuration::Emergency EmergencyOf(const toml::value& value) {
  if (!value.is_table()) Refuse(value, "emergency access is written as [emergency]");
  RefuseOthers(value, {"groups", "longest"}, "in [emergency]");
  Configuration::Emergency emergency;
  if (value.contains("groups")) {
    const toml::value& groups = value.at("groups");
    if (!groups.is_array()) Refuse(groups, "'groups' is a list of groups");
    for (const toml::value& one : groups.as_array())
      emergency.groups.push_back(TextOf(one, "a group in [emergency]"));
  }
  if (value.contains("longest")) {
    const toml::value& longest = value.at("longest");
    const auto time = ParseDuration(TextOf(longest, "'longest'"));
    if (!time || *time < std::chrono::minutes(1) || *time > std::chrono::hours(24 * 31))
      Refuse(longest,
             "'longest' is a time such as \"30m\" or \"8h\", of a minute at least and 31 "
             "days at most");
    emergency.longest_seconds = time->count();
  }
  return emergency;
}

struct HostAndPort {
  std::string_view host;
  uint32_t port = 514;  // syslog's, RFC 5426
};

// Of "udp:HOST" or "udp:HOST:PORT"; an IPv6 address stands in brackets. Nothing if written
// otherwise.
std::optional<HostAndPort> UdpOf(std::string_view text) {
  constexpr std::string_view kName =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-";
  constexpr std::string_view kAddress = "0123456789ABCDEFabcdef:.";
  constexpr size_t kMostDigits = 5;
  const auto take = [&](std::string_view start) {
    if (!text.starts_with(start)) return false;
    text.remove_prefix(start.size());
    return true;
  };
  if (!take("udp:")) return std::nullopt;
  const bool bracketed = take("[");
  HostAndPort parts;
  parts.host = text.substr(0, text.find_first_not_of(bracketed ? kAddress : kName));
  text.remove_prefix(parts.host.size());
  if (parts.host.empty() || (bracketed && !take("]"))) return std::nullopt;
  if (text.empty()) return parts;
  if (!take(":") || text.size() > kMostDigits) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parts.port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return parts;
}

void SetSyslog(const toml::value& value, AuditCopies& copies) {
  const std::string& text = TextOf(value, "'syslog'");
  if (text == "local") {
    copies.syslog = AuditCopies::Syslog::kLocal;
    return;
  }
  const auto udp = UdpOf(text);
  if (!udp)
    Refuse(value,
           "'syslog' is \"local\", or \"udp:HOST:PORT\" such as \"udp:logs.example.org:514\"");
  if (udp->port < 1 || udp->port > 65'535)
    Refuse(value, "'syslog' names port " + std::to_string(udp->port));
  copies.syslog = AuditCopies::Syslog::kUdp;
  copies.host = udp->host;
  copies.port = static_cast<uint16_t>(udp->port);
}

AuditCopies AuditCopiesOf(const toml::value& value) {
  if (!value.is_table()) Refuse(value, "copies of the audit trail are written as [audit]");
  RefuseOthers(value, {"journal", "syslog", "source", "site"}, "in [audit]");
  AuditCopies copies;
  if (value.contains("journal")) {
    const toml::value& journal = value.at("journal");
    if (!journal.is_boolean()) Refuse(journal, "'journal' is true or false");
    copies.journal = journal.as_boolean();
  }
  if (value.contains("syslog")) SetSyslog(value.at("syslog"), copies);
  if (value.contains("source")) copies.source_id = TextOf(value.at("source"), "'source'");
  if (value.contains("site")) copies.site_id = TextOf(value.at("site"), "'site'");
  return copies;
}

Configuration FromToml(const toml::value& document) {
  RefuseOthers(document, {"root", "default_group", "emergency", "audit", "rule"}, "at the top");
  Configuration configuration;
  if (document.contains("root")) {
    const toml::value& root = document.at("root");
    const std::string& text = TextOf(root, "'root'");
    if (text != "all" && text != "none") Refuse(root, "'root' is \"all\" or \"none\"");
    configuration.root = text == "all" ? Configuration::Root::kAll : Configuration::Root::kNone;
  }
  if (document.contains("default_group"))
    configuration.default_group = TextOf(document.at("default_group"), "'default_group'");
  if (document.contains("emergency"))
    configuration.emergency = EmergencyOf(document.at("emergency"));
  if (document.contains("audit")) configuration.audit = AuditCopiesOf(document.at("audit"));
  if (document.contains("rule"))
    configuration.rules = RulesOf(document.at("rule"), configuration.further);
  return configuration;
}

// toml11 recurses: what nests deeper than anything here has to would take the stack. Brackets in
// texts are counted as well.
bool NestsTooDeeply(std::string_view toml) {
  constexpr int kDeepest = 64;
  int depth = 0;
  for (const char c : toml) {
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (depth > kDeepest) return true;
  }
  return false;
}

Error Invalid(const std::string& why) {
  return Error(Errc::kInvalidArgument, std::string(kFile) + ": " + why);
}

}  // namespace

Result<Configuration> ParseConfiguration(std::string_view toml) {
  if (toml.size() > kMaxConfigurationBytes)
    return Invalid("it is longer than " + std::to_string(kMaxConfigurationBytes) + " bytes");
  if (!IsUtf8(toml)) return Invalid("it is not UTF-8");
  if (NestsTooDeeply(toml)) return Invalid("its brackets nest too deeply");
  try {
    std::istringstream in{std::string(toml)};
    return FromToml(toml::parse(in, kFile));
  } catch (const Refused& refused) {
    return Invalid(refused.why);
  } catch (const toml::syntax_error& error) {
    std::string what = error.what();
    return Invalid("line " + std::to_string(error.location().line()) +
                   ": not TOML: " + what.substr(0, what.find('\n')));
  } catch (const std::exception& error) {
    return Invalid(std::string("not TOML: ") + error.what());
  }
}

std::vector<std::string> GroupsOf(const Configuration& configuration) {
  std::vector<std::string> groups = FilingGroupsOf(configuration);
  std::set<std::string> all(groups.begin(), groups.end());
  all.insert(configuration.emergency.groups.begin(), configuration.emergency.groups.end());
  return {all.begin(), all.end()};
}

std::vector<std::string> FilingGroupsOf(const Configuration& configuration) {
  std::set<std::string> groups;
  if (!configuration.default_group.empty()) groups.insert(configuration.default_group);
  for (const FilingRule& rule : configuration.rules) {
    groups.insert(rule.group);
    groups.insert(rule.further.begin(), rule.further.end());
  }
  return {groups.begin(), groups.end()};
}

}  // namespace leadglass
