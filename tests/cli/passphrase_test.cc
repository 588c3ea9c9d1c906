// SPDX-License-Identifier: Apache-2.0
#include "cli/passphrase.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "crypto/base/unique_fd.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

std::string Text(const SecretBytes& bytes) { return std::string(AsText(bytes.ExposeForOpenSsl())); }

class PassphraseFileTest : public ::testing::Test {
 protected:
  PassphraseFileTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "leadglass-pass-XXXXXX";
    const UniqueFd fd(::mkstemp(pattern.data()));
    path_ = pattern;
  }
  ~PassphraseFileTest() override { std::filesystem::remove(path_); }
  void Write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }

  std::string path_;
};

TEST_F(PassphraseFileTest, IsTheFirstLineWithoutItsEnd) {
  Write("correct horse\nsecond\n");
  ASSERT_OK_AND_ASSIGN(const SecretBytes bytes, ReadPassphraseFile(path_));
  EXPECT_EQ(Text(bytes), "correct horse");
}

TEST_F(PassphraseFileTest, NeedsNoNewline) {
  Write(" spaces stay \t");
  ASSERT_OK_AND_ASSIGN(const SecretBytes bytes, ReadPassphraseFile(path_));
  EXPECT_EQ(Text(bytes), " spaces stay \t");
}

TEST_F(PassphraseFileTest, RefusesAnEmptyLine) {
  Write("\nsecond\n");
  EXPECT_THAT(ReadPassphraseFile(path_), FailsWith(Errc::kInvalidArgument));
  Write("");
  EXPECT_THAT(ReadPassphraseFile(path_), FailsWith(Errc::kInvalidArgument));
}

TEST_F(PassphraseFileTest, TakesTheLongestAndRefusesOneByteMore) {
  Write(std::string(kMaxPassphrase, 'x') + "\n");
  ASSERT_OK_AND_ASSIGN(const SecretBytes bytes, ReadPassphraseFile(path_));
  EXPECT_EQ(bytes.size(), kMaxPassphrase);
  Write(std::string(kMaxPassphrase + 1, 'x') + "\n");
  EXPECT_THAT(ReadPassphraseFile(path_), FailsWith(Errc::kInvalidArgument));
}

TEST_F(PassphraseFileTest, SaysThatTheFileIsMissing) {
  EXPECT_THAT(ReadPassphraseFile(path_ + "-not"), FailsWith(Errc::kNotFound));
}

// Runs `ask` in a process whose terminal is a new pseudo terminal on which `typed` is typed; gives
// all that the terminal showed. The child's exit status must be 0.
std::string OnTerminal(const std::vector<std::string>& typed, int (*ask)()) {
  int master = -1;
  const pid_t child = ::forkpty(&master, nullptr, nullptr, nullptr);
  if (child == 0) ::_exit(ask());
  const UniqueFd terminal(master);
  std::string shown;
  size_t answered = 0;
  char part[256];
  for (;;) {
    const ssize_t got = ::read(terminal.get(), part, sizeof(part));
    if (got <= 0) break;
    shown.append(part, static_cast<size_t>(got));
    // A prompt ends in ": ", and echo is off by then.
    if (shown.size() >= 2 && shown.substr(shown.size() - 2) == ": " && answered < typed.size()) {
      const std::string& line = typed[answered++];
      EXPECT_EQ(::write(terminal.get(), line.data(), line.size()),
                static_cast<ssize_t>(line.size()));
    }
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << shown;
  return shown;
}

TEST(PassphraseTerminal, DoesNotEchoAndUnderstandsBackspace) {
  const std::string shown = OnTerminal({"secrexx\x7f\x7ft\r"}, [] {
    const auto bytes = AskPassphrase("Passphrase", false);
    return bytes && Text(*bytes) == "secret" ? 0 : 1;
  });
  EXPECT_EQ(shown.find("secre"), std::string::npos);
}

TEST(PassphraseTerminal, AsksAgainWhereTheTwoDiffer) {
  const std::string shown = OnTerminal({"one\r", "two\r", "three\r", "three\r"}, [] {
    const auto bytes = AskPassphrase("New passphrase", true);
    return bytes && Text(*bytes) == "three" ? 0 : 1;
  });
  EXPECT_NE(shown.find("They differ"), std::string::npos);
}

TEST(PassphraseTerminal, GivesUpAtControlC) {
  OnTerminal({"half\x03"}, [] {
    const auto bytes = AskPassphrase("Passphrase", false);
    return !bytes && bytes.error().code == Errc::kInvalidArgument ? 0 : 1;
  });
}

TEST(PassphraseTerminal, RefusesWhereThereIsNone) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();  // no controlling terminal any more
    const auto bytes = AskPassphrase("Passphrase", false);
    ::_exit(!bytes && bytes.error().code == Errc::kInvalidArgument ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace leadglass
