// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far apart the calls are that an exhaustive fault test lets fail, one run each. Every one of
// them in the other builds; every fifth with ThreadSanitizer, which looks for data races and makes
// a run several times as slow: which call fails decides what is lost, not which threads meet.

//
// And which bits of a byte are flipped, one run each, where each byte of a log is: all of them, but
// with a sanitizer one that differs from byte to byte.

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

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kEveryBit = false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
inline constexpr bool kEveryBit = false;
#else
inline constexpr bool kEveryBit = true;
#endif
#else
inline constexpr bool kEveryBit = true;
#endif

}  // namespace leadglass
