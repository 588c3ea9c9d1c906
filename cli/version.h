// SPDX-License-Identifier: Apache-2.0
#pragma once

// The version of the program, from the top CMakeLists.txt.

namespace leadglass {

inline constexpr const char* kVersion = LEADGLASS_VERSION;

}  // namespace leadglass
