// SPDX-License-Identifier: Apache-2.0
#pragma once

// ActiveConfiguration: a vault's configuration as it is in force: as the log has it, and as it is
// understood.

#include <cstdint>
#include <optional>
#include <string_view>

#include "fs/configuration.h"
#include "index/operations.h"

namespace leadglass {

struct ActiveConfiguration {
  PutConfiguration stored;
  Configuration parsed;
  // The number of a group that it names; nullopt: it names none such.
  std::optional<uint32_t> GidOf(std::string_view group) const;
};

}  // namespace leadglass
