// SPDX-License-Identifier: Apache-2.0
#pragma once

// Clock: where the time comes from, so that tests can inject it.
// Implementations are safe to use from several threads.

#include <cstdint>

namespace leadglass {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since 1970-01-01 UTC: for times that people and programs see. As coarse as the
  // kernel's own file times (some ms), which ours stand beside: of two files the one written later
  // must not look older because a finer clock stamped the other.
  virtual int64_t WallNanos() = 0;
  // Nanoseconds from an arbitrary start, never going back: for intervals.
  virtual int64_t MonotonicNanos() = 0;
};

// The machine's clock; lives for ever.
Clock& SystemClock();

}  // namespace leadglass
