// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <filesystem>

#include "cli/commands.h"
#include "cli/daemonise.h"
#include "cli/mount_daemon.h"
#include "cli/output.h"
#include "cli/remembered_head.h"
#include "cli/vault_access.h"
#include "fs/fuse_mounts.h"

namespace leadglass {

namespace {

struct MountArguments {
  std::string folder;
  std::string mountpoint;
  std::string passphrase_file;
  std::string state_dir;
  std::vector<std::string> options;
  std::string log_level = "info";
  bool foreground = false;
  bool accept_rollback = false;
};

// A mount whose process was killed answers ENOTCONN for ever, and the new one would lie on top.
Status DetachDeadMounts(const std::string& folder, const std::string& mountpoint) {
  LG_ASSIGN_OR_RETURN(const auto mounts, ListFuseMounts());
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    if (mount->source != folder && mount->mountpoint != mountpoint) continue;
    if (!IsDeadMount(mount->mountpoint)) continue;
    LG_RETURN_IF_ERROR(UnmountFuse(mount->mountpoint, Detach::kLazily));
    PrintMessage("detached a dead mount");
  }
  return {};
}

Result<std::string> Mountpoint(const std::string& argument) {
  LG_ASSIGN_OR_RETURN(std::string mountpoint, CanonicalPath(argument));
  std::error_code error;
  if (!std::filesystem::is_directory(mountpoint, error)) {
    return Error(Errc::kInvalidArgument, "the mount point is no folder");
  }
  return mountpoint;
}

Status RefuseLiveMount(const std::string& folder) {
  if (MountpointsOf(folder).empty() || !IsVaultHeld(folder)) return {};
  return Error(Errc::kUnavailable, "the vault is mounted already; `leadglass status` tells where");
}

Result<MountPlan> MakePlan(const MountArguments& arguments) {
  MountPlan plan;
  LG_ASSIGN_OR_RETURN(plan.options, ParseMountOptions(arguments.options, ::geteuid() == 0));
  plan.options.accept_rollback |= arguments.accept_rollback;
  LG_ASSIGN_OR_RETURN(plan.folder, CanonicalPath(arguments.folder));
  LG_ASSIGN_OR_RETURN(const VaultInfo info, VaultKeys::Inspect(PosixFileSystem(), plan.folder));
  plan.vault_id = info.vault_id;
  plan.mounter_uid = ::getuid();
  plan.mounter_gid = ::getgid();
  LG_RETURN_IF_ERROR(DetachDeadMounts(plan.folder, AbsolutePath(arguments.mountpoint)));
  LG_RETURN_IF_ERROR(RefuseLiveMount(plan.folder));
  LG_ASSIGN_OR_RETURN(plan.mountpoint, Mountpoint(arguments.mountpoint));
  LG_ASSIGN_OR_RETURN(plan.state_folder, StateFolder(arguments.state_dir));
  plan.state_folder = AbsolutePath(plan.state_folder);
  plan.passphrase_file = arguments.passphrase_file;
  plan.foreground = arguments.foreground;
  plan.log_level = arguments.log_level;
  return plan;
}

ExitCode RunMount(const MountArguments& arguments) {
  const auto plan = MakePlan(arguments);
  if (!plan) return Fail(plan.error());
  if (plan->foreground) return RunMountDaemon(*plan, [] {});
  // Without a file the passphrase is asked for on the terminal.
  auto background = Background::Fork(plan->passphrase_file.empty() ? Background::Session::kWhenReady
                                                                   : Background::Session::kAtOnce);
  if (!background) return Fail(background.error());
  if (background->is_parent()) return background->AwaitChild();
  return RunMountDaemon(*plan, [&background] { background->Ready(); });
}

void AddOptions(CLI::App& command, MountArguments& arguments) {
  command.add_option("VAULT", arguments.folder, "The folder of the vault")->required();
  command.add_option("MOUNTPOINT", arguments.mountpoint, "The folder to mount it on")->required();
  command.add_option("--passphrase-file", arguments.passphrase_file,
                     "Take the passphrase from the first line of this file; - is standard input");
  command.add_flag("-f,--foreground", arguments.foreground,
                   "Stay attached, and log to standard error");
  command.add_option("--state-dir", arguments.state_dir,
                     "Where the newest head that was seen is remembered");
  command.add_flag("--accept-rollback", arguments.accept_rollback,
                   "Mount a vault that is older than the remembered head; begins a new epoch");
  command
      .add_option(
          "-o", arguments.options,
          "ro, salvage, allow_other, durable-close, horizon=24h, dev, suid, noexec; separated by "
          "commas")
      ->allow_extra_args(false)
      ->take_all();
  command.add_option("--log-level", arguments.log_level, "trace, debug, info, warning or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error"}))
      ->capture_default_str();
}

}  // namespace

void AddMountCommand(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<MountArguments>();
  CLI::App* const command = app.add_subcommand("mount", "Mount a vault; returns when it is usable");
  AddOptions(*command, *arguments);
  command->footer(
      "Examples:\n"
      "  leadglass mount /srv/images.vault /mnt/images\n"
      "  leadglass mount /srv/images.vault /mnt/images --passphrase-file /root/passphrase \\\n"
      "      -o durable-close\n"
      "  leadglass mount /srv/images.vault /mnt/images -o ro --foreground");
  command->callback(
      [arguments, &action] { action = [arguments] { return RunMount(*arguments); }; });
}

}  // namespace leadglass
