// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>

#include "cli/commands.h"
#include "cli/control_socket.h"
#include "cli/output.h"
#include "cli/status_report.h"
#include "cli/vault_access.h"

namespace leadglass {

namespace {

struct StatusArguments {
  std::string path;
  std::string passphrase_file;
  bool json = false;
};

// Of the disk: a log has holes where deleted bytes were.
uint64_t FolderBytes(const std::string& folder) {
  constexpr uint64_t kUnit = 512;  // of st_blocks
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, ignored)) {
    struct stat info {};
    if (::lstat(entry.path().c_str(), &info) == 0 && S_ISREG(info.st_mode))
      bytes += static_cast<uint64_t>(info.st_blocks) * kUnit;
  }
  return bytes;
}

ExitCode Print(const std::string& report, bool json) {
  if (json) {
    std::printf("%s\n", report.c_str());
    return ExitCode::kOk;
  }
  if (PrintReport(report)) return ExitCode::kOk;
  PrintMessage("the answer is not understood: is the mounted version another one?");
  return ExitCode::kInternal;
}

ExitCode MountStatus(const FuseMount& mount, bool json) {
  if (IsDeadMount(mount.mountpoint)) {
    return Fail(Error(Errc::kUnavailable,
                      "the process behind the mount has died: `leadglass umount`, or mount again"));
  }
  const auto report = AskControl(mount, "status");
  if (!report) return Fail(report.error());
  return Print(*report, json);
}

Result<std::string> OpenedReport(const VaultFacts& facts, const std::string& passphrase_file) {
  LG_ASSIGN_OR_RETURN(const auto keys, UnlockVault(facts.folder, passphrase_file));
  Vault::Options options;
  options.read_only = true;
  LG_ASSIGN_OR_RETURN(const auto vault, Vault::Open(PosixFileSystem(), facts.folder, *keys, nullptr,
                                                    options, SystemClock()));
  std::string report = VaultReport(facts, *vault);
  LG_RETURN_IF_ERROR(vault->Close());
  return report;
}

ExitCode VaultStatusOf(const std::string& folder, const StatusArguments& arguments) {
  const auto info = VaultKeys::Inspect(PosixFileSystem(), folder);
  if (!info) return Fail(info.error());
  VaultFacts facts;
  facts.folder = folder;
  facts.info = *info;
  facts.mounted_at = MountpointsOf(folder);
  facts.held = IsVaultHeld(folder);
  facts.log_bytes = FolderBytes(folder + "/log");
  facts.index_bytes = FolderBytes(folder + "/index");
  if (arguments.passphrase_file.empty()) return Print(VaultReport(facts), arguments.json);
  const auto report = OpenedReport(facts, arguments.passphrase_file);
  if (!report) return Fail(report.error());
  return Print(*report, arguments.json);
}

ExitCode RunStatus(const StatusArguments& arguments) {
  const auto resolved = CanonicalPath(arguments.path);
  const std::string path = resolved ? *resolved : AbsolutePath(arguments.path);
  const auto mounts = ListFuseMounts();
  if (!mounts) return Fail(mounts.error());
  for (auto mount = mounts->rbegin(); mount != mounts->rend(); ++mount) {
    if (mount->mountpoint == path) return MountStatus(*mount, arguments.json);
  }
  if (!resolved) return Fail(resolved.error());
  return VaultStatusOf(path, arguments);
}

}  // namespace

void AddStatusCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<StatusArguments>();
  CLI::App* const command = app.add_subcommand("status", "Tell of a vault or of a mount");
  command->add_option("PATH", arguments->path, "The folder of a vault, or a mount point")
      ->required();
  command->add_option("--passphrase-file", arguments->passphrase_file,
                      "Open a vault that is not mounted, and tell what only its log knows");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  leadglass status /mnt/images\n"
      "  leadglass status /srv/images.vault --json");
  command->callback(
      [arguments, &action] { action = [arguments] { return RunStatus(*arguments); }; });
}

}  // namespace leadglass
