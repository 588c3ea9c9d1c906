// SPDX-License-Identifier: Apache-2.0
#include "index/display_name.h"

#include <gtest/gtest.h>

#include <set>

namespace leadglass {
namespace {

DicomFacts NamedFacts() {
  DicomFacts facts;
  facts.patient_id = "123";
  facts.patient_name = "Doe^Jane";
  facts.study_instance_uid = "1.2.3";
  facts.study_date = "20240115";
  facts.modality = "CT";
  facts.study_description = "Abdomen";
  facts.accession_number = "A1234";
  facts.series_instance_uid = "1.2.3.4";
  facts.series_number = "3";
  facts.series_description = "Arterial phase";
  facts.instance_number = "17";
  return facts;
}

std::string PatientOf(const std::string& id, const std::string& name = "Doe^Jane") {
  DicomFacts facts = NamedFacts();
  facts.patient_id = id;
  facts.patient_name = name;
  return PatientFolderName(facts, 7);
}

// The promises of display_name.h, for any name.
void ExpectSafe(const std::string& name) {
  EXPECT_TRUE(IsUtf8(name));
  EXPECT_GE(name.size(), 1u);
  EXPECT_LE(name.size(), 255u);
  EXPECT_EQ(name.find_first_of("/\\:*?\"<>|"), std::string::npos) << name;
  for (const char c : name) EXPECT_TRUE(static_cast<uint8_t>(c) >= 0x20 && c != 0x7F) << name;
  EXPECT_EQ(std::string(" .-~").find(name.front()), std::string::npos) << name;
  EXPECT_EQ(std::string(" .").find(name.back()), std::string::npos) << name;
}

TEST(DisplayName, ReadsLikeAFolderAPersonMade) {
  EXPECT_EQ(PatientFolderName(NamedFacts(), 7), "Doe Jane [123]");
  EXPECT_EQ(StudyFolderName(NamedFacts()), "2024-01-15 CT Abdomen [A1234]");
  EXPECT_EQ(SeriesFolderName(NamedFacts()), "0003 CT Arterial phase");
  EXPECT_EQ(ImageFileName(NamedFacts()), "0017.dcm");
}

TEST(DisplayName, ShowsTheFirstWrittenFormOfAPersonsName) {
  EXPECT_EQ(ReadablePersonName("Doe^Jane^Mary^Dr^PhD"), "Doe Jane Mary Dr PhD");
  EXPECT_EQ(ReadablePersonName("Doe^Jane^^"), "Doe Jane");
  EXPECT_EQ(ReadablePersonName("^^^"), "");
  EXPECT_EQ(ReadablePersonName("Yamada^Tarou=山田^太郎=やまだ^たろう"), "Yamada Tarou");
  EXPECT_EQ(ReadablePersonName("=山田^太郎="), "山田 太郎");
  EXPECT_EQ(ReadablePersonName("^=^=やまだ"), "やまだ");
}

TEST(DisplayName, LeavesOutWhatIsMissing) {
  EXPECT_EQ(PatientOf("123", ""), "Unnamed [123]");
  DicomFacts facts;
  facts.study_instance_uid = "1";
  facts.series_instance_uid = "2";
  EXPECT_EQ(StudyFolderName(facts), "Undated");
  EXPECT_EQ(SeriesFolderName(facts), "Series");
  EXPECT_EQ(ImageFileName(facts), "image.dcm");
  EXPECT_EQ(StudyFolderName({}), "No study UID");
  EXPECT_EQ(SeriesFolderName({}), "No series UID");
}

TEST(DisplayName, KeepsStrangersWithoutIdApart) {
  DicomFacts one = NamedFacts(), two = NamedFacts();
  one.patient_id = two.patient_id = "";
  two.study_instance_uid = "1.2.4";
  EXPECT_NE(PatientFolderName(one, 7), PatientFolderName(two, 7));
  EXPECT_EQ(PatientFolderName(one, 7), PatientFolderName(one, 8)) << "one study, one folder";
  one.study_instance_uid = "";
  EXPECT_NE(PatientFolderName(one, 7), PatientFolderName(one, 8)) << "nothing identifies it";
  EXPECT_EQ(PatientFolderName(one, 7).substr(0, 15), "Doe Jane [no id");
}

TEST(DisplayName, IsSafeWhateverThePatientIdIs) {
  for (const char* id :
       {".", "..", "../../../etc/passwd", "-rf", "CON", "~root", ".hidden", "a\nb",
        "A\x01\x1B[31mB", "abc\u202Egnp.exe", "*?[a]{b}", "%2e%2e%2f", "C:\\TEMP", "\x7F", "a\tb",
        "ends.", "O'Brien \"x\" $(id) `id`", "\u200B", "🧠brain"}) {
    ExpectSafe(PatientOf(id));
    ExpectSafe(PatientOf(id, id));
    DicomFacts facts = NamedFacts();
    facts.study_date = facts.modality = facts.study_description = facts.accession_number = id;
    facts.series_number = facts.series_description = facts.instance_number = id;
    ExpectSafe(StudyFolderName(facts));
    ExpectSafe(SeriesFolderName(facts));
    ExpectSafe(ImageFileName(facts));
    ExpectSafe(SafeName(id, "fallback"));
  }
}

TEST(DisplayName, DropsWhatCannotBeSeen) {
  EXPECT_EQ(SafeName("abc\u202Egnp.exe", "x"), "abcgnp.exe");
  EXPECT_EQ(SafeName("a\u200Bb\uFEFFc\u2066d", "x"), "abcd");
  EXPECT_EQ(SafeName("a\t\n  b\u00A0c", "x"), "a b c");
  EXPECT_EQ(SafeName("\u202E", "x"), "x");
}

TEST(DisplayName, ReplacesWhatWindowsAndSmbRefuse) {
  EXPECT_EQ(SafeName("WARD/12/BED 3", "x"), "WARD_12_BED 3");
  EXPECT_EQ(SafeName("a\\b:c*d?e\"f<g>h|i", "x"), "a_b_c_d_e_f_g_h_i");
}

TEST(DisplayName, AvoidsDevicesOfWindows) {
  for (const char* device : {"CON", "con", "Nul", "PRN", "AUX", "COM1", "lpt9", "CON.txt",
                             "nul.tar.gz", "CONIN$", "aux .c", "COM\u00B9"}) {
    EXPECT_EQ(SafeName(device, "x").front(), '_') << device;
  }
  for (const char* name : {"CONSOLE", "COM10", "COMA", "nula"}) {
    EXPECT_EQ(SafeName(name, "x"), name);
  }
}

TEST(DisplayName, ComposesItsCharacters) {
  EXPECT_EQ(SafeName("Zoe\u0308", "x"), "Zo\u00EB");
  EXPECT_EQ(SafeName("e\u200B\u0301", "x"), "\u00E9") << "composed after the invisible has gone";
}

TEST(DisplayName, IsCutBetweenCharactersAndKeepsTheId) {
  std::string wide;
  for (int i = 0; i < 200; ++i) wide += "山";
  const std::string name = PatientOf("123", wide);
  EXPECT_TRUE(IsUtf8(name));
  EXPECT_LE(name.size(), 255u);
  EXPECT_GE(name.size(), 250u);
  EXPECT_EQ(name.substr(name.size() - 6), " [123]");
}

TEST(DisplayName, KeepsLongIdsApart) {
  const std::string one = PatientOf(std::string(5000, 'Z')),
                    two = PatientOf(std::string(5001, 'Z'));
  EXPECT_NE(one, two);
  ExpectSafe(one);
  EXPECT_EQ(one.substr(0, 9), "Doe Jane ");
}

TEST(DisplayName, WritesDatesSoThatTheySort) {
  DicomFacts facts = NamedFacts();
  facts.modality = facts.study_description = facts.accession_number = "";
  const auto shown = [&facts](const char* date) {
    facts.study_date = date;
    return StudyFolderName(facts);
  };
  EXPECT_EQ(shown("1993.08.22"), "1993-08-22");
  EXPECT_EQ(shown("20240230"), "2024-02-30");
  EXPECT_EQ(shown("20240101-20240201"), "20240101-20240201");
  EXPECT_EQ(shown("today/now"), "today_now");
}

TEST(DisplayName, WritesNumbersSoThatTheySort) {
  DicomFacts facts = NamedFacts();
  const auto shown = [&facts](const char* number) {
    facts.instance_number = number;
    return ImageFileName(facts);
  };
  EXPECT_EQ(shown("7"), "0007.dcm");
  EXPECT_EQ(shown("0007"), "0007.dcm");
  EXPECT_EQ(shown("12345"), "12345.dcm");
  EXPECT_EQ(shown("0"), "0000.dcm");
  EXPECT_EQ(shown("-5"), "neg-0005.dcm");
  EXPECT_EQ(shown("+5"), "0005.dcm");
  EXPECT_EQ(shown("abc"), "abc.dcm");
  EXPECT_EQ(shown("99999999999999"), "99999999999999.dcm");
  EXPECT_EQ(shown("..."), "image.dcm");
}

TEST(WithSuffix, StandsBeforeTheEndingOrTheId) {
  const std::string image = WithSuffix("0017.dcm", "1.2.3");
  EXPECT_EQ(image.size(), std::string("0017 ~xxxxxxxx.dcm").size());
  EXPECT_EQ(image.substr(0, 6), "0017 ~");
  EXPECT_EQ(image.substr(image.size() - 4), ".dcm");
  const std::string patient = WithSuffix("Doe Jane [123]", "key");
  EXPECT_EQ(patient.substr(0, 10), "Doe Jane ~");
  EXPECT_EQ(patient.substr(patient.size() - 6), " [123]");
  EXPECT_EQ(WithSuffix("0003 CT", "u").substr(0, 9), "0003 CT ~");
}

TEST(WithSuffix, IsTheSameForEver) {
  EXPECT_EQ(WithSuffix("a", "1.2.840.113619.2.1"), "a ~evdrfzrt");
  EXPECT_EQ(WithSuffix("a", ""), "a ~zkbaw7hn");
}

TEST(WithSuffix, StaysWithinTheLimit) {
  std::set<std::string> names;
  for (const std::string& name : {std::string(255, 'x'), std::string(251, 'x') + ".dcm",
                                  std::string(200, 'x') + " [" + std::string(52, 'y') + "]"}) {
    for (const char* uid : {"1", "2", "3"}) {
      const std::string longer = WithSuffix(name, uid);
      ExpectSafe(longer);
      names.insert(longer);
    }
  }
  EXPECT_EQ(names.size(), 9u);
  std::string wide;
  for (int i = 0; i < 85; ++i) wide += "山";
  ExpectSafe(WithSuffix(wide, "1"));
}

TEST(CollisionKey, IsEqualWhereWindowsSeesOneName) {
  EXPECT_EQ(CollisionKey("CaseClash"), CollisionKey("caseclash"));
  EXPECT_EQ(CollisionKey("ÄRZTE"), CollisionKey("ärzte"));
  EXPECT_EQ(CollisionKey("Zoe\u0308"), CollisionKey("ZO\u00CB"));
  EXPECT_NE(CollisionKey("Doe Jane [1]"), CollisionKey("Doe Jane [2]"));
}

}  // namespace
}  // namespace leadglass
