// SPDX-License-Identifier: Apache-2.0
#pragma once

// How long something takes, as people write it: "90s", "15m", "24h", "7d"; a bare number is
// seconds.

#include <chrono>
#include <optional>
#include <string_view>

namespace leadglass {

// nullopt: not so written, or longer than a hundred years.
std::optional<std::chrono::seconds> ParseDuration(std::string_view text);

}  // namespace leadglass
