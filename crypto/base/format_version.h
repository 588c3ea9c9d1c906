// SPDX-License-Identifier: Apache-2.0
#pragma once

// The number of the on-disk format, which is one for all of a vault: the vault file, the keyring
// and every segment state it. docs/format.md, at the top.
//
// Another major is refused (kUnsupported). A newer minor has the same layout and is read: what it
// adds stands in room that was zero.

#include <cstdint>

namespace leadglass {

inline constexpr uint16_t kFormatMajor = 1;
inline constexpr uint16_t kFormatMinor = 0;

}  // namespace leadglass
