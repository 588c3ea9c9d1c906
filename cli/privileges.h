// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the process behind a mount gives up once it has what it needs: root, or at least root's
// capabilities, and the system calls that it never makes. docs/threat-model.md says what that is
// worth.

#include <sys/types.h>

#include <initializer_list>
#include <optional>
#include <string>

#include "crypto/base/result.h"

namespace leadglass {

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
};

// The account to which `folder` belongs, where this process is root's: the vault in it is served as
// that account. nullopt: it is not, and serves as whom it runs.
Result<std::optional<Account>> AccountOf(const std::string& folder);

// Fails where AccountOf() gives another one than root: what root makes in somebody's vault would be
// closed to him.
//   kAccessDenied; the message names the account, and how to become it.
Status RefuseToActAsRoot(const std::string& folder);

// Becomes that account for good, while the process has but this one thread: no capabilities, no
// core dumps, no tracing by others, no supplementary groups. root keeps those that it has, and
// CAP_KILL. Locked memory is limited by what root lifted before. On an error the process is neither
// the one nor the other and has to end.
Status BecomeAccount(const Account& account);

// Leaves this thread, and those that it starts, these of root's capabilities (capabilities(7)).
Status KeepCapabilities(std::initializer_list<uint32_t> capabilities);

// From now on no thread of this process, and nothing that it starts, gains a privilege or makes a
// system call that a mount never makes: to run a program, to trace, to mount or unmount, to load
// what the kernel would run, to change what the machine is. They fail with EPERM.
//   kUnsupported: the kernel has no seccomp.
Status ConfineProcess();

}  // namespace leadglass
