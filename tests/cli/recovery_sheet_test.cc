// SPDX-License-Identifier: Apache-2.0
#include "cli/recovery_sheet.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "cli/recovery_reader.h"
#include "crypto/recovery_kit.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

class RecoverySheetTest : public ::testing::Test {
 protected:
  RecoverySheetTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "leadglass-sheet-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RecoverySheetTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  Status WriteSheet(const RecoveryCode& code, const std::string& name) const {
    LG_ASSIGN_OR_RETURN(SecretOutput out, SecretOutput::NewFile(Path(name)));
    SheetFacts facts;
    facts.vault_id[0] = 0xab;
    facts.made_unix_seconds = 1'700'000'000;
    LG_RETURN_IF_ERROR(WriteRecoverySheet(facts, code, out));
    return out.Finish();
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(Path(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void WriteText(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
  }

  std::string folder_;
};

std::string LineOf(const RecoveryCode& code) {
  return std::string(AsText(EncodeRecoveryCode(code).ExposeForOpenSsl()));
}
size_t Columns(const std::string& line) {
  return static_cast<size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

TEST_F(RecoverySheetTest, OfAWholeKeyIsReadInAgain) {
  const RecoveryKey key = NewRecoveryKey();
  ASSERT_THAT(WriteSheet(WholeCode(key), "sheet"), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto codes, ReadRecoveryCodes(Path("sheet")));
  ASSERT_EQ(codes.size(), 1u);
  EXPECT_FALSE(codes[0].is_share());
  EXPECT_TRUE(codes[0].value == key.key);
}

TEST_F(RecoverySheetTest, OfAShareNamesItselfItsKitAndItsVault) {
  const RecoveryKey key = NewRecoveryKey();
  ASSERT_OK_AND_ASSIGN(const auto shares, ShareCodes(key, 3, 5));
  ASSERT_THAT(WriteSheet(shares[1], "sheet"), IsOk());
  const std::string text = Read("sheet");
  for (const std::string& said :
       {std::string("SHARE 2 OF 5"), std::string("any 3 together open the vault"),
        "Kit    " + KitName(key.kit), "Vault  ab" + std::string(30, '0'),
        std::string("2023-11-14T22:13:20Z"), std::string("HOLDS\nTHE VAULT"),
        std::string("leadglass recovery combine")})
    EXPECT_NE(text.find(said), std::string::npos) << said;
  ASSERT_OK_AND_ASSIGN(const auto codes, ReadRecoveryCodes(Path("sheet")));
  ASSERT_EQ(codes.size(), 1u);
  EXPECT_EQ(codes[0].number, 2);
  EXPECT_TRUE(codes[0].value == shares[1].value);
}

TEST_F(RecoverySheetTest, FitsAPage) {
  ASSERT_OK_AND_ASSIGN(const auto shares, ShareCodes(NewRecoveryKey(), 16, 16));
  ASSERT_THAT(WriteSheet(shares[15], "share"), IsOk());
  ASSERT_THAT(WriteSheet(WholeCode(NewRecoveryKey()), "whole"), IsOk());
  for (const char* name : {"share", "whole"}) {
    std::ifstream in(Path(name));
    size_t lines = 0;
    for (std::string line; std::getline(in, line); ++lines) EXPECT_LE(Columns(line), 78u) << line;
    EXPECT_LE(lines, 70u) << name;
  }
}

TEST_F(RecoverySheetTest, IsForItsOwnerOnlyAndReplacesNothing) {
  const RecoveryCode code = WholeCode(NewRecoveryKey());
  ASSERT_THAT(WriteSheet(code, "sheet"), IsOk());
  struct stat info {};
  ASSERT_EQ(::stat(Path("sheet").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const std::string before = Read("sheet");
  EXPECT_THAT(WriteSheet(WholeCode(NewRecoveryKey()), "sheet"), FailsWith(Errc::kExists));
  EXPECT_EQ(Read("sheet"), before);
  std::filesystem::create_symlink(Path("elsewhere"), Path("link"));
  EXPECT_THAT(WriteSheet(code, "link"), FailsWith(Errc::kExists));
  EXPECT_FALSE(std::filesystem::exists(Path("elsewhere")));
}

TEST_F(RecoverySheetTest, SeveralCodesInOneFileAreAllRead) {
  ASSERT_OK_AND_ASSIGN(const auto shares, ShareCodes(NewRecoveryKey(), 2, 3));
  ASSERT_THAT(WriteSheet(shares[0], "first"), IsOk());
  // A sheet, a code in one line, one in small letters without separators, as a scanner may give it.
  std::string bare;
  for (const char c : LineOf(shares[2]))
    if (c != '-') bare += static_cast<char>(std::tolower(c));
  WriteText("all", Read("first") + "\f\n" + LineOf(shares[1]) + "\r\nnotes\n\n" + bare);
  ASSERT_OK_AND_ASSIGN(const auto codes, ReadRecoveryCodes(Path("all")));
  ASSERT_EQ(codes.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(codes[i].number, i + 1);
}

TEST_F(RecoverySheetTest, AMistypedCodeInAFileNamesItsGroup) {
  ASSERT_OK_AND_ASSIGN(const auto shares, ShareCodes(NewRecoveryKey(), 2, 3));
  std::string typed = LineOf(shares[1]);
  typed[4 + 6 * 10 + 3] = '?';
  WriteText("one", typed + "\n");
  EXPECT_THAT(ReadRecoveryCodes(Path("one")),
              FailsSaying(Errc::kInvalidArgument, "group 11 (line 3, group 3 in it)"));
  WriteText("two", LineOf(shares[0]) + "\n" + typed + "\n");
  EXPECT_THAT(ReadRecoveryCodes(Path("two")),
              FailsSaying(Errc::kInvalidArgument, "after 1 that are right"));
}

TEST_F(RecoverySheetTest, ACodeThatBreaksOffIsNoCode) {
  const std::string line = LineOf(WholeCode(NewRecoveryKey()));
  WriteText("cut", line.substr(0, 60) + "\n\nmore text\n");
  EXPECT_THAT(ReadRecoveryCodes(Path("cut")), FailsWith(Errc::kInvalidArgument));
}

TEST_F(RecoverySheetTest, AFileWithoutACodeHasNone) {
  WriteText("empty", "");
  WriteText("notes", "nothing\n\nhere " + LineOf(WholeCode(NewRecoveryKey())) + "\n" +
                         std::string(100'000, 'x'));
  for (const char* name : {"empty", "notes"}) {
    ASSERT_OK_AND_ASSIGN(const auto codes, ReadRecoveryCodes(Path(name)));
    EXPECT_TRUE(codes.empty()) << name;
  }
  EXPECT_THAT(ReadRecoveryCodes(Path("missing")), FailsWith(Errc::kNotFound));
}

}  // namespace
}  // namespace leadglass
