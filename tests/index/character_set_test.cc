// SPDX-License-Identifier: Apache-2.0
#include "index/character_set.h"

#include <gtest/gtest.h>

#include "index/dicom_facts.h"

namespace leadglass {
namespace {

std::string Text(std::string_view set, std::string_view bytes) {
  return CharacterSet(set).Decode(AsBytes(bytes));
}
std::string Name(std::string_view set, std::string_view bytes) {
  return CharacterSet(set).Decode(AsBytes(bytes), true);
}

TEST(CharacterSet, ReadsEverySingleByteSet) {
  EXPECT_EQ(Name("ISO_IR 100", "Buc^J\xE9r\xF4me"), "Buc^Jérôme");
  EXPECT_EQ(Name("ISO_IR 101", "W\xB3"), "Wł");
  EXPECT_EQ(Name("ISO_IR 109", "\xA1\xF8"), "Ħĝ");
  EXPECT_EQ(Name("ISO_IR 110", "\xE6\xF9"), "æų");
  EXPECT_EQ(Name("ISO_IR 144", "\xBB\xEE\xDA"), "Люк");
  EXPECT_EQ(Name("ISO_IR 127", "\xE2\xC8\xC7\xE6\xEA"), "قباني");
  EXPECT_EQ(Name("ISO_IR 126", "\xC4\xE9\xEF"), "Διο");
  EXPECT_EQ(Name("ISO_IR 138", "\xF9\xF8\xE5\xEF^\xE3"), "שרון^ד");
  EXPECT_EQ(Name("ISO_IR 148", "\xDEi\xFE"), "Şiş");
  EXPECT_EQ(Name("ISO_IR 166", "\xB9\xD2\xC2"), "นาย");
  EXPECT_EQ(Name("ISO_IR 203", "\xA4"), "€");
}

TEST(CharacterSet, ReadsUtf8AndRepairsWhatIsBroken) {
  EXPECT_EQ(Name("ISO_IR 192", "王^小東"), "王^小東");
  EXPECT_EQ(Text("ISO_IR 192",
                 "AB\xFF\xFE"
                 "CD"),
            "AB\xEF\xBF\xBD\xEF\xBF\xBD"
            "CD");
  EXPECT_EQ(Text("ISO_IR 192", "x\xE5\xB1"), "x\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(CharacterSet, ReadsChineseWithDelimitersAsSecondBytes) {
  EXPECT_EQ(Name("GB18030", "Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB"), "Wang^XiaoDong=王^小东");
  // 0x5C as the second byte: the value has one part.
  EXPECT_EQ(Text("GBK", "\x95\x5C").find('\\'), std::string::npos);
  EXPECT_EQ(Text("GB18030", "\x81\x5C\\\x81\x5E").find('\\'), 3u);
  EXPECT_EQ(Text("GB18030", "\x81\x30\x84\x36"), "¥");  // four bytes
}

TEST(CharacterSet, ReadsJapaneseByEscapes) {
  // PS3.5 H.3, example 1: romaji=kanji=kana.
  EXPECT_EQ(Name("\\ISO 2022 IR 87",
                 "Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B="
                 "\x1B$B$d$^$@\x1B(B^\x1B$B$?$m$&\x1B(B"),
            "Yamada^Tarou=山田^太郎=やまだ^たろう");
  // Example 2: half-width katakana in the first group.
  EXPECT_EQ(Name("ISO 2022 IR 13\\ISO 2022 IR 87",
                 "\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1B$B;3ED\x1B(J^\x1B$BB@O:\x1B(J"),
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎");
  EXPECT_EQ(Text("\\ISO 2022 IR 159", "\x1B$(D0!\x1B(B!"), "丂!");
}

TEST(CharacterSet, DoesNotSplitADoubleByteCharacterAtABackslashOrCaret) {
  // JIS 0x215C and 0x215E are signs whose second bytes are \ and ^.
  const std::string text = Text("\\ISO 2022 IR 87", "\x1B$B!\\!^\x1B(B\\b");
  EXPECT_EQ(text, "＋±\\b");
}

TEST(CharacterSet, ReadsKoreanByEscapes) {
  EXPECT_EQ(Name("\\ISO 2022 IR 149",
                 "Hong^Gildong=\x1B$)C\xFB\xF3^\x1B$)C\xD1\xCE\xD4\xD7="
                 "\x1B$)C\xC8\xAB^\x1B$)C\xB1\xE6\xB5\xBF"),
            "Hong^Gildong=洪^吉洞=홍^길동");
}

TEST(CharacterSet, ForgivesAnEscapeThatIsNotRepeatedBehindADelimiter) {
  EXPECT_EQ(Name("\\ISO 2022 IR 149", "\x1B$)C\xC8\xAB^\xB1\xE6\xB5\xBF"), "홍^길동");
}

TEST(CharacterSet, ReadsSimplifiedChineseByEscapes) {
  EXPECT_EQ(Name("\\ISO 2022 IR 58", "Zhang=\x1B$)A\xD5\xC5"), "Zhang=张");
}

TEST(CharacterSet, ReadsSeveralSetsInOneValue) {
  EXPECT_EQ(Text("ISO 2022 IR 6\\ISO 2022 IR 100\\ISO 2022 IR 144",
                 "\x1B-A\xE9\r\n\x1B-L\xBB\\\x1B-A\xF4"),
            "é\r\nЛ\\ô");
}

TEST(CharacterSet, ResetsAtDelimitersOfNamesOnlyInNames) {
  // G0 stays JIS X 0208 where ^ cannot occur, so what resets is G1.
  const std::string_view bytes("\x1B-L\xBB=\xE9", 6);
  EXPECT_EQ(Name("ISO 2022 IR 100\\ISO 2022 IR 144", bytes), "Л=é");
  EXPECT_EQ(Text("ISO 2022 IR 100\\ISO 2022 IR 144", bytes), "Л=щ");
}

TEST(CharacterSet, KeepsTheBackslashOfJapaneseRomajiAsDelimiter) {
  EXPECT_EQ(Text("ISO_IR 13", "\xD4\\\xCF"), "ﾔ\\ﾏ");
  EXPECT_EQ(Text("ISO_IR 13", "a~"), "a‾");
}

TEST(CharacterSet, TakesShiftJisUnderTheNameOfItsSubset) {
  // 0x835C is the katakana SO; its second byte is a backslash.
  EXPECT_EQ(Text("ISO_IR 13", "\x83\x5C\\\x8E\x52"), "ソ\\山");
}

TEST(CharacterSet, UnderstandsMisspelledTerms) {
  for (const char* term : {"ISO_IR 100", "ISO-IR 100", "ISO IR 100", "ISO 2022 IR 100",
                           "ISO_IR_100", " ISO_IR 100 "}) {
    EXPECT_EQ(Text(term, "\xE9"), "é") << term;
    EXPECT_TRUE(CharacterSet(term).known()) << term;
  }
  EXPECT_FALSE(CharacterSet("ISO_IR 999").known());
  EXPECT_FALSE(CharacterSet("nonsense").known());
}

TEST(CharacterSet, WithoutATermTakesUtf8AndElseLatin1) {
  EXPECT_EQ(Text("", "é"), "é");
  EXPECT_EQ(Text("", "\xE9"), "é");
  EXPECT_EQ(Text("ISO_IR 6", "\xE9"), "é");
}

TEST(CharacterSet, LeavesEscapesAloneThatDesignateNothing) {
  EXPECT_EQ(Text("ISO_IR 192", "A\x1B[31mB"), "A\x1B[31mB");
  EXPECT_EQ(Text("ISO_IR 100", "A\x1B[31mB"), "A\x1B[31mB");
  EXPECT_EQ(Text("\\ISO 2022 IR 87", "A\x1B"), "A\x1B");
}

TEST(CharacterSet, GivesUtf8WhateverTheBytesAre) {
  const char* sets[] = {"",
                        "ISO_IR 100",
                        "ISO_IR 13",
                        "ISO_IR 192",
                        "GB18030",
                        "GBK",
                        "\\ISO 2022 IR 87",
                        "\\ISO 2022 IR 149",
                        "ISO_IR 166",
                        "ISO_IR 127",
                        "ISO 2022 IR 13\\ISO 2022 IR 159",
                        "?"};
  uint64_t state = 20261125;
  for (const char* set : sets) {
    const CharacterSet character_set(set);
    for (int round = 0; round < 300; ++round) {
      std::string bytes;
      for (int i = 0; i < 24; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const auto roll = static_cast<uint8_t>(state >> 56);
        bytes += (roll % 8 == 0) ? std::string("\x1B$B") : std::string(1, static_cast<char>(roll));
      }
      EXPECT_TRUE(IsUtf8(character_set.Decode(AsBytes(bytes), round % 2 == 0)))
          << set << " round " << round << " of seed 20261125";
    }
  }
}

}  // namespace
}  // namespace leadglass
