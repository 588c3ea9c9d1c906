// SPDX-License-Identifier: Apache-2.0
#include "cli/qr_code.h"

#include <gtest/gtest.h>
#include <qrencode.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

constexpr std::string_view kText =
    "LGR1-7YM1R-R0G00-00002-20G36-0G2GK-C1R8K-1450S-P30DC-1R7H5-048JV-2CA1H-A5GQD-30CHR-M6RWN-"
    "3MF1N-Y6FQB";

// The modules that a reader sees on paper, dark ones true, the margin included.
std::vector<std::vector<bool>> SeenOnPaper(const std::string& path, const std::string& indent) {
  std::vector<std::vector<bool>> rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    EXPECT_EQ(line.substr(0, indent.size()), indent);
    std::vector<bool> upper;
    std::vector<bool> lower;
    for (size_t i = indent.size(); i < line.size();) {
      const std::string_view rest = std::string_view(line).substr(i);
      const bool full = rest.starts_with("\xE2\x96\x88");
      upper.push_back(full || rest.starts_with("\xE2\x96\x80"));
      lower.push_back(full || rest.starts_with("\xE2\x96\x84"));
      i += rest[0] == ' ' ? 1 : 3;
    }
    rows.push_back(upper);
    rows.push_back(lower);
  }
  return rows;
}

TEST(QrCode, ShowsEveryModuleOfTheCodeInABlankMargin) {
  std::string pattern = std::filesystem::temp_directory_path() / "leadglass-qr-XXXXXX";
  const std::string folder = ::mkdtemp(pattern.data());
  SecretBytes text(kText.size());
  std::copy(kText.begin(), kText.end(), text.ExposeForOpenSsl().begin());
  ASSERT_OK_AND_ASSIGN(SecretOutput out, SecretOutput::NewFile(folder + "/code"));
  ASSERT_THAT(WriteQrCode(text, "    ", out), IsOk());
  ASSERT_THAT(out.Finish(), IsOk());
  const auto seen = SeenOnPaper(folder + "/code", "    ");
  std::filesystem::remove_all(folder);

  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeString(std::string(kText).c_str(), 0, QR_ECLEVEL_Q, QR_MODE_8, 1), &QRcode_free);
  ASSERT_NE(code, nullptr);
  // ISO/IEC 18004: of 101 alphanumeric characters at level Q version 6 is the smallest, 41 modules.
  ASSERT_EQ(code->width, 41);
  const auto width = static_cast<size_t>(code->width);
  ASSERT_GE(seen.size(), width + 8);
  for (size_t row = 0; row < seen.size(); ++row) {
    ASSERT_EQ(seen[row].size(), width + 8) << row;
    for (size_t column = 0; column < width + 8; ++column) {
      const bool inside = row >= 4 && row < width + 4 && column >= 4 && column < width + 4;
      const bool dark = inside && (code->data[(row - 4) * width + column - 4] & 1) != 0;
      EXPECT_EQ(seen[row][column], dark) << row << ", " << column;
    }
  }
}

}  // namespace
}  // namespace leadglass
