// SPDX-License-Identifier: Apache-2.0
#pragma once

// Credentials: what a caller is, for decisions that the kernel does not make. Linux tells a FUSE
// file system the user and the primary group of who asks; the supplementary groups are looked up in
// /proc, and only where an answer depends on them.

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fs/vault.h"
#include "index/posix_acl.h"

namespace leadglass {

// What is known of the process of a calling thread, as it is now.
struct ProcessFacts {
  pid_t pid = 0;              // of the process; 0: it could not be told
  std::string program;        // as /proc/PID/comm has it; may be empty
  std::vector<gid_t> groups;  // supplementary
};
ProcessFacts ProcessFactsOf(pid_t thread);

// The supplementary groups of a thread, by its number in this process's PID namespace, as user
// namespaces map them here. Empty where they cannot be told: the thread has ended, or is in another
// PID namespace (0). They are those that the thread has now: a user who was put into a group is in
// it from his next login on, as for any file system.
std::vector<gid_t> SupplementaryGroups(pid_t thread);

// For the time of one request. Thread-compatible.
class Credentials {
 public:
  using GroupsOf = std::function<std::vector<gid_t>(pid_t)>;

  // Both must outlive the object.
  Credentials(const Caller& caller, const GroupsOf& groups_of)
      : caller_(caller), groups_of_(groups_of) {}

  uid_t uid() const { return caller_.uid; }
  bool IsIn(gid_t gid) const;
  // Whether the viewer stands for the caller.
  bool Is(const Viewer& viewer) const;
  // All that stand for the caller.
  std::vector<Viewer> AsViewers() const;

 private:
  const std::vector<gid_t>& Supplementary() const;

  const Caller& caller_;
  const GroupsOf& groups_of_;
  mutable std::optional<std::vector<gid_t>> supplementary_;  // sorted; looked up once
};

}  // namespace leadglass
