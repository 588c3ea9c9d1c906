// SPDX-License-Identifier: Apache-2.0
#include "cli/vault_access.h"

#include "cli/passphrase.h"
#include "cli/privileges.h"
#include "fs/fuse_mounts.h"

namespace leadglass {

namespace {

constexpr const char* kLockFile = "/lock";

}  // namespace

Result<SecretBytes> PassphraseFor(const std::string& folder, const std::string& passphrase_file) {
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const VaultInfo info,
                      VaultKeys::Inspect(PosixFileSystem(), folder));
  LG_RETURN_IF_ERROR(ForbidCoreDumps());
  return GetPassphrase(passphrase_file, "Passphrase", false);
}

Result<std::unique_ptr<VaultKeys>> UnlockVault(const std::string& folder,
                                               const std::string& passphrase_file) {
  LG_RETURN_IF_ERROR(RefuseToActAsRoot(folder));
  LG_ASSIGN_OR_RETURN(const SecretBytes passphrase, PassphraseFor(folder, passphrase_file));
  return VaultKeys::Unlock(PosixFileSystem(), folder, passphrase);
}

Result<std::unique_ptr<File>> HoldVault(const std::string& folder) {
  LG_RETURN_IF_ERROR(RefuseToActAsRoot(folder));
  LG_ASSIGN_OR_RETURN(auto lock, PosixFileSystem().Open(folder + kLockFile, OpenMode::kCreate));
  if (const Status held = lock->TryLock(); !held) {
    if (held.error().code != Errc::kUnavailable) return held.error();
    return Error(Errc::kUnavailable, "the vault is open in another process; unmount it first");
  }
  return lock;
}

Result<uint32_t> ChangeKeyEpoch(const std::string& folder, const std::string& passphrase_file,
                                const std::function<Status(VaultKeys&)>& change) {
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const VaultInfo info,
                      VaultKeys::Inspect(PosixFileSystem(), folder));
  LG_ASSIGN_OR_RETURN(auto lock, HoldVault(folder));
  LG_ASSIGN_OR_RETURN(const auto keys, UnlockVault(folder, passphrase_file));
  LG_RETURN_IF_ERROR(change(*keys));
  lock.reset();
  const Status recorded = Vault::RecordKeyEpoch(PosixFileSystem(), folder, *keys, SystemClock());
  if (!recorded)
    return Error(recorded.error().code,
                 recorded.error().context +
                     "; the new keys are in force, but the log does not say so yet, and an old "
                     "vault file put back with its keyring would not be noticed: mend that, and "
                     "mount the vault for writing",
                 recorded.error().posix_errno);
  return keys->key_epoch();
}

bool IsVaultHeld(const std::string& folder) {
  const auto lock = PosixFileSystem().Open(folder + kLockFile, OpenMode::kRead);
  if (!lock) return false;
  const Status held = (*lock)->TryLock();
  return !held && held.error().code == Errc::kUnavailable;
}

std::vector<std::string> MountpointsOf(const std::string& folder) {
  std::vector<std::string> out;
  const auto mounts = ListFuseMounts();
  if (!mounts) return out;
  for (const FuseMount& mount : *mounts) {
    if (mount.source == folder) out.push_back(mount.mountpoint);
  }
  return out;
}

}  // namespace leadglass
