// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far apart the calls are that an exhaustive fault test lets fail, one run each. Every one of
// them in the other builds; every fifth with ThreadSanitizer, which looks for data races and makes
// a run several times as slow: which call fails decides what is lost, not which threads meet.

#include <cstdint>

namespace leadglass {

#if defined(__SANITIZE_THREAD__)
inline constexpr uint64_t kFaultStep = 5;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr uint64_t kFaultStep = 5;
#else
inline constexpr uint64_t kFaultStep = 1;
#endif
#else
inline constexpr uint64_t kFaultStep = 1;
#endif

}  // namespace leadglass
