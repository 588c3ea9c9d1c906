// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <thread>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/vault_access.h"
#include "fs/fuse_mounts.h"

namespace leadglass {

namespace {

// Closing writes what is pending and flushes the index: seconds, unless the disk is very slow.
constexpr auto kPatience = std::chrono::minutes(5);

// The process behind the mount holds the vault's lock until the vault is closed.
bool AwaitClosed(const std::string& folder) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  auto pause = std::chrono::milliseconds(5);
  while (IsVaultHeld(folder)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(200));
  }
  return true;
}

ExitCode RunUmount(const std::string& argument) {
  // Resolving a link asks the mounted filesystem nothing, unless it is dead: then the name must do.
  const auto resolved = CanonicalPath(argument);
  const auto mount = MountAt(resolved ? *resolved : AbsolutePath(argument));
  if (!mount) return Fail(mount.error());
  const Detach how = IsDeadMount(mount->mountpoint) ? Detach::kLazily : Detach::kNow;
  if (const Status done = UnmountFuse(mount->mountpoint, how); !done) return Fail(done.error());
  if (AwaitClosed(mount->source)) return ExitCode::kOk;
  PrintMessage("unmounted, but the vault is not closed after 5 minutes; look at the log");
  return ExitCode::kBusy;
}

}  // namespace

void AddUmountCommand(CLI::App& app, Action& action) {
  auto mountpoint = std::make_shared<std::string>();
  CLI::App* const command =
      app.add_subcommand("umount", "Unmount, and wait until the vault is closed");
  command->add_option("MOUNTPOINT", *mountpoint, "Where it is mounted")->required();
  command->footer("Example:\n  leadglass umount /mnt/images");
  command->callback(
      [mountpoint, &action] { action = [mountpoint] { return RunUmount(*mountpoint); }; });
}

}  // namespace leadglass
