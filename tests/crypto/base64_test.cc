// SPDX-License-Identifier: Apache-2.0
#include "crypto/base64.h"

#include <gtest/gtest.h>

#include <string_view>

namespace leadglass {
namespace {

// RFC 4648 section 10.
TEST(Base64, IsThatOfTheStandard) {
  const auto of = [](std::string_view text) { return ToBase64(AsBytes(text)); };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(of(std::string_view("\xff\xfe\x00", 3)), "//4A");
}

}  // namespace
}  // namespace leadglass
