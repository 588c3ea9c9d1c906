// SPDX-License-Identifier: Apache-2.0
#include "fs/filing_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace leadglass {
namespace {

using Image = std::map<std::string, std::string, std::less<>>;

RuleSubject SubjectOf(const Image& image, const std::string& folder = "/archive") {
  return {[&image](std::string_view attribute) -> std::optional<std::string> {
            const auto found = image.find(attribute);
            return found == image.end() ? std::nullopt : std::optional(found->second);
          },
          [folder](std::string_view asked) { return folder == asked; }};
}

bool GlobFits(const std::string& pattern, std::string_view value) {
  return Matches(Pattern(Glob{pattern}), value);
}
bool IsIn(const std::string& from, const std::string& to, std::string_view value) {
  return Matches(Pattern(Range{from, to}), value);
}

TEST(FilingRules, ExactTextIsAllOfTheValueAndCaseCounts) {
  EXPECT_TRUE(Matches(Pattern(ExactText{"CT"}), "CT"));
  EXPECT_FALSE(Matches(Pattern(ExactText{"CT"}), "ct"));
  EXPECT_FALSE(Matches(Pattern(ExactText{"CT"}), "CTPROTOCOL"));
  EXPECT_FALSE(Matches(Pattern(ExactText{"C*"}), "CT"));
}

TEST(FilingRules, AGlobHasStarsForAnythingAndQuestionMarksForOneCharacter) {
  EXPECT_TRUE(GlobFits("*", ""));
  EXPECT_TRUE(GlobFits("*", "anything"));
  EXPECT_TRUE(GlobFits("CATH*", "CATH"));
  EXPECT_TRUE(GlobFits("CATH*", "CATH LAB 2"));
  EXPECT_FALSE(GlobFits("CATH*", "A CATH LAB"));
  EXPECT_TRUE(GlobFits("*LAB*", "CATH LAB 2"));
  EXPECT_TRUE(GlobFits("C?TH", "CÄTH"));  // two bytes, one character
  EXPECT_FALSE(GlobFits("C?TH", "CTH"));
  EXPECT_TRUE(GlobFits("a*b*c", "a b c b c"));
  EXPECT_FALSE(GlobFits("a*b*c", "a b c b"));
  EXPECT_FALSE(GlobFits("", "x"));
  EXPECT_TRUE(GlobFits("[abc]", "[abc]"));  // brackets are themselves
}

// A pattern that makes a backtracking matcher work for years.
TEST(FilingRules, AGlobOfManyStarsIsDecidedAtOnce) {
  std::string pattern, value(2000, 'a');
  for (int i = 0; i < 30; ++i) pattern += "a*";
  EXPECT_FALSE(GlobFits(pattern + "b", value));
  EXPECT_TRUE(GlobFits(pattern, value));
}

TEST(FilingRules, ARangeHasBothEndsAndMayBeOpen) {
  EXPECT_TRUE(IsIn("20240101", "20241231", "20240101"));
  EXPECT_TRUE(IsIn("20240101", "20241231", "20241231"));
  EXPECT_FALSE(IsIn("20240101", "20241231", "20250101"));
  EXPECT_TRUE(IsIn("20240101", "", "20990101"));
  EXPECT_FALSE(IsIn("20240101", "", "20231231"));
  EXPECT_TRUE(IsIn("", "B", "ABC"));
}

TEST(FilingRules, ARangeOfNumbersComparesNumbers) {
  EXPECT_TRUE(IsIn("2", "10", "9.5"));
  EXPECT_TRUE(IsIn("2", "10", " 9 "));
  EXPECT_TRUE(IsIn("2", "10", "+3"));
  EXPECT_FALSE(IsIn("2", "10", "11"));
  EXPECT_FALSE(IsIn("2", "10", "3 mm"));  // no number is in no range of numbers
  EXPECT_TRUE(IsIn("-1.5", "", "0"));
}

TEST(FilingRules, OneOfSeveralValuesIsEnough) {
  const Condition condition{"ImageType", {ExactText{"SECONDARY"}}};
  const Image image{{"ImageType", "DERIVED\\SECONDARY \\OTHER"}};
  EXPECT_TRUE(Meets(condition, SubjectOf(image)));
  const Condition both{"ImageType", {ExactText{"DERIVED\\SECONDARY"}}};
  EXPECT_FALSE(Meets(both, SubjectOf(image)));
}

TEST(FilingRules, OneOfSeveralPatternsIsEnough) {
  const Condition condition{"Modality", {ExactText{"US"}, Glob{"X*"}}};
  for (const char* fits : {"US", "XA"})
    EXPECT_TRUE(Meets(condition, SubjectOf(Image{{"Modality", fits}}))) << fits;
  EXPECT_FALSE(Meets(condition, SubjectOf(Image{{"Modality", "CT"}})));
}

TEST(FilingRules, WhatAnImageDoesNotHaveMeetsNoCondition) {
  EXPECT_FALSE(Meets({"StationName", {Glob{"*"}}}, SubjectOf(Image{{"Modality", "CT"}})));
}

TEST(FilingRules, AFolderIsAskedForByItsName) {
  const Condition condition{std::string(kFolderAttribute),
                            {ExactText{"/archive/mr"}, ExactText{"/archive/ct"}}};
  EXPECT_TRUE(Meets(condition, SubjectOf({}, "/archive/ct")));
  EXPECT_FALSE(Meets(condition, SubjectOf({}, "/archive/us")));
}

TEST(FilingRules, AllConditionsOfARuleMustHold) {
  const FilingRule rule{"cardiac ultrasound",
                        "cardio",
                        {},
                        {{"Modality", {ExactText{"US"}}}, {"StationName", {Glob{"ECHO*"}}}}};
  EXPECT_TRUE(Matches(rule, SubjectOf(Image{{"Modality", "US"}, {"StationName", "ECHO3"}})));
  EXPECT_FALSE(Matches(rule, SubjectOf(Image{{"Modality", "US"}, {"StationName", "US3"}})));
  EXPECT_FALSE(Matches(rule, SubjectOf(Image{{"Modality", "US"}})));
}

TEST(FilingRules, TheFirstRuleThatMatchesWins) {
  const std::vector<FilingRule> rules{
      {"breast", "mammo", {}, {{"Modality", {ExactText{"MG"}}}}},
      {"clinic", "clinic", {}, {{"InstitutionName", {Glob{"North*"}}}}},
      {"rest", "radiology", {}, {}},
  };
  EXPECT_EQ(FirstMatch(rules, SubjectOf(Image{{"Modality", "MG"}, {"InstitutionName", "North"}})),
            0u);
  EXPECT_EQ(FirstMatch(rules, SubjectOf(Image{{"InstitutionName", "North Wing"}})), 1u);
  EXPECT_EQ(FirstMatch(rules, SubjectOf(Image{})), 2u);
  EXPECT_EQ(FirstMatch({rules[0]}, SubjectOf(Image{})), std::nullopt);
}

}  // namespace
}  // namespace leadglass
