// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_codes.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <regex>
#include <set>
#include <string>

#include "tests/support/source_folder.h"

namespace leadglass {
namespace {

TEST(ExitCodes, TellDamageFromAWrongPassphraseAndFromAFullDisk) {
  EXPECT_EQ(ExitCodeFor(Error(Errc::kCorrupt, "")), ExitCode::kDamaged);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kAccessDenied, "")), ExitCode::kAccessDenied);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kLocked, "")), ExitCode::kAccessDenied);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kNoSpace, "")), ExitCode::kNoSpace);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kNotFound, "")), ExitCode::kNotFound);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kExists, "")), ExitCode::kExists);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kUnsupported, "")), ExitCode::kUnsupportedFormat);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kUnavailable, "")), ExitCode::kBusy);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kInvalidArgument, "")), ExitCode::kUsage);
}

TEST(ExitCodes, TellAVaultFileOlderThanItsLogFromAWrongPassphrase) {
  EXPECT_EQ(ExitCodeFor(Error(Errc::kAccessDenied, "", EKEYREVOKED)), ExitCode::kRollbackRefused);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kAccessDenied, "", EACCES)), ExitCode::kAccessDenied);
}

TEST(ExitCodes, CallAFailedSystemCallTheMachinesFaultAndTheRestOurs) {
  EXPECT_EQ(ExitCodeFor(Error(Errc::kInternal, "", EMFILE)), ExitCode::kSystem);
  EXPECT_EQ(ExitCodeFor(PosixError(ENOTDIR)), ExitCode::kSystem);
  EXPECT_EQ(ExitCodeFor(Error(Errc::kInternal, "")), ExitCode::kInternal);
}

// docs/cli.md is what scripts are written against: its table lists exactly these numbers.
TEST(ExitCodes, AreTheOnesInTheManual) {
  std::ifstream manual(SourceFolder() + "/docs/cli.md");
  ASSERT_TRUE(manual.is_open());
  std::set<int> listed;
  const std::regex row(R"(\| (\d+) \| .*)");
  for (std::string line; std::getline(manual, line);) {
    std::smatch match;
    if (std::regex_match(line, match, row)) listed.insert(std::stoi(match[1]));
  }
  std::set<int> defined;
  for (int code = 0; code <= static_cast<int>(ExitCode::kExists); ++code) defined.insert(code);
  EXPECT_EQ(listed, defined);
}

}  // namespace
}  // namespace leadglass
