// SPDX-License-Identifier: Apache-2.0
#pragma once

// GoogleMock matchers that make assertions on Result read as sentences:
//   EXPECT_THAT(log->Sync(), IsOk());
//   EXPECT_THAT(file->Size(), IsOkAndHolds(4096u));
//   EXPECT_THAT(Open(key, bytes, {}), FailsWith(Errc::kCorrupt));

#include <gmock/gmock-matchers.h>
#include <gmock/gmock-more-matchers.h>

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

// Unwraps, failing the test with the error.
#define ASSERT_OK_AND_ASSIGN(declaration, expression)     \
  auto LG_CONCAT(lg_test_, __LINE__) = (expression);      \
  ASSERT_TRUE(LG_CONCAT(lg_test_, __LINE__).has_value())  \
      << ToString(LG_CONCAT(lg_test_, __LINE__).error()); \
  declaration = std::move(LG_CONCAT(lg_test_, __LINE__)).value()

}  // namespace leadglass
