// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the process behind a mount gives up once it has what it needs: root, and the system calls
// that it never makes. docs/threat-model.md says what that is worth.

#include <sys/types.h>

#include <optional>
#include <string>

#include "crypto/base/result.h"

namespace leadglass {

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
};

// The account to which `folder` belongs, where this process is root's and the folder somebody
// else's: whoever works with the vault in it shall do so as that account. nullopt: as it is.
Result<std::optional<Account>> AccountOf(const std::string& folder);

// Fails where AccountOf() gives one: what root makes in somebody's vault would be closed to him.
//   kAccessDenied; the message names the account, and how to become it.
Status RefuseToActAsRoot(const std::string& folder);

// Becomes that account for good, in every thread: no supplementary groups, no capabilities, no core
// dumps, no tracing by others. Locked memory is limited by what root lifted before. On an error the
// process is neither the one nor the other and has to end.
Status BecomeAccount(const Account& account);

// From now on no thread of this process, and nothing that it starts, gains a privilege or makes a
// system call that a mount never makes: to run a program, to trace, to mount, to load what the
// kernel would run, to change what the machine is. They fail with EPERM. umount2(2) is left to it
// where `may_unmount`.
//   kUnsupported: the kernel has no seccomp.
Status ConfineProcess(bool may_unmount);

}  // namespace leadglass
