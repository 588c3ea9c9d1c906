// SPDX-License-Identifier: Apache-2.0
#include "index/further_elements.h"

#include <gtest/gtest.h>

#include "index/data_dictionary.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using ::testing::HasSubstr;

std::string WhyNot(std::string_view keyword) {
  const auto element = FurtherElementOf(keyword);
  EXPECT_FALSE(element) << keyword;
  return element ? std::string() : ToString(element.error());
}

TEST(DataDictionary, FindsElementsByKeyword) {
  EXPECT_EQ(FindInDictionary("RequestedProcedureDescription"),
            (DictionaryElement{0x00321060, "LO"}));
  EXPECT_EQ(FindInDictionary("Rows"), (DictionaryElement{0x00280010, "US"}));
  EXPECT_EQ(FindInDictionary("SmallestImagePixelValue"),
            (DictionaryElement{0x00280106, "US or SS"}));
  EXPECT_EQ(FindInDictionary("ReferencedStudySequence"), (DictionaryElement{0x00081110, "SQ"}));
  EXPECT_EQ(FindInDictionary("requestedproceduredescription"), std::nullopt);
  EXPECT_EQ(FindInDictionary("Requested Procedure Description"), std::nullopt);
  EXPECT_EQ(FindInDictionary(""), std::nullopt);
}

TEST(FurtherElements, AreWhatThePublicDictionaryHasAsText) {
  EXPECT_THAT(FurtherElementOf("RequestedProcedureDescription"),
              IsOkAndHolds(
                  FurtherElement{0x00321060, ElementKind::kText, "RequestedProcedureDescription"}));
  EXPECT_THAT(FurtherElementOf("RequestingPhysician"),
              IsOkAndHolds(FurtherElement{0x00321032, ElementKind::kName, "RequestingPhysician"}));
  EXPECT_THAT(
      FurtherElementOf("PerformedStationAETitle"),
      IsOkAndHolds(FurtherElement{0x00400241, ElementKind::kCode, "PerformedStationAETitle"}));
  EXPECT_THAT(
      FurtherElementOf("PlanarConfiguration"),
      IsOkAndHolds(FurtherElement{0x00280006, ElementKind::kNumber, "PlanarConfiguration"}));
}

TEST(FurtherElements, OthersAreRefusedWithTheReason) {
  EXPECT_THAT(WhyNot("Modalty"), HasSubstr("'Modalty' is no keyword"));
  EXPECT_THAT(WhyNot("ReferencedStudySequence"), HasSubstr("no text that could be compared: its "
                                                           "value representation is SQ"));
  EXPECT_THAT(WhyNot("PixelData"), HasSubstr("no text"));
  EXPECT_THAT(WhyNot("ImplementationVersionName"), HasSubstr("in front of the data set"));
  EXPECT_THAT(WhyNot("MessageID"), HasSubstr("in front of the data set"));  // PS3.7
  EXPECT_THAT(WhyNot(std::string(10'000, 'x')), ::testing::Not(HasSubstr(std::string(65, 'x'))));
}

TEST(FurtherElements, WhatIsReadOfEveryHeaderIsKnown) {
  EXPECT_TRUE(IsAlwaysRead("Modality"));
  EXPECT_TRUE(IsAlwaysRead("SourceApplicationEntityTitle"));
  EXPECT_FALSE(IsAlwaysRead("RequestedProcedureDescription"));
}

}  // namespace
}  // namespace leadglass
