// SPDX-License-Identifier: Apache-2.0
#pragma once

// How commands get at a vault that may be mounted: by the process behind the mount where there is
// one, else by opening it for the time of the command. What goes over the control socket is JSON.

#include <optional>
#include <string>

#include "cli/audit_courier.h"
#include "cli/control_socket.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/vault_access.h"
#include "crypto/base/clock.h"
#include "fs/vault.h"

namespace leadglass {

// Which vault is meant.
struct AskedVault {
  std::string path;             // its folder, or a mount point
  std::string passphrase_file;  // for a vault that is not mounted; empty: asks
};

// Where it is mounted; nullopt: nowhere.
Result<std::optional<FuseMount>> MountOf(const AskedVault& vault);

// Errors that the daemon answers with are given as they were; kUnsupported: it does not know the
// question. Others as AskControl().
Result<Json> Ask(const FuseMount& mount, const std::string& question,
                 ControlDoor door = ControlDoor::kOperators);
// An error as JSON, and the error that such an answer is; nullopt: it is none.
std::string Refusal(const Error& error);
std::optional<Error> RefusalIn(const Json& answer);
// For an answer that lacks what it should have.
Error NotUnderstood();

// Opens the vault, gives it to `use`, and closes it. Errors of UnlockVault() and Vault::Open().
template <typename Use>
auto WithVault(const AskedVault& wanted, bool read_only, const Use& use)
    -> decltype(use(std::declval<Vault&>())) {
  LG_ASSIGN_OR_RETURN(const std::string folder, CanonicalPath(wanted.path));
  LG_ASSIGN_OR_RETURN(const auto keys, UnlockVault(folder, wanted.passphrase_file));
  Vault::Options options;
  options.read_only = read_only;
  AuditCourier courier(ToHex(keys->vault_id()), PrintMessage);
  options.on_audit = courier.Taking();
  LG_ASSIGN_OR_RETURN(const auto vault, Vault::Open(PosixFileSystem(), folder, *keys, nullptr,
                                                    options, SystemClock()));
  auto result = use(*vault);
  if (const Status closed = vault->Close(); !closed && result) return closed.error();
  return result;
}

}  // namespace leadglass
