// SPDX-License-Identifier: Apache-2.0
#include "cli/groups.h"

#include <grp.h>

#include <cerrno>
#include <charconv>

namespace leadglass {

Result<std::optional<uint32_t>> GidOfGroup(const std::string& name) {
  std::vector<char> buffer(4096);
  for (;;) {
    group entry{};
    group* found = nullptr;
    const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE) {
      buffer.resize(buffer.size() * 2);  // a group of very many members
      continue;
    }
    if (found != nullptr) return std::optional<uint32_t>(found->gr_gid);
    // What getgrnam(3) says where there is none.
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM)
      return std::optional<uint32_t>();
    return SystemError(error, "look up the group '" + name + "'");
  }
}

Result<uint32_t> GidNamed(const std::string& group) {
  LG_ASSIGN_OR_RETURN(const auto gid, GidOfGroup(group));
  if (gid) return *gid;
  uint32_t number = 0;
  const char* const end = group.data() + group.size();
  const auto parsed = std::from_chars(group.data(), end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  return Error(Errc::kNotFound, "there is no group '" + group + "' here (getent group)");
}

std::string NameOfGroup(uint32_t gid) {
  std::vector<char> buffer(4096);
  group entry{};
  group* found = nullptr;
  while (::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) == ERANGE)
    buffer.resize(buffer.size() * 2);
  return found == nullptr ? std::to_string(gid) : found->gr_name;
}

Result<std::vector<ConfiguredGroup>> LookUpGroups(const Configuration& configuration) {
  std::vector<ConfiguredGroup> groups;
  std::string missing;
  for (const std::string& name : GroupsOf(configuration)) {
    LG_ASSIGN_OR_RETURN(const auto gid, GidOfGroup(name));
    if (gid) {
      groups.push_back({name, *gid});
    } else {
      missing += (missing.empty() ? "'" : ", '") + name + "'";
    }
  }
  if (!missing.empty())
    return Error(Errc::kNotFound, "configuration: this machine has no group " + missing +
                                      "; make it (groupadd), or name another");
  return groups;
}

}  // namespace leadglass
