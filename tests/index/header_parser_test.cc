// SPDX-License-Identifier: Apache-2.0
#include "index/header_parser.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "index/identity_scan.h"
#include "tests/support/make_dicom.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using Syntax = DicomWriter::Syntax;

HeaderResult Parse(const ByteVector& file) { return ParseHeader(file, file.size()); }

DicomFacts FactsOf(const HeaderResult& result) {
  const auto* facts = std::get_if<DicomFacts>(&result);
  if (facts == nullptr) {
    const auto* unparsed = std::get_if<Unparsed>(&result);
    ADD_FAILURE() << (unparsed == nullptr ? "needs more" : UnparsedText(unparsed->reason));
    return {};
  }
  return *facts;
}
DicomFacts FactsOf(const ByteVector& file) { return FactsOf(Parse(file)); }

UnparsedReason ReasonOf(const ByteVector& file) {
  const HeaderResult result = Parse(file);
  const auto* unparsed = std::get_if<Unparsed>(&result);
  EXPECT_NE(unparsed, nullptr);
  return unparsed == nullptr ? UnparsedReason{} : unparsed->reason;
}

// The identity elements, in order.
DicomWriter& AddIdentity(DicomWriter& writer, std::string_view id = "real") {
  return writer.Add(0x00100020, "LO", id).Add(0x0020000D, "UI", "1.2").Add(0x0020000E, "UI", "1.3");
}

std::string ValueOf(const DicomFacts& facts, std::string_view keyword) {
  for (const DicomAttribute& a : facts.attributes) {
    if (a.keyword == keyword) return a.value;
  }
  return "(missing)";
}

class EverySyntax : public testing::TestWithParam<Syntax> {};

TEST_P(EverySyntax, IsRead) {
  const DicomFacts facts = FactsOf(MakeImage({.patient_id = "123",
                                              .patient_name = "Doe^Jane",
                                              .issuer = "SITE",
                                              .study_uid = "1.2.3",
                                              .series_uid = "1.2.4",
                                              .sop_uid = "1.2.5",
                                              .instance_number = "17",
                                              .syntax = GetParam()}));
  EXPECT_EQ(facts.kind, DicomFacts::Kind::kImage);
  EXPECT_EQ(facts.patient_id, "123");
  EXPECT_EQ(facts.issuer_of_patient_id, "SITE");
  EXPECT_EQ(facts.patient_name, "Doe^Jane");
  EXPECT_EQ(facts.patient_birth_date, "19700101");
  EXPECT_EQ(facts.patient_sex, "O");
  EXPECT_EQ(facts.study_instance_uid, "1.2.3");
  EXPECT_EQ(facts.series_instance_uid, "1.2.4");
  EXPECT_EQ(facts.sop_instance_uid, "1.2.5");
  EXPECT_EQ(facts.sop_class_uid, "1.2.840.10008.5.1.4.1.1.7");
  EXPECT_EQ(facts.study_date, "20240115");
  EXPECT_EQ(facts.study_time, "101500");
  EXPECT_EQ(facts.modality, "CT");
  EXPECT_EQ(facts.instance_number, "17");
  EXPECT_EQ(ValueOf(facts, "Rows"), "16");
  EXPECT_EQ(ValueOf(facts, "PatientID"), "123");
}

TEST_P(EverySyntax, GivesTheSameWithAndWithoutGdcm) {
  const ByteVector file = MakeImage({.syntax = GetParam()});
  EXPECT_EQ(FactsOf(ParseHeader(file, file.size(), Readers::kGdcmAndScan)),
            FactsOf(ParseHeader(file, file.size(), Readers::kScanOnly)));
}

TEST_P(EverySyntax, NeverReadsPastItsBytesWhereverTheyEnd) {
  const ByteVector file = MakeImage({.pixel_bytes = 64, .syntax = GetParam()});
  for (size_t n = 0; n < file.size(); ++n) {
    const ByteVector cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(n));
    const HeaderResult whole = ParseHeader(cut, cut.size());
    EXPECT_FALSE(std::holds_alternative<NeedMore>(whole)) << n;
    const HeaderResult part = ParseHeader(cut, file.size());
    if (const auto* more = std::get_if<NeedMore>(&part)) {
      EXPECT_GT(more->bytes, n);
      EXPECT_LE(more->bytes, file.size());
    }
  }
}

TEST_P(EverySyntax, CountsTopLevelElementsOnly) {
  DicomWriter writer(GetParam());
  writer.Add(0x00080018, "UI", "1.4").BeginSequence(0x00081110).BeginItem();
  writer.Add(0x00100020, "LO", "decoy").Add(0x0020000D, "UI", "9.9");
  writer.EndItem().EndSequence();
  const ByteVector file = AddIdentity(writer).File("1.4");
  EXPECT_EQ(FactsOf(file).patient_id, "real");
  EXPECT_EQ(FactsOf(file).study_instance_uid, "1.2");
}

INSTANTIATE_TEST_SUITE_P(HeaderParser, EverySyntax,
                         testing::Values(Syntax::kExplicitLe, Syntax::kImplicitLe,
                                         Syntax::kExplicitBe, Syntax::kDeflated));

TEST_P(EverySyntax, TellsWhoSentTheFile) {
  DicomWriter writer(GetParam());
  writer.Add(0x00080018, "UI", "1.4").Add(0x00081040, "LO", "Cardiology");
  const DicomFacts facts = FactsOf(AddIdentity(writer).From("CATHLAB2 ").File("1.4"));
  const auto value = [&](std::string_view keyword) {
    for (const auto& attribute : facts.attributes)
      if (attribute.keyword == keyword) return attribute.value;
    return std::string("none");
  };
  EXPECT_EQ(value("SourceApplicationEntityTitle"), "CATHLAB2");
  EXPECT_EQ(value("InstitutionalDepartmentName"), "Cardiology");
  EXPECT_EQ(value("TransferSyntaxUID"), facts.transfer_syntax_uid);
}

TEST(HeaderParser, ReadsABareDataSet) {
  for (const Syntax syntax : {Syntax::kExplicitLe, Syntax::kImplicitLe, Syntax::kExplicitBe}) {
    DicomWriter writer(syntax);
    writer.Add(0x00080018, "UI", "1.4").Add(0x00080060, "CS", "CT");
    const DicomFacts facts = FactsOf(AddIdentity(writer).DataSet());
    EXPECT_EQ(facts.kind, DicomFacts::Kind::kImage);
    EXPECT_EQ(facts.patient_id, "real");
    EXPECT_EQ(facts.transfer_syntax_uid, "");
  }
}

TEST(HeaderParser, ReadsAFileWhosePixelsAreCut) {
  ByteVector file = MakeImage({.patient_id = "cut", .pixel_bytes = 4096});
  file.resize(file.size() - 4000);
  EXPECT_EQ(FactsOf(file).patient_id, "cut");
}

TEST(HeaderParser, BelievesTheBytesWhereTheTransferSyntaxIsWrong) {
  DicomWriter implicit(Syntax::kImplicitLe);
  implicit.Add(0x00080018, "UI", "1.4");
  const ByteVector data_set = AddIdentity(implicit).DataSet();
  DicomWriter labelled_explicit;
  labelled_explicit.Raw(AsText(data_set));
  EXPECT_EQ(FactsOf(labelled_explicit.File("1.4")).patient_id, "real");
}

TEST(HeaderParser, CallsAFileWithoutOneOfTheUidsSo) {
  for (const char* missing : {"study", "series", "sop"}) {
    ImageSpec spec;
    if (missing == std::string("study")) spec.study_uid = "";
    if (missing == std::string("series")) spec.series_uid = " ";
    if (missing == std::string("sop")) spec.sop_uid = "";
    const DicomFacts facts = FactsOf(MakeImage(spec));
    EXPECT_EQ(facts.kind, DicomFacts::Kind::kNoUids) << missing;
    EXPECT_EQ(facts.patient_id, "MADE-1");
  }
}

TEST(HeaderParser, KnowsAMediaDirectory) {
  DicomWriter writer;
  writer.Add(0x00041130, "CS", "DISK");
  EXPECT_EQ(FactsOf(writer.File("1.2", "1.2.840.10008.1.3.10")).kind, DicomFacts::Kind::kDicomdir);
  EXPECT_EQ(FactsOf(writer.File("1.2", "")).kind, DicomFacts::Kind::kDicomdir);
}

TEST(HeaderParser, TrimsPaddingAndKeepsSeveralValues) {
  DicomWriter writer;
  writer.Add(0x00080018, "UI", std::string_view("1.4\0\0\0", 6));
  writer.Add(0x00081030, "LO", "  one\\two  ");
  const DicomFacts facts = FactsOf(AddIdentity(writer, "  id  ").File());
  EXPECT_EQ(facts.sop_instance_uid, "1.4");
  EXPECT_EQ(facts.study_description, "one\\two");
  EXPECT_EQ(facts.patient_id, "id");
}

TEST(HeaderParser, DecodesTextsButNotCodes) {
  const DicomFacts facts = FactsOf(MakeImage({.patient_id = "\xC4\xE9",
                                              .patient_name = "\xC4\xE9\xEF\xED",
                                              .character_set = "ISO_IR 126"}));
  EXPECT_EQ(facts.patient_name, "Διον");
  EXPECT_EQ(facts.patient_id, "Δι");
  EXPECT_EQ(facts.specific_character_set, "ISO_IR 126");
}

TEST(HeaderParser, TakesTheLastOfTwoEqualElements) {
  DicomWriter writer;
  writer.Add(0x00080018, "UI", "1.4").Add(0x00100020, "LO", "FIRST");
  EXPECT_EQ(FactsOf(AddIdentity(writer, "SECOND").File()).patient_id, "SECOND");
}

TEST(HeaderParser, FindsUidsBehindThePixels) {
  DicomWriter writer;
  writer.Add(0x00080018, "UI", "1.4").Add(0x7FE00010, "OW", std::string(300 << 10, 'p'));
  const ByteVector file = AddIdentity(writer, "LATE").File();
  const HeaderResult first = ParseHeader(ByteSpan(file).first(kFirstHeaderBytes), file.size());
  ASSERT_TRUE(std::holds_alternative<NeedMore>(first));
  EXPECT_EQ(FactsOf(file).patient_id, "LATE");
}

TEST(HeaderParser, DoesNotReadPixelsThatEndTheFile) {
  DicomWriter writer;
  writer.Add(0x00080018, "UI", "1.4").Add(0x7FE00010, "OW", std::string(300 << 10, 'p'));
  const ByteVector file = writer.File();
  const DicomFacts facts =
      FactsOf(ParseHeader(ByteSpan(file).first(kFirstHeaderBytes), file.size()));
  EXPECT_EQ(facts.kind, DicomFacts::Kind::kNoUids);
}

TEST(HeaderParser, AsksForMoreAndThenGivesTheSameAsAtOnce) {
  DicomWriter writer;
  writer.Add(0x00080018, "UI", "1.4").Add(0x00091001, "OB", std::string(1 << 20, 'p'));
  const ByteVector file = AddIdentity(writer).File();
  size_t have = 200, steps = 0;
  while (true) {
    const HeaderResult result = ParseHeader(ByteSpan(file).first(have), file.size());
    const auto* more = std::get_if<NeedMore>(&result);
    if (more == nullptr) {
      EXPECT_EQ(FactsOf(result), FactsOf(file));
      break;
    }
    ASSERT_GT(more->bytes, have);
    have = static_cast<size_t>(more->bytes);
    ASSERT_LT(++steps, 8u);
  }
}

// RequestedProcedureDescription, RequestingPhysician, PlanarConfiguration, by tag.
const FurtherElements kFurther = {
    {0x00280006, ElementKind::kNumber, "PlanarConfiguration"},
    {0x00321032, ElementKind::kName, "RequestingPhysician"},
    {0x00321060, ElementKind::kText, "RequestedProcedureDescription"},
};

HeaderResult ParseWithFurther(ByteSpan prefix, uint64_t file_size) {
  return ParseHeader(prefix, file_size, Readers::kGdcmAndScan, kFurther);
}

TEST_P(EverySyntax, FurtherElementsAreReadWhereTheyAreWanted) {
  DicomWriter writer(GetParam());
  writer.Add(0x00080005, "CS", "ISO_IR 100").Add(0x00080018, "UI", "1.4");
  writer.BeginSequence(0x00081110).BeginItem().Add(0x00321060, "LO", "of another one");
  AddIdentity(writer.EndItem().EndSequence()).AddU16(0x00280006, 1);
  writer.Add(0x00321032, "PN", "M\xfcller^Hans=").Add(0x00321060, "LO", " Thorax\\Herz ");
  const ByteVector file = writer.Add(0x7FE00010, "OW", std::string(64, 'p')).File();
  const DicomFacts facts = FactsOf(ParseWithFurther(file, file.size()));
  EXPECT_EQ(ValueOf(facts, "PlanarConfiguration"), "1");
  EXPECT_EQ(ValueOf(facts, "RequestingPhysician"), "M\xc3\xbcller^Hans");
  EXPECT_EQ(ValueOf(facts, "RequestedProcedureDescription"), "Thorax\\Herz");
  // Nothing else is changed by them.
  DicomFacts without = facts;
  without.attributes.resize(facts.attributes.size() - 3);
  EXPECT_EQ(without, FactsOf(file));
  EXPECT_THAT(DecodeDicomFacts(EncodeDicomFacts(facts)), IsOkAndHolds(facts));
}

TEST_P(EverySyntax, WithFurtherElementsItNeverReadsPastItsBytesEither) {
  const ByteVector file =
      MakeImage({.procedure = "Thorax", .pixel_bytes = 64, .syntax = GetParam()});
  for (size_t n = 0; n < file.size(); ++n) {
    const ByteVector cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_FALSE(std::holds_alternative<NeedMore>(ParseWithFurther(cut, cut.size()))) << n;
    const HeaderResult part = ParseWithFurther(cut, file.size());
    if (const auto* more = std::get_if<NeedMore>(&part)) {
      EXPECT_GT(more->bytes, n);
      EXPECT_LE(more->bytes, file.size());
    }
  }
}

// Between what is always read and what rules ask for stand elements of any length.
TEST(HeaderParser, ReadsOnForFurtherElements) {
  for (const Syntax syntax : {Syntax::kExplicitLe, Syntax::kDeflated}) {
    DicomWriter writer(syntax);
    writer.Add(0x00080018, "UI", "1.4");
    std::string noise(300 << 10, '\0');
    uint32_t state = 1;
    for (char& c : noise) c = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
    AddIdentity(writer).Add(0x00291010, "OB", noise).Add(0x00321060, "LO", "Thorax");
    const ByteVector file = writer.Add(0x7FE00010, "OW", noise).File();
    size_t have = kFirstHeaderBytes;
    EXPECT_EQ(ValueOf(FactsOf(ParseHeader(ByteSpan(file).first(have), file.size())), "PatientID"),
              "real");
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 8);
      const HeaderResult result = ParseWithFurther(ByteSpan(file).first(have), file.size());
      const auto* more = std::get_if<NeedMore>(&result);
      if (more == nullptr) {
        EXPECT_EQ(ValueOf(FactsOf(result), "RequestedProcedureDescription"), "Thorax");
        break;
      }
      ASSERT_GT(more->bytes, have);
      have = static_cast<size_t>(more->bytes);
    }
    EXPECT_LT(have, file.size()) << "the pixels are not read for it";
  }
}

// An image is filed with what is found of them: nothing about them makes it one that is not.
TEST(HeaderParser, DoesWithoutFurtherElementsThatCannotBeReached) {
  DicomWriter writer;
  writer.Add(0x00080018, "UI", "1.4");
  AddIdentity(writer).Add(0x00291010, "OB", std::string(kMaxHeaderBytes, 'p'));
  ByteVector file = writer.Add(0x00321060, "LO", "Thorax").File();
  const HeaderResult far = ParseWithFurther(ByteSpan(file).first(kMaxHeaderBytes), file.size());
  EXPECT_EQ(ValueOf(FactsOf(far), "RequestedProcedureDescription"), "(missing)");
  EXPECT_EQ(FactsOf(far).patient_id, "real");

  DicomWriter broken;
  broken.Add(0x00080018, "UI", "1.4");
  AddIdentity(broken).AddHeader(0x00280103, "US", 2).Raw(std::string("\0\0", 2));
  broken.Raw(std::string("\x30\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12));
  file = broken.Add(0x00321060, "LO", "Thorax").File();
  EXPECT_EQ(FactsOf(ParseWithFurther(file, file.size())).patient_id, "real");
}

TEST(HeaderParser, RefusesAHeaderOverItsLimit) {
  DicomWriter writer;
  writer.Add(0x00080018, "UI", "1.4").Add(0x00091001, "OB", std::string(kMaxHeaderBytes, 'p'));
  const ByteVector file = AddIdentity(writer).File();
  EXPECT_EQ(std::get<Unparsed>(ParseHeader(ByteSpan(file).first(kFirstHeaderBytes), file.size())),
            Unparsed{UnparsedReason::kTooLarge});
}

// `depth` sequences inside each other, then the identity.
ByteVector Nested(int depth, Syntax syntax) {
  DicomWriter writer(syntax);
  writer.Add(0x00080018, "UI", "1.4");
  for (int i = 0; i < depth; ++i) writer.BeginSequence(0x00081110).BeginItem();
  for (int i = 0; i < depth; ++i) writer.EndItem().EndSequence();
  return AddIdentity(writer).File();
}

TEST(HeaderParser, StopsAtItsNestingLimit) {
  for (const Syntax syntax : {Syntax::kExplicitLe, Syntax::kImplicitLe, Syntax::kExplicitBe}) {
    EXPECT_EQ(FactsOf(Nested(kMaxNesting, syntax)).patient_id, "real");
    EXPECT_EQ(ReasonOf(Nested(kMaxNesting + 1, syntax)), UnparsedReason::kTooDeep);
    EXPECT_EQ(ReasonOf(Nested(100000, syntax)), UnparsedReason::kTooDeep);
  }
}

TEST(HeaderParser, StopsAtTheNestingLimitOfDefinedLengthsToo) {
  std::string content;
  for (int i = 0; i < 5000; ++i) {  // an item of one sequence of one item of ...
    DicomWriter item, sequence;
    item.AddHeader(0xFFFEE000, "", static_cast<uint32_t>(content.size()));
    ByteVector head(8);
    StoreLe<uint16_t>(&head[0], 0xFFFE);
    StoreLe<uint16_t>(&head[2], 0xE000);
    StoreLe<uint32_t>(&head[4], static_cast<uint32_t>(content.size()));
    sequence.Add(0x00081110, "SQ", std::string(AsText(head)) + content);
    content = AsText(sequence.DataSet());
  }
  DicomWriter writer;
  writer.Add(0x00080018, "UI", "1.4").Raw(content);
  EXPECT_EQ(ReasonOf(AddIdentity(writer).File()), UnparsedReason::kTooDeep);
}

TEST(HeaderParser, BoundsWhatADeflatedHeaderInflatesTo) {
  DicomWriter writer(Syntax::kDeflated);
  writer.Add(0x00080018, "UI", "1.4").Add(0x00091001, "OB", std::string(20 << 20, '\0'));
  const ByteVector file = AddIdentity(writer).File();
  EXPECT_LT(file.size(), 200000u);
  EXPECT_EQ(ReasonOf(file), UnparsedReason::kDeflateTooLarge);
}

TEST(HeaderParser, ReadsADeflatedHeaderBeforeABigRest) {
  DicomWriter writer(Syntax::kDeflated);
  writer.Add(0x00080018, "UI", "1.4");
  AddIdentity(writer).AddU16(0x00280010, 16).Add(0x7FE00010, "OW", std::string(30 << 20, '\0'));
  EXPECT_EQ(FactsOf(writer.File()).patient_id, "real");
}

TEST(HeaderParser, SaysWhyItCannotRead) {
  EXPECT_EQ(ReasonOf({}), UnparsedReason::kEmpty);
  EXPECT_EQ(ReasonOf({'x'}), UnparsedReason::kNotDicom);
  EXPECT_EQ(ReasonOf(ByteVector(5000, 'x')), UnparsedReason::kNotDicom);
  EXPECT_EQ(ReasonOf(ByteVector(5000, 0)), UnparsedReason::kNotDicom);
  ByteVector chance(1000, 'x');
  std::copy_n("DICM", 4, chance.begin() + 128);
  EXPECT_EQ(ReasonOf(chance), UnparsedReason::kNotDicom);
  ByteVector magic(132, 0);
  std::copy_n("DICM", 4, magic.begin() + 128);
  EXPECT_NE(ReasonOf(magic), UnparsedReason{});
  DicomWriter over_end;
  over_end.Add(0x00080018, "UI", "1.4").AddHeader(0x00081030, "LO", 60000);
  EXPECT_EQ(ReasonOf(over_end.File("1.4")), UnparsedReason::kTruncated);
  DicomWriter broken;
  broken.BeginSequence(0x00081110).Raw("this is no item and no delimiter");
  EXPECT_EQ(ReasonOf(broken.File("1.4")), UnparsedReason::kMalformed);
  DicomWriter long_id;
  long_id.Add(0x00080018, "UI", "1.4");
  EXPECT_EQ(ReasonOf(AddIdentity(long_id, std::string(kMaxIdentityBytes + 2, 'x')).File("1.4")),
            UnparsedReason::kTooLarge);
}

TEST(HeaderParser, CutsLongTextsButNoIdentity) {
  const std::string id(5000, 'Z');
  const DicomFacts facts =
      FactsOf(MakeImage({.patient_id = id, .study_description = std::string(60000, 'd')}));
  EXPECT_EQ(facts.patient_id, id);
  EXPECT_EQ(facts.study_description.size(), kMaxTextBytes);
  EXPECT_EQ(ValueOf(facts, "PatientID").size(), kMaxAttributeBytes);
}

TEST(HeaderParser, HasASentenceWithoutFileBytesForEveryReason) {
  for (int i = 1; i <= static_cast<int>(UnparsedReason::kAmbiguous); ++i) {
    EXPECT_STRNE(UnparsedText(static_cast<UnparsedReason>(i)), "unknown reason");
    EXPECT_STRNE(UnparsedName(static_cast<UnparsedReason>(i)), "unknown");
  }
}

TEST(IdentityScan, FindsWhatTheParserFinds) {
  for (const Syntax syntax :
       {Syntax::kExplicitLe, Syntax::kImplicitLe, Syntax::kExplicitBe, Syntax::kDeflated}) {
    const ByteVector file =
        MakeImage({.patient_id = " 12 ", .study_uid = "1.2.3", .syntax = syntax});
    const auto identity = ScanIdentity(file, file.size());
    ASSERT_TRUE(std::holds_alternative<ScannedIdentity>(identity));
    EXPECT_EQ(std::get<ScannedIdentity>(identity), (ScannedIdentity{"12", "1.2.3"}));
    EXPECT_TRUE(ScanConfirms(FactsOf(file), file, file.size()));
  }
}

// Found by fuzzing: the parser looks at nothing in a directory, and the scan has to agree.
TEST(IdentityScan, FindsNobodyInAMediaDirectory) {
  DicomWriter writer;
  writer.Add(0x00041130, "CS", "DISK").Add(0x00100020, "LO", "12").Add(0x0020000D, "UI", "1.2.3");
  for (const char* media_class : {"1.2.840.10008.1.3.10", ""}) {
    const ByteVector file = writer.File("1.2", media_class);
    const auto identity = ScanIdentity(file, file.size());
    ASSERT_TRUE(std::holds_alternative<ScannedIdentity>(identity));
    EXPECT_EQ(std::get<ScannedIdentity>(identity), ScannedIdentity());
    EXPECT_TRUE(ScanConfirms(FactsOf(file), file, file.size()));
  }
}

TEST(IdentityScan, ContradictsAnotherPatientOrStudy) {
  const ByteVector file = MakeImage();
  DicomFacts lie = FactsOf(file);
  lie.patient_id = "somebody else";
  EXPECT_FALSE(ScanConfirms(lie, file, file.size()));
  lie = FactsOf(file);
  lie.study_instance_uid = "1.2.3";
  EXPECT_FALSE(ScanConfirms(lie, file, file.size()));
  EXPECT_FALSE(ScanConfirms(FactsOf(file), ByteVector(500, 'x'), 500));
}

}  // namespace
}  // namespace leadglass
