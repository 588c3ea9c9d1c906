// SPDX-License-Identifier: Apache-2.0
#pragma once

// Configuration: what the hospital decides about a vault, as TOML 1.0 text. docs/configuration.md
// is its reference. Parsing is pure: no group is looked up, no file read.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"
#include "fs/audit_copies.h"
#include "fs/filing_rules.h"
#include "index/further_elements.h"

namespace leadglass {

struct Configuration {
  // Whether root reads what its groups do not let it.
  enum class Root : uint8_t { kAll, kNone };
  Root root = Root::kAll;
  std::string default_group;  // of studies that no rule matches; empty: the vault's owner's
  std::vector<FilingRule> rules;
  FurtherElements further;  // what the rules ask of headers that is not always read
  // Who may take emergency access for himself, and for how long anybody has it at most.
  struct Emergency {
    std::vector<std::string> groups;
    int64_t longest_seconds = 24 * 60 * 60;
    bool operator==(const Emergency&) const = default;
  };
  Emergency emergency;
  AuditCopies audit;
  bool operator==(const Configuration&) const = default;
};

inline constexpr size_t kMaxConfigurationBytes = 64u << 10;
inline constexpr size_t kMaxRules = 1000;

// kInvalidArgument: not TOML, an unknown key, a value of another type or beyond a limit, or rules
// that contradict each other (two of one name; one that nothing can reach behind one without
// conditions; a group both owner and further; a range that is empty), an attribute that is no
// element of PS3.6 with a text, or more than kMaxFurtherElements that only rules ask for. The
// message has the line, and says what to write instead where that is plain.
Result<Configuration> ParseConfiguration(std::string_view toml);

// The groups that it names, sorted, each once.
std::vector<std::string> GroupsOf(const Configuration& configuration);
// Those of them to which it gives studies.
std::vector<std::string> FilingGroupsOf(const Configuration& configuration);

}  // namespace leadglass
