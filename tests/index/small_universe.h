// SPDX-License-Identifier: Apache-2.0
#pragma once

// What random operations are about: so little that they meet each other often.

#include <string>
#include <vector>

#include "index/records.h"

namespace leadglass {

inline constexpr InodeId kFirst = 0xf8;  // crosses 0x100
inline constexpr InodeId kLast = 0x107;
inline constexpr InodeId kFirstFolder = 0xfffe;
inline constexpr InodeId kLastFolder = 0x10001;
inline constexpr uint64_t kFileEnd = 96;
inline constexpr uint32_t kSessions = 4;
inline constexpr uint32_t kGids = 3;

inline const std::vector<std::string>& Words() {
  static const std::vector<std::string> words = {"a", "ab", "b", "zz", std::string("a\xff\0c", 4)};
  return words;
}

}  // namespace leadglass
