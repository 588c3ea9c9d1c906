// SPDX-License-Identifier: Apache-2.0
#pragma once

// The number of the index's private schema: keys, values and file format together. An index of
// another number is rebuilt from the log; there is no migration. Raise it with every change of
// index_keys.h, index_values.cc or sealed_file.cc that an older program would misread.

#include <cstdint>

namespace leadglass {

inline constexpr uint32_t kIndexSchema = 6;

}  // namespace leadglass
