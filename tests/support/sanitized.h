// SPDX-License-Identifier: Apache-2.0
#pragma once

// LG_TEST_SANITIZED: defined where AddressSanitizer or ThreadSanitizer replaces the allocator and
// the calls that a test looks at. GCC tells it by macros, clang by features.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LG_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LG_TEST_SANITIZED
#endif
#endif
