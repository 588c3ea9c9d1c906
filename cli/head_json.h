// SPDX-License-Identifier: Apache-2.0
#pragma once

// A log's head as JSON: epoch, commit and chain (hexadecimal).

#include <optional>

#include "cli/json.h"
#include "crypto/log/position.h"

namespace leadglass {

Json HeadJson(const Head& head);
// nullopt: it is not one. Other members are left alone.
std::optional<Head> HeadFromJson(const Json& json);

}  // namespace leadglass
