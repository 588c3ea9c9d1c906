// SPDX-License-Identifier: Apache-2.0
#pragma once

// How commands get at a vault's audit trail, and which records of it they want.

#include <functional>
#include <optional>
#include <string>

#include "cli/asked_vault.h"
#include "cli/json.h"

namespace leadglass {

// What is wanted; what is not set does not matter.
struct AuditFilter {
  std::string study;    // StudyInstanceUID
  std::string patient;  // PatientID
  std::string user;     // a name or a number
  int64_t since = 0;    // nanoseconds since 1970 UTC
  int64_t until = INT64_MAX;
  bool refused = false;  // only what was
};
bool Wants(const AuditFilter& filter, const AuditRecord& record);

// "2026-11-28", "2026-11-28T08:00" or "2026-11-28 08:00:15" (of this machine's time zone), or how
// long ago: "90m", "12h", "30d". Nanoseconds since 1970 UTC; kInvalidArgument: neither.
Result<int64_t> ParseMoment(const std::string& text, int64_t now);

Json ToJson(const AuditRecord& record);
// The same as one line for people, such as
//   2026-11-28T08:00:01Z  read x120  ok  alice(1001)  dcmview[4711]  study 1.2.3  patient 77
std::string AuditLine(const Json& record);

// Every record that is wanted, oldest first, as ToJson() has it. Errors of MountOf(), Ask(),
// WithVault() and ReadAuditTrail().
Status ReadAudit(const AskedVault& vault, const AuditFilter& filter,
                 const std::function<void(const Json&)>& visitor);
// {"whole", "records", "commits", "from", "until", "head", "damage"}
Result<Json> VerifyAudit(const AskedVault& vault);

// The daemon's side: answers what the two above ask. nullopt: the question is not one of theirs.
std::optional<std::string> AnswerAudit(Vault& vault, const std::string& question);

}  // namespace leadglass
