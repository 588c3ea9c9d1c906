// SPDX-License-Identifier: Apache-2.0
#include "fs/duration.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace leadglass {

std::optional<std::chrono::seconds> ParseDuration(std::string_view text) {
  constexpr int64_t kLongest = int64_t{36'500} * 86'400;
  int64_t unit = 1;
  constexpr std::array<std::pair<char, int64_t>, 4> kUnits = {
      {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}}};
  for (const auto& [letter, seconds] : kUnits) {
    if (text.empty() || text.back() != letter) continue;
    unit = seconds;
    text.remove_suffix(1);
    break;
  }
  int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || number < 0 ||
      number > kLongest / unit)
    return std::nullopt;
  return std::chrono::seconds(number * unit);
}

}  // namespace leadglass
