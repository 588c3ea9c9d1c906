// SPDX-License-Identifier: Apache-2.0
#include "cli/users.h"

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace leadglass {

Result<std::optional<uint32_t>> UidOfUser(const std::string& name) {
  std::vector<char> buffer(4096);
  for (;;) {
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (found != nullptr) return std::optional<uint32_t>(found->pw_uid);
    // What getpwnam(3) says where there is none.
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM)
      return std::optional<uint32_t>();
    return SystemError(error, "look up the user '" + name + "'");
  }
}

std::string NameOfUser(uint32_t uid) {
  std::vector<char> buffer(4096);
  passwd entry{};
  passwd* found = nullptr;
  while (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == ERANGE)
    buffer.resize(buffer.size() * 2);
  return found == nullptr ? std::string() : found->pw_name;
}

Person PersonOf(const ControlPeer& peer) {
  return {{peer.uid, peer.gid, peer.pid, 0}, NameOfUser(peer.uid), peer.groups, IsOperator(peer)};
}

// Who can open the vault with its passphrase operates it.
Person ThisPerson() {
  Person person = PersonOf({::getuid(), ::getgid(), ::getpid(), {}});
  person.operates = true;
  return person;
}

}  // namespace leadglass
