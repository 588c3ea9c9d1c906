// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/audit_access.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"

namespace leadglass {

namespace {

struct AuditArguments {
  AskedVault vault;
  AuditFilter filter;
  std::string since;
  std::string until;
  bool json = false;
};

ExitCode RunAudit(AuditArguments arguments) {
  const int64_t now = SystemClock().WallNanos();
  if (!arguments.since.empty()) {
    const auto since = ParseMoment(arguments.since, now);
    if (!since) return Fail(since.error());
    arguments.filter.since = *since;
  }
  if (!arguments.until.empty()) {
    const auto until = ParseMoment(arguments.until, now);
    if (!until) return Fail(until.error());
    arguments.filter.until = *until;
  }
  const Status read = ReadAudit(arguments.vault, arguments.filter, [&](const Json& record) {
    const std::string line = arguments.json ? JsonLine(record) : AuditLine(record);
    std::printf("%s\n", line.c_str());
  });
  return read ? ExitCode::kOk : Fail(read.error());
}

ExitCode RunVerify(const AuditArguments& arguments) {
  const auto proof = VerifyAudit(arguments.vault);
  if (!proof) return Fail(proof.error());
  const Json damage = proof->value("damage", Json::array());
  if (arguments.json) {
    std::printf("%s\n", JsonText(*proof).c_str());
  } else {
    for (const Json& line : damage) std::printf("%s\n", line.get<std::string>().c_str());
    PrintRows({{"audit trail", proof->value("whole", false) ? "whole" : "NOT WHOLE"},
               {"records", std::to_string(proof->value("records", uint64_t{0}))},
               {"from", proof->value("from", std::string())},
               {"until", proof->value("until", std::string())},
               {"head", proof->value("head", std::string())}});
  }
  return damage.empty() ? ExitCode::kOk : ExitCode::kDamaged;
}

CLI::Option* AddVault(CLI::App& command, AuditArguments& arguments) {
  command.add_option("--passphrase-file", arguments.vault.passphrase_file,
                     "For a vault that is not mounted: take the passphrase from the first line of "
                     "this file; - is standard input");
  command.add_flag("--json", arguments.json, "Print JSON, one record a line");
  return command.add_option("VAULT", arguments.vault.path,
                            "The folder of a vault, or a mount point");
}

}  // namespace

void AddAuditCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<AuditArguments>();
  CLI::App* const audit =
      app.add_subcommand("audit", "Who did what with which study, and whether that is all");
  CLI::Option* const vault = AddVault(*audit, *arguments);
  audit->add_option("--study", arguments->filter.study, "Of this StudyInstanceUID only");
  audit->add_option("--patient", arguments->filter.patient, "Of this PatientID only");
  audit->add_option("--user", arguments->filter.user, "Of this user only: a name or a number");
  audit->add_option("--since", arguments->since,
                    "What ended after this: 2026-11-28, 2026-11-28T08:00, or 30d, 12h, 90m ago");
  audit->add_option("--until", arguments->until, "What began before this");
  audit->add_flag("--refused", arguments->filter.refused, "Only what was refused");
  audit->footer(
      "Prints the records, oldest first. What was opened is counted for each minute, user, program "
      "and study; everything else stands by itself. Times are UTC.\n\n"
      "Examples:\n"
      "  leadglass audit /mnt/images --patient 4711 --since 30d\n"
      "  leadglass audit /mnt/images --refused --json\n"
      "  leadglass audit verify /mnt/images");

  CLI::App* const verify =
      audit->add_subcommand("verify", "Prove that no record was removed or changed");
  AddVault(*verify, *arguments)->required();
  verify->footer(
      "Write the head down elsewhere: it stands for all records before it.\n\n"
      "Example:\n  leadglass audit verify /mnt/images");

  audit->callback([arguments, &action, vault, audit, verify] {
    if (audit->got_subcommand(verify)) {
      action = [arguments] { return RunVerify(*arguments); };
    } else if (vault->count() == 0) {
      throw CLI::RequiredError("VAULT");
    } else {
      action = [arguments] { return RunAudit(*arguments); };
    }
  });
}

}  // namespace leadglass
