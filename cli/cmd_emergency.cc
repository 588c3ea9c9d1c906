// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/emergency_orders.h"
#include "cli/json.h"
#include "cli/named_study.h"
#include "cli/output.h"
#include "cli/users.h"
#include "fs/duration.h"
#include "fs/study_holds.h"

namespace leadglass {

namespace {

struct EmergencyArguments {
  AskedVault vault;
  std::string study;
  std::string patient;
  std::string issuer;
  std::string reason;
  std::string time;
  std::string user;
  std::string id;
  bool json = false;
};

// One line, such as
//   1f2e3d4d  alice(1001)  until 2026-11-28T08:30:00Z  patient 4711  by clerk(1000): unconscious
std::string GrantLine(const Json& grant) {
  const auto text = [&](const char* member) { return grant.value(member, std::string()); };
  const auto who = [&](const char* user, const char* uid) {
    const std::string number = std::to_string(grant.value(uid, uint64_t{0}));
    return text(user).empty() ? "uid " + number : text(user) + "(" + number + ")";
  };
  std::string line = text("id") + "  " + who("user", "uid") + "  until " + text("until");
  if (text("kind") == "study") line += "  study " + text("study");
  if (!text("patient_id").empty()) line += "  patient " + text("patient_id");
  if (!text("issuer").empty()) line += "  of " + text("issuer");
  line += "  by " + who("by_user", "by_uid") + ": " + text("reason");
  // Headers say anything, also what moves a terminal's cursor.
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return line;
}

ExitCode PrintGrants(const Result<std::vector<Json>>& grants, bool json) {
  if (!grants) return Fail(grants.error());
  if (json) {
    const Json out{{"emergencies", *grants}};
    std::printf("%s\n", JsonLine(out).c_str());
    return ExitCode::kOk;
  }
  for (const Json& grant : *grants) std::printf("%s\n", GrantLine(grant).c_str());
  return ExitCode::kOk;
}

// A name or a number.
Result<uint32_t> UidOf(const std::string& user) {
  if (user.empty() && ::getuid() != 0) return static_cast<uint32_t>(::getuid());
  if (user.empty()) return Error(Errc::kInvalidArgument, "say to whom: --user NAME");
  LG_ASSIGN_OR_RETURN(const auto uid, UidOfUser(user));
  if (uid) return *uid;
  if (user.size() <= 9 && user.find_first_not_of("0123456789") == user.npos)
    return static_cast<uint32_t>(std::stoul(user));
  return Error(Errc::kNotFound, "this machine has no user '" + user + "'");
}

Result<std::pair<AskedVault, EmergencyOrder>> OrderOf(const EmergencyArguments& arguments) {
  EmergencyOrder order;
  LG_ASSIGN_OR_RETURN(order.uid, UidOf(arguments.user));
  const auto time = ParseDuration(arguments.time);
  if (!time) return Error(Errc::kInvalidArgument, "--for is a time such as 30m or 2h");
  order.nanos = std::chrono::nanoseconds(*time).count();
  order.user = NameOfUser(order.uid);
  order.reason = arguments.reason;
  AskedVault vault = arguments.vault;
  if (!arguments.patient.empty()) {
    if (!arguments.study.empty())
      return Error(Errc::kInvalidArgument, "name a study or a patient, not both");
    order.patient_id = arguments.patient;
    if (!arguments.issuer.empty()) order.issuer = arguments.issuer;
    return std::pair(std::move(vault), std::move(order));
  }
  LG_ASSIGN_OR_RETURN(const NamedStudy named, NameStudy(arguments.vault.path, arguments.study));
  vault.path = named.vault;
  order.study = named.study;
  return std::pair(std::move(vault), std::move(order));
}

ExitCode RunBegin(const EmergencyArguments& arguments) {
  const auto order = OrderOf(arguments);
  if (!order) return Fail(order.error());
  return PrintGrants(BeginEmergency(order->first, order->second), arguments.json);
}

ExitCode RunEnd(const EmergencyArguments& arguments) {
  const auto id = ParseHoldId(arguments.id);
  if (!id)
    return Fail(Error(Errc::kInvalidArgument,
                      "ID is eight hexadecimal digits, as `leadglass emergency list` shows them"));
  return PrintGrants(EndEmergency(arguments.vault, *id), arguments.json);
}

void AddEmergencyOptions(CLI::App& command, EmergencyArguments& arguments) {
  command.add_option("--passphrase-file", arguments.vault.passphrase_file,
                     "For a vault that is not mounted: take the passphrase from the first line of "
                     "this file; - is standard input");
  command.add_flag("--json", arguments.json, "Print JSON");
}

}  // namespace

void AddEmergencyCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<EmergencyArguments>();
  CLI::App* const emergency = app.add_subcommand(
      "emergency", "Break glass: let a user read a patient's images for a while, on record");
  emergency->require_subcommand(1);

  CLI::App* const begin = emergency->add_subcommand("begin", "Give it, or take it");
  begin
      ->add_option("VAULT", arguments->vault.path,
                   "A mount point, or the folder of a vault; or alone: the patient's or study's "
                   "folder on a mount")
      ->required();
  begin->add_option("STUDY", arguments->study,
                    "A StudyInstanceUID, or a path on the mount (/patients/...)");
  begin->add_option("--patient", arguments->patient, "A PatientID: all studies of the patient");
  begin->add_option("--issuer", arguments->issuer, "Its IssuerOfPatientID");
  begin->add_option("--reason", arguments->reason, "Why: it is kept in the audit trail")
      ->required();
  begin->add_option("--for", arguments->time, "How long: 30m, 2h")->required();
  begin->add_option("--user", arguments->user, "Who; else who asks");
  AddEmergencyOptions(*begin, *arguments);
  begin->footer(
      "Who operates the vault gives it to anybody; members of the groups that the configuration "
      "names take it for themselves.\n\n"
      "Examples:\n"
      "  leadglass emergency begin /mnt/images --patient 4711 --for 30m --reason 'unconscious'\n"
      "  leadglass emergency begin /mnt/images 1.2.840.113619.2.55 --user alice --for 2h "
      "--reason '...'");
  begin->callback([arguments, &action] { action = [arguments] { return RunBegin(*arguments); }; });

  CLI::App* const end = emergency->add_subcommand("end", "End it before its time");
  end->add_option("VAULT", arguments->vault.path, "A mount point, or the folder of a vault")
      ->required();
  end->add_option("ID", arguments->id, "As `leadglass emergency list` shows it")->required();
  AddEmergencyOptions(*end, *arguments);
  end->footer("Example:\n  leadglass emergency end /mnt/images 1f2e3d4d");
  end->callback([arguments, &action] { action = [arguments] { return RunEnd(*arguments); }; });

  CLI::App* const list = emergency->add_subcommand("list", "Show what is in force");
  list->add_option("VAULT", arguments->vault.path, "A mount point, or the folder of a vault")
      ->required();
  AddEmergencyOptions(*list, *arguments);
  list->footer("Example:\n  leadglass emergency list /mnt/images --json");
  list->callback([arguments, &action] {
    action = [arguments] {
      return PrintGrants(ListEmergencies(arguments->vault), arguments->json);
    };
  });
}

}  // namespace leadglass
