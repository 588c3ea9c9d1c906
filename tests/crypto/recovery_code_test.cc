// SPDX-License-Identifier: Apache-2.0
#include "crypto/recovery_code.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

// A key of bytes 0, 1, 2, ... and 31: what docs/format.md shows.
RecoveryCode Sample() {
  RecoveryCode code;
  code.kit = {0x3f, 0xa8, 0x1c, 0x02};
  const auto bytes = code.value.ExposeForOpenSsl();
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  return code;
}
RecoveryCode RandomCode(bool share) {
  RecoveryCode code;
  RandomBytes(code.kit);
  code.value = NewKey();
  if (share) {
    code.number = 3;
    code.shares = 5;
    code.threshold = 2;
  }
  return code;
}
std::string TextOfCode(const RecoveryCode& code) {
  return std::string(AsText(EncodeRecoveryCode(code).ExposeForOpenSsl()));
}
Result<RecoveryCode> Decode(std::string_view text) { return DecodeRecoveryCode(AsBytes(text)); }

// Where character `i` of group `group` stands in the text, both from 0.
size_t At(size_t group, size_t i) { return 4 + group * 6 + 1 + i; }

TEST(RecoveryCode, IsTheOneOfTheFormatsPage) {
  EXPECT_EQ(TextOfCode(Sample()),
            "LGR1-7YM1R-R0G00-00002-20G36-0G2GK-C1R8K-1450S-P30DC"
            "-1R7H5-048JV-2CA1H-A5GQD-30CHR-M6RWN-3MF1N-Y6FQB");
  RecoveryCode share = Sample();
  share.number = 3;
  share.shares = 5;
  share.threshold = 2;
  EXPECT_EQ(TextOfCode(share),
            "LGR1-7YM1R-R0GM7-0C00Q-20G36-0G2GK-C1R8K-1450S-P30DC"
            "-1R7H5-048JV-2CA1H-A5GQD-30CHR-M6RWN-3MF1N-YQ3ZY");
}

TEST(RecoveryCode, ComesBackAsItWas) {
  for (int round = 0; round < 200; ++round) {
    const RecoveryCode code = RandomCode(round % 2 == 1);
    const std::string text = TextOfCode(code);
    EXPECT_EQ(text.size(), kRecoveryCodeSize);
    ASSERT_OK_AND_ASSIGN(const RecoveryCode back, Decode(text));
    EXPECT_EQ(back.kit, code.kit);
    EXPECT_EQ(back.number, code.number);
    EXPECT_EQ(back.shares, code.shares);
    EXPECT_EQ(back.threshold, code.threshold);
    EXPECT_TRUE(back.value == code.value);
  }
}

TEST(RecoveryCode, HasNoLookalikes) {
  const std::string text = TextOfCode(RandomCode(false)).substr(4);
  EXPECT_EQ(text.find_first_not_of(std::string(kAlphabet) + "-"), std::string::npos);
}

TEST(RecoveryCode, IsReadAsPeopleWriteIt) {
  const RecoveryCode code = RandomCode(false);
  const std::string text = TextOfCode(code);
  std::string small = text;
  std::string loose;
  std::string bare;
  std::string sheet = "  ";
  for (char& c : small) {
    c = static_cast<char>(std::tolower(c));
    if (c == '1') c = 'l';
    if (c == '0') c = 'o';
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '-') bare += text[i];
    loose += text[i] == '-' ? "  " : std::string(1, text[i]);
    sheet += text[i];
    if (text[i] == '-' && i % 24 == 4) sheet += "\r\n\t ";
  }
  for (const std::string& form : {small, loose, bare, sheet, text + "\n"}) {
    EXPECT_TRUE(LooksLikeRecoveryCode(AsBytes(form))) << form;
    ASSERT_OK_AND_ASSIGN(const RecoveryCode back, Decode(form));
    EXPECT_TRUE(back.value == code.value);
  }
}

TEST(RecoveryCode, NamesTheGroupOfEveryWrongCharacter) {
  const std::string text = TextOfCode(RandomCode(true));
  for (size_t group = 0; group < kRecoveryGroups; ++group) {
    const std::string named = "group " + std::to_string(group + 1) + " (line " +
                              std::to_string(group / 4 + 1) + ", group " +
                              std::to_string(group % 4 + 1) + " in it)";
    for (size_t i = 0; i < kRecoveryGroupSize; ++i) {
      for (const char wrong : std::string(kAlphabet) + "U?\xff") {
        std::string typed = text;
        if (typed[At(group, i)] == wrong) continue;
        typed[At(group, i)] = wrong;
        EXPECT_THAT(Decode(typed), FailsSaying(Errc::kInvalidArgument, named)) << typed;
      }
    }
  }
}

TEST(RecoveryCode, NamesTheGroupOfEveryTwoCharactersSwapped) {
  for (int round = 0; round < 20; ++round) {
    const std::string text = TextOfCode(RandomCode(false));
    for (size_t group = 0; group < kRecoveryGroups; ++group) {
      for (size_t i = 0; i < kRecoveryGroupSize; ++i) {
        for (size_t j = i + 1; j < kRecoveryGroupSize; ++j) {
          std::string typed = text;
          std::swap(typed[At(group, i)], typed[At(group, j)]);
          if (typed == text) continue;
          EXPECT_THAT(Decode(typed), FailsSaying(Errc::kInvalidArgument,
                                                 "group " + std::to_string(group + 1) + " "));
        }
      }
    }
  }
}

TEST(RecoveryCode, NamesTheFirstOfTwoGroupsSwapped) {
  const std::string text = TextOfCode(RandomCode(false));
  for (size_t a = 0; a < kRecoveryGroups; ++a) {
    for (size_t b = a + 1; b < kRecoveryGroups; ++b) {
      std::string typed = text;
      for (size_t i = 0; i < kRecoveryGroupSize; ++i) std::swap(typed[At(a, i)], typed[At(b, i)]);
      EXPECT_THAT(Decode(typed),
                  FailsSaying(Errc::kInvalidArgument, "group " + std::to_string(a + 1) + " "));
    }
  }
}

TEST(RecoveryCode, NamesTheGroupThatLacksACharacterOrHasOneTooMany) {
  const std::string text = TextOfCode(RandomCode(false));
  for (size_t group = 0; group < kRecoveryGroups; ++group) {
    std::string shorter = text;
    shorter.erase(At(group, 2), 1);
    std::string longer = text;
    longer.insert(At(group, 2), "7");
    for (const std::string& typed : {shorter, longer})
      EXPECT_THAT(Decode(typed),
                  FailsSaying(Errc::kInvalidArgument, "group " + std::to_string(group + 1) + " "));
  }
}

TEST(RecoveryCode, TellsThatGroupsAreMissingOrDoubled) {
  const std::string text = TextOfCode(RandomCode(false));
  EXPECT_THAT(Decode(text.substr(0, text.size() - 6)),
              FailsSaying(Errc::kInvalidArgument, "has 75 characters"));
  EXPECT_THAT(Decode(text + text.substr(text.size() - 6)),
              FailsSaying(Errc::kInvalidArgument, "has 85 characters"));
}

// Groups that pass for themselves, of two codes: the checksum over all is there for that.
TEST(RecoveryCode, FindsAMixtureOfTwoCodes) {
  const std::string one = TextOfCode(RandomCode(false));
  const std::string two = TextOfCode(RandomCode(false));
  for (size_t group = 1; group < kRecoveryGroups; ++group) {
    const std::string mixed = one.substr(0, At(group, 0)) + two.substr(At(group, 0));
    EXPECT_THAT(Decode(mixed), FailsSaying(Errc::kInvalidArgument, "several places"));
  }
}

TEST(RecoveryCode, APassphraseDoesNotLookLikeOne) {
  for (const char* text :
       {"", "LGR1", "lgr1-correct-horse-battery-staple", "correct horse battery staple",
        "XGR1-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000"}) {
    EXPECT_FALSE(LooksLikeRecoveryCode(AsBytes(text))) << text;
    EXPECT_THAT(Decode(text), FailsSaying(Errc::kInvalidArgument, "this is not one"));
  }
}

TEST(RecoveryCode, AnyBytesAreTakenOrRefused) {
  ByteVector bytes(300);
  for (int round = 0; round < 2000; ++round) {
    RandomBytes(bytes);
    std::copy_n(AsBytes("LGR1").begin(), 4, bytes.begin());
    EXPECT_FALSE(DecodeRecoveryCode(ByteSpan(bytes).first(static_cast<size_t>(round) % 300)));
  }
}

}  // namespace
}  // namespace leadglass
