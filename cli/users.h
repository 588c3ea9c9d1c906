// SPDX-License-Identifier: Apache-2.0
#pragma once

// The machine's users, as getpwnam(3) knows them.

#include <cstdint>
#include <optional>
#include <string>

#include "cli/control_socket.h"
#include "crypto/base/result.h"
#include "fs/vault.h"

namespace leadglass {

// nullopt: there is none of that name. kInternal: they could not be asked.
Result<std::optional<uint32_t>> UidOfUser(const std::string& name);
// Empty: the user has none.
std::string NameOfUser(uint32_t uid);

// Who asks, with his name.
Person PersonOf(const ControlPeer& peer);
// Who runs this process.
Person ThisPerson();

}  // namespace leadglass
