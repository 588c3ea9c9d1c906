// SPDX-License-Identifier: Apache-2.0
#include "crypto/base/clock.h"

#include <ctime>

namespace leadglass {
namespace {

int64_t ReadClock(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class RealClock final : public Clock {
 public:
  int64_t WallNanos() override { return ReadClock(CLOCK_REALTIME_COARSE); }
  int64_t MonotonicNanos() override { return ReadClock(CLOCK_MONOTONIC); }
};

}  // namespace

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

}  // namespace leadglass
