// SPDX-License-Identifier: Apache-2.0
#pragma once

// GoogleMock matchers that make assertions on Result read as sentences:
//   EXPECT_THAT(log->Sync(), IsOk());
//   EXPECT_THAT(file->Size(), IsOkAndHolds(4096u));
//   EXPECT_THAT(Open(key, bytes, {}), FailsWith(Errc::kCorrupt));

#include <gmock/gmock-matchers.h>
#include <gmock/gmock-more-matchers.h>

#include <algorithm>
#include <memory>
#include <string>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace leadglass {

MATCHER(IsOk, "is ok") {
  if (arg.has_value()) return true;
  *result_listener << "which failed: " << ToString(arg.error());
  return false;
}

MATCHER_P(FailsWith, code, std::string("fails with ") + ErrcName(code)) {
  if (arg.has_value()) {
    *result_listener << "which is ok";
    return false;
  }
  *result_listener << "which failed: " << ToString(arg.error());
  return arg.error().code == code;
}

// The same, and its message says `text`.
MATCHER_P2(FailsSaying, code, text,
           std::string("fails with ") + ErrcName(code) + ", saying \"" + std::string(text) + '"') {
  if (arg.has_value()) {
    *result_listener << "which is ok";
    return false;
  }
  *result_listener << "which failed: " << ToString(arg.error());
  return arg.error().code == code && arg.error().context.find(text) != std::string::npos;
}

MATCHER_P(FailsWithErrno, err, "fails with that errno") {
  if (arg.has_value()) {
    *result_listener << "which is ok";
    return false;
  }
  *result_listener << "which failed: " << ToString(arg.error());
  return ToErrno(arg.error()) == err;
}

MATCHER_P(IsOkAndHolds, expected, "is ok and holds the value") {
  if (!arg.has_value()) {
    *result_listener << "which failed: " << ToString(arg.error());
    return false;
  }
  return ::testing::ExplainMatchResult(expected, arg.value(), result_listener);
}

// Contents are held once, however often GoogleMock copies its matchers (a dozen times, and with a
// sanitizer that took longer than what was tested), and a difference is told by its place.
MATCHER_P(IsOkAndHoldsContents, expected,
          "is ok and holds " + (expected->size() > 64
                                    ? "those " + std::to_string(expected->size()) + " bytes"
                                    : ::testing::PrintToString(*expected))) {
  if (!arg.has_value()) {
    *result_listener << "which failed: " << ToString(arg.error());
    return false;
  }
  if (arg.value() == *expected) return true;
  if constexpr (requires { arg.value().size(); }) {
    const auto at = std::ranges::mismatch(arg.value(), *expected).in2 - expected->begin();
    *result_listener << "which has " << arg.value().size() << " bytes and differs from byte " << at
                     << " on";
  }
  return false;
}
inline auto IsOkAndHolds(ByteVector expected) {
  return IsOkAndHoldsContents(std::make_shared<const ByteVector>(std::move(expected)));
}
inline auto IsOkAndHolds(std::string expected) {
  return IsOkAndHoldsContents(std::make_shared<const std::string>(std::move(expected)));
}

// Unwraps, failing the test with the error.
#define ASSERT_OK_AND_ASSIGN(declaration, expression)     \
  auto LG_CONCAT(lg_test_, __LINE__) = (expression);      \
  ASSERT_TRUE(LG_CONCAT(lg_test_, __LINE__).has_value())  \
      << ToString(LG_CONCAT(lg_test_, __LINE__).error()); \
  declaration = std::move(LG_CONCAT(lg_test_, __LINE__)).value()

}  // namespace leadglass
