// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/passphrase.h"
#include "cli/recovery_reader.h"
#include "cli/recovery_sheet.h"
#include "cli/slot_json.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

struct RecoveryArguments {
  std::string folder;
  std::string passphrase_file;
  std::string split;   // "3/5"; empty: whole
  std::string output;  // empty: standard output
  std::vector<std::string> files;
  bool json = false;
};

struct Division {
  uint32_t threshold = 0;
  uint32_t shares = 0;
};

// nullopt for an empty text: not divided.
Result<std::optional<Division>> ParseDivision(const std::string& text) {
  if (text.empty()) return std::optional<Division>();
  Division division;
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, division.threshold);
  if (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '/') {
    parsed = std::from_chars(parsed.ptr + 1, end, division.shares);
    if (parsed.ec == std::errc() && parsed.ptr == end) return std::optional(division);
  }
  return Error(Errc::kInvalidArgument,
               "--split takes how many shares are needed, and of how many, such as 3/5");
}

Result<std::vector<RecoveryCode>> CodesOf(const RecoveryKey& key,
                                          const std::optional<Division>& division) {
  if (division) return ShareCodes(key, division->threshold, division->shares);
  std::vector<RecoveryCode> codes;
  codes.push_back(WholeCode(key));
  return codes;
}

std::string SheetName(const RecoveryCode& code) {
  std::string name = "leadglass-recovery-" + KitName(code.kit);
  if (code.is_share())
    name += "-share-" + std::to_string(code.number) + "-of-" + std::to_string(code.shares);
  return name + ".txt";
}

// Where each sheet goes. Of a kit that is divided `output` is a folder, which is made if it is
// missing; of a whole one it is the file, or a folder for it.
Result<std::vector<std::string>> SheetPaths(const std::string& output,
                                            const std::vector<RecoveryCode>& codes) {
  const std::string absolute = AbsolutePath(output);
  std::error_code ignored;
  const bool divided = codes.front().is_share();
  if (!divided && !std::filesystem::is_directory(absolute, ignored))
    return std::vector<std::string>{absolute};
  if (::mkdir(absolute.c_str(), 0700) != 0 && errno != EEXIST)
    return SystemError(errno, "make the folder for the sheets");
  std::vector<std::string> paths;
  for (const RecoveryCode& code : codes) paths.push_back(absolute + "/" + SheetName(code));
  return paths;
}

// New files that go away again unless they are kept.
class SheetFiles {
 public:
  SheetFiles() = default;
  SheetFiles(const SheetFiles&) = delete;
  SheetFiles& operator=(const SheetFiles&) = delete;
  ~SheetFiles() {
    for (const std::string& path : paths_) ::unlink(path.c_str());
  }
  // Durable on return.
  Status Write(const SheetFacts& facts, const RecoveryCode& code, const std::string& path) {
    LG_ASSIGN_OR_RETURN(SecretOutput out, SecretOutput::NewFile(path));
    paths_.push_back(path);
    LG_RETURN_IF_ERROR(WriteRecoverySheet(facts, code, out));
    return out.Finish();
  }
  void Keep() { paths_.clear(); }

 private:
  std::vector<std::string> paths_;
};

// The sheets lie on the disk before the vault knows the key, and vanish if it does not take it: no
// failure leaves a key that nobody has.
Result<SlotInfo> ExportToFiles(VaultKeys& keys, const SheetFacts& facts, const RecoveryKey& key,
                               const std::vector<RecoveryCode>& codes,
                               const std::vector<std::string>& paths) {
  SheetFiles files;
  for (size_t i = 0; i < codes.size(); ++i)
    LG_RETURN_IF_ERROR(files.Write(facts, codes[i], paths[i]));
  LG_ASSIGN_OR_RETURN(SlotInfo slot, keys.AddRecoverySlot(key, SystemClock()));
  files.Keep();
  return slot;
}

Status Print(const SheetFacts& facts, const std::vector<RecoveryCode>& codes) {
  SecretOutput out = SecretOutput::ToStandardOutput();
  for (size_t i = 0; i < codes.size(); ++i) {
    // Each on a page of its own, where this goes to a printer.
    if (i > 0) out.Text(out.is_terminal() ? "\n\n" : "\f");
    LG_RETURN_IF_ERROR(WriteRecoverySheet(facts, codes[i], out));
  }
  return out.Finish();
}

Result<SlotInfo> ExportToPrint(VaultKeys& keys, const SheetFacts& facts, const RecoveryKey& key,
                               const std::vector<RecoveryCode>& codes) {
  LG_ASSIGN_OR_RETURN(SlotInfo slot, keys.AddRecoverySlot(key, SystemClock()));
  if (const Status printed = Print(facts, codes); !printed)
    return Error(printed.error().code,
                 printed.error().context + "; the kit is slot " + std::to_string(slot.id) +
                     ", and of no use without its sheets: remove it (`leadglass passphrase "
                     "remove`), and export again",
                 printed.error().posix_errno);
  return slot;
}

void TellExported(const SlotInfo& slot, const std::vector<std::string>& paths, bool json) {
  if (json) {
    const Json report = {{"slot", SlotJson(slot)}, {"files", paths}};
    std::printf("%s\n", JsonText(report).c_str());
    return;
  }
  PrintMessage("recovery kit " + KitName(*slot.recovery_kit) +
               " opens the vault from now on, as slot " + std::to_string(slot.id));
  for (const std::string& path : paths) std::printf("%s\n", path.c_str());
  PrintMessage(paths.empty()
                   ? "print or copy what stands above, and clear the terminal"
                   : "print each file, keep it away from this machine, and remove the file");
}

Status Export(const RecoveryArguments& arguments) {
  LG_ASSIGN_OR_RETURN(const auto division, ParseDivision(arguments.split));
  if (arguments.json && arguments.output.empty())
    return Error(Errc::kInvalidArgument,
                 "a key is not printed as JSON: give --output for the sheets, too");
  const RecoveryKey key = NewRecoveryKey();
  LG_ASSIGN_OR_RETURN(const auto codes, CodesOf(key, division));
  LG_ASSIGN_OR_RETURN(const std::string folder, CanonicalPath(arguments.folder));
  LG_ASSIGN_OR_RETURN(const auto keys, UnlockVault(folder, arguments.passphrase_file));
  const SheetFacts facts{keys->info().vault_id, SystemClock().WallNanos() / 1'000'000'000};
  if (arguments.output.empty()) {
    LG_ASSIGN_OR_RETURN(const SlotInfo slot, ExportToPrint(*keys, facts, key, codes));
    TellExported(slot, {}, false);
    return {};
  }
  LG_ASSIGN_OR_RETURN(const auto paths, SheetPaths(arguments.output, codes));
  LG_ASSIGN_OR_RETURN(const SlotInfo slot, ExportToFiles(*keys, facts, key, codes, paths));
  TellExported(slot, paths, arguments.json);
  return {};
}

ExitCode RunRecoveryExport(const RecoveryArguments& arguments) {
  // Before the first key is made.
  if (const Status forbidden = ForbidCoreDumps(); !forbidden) return Fail(forbidden.error());
  const Status done = Export(arguments);
  return done ? ExitCode::kOk : Fail(done.error());
}

// One code after the other, until they suffice; a mistyped one is asked for again.
Result<std::vector<RecoveryCode>> AskForCodes() {
  std::vector<RecoveryCode> codes;
  while (const uint32_t missing = MissingShares(codes)) {
    const std::string prompt = codes.empty()
                                   ? "Recovery code"
                                   : "Recovery code (" + std::to_string(missing) + " more of kit " +
                                         KitName(codes.front().kit) + ")";
    LG_ASSIGN_OR_RETURN(const SecretBytes text, AskPassphrase(prompt, false));
    Result<RecoveryCode> code = DecodeRecoveryCode(text.ExposeForOpenSsl());
    if (!code) {
      PrintMessage(code.error().context);
      continue;
    }
    codes.push_back(std::move(*code));
  }
  return codes;
}

Result<std::vector<RecoveryCode>> GetCodes(const std::vector<std::string>& files) {
  if (files.empty() && ::isatty(STDIN_FILENO) == 1) return AskForCodes();
  std::vector<RecoveryCode> codes;
  for (size_t i = 0; i < std::max<size_t>(files.size(), 1); ++i) {
    auto read = ReadRecoveryCodes(files.empty() ? "-" : files[i]);
    if (!read && files.size() > 1)
      return Error(read.error().code, "file " + std::to_string(i + 1) + ": " + read.error().context,
                   read.error().posix_errno);
    if (!read) return read;
    if (read->empty() && !files.empty())
      return Error(Errc::kInvalidArgument, "file " + std::to_string(i + 1) +
                                               " has no recovery code: a line in it begins "
                                               "with LGR1");
    std::move(read->begin(), read->end(), std::back_inserter(codes));
  }
  return codes;
}

Status Combine(const RecoveryArguments& arguments) {
  LG_ASSIGN_OR_RETURN(const auto codes, GetCodes(arguments.files));
  LG_ASSIGN_OR_RETURN(const RecoveryKey key, CombineCodes(codes));
  SecretOutput out = SecretOutput::ToStandardOutput();
  if (!arguments.output.empty()) {
    LG_ASSIGN_OR_RETURN(out, SecretOutput::NewFile(AbsolutePath(arguments.output)));
  }
  const SecretBytes text = EncodeRecoveryCode(WholeCode(key));
  out.Secret(text.ExposeForOpenSsl());
  out.Text("\n");
  return out.Finish();
}

ExitCode RunRecoveryCombine(const RecoveryArguments& arguments) {
  if (const Status forbidden = ForbidCoreDumps(); !forbidden) return Fail(forbidden.error());
  const Status done = Combine(arguments);
  return done ? ExitCode::kOk : Fail(done.error());
}

using RunRecovery = ExitCode (*)(const RecoveryArguments&);
void SetAction(CLI::App& command, const std::shared_ptr<RecoveryArguments>& arguments,
               Action& action, RunRecovery run) {
  command.callback(
      [arguments, &action, run] { action = [arguments, run] { return run(*arguments); }; });
}

}  // namespace

void AddRecoveryCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RecoveryArguments>();
  CLI::App* const recovery = app.add_subcommand(
      "recovery", "Make and use a recovery kit: a key on paper that opens the vault");
  recovery->require_subcommand(1);

  CLI::App* const make = recovery->add_subcommand(
      "export", "Make a new kit, and print it or write it to files (mode 0600)");
  make->add_option("VAULT", arguments->folder, "The folder of a vault, mounted or not")->required();
  make->add_option("--split", arguments->split,
                   "K/N: make N sheets, any K of which open the vault (2 to 16)");
  make->add_option("--output", arguments->output,
                   "A new file for the sheet; with --split a folder for the sheets");
  make->add_option("--passphrase-file", arguments->passphrase_file,
                   "Take the passphrase from the first line of this file; - is standard input");
  make->add_flag("--json", arguments->json, "Print JSON (needs --output; the key is not in it)");
  make->footer(
      "Examples:\n"
      "  leadglass recovery export /srv/images.vault | lp\n"
      "  leadglass recovery export /srv/images.vault --split 3/5 --output /media/usb/kit");
  SetAction(*make, arguments, action, RunRecoveryExport);

  CLI::App* const combine = recovery->add_subcommand(
      "combine", "Make the recovery key of the shares of a kit; asks for them without FILE");
  combine->add_option("FILE", arguments->files, "Sheets, or lines with codes; - is standard input");
  combine->add_option("--output", arguments->output,
                      "A new file for the key, to be given as --passphrase-file");
  combine->footer(
      "Examples:\n"
      "  leadglass recovery combine --output /root/key\n"
      "  leadglass recovery combine share-1.txt share-4.txt |\n"
      "      leadglass mount /srv/images.vault /mnt/images --passphrase-file -");
  SetAction(*combine, arguments, action, RunRecoveryCombine);
}

}  // namespace leadglass
