// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Unix groups of this machine (getgrnam(3): files, LDAP, whatever nsswitch.conf says).

#include <optional>
#include <string>
#include <vector>

#include "fs/configuration.h"
#include "index/operations.h"

namespace leadglass {

// nullopt: there is no such group.
Result<std::optional<uint32_t>> GidOfGroup(const std::string& name);

// Of a name, or of the number of a group that has none here any more. kNotFound: there is none.
Result<uint32_t> GidNamed(const std::string& group);

// The name of a group, or its number where there is none.
std::string NameOfGroup(uint32_t gid);

// Those that the configuration names. kNotFound: this machine does not know all of them; the
// message names every one that is missing.
Result<std::vector<ConfiguredGroup>> LookUpGroups(const Configuration& configuration);

}  // namespace leadglass
