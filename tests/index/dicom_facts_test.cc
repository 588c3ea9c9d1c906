// SPDX-License-Identifier: Apache-2.0
#include "index/dicom_facts.h"

#include <gtest/gtest.h>

#include "index/wanted_elements.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

DicomFacts Sample() {
  DicomFacts facts;
  facts.kind = DicomFacts::Kind::kImage;
  facts.patient_id = "123";
  facts.patient_name = "山田^太郎";
  facts.study_instance_uid = "1.2.3";
  facts.specific_character_set = "ISO_IR 192";
  facts.attributes = {{"PatientID", "123"}, {"Rows", "512"}};
  return facts;
}

TEST(DicomFacts, ComeBackFromTheirBytes) {
  EXPECT_THAT(DecodeDicomFacts(EncodeDicomFacts(Sample())), IsOkAndHolds(Sample()));
  EXPECT_THAT(DecodeDicomFacts(EncodeDicomFacts({})), IsOkAndHolds(DicomFacts{}));
}

// The numbers of keywords are on disks: none may change.
TEST(DicomFacts, AreStoredAsTheFormatSays) {
  DicomFacts facts;
  facts.kind = DicomFacts::Kind::kImage;
  facts.patient_id = "123";
  facts.attributes = {{"SpecificCharacterSet", "x"},
                      {"PatientID", "123"},
                      {"PatientSex", "O"},
                      {"PixelRepresentation", "0"},
                      {"NewKeyword", "v"}};
  ByteWriter expected;
  expected.U8(2);
  expected.U8(1);
  expected.Text16("123");
  for (int field = 1; field < 22; ++field) expected.Text16("");
  expected.U8(5);
  expected.U8(1);
  expected.Text16("x");
  expected.U8(0x80 | 22);  // the value of the field
  expected.U8(25);
  expected.Text16("O");
  expected.U8(47);
  expected.Text16("0");
  expected.U8(0);
  expected.Text16("NewKeyword");
  expected.Text16("v");
  EXPECT_EQ(EncodeDicomFacts(facts), ByteVector(expected.span().begin(), expected.span().end()));
  EXPECT_THAT(DecodeDicomFacts(expected.span()), IsOkAndHolds(facts));
}

TEST(DicomFacts, OfVersionOneAreReadToo) {
  ByteWriter old;
  old.U8(1);
  old.U8(1);
  old.Text16("123");
  for (int field = 1; field < 22; ++field) old.Text16("");
  old.U8(2);
  old.Text16("PatientID");
  old.Text16("123");
  old.Text16("Rows");
  old.Text16("512");
  DicomFacts facts;
  facts.kind = DicomFacts::Kind::kImage;
  facts.patient_id = "123";
  facts.attributes = {{"PatientID", "123"}, {"Rows", "512"}};
  EXPECT_THAT(DecodeDicomFacts(old.span()), IsOkAndHolds(facts));
}

// What is read of a header has a number, or each image takes a kilobyte more.
TEST(DicomFacts, SayEveryElementThatIsReadInAByte) {
  DicomFacts facts;
  for (const WantedElement& element : kWantedElements)
    facts.attributes.push_back({std::string(element.keyword), "?"});
  EXPECT_EQ(EncodeDicomFacts(facts).size(), 2 + 22 * 2 + 1 + facts.attributes.size() * 4);
  EXPECT_THAT(DecodeDicomFacts(EncodeDicomFacts(facts)), IsOkAndHolds(facts));
}

TEST(DicomFacts, RefuseAnAttributeWithoutAKeywordOrItsField) {
  for (const uint8_t number : {uint8_t{53}, uint8_t{0x80}, uint8_t{0x80 | 53}, uint8_t{0x80 | 2}}) {
    DicomFacts facts;
    facts.attributes = {{"SpecificCharacterSet", "x"}};
    ByteVector bytes = EncodeDicomFacts(facts);
    ASSERT_EQ(bytes[bytes.size() - 4], 1);
    bytes[bytes.size() - 4] = number;
    EXPECT_THAT(DecodeDicomFacts(bytes), FailsWith(Errc::kCorrupt)) << int{number};
  }
}

TEST(DicomFacts, RefuseEveryTruncation) {
  const ByteVector bytes = EncodeDicomFacts(Sample());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THAT(DecodeDicomFacts(ByteSpan(bytes).first(n)), FailsWith(Errc::kCorrupt)) << n;
  }
}

TEST(DicomFacts, RefuseBytesLeftOver) {
  ByteVector bytes = EncodeDicomFacts(Sample());
  bytes.push_back(0);
  EXPECT_THAT(DecodeDicomFacts(bytes), FailsWith(Errc::kCorrupt));
}

TEST(DicomFacts, RefuseAnotherVersionOrKind) {
  for (const size_t at : {0u, 1u}) {
    for (const uint8_t value : {uint8_t{0}, uint8_t{4}, uint8_t{255}}) {
      ByteVector bytes = EncodeDicomFacts(Sample());
      bytes[at] = value;
      EXPECT_THAT(DecodeDicomFacts(bytes), FailsWith(Errc::kCorrupt));
    }
  }
}

TEST(DicomFacts, RefuseTextThatIsNoUtf8) {
  ByteVector bytes = EncodeDicomFacts(Sample());
  ASSERT_EQ(bytes[4], '1');  // version, kind, length, then PatientID
  bytes[4] = 0xFF;
  EXPECT_THAT(DecodeDicomFacts(bytes), FailsWith(Errc::kCorrupt));
}

TEST(DicomFacts, RefuseFieldsOverTheirLimit) {
  ByteWriter writer;
  writer.U8(1);
  writer.U8(1);
  writer.Text16(std::string(kMaxIdentityBytes + 1, 'x'));
  EXPECT_THAT(DecodeDicomFacts(writer.span()), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(DecodeDicomFacts(ByteVector(kMaxEncodedFactsBytes + 1, 1)),
              FailsWith(Errc::kCorrupt));
}

TEST(DicomFacts, FitTheirBoundWhenEveryFieldIsFull) {
  DicomFacts facts;
  const std::string full(kMaxIdentityBytes, 'x');
  facts.patient_id = facts.issuer_of_patient_id = facts.study_instance_uid =
      facts.series_instance_uid = facts.sop_instance_uid = full;
  const std::string text(kMaxTextBytes, 'y');
  for (auto field : {&DicomFacts::patient_name, &DicomFacts::study_description,
                     &DicomFacts::series_description, &DicomFacts::modality}) {
    facts.*field = text;
  }
  facts.attributes.assign(
      kMaxAttributes, {std::string(kMaxAttributeBytes, 'k'), std::string(kMaxAttributeBytes, 'v')});
  const ByteVector bytes = EncodeDicomFacts(facts);
  EXPECT_LE(bytes.size(), kMaxEncodedFactsBytes);
  EXPECT_THAT(DecodeDicomFacts(bytes), IsOkAndHolds(facts));
}

TEST(Utf8, KnowsWhatIsWellFormed) {
  for (const char* good : {"", "abc", "é", "山", "🧠", "\xEF\xBF\xBD"}) EXPECT_TRUE(IsUtf8(good));
  for (const char* bad : {"\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF8\x88\x80\x80\x80", "é\xC3", "\xE5\xB1"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(Utf8, IsCutBetweenCharacters) {
  const std::string text = "aé山🧠";  // 1 + 2 + 3 + 4 bytes
  const size_t lengths[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (size_t n = 0; n < std::size(lengths); ++n) EXPECT_EQ(CutUtf8(text, n).size(), lengths[n]);
}

}  // namespace
}  // namespace leadglass
