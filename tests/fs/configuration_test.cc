// SPDX-License-Identifier: Apache-2.0
#include "fs/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kHospital = R"(
root = "none"
default_group = "radiology"

[[rule]]
name = "women's imaging"
group = "mammo"
further = ["oncology", "research"]
where.Modality = "MG"
where.InstitutionName = { glob = "Frauenklinik*" }

[[rule]]
group = "cardio"
where.Modality = ["US", "XA"]
where.StudyDate = { from = "20240101" }
where.folder = "/archive/cath"
where.SliceThickness = { from = 1, to = 5 }
)";

std::string WhyNot(std::string_view toml) {
  const auto parsed = ParseConfiguration(toml);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code, Errc::kInvalidArgument);
  return ToString(parsed.error());
}

TEST(Configuration, SaysWhereCopiesOfTheAuditTrailGo) {
  ASSERT_OK_AND_ASSIGN(const Configuration none, ParseConfiguration(""));
  EXPECT_FALSE(none.audit.any());
  ASSERT_OK_AND_ASSIGN(const Configuration got,
                       ParseConfiguration("[audit]\njournal = true\nsyslog = "
                                          "\"udp:logs.example.org:1514\"\nsource = \"pacs-1\"\n"
                                          "site = \"St. Elsewhere\""));
  EXPECT_TRUE(got.audit.journal);
  EXPECT_EQ(got.audit.syslog, AuditCopies::Syslog::kUdp);
  EXPECT_EQ(got.audit.host, "logs.example.org");
  EXPECT_EQ(got.audit.port, 1514);
  EXPECT_EQ(got.audit.source_id, "pacs-1");
  EXPECT_EQ(got.audit.site_id, "St. Elsewhere");
  const auto syslog = [](const std::string& to) {
    return ParseConfiguration("[audit]\nsyslog = \"" + to + "\"");
  };
  ASSERT_OK_AND_ASSIGN(const Configuration address, syslog("udp:[2001:db8::7]"));
  EXPECT_EQ(address.audit.host, "2001:db8::7");
  EXPECT_EQ(address.audit.port, 514);
  ASSERT_OK_AND_ASSIGN(const Configuration both, syslog("udp:[::ffff:192.0.2.7]:10514"));
  EXPECT_EQ(both.audit.host, "::ffff:192.0.2.7");
  EXPECT_EQ(both.audit.port, 10514);
  ASSERT_OK_AND_ASSIGN(const Configuration local, syslog("local"));
  EXPECT_EQ(local.audit.syslog, AuditCopies::Syslog::kLocal);
  for (const char* wrong :
       {"remote", "udp:", "udp::514", "udp:host:", "udp:host:0", "udp:host:65536",
        "udp:host:000514", "udp:host:+514", "udp:host:5x", "udp:host:514:514", "udp:a b:514",
        "udp:[::1", "udp:[]:514", "udp:[host]", "udp:[::1]514", "tcp:host"})
    EXPECT_THAT(syslog(wrong), FailsWith(Errc::kInvalidArgument)) << wrong;
  EXPECT_THAT(WhyNot("audit = true"), HasSubstr("[audit]"));
  EXPECT_THAT(WhyNot("[audit]\njournal = 1"), HasSubstr("true or false"));
  EXPECT_THAT(WhyNot("[audit]\nsyslogs = \"local\""), HasSubstr("'syslogs' is not known"));
}

TEST(Configuration, HasRulesInTheirOrderWithAllTheySay) {
  ASSERT_OK_AND_ASSIGN(const Configuration got, ParseConfiguration(kHospital));
  EXPECT_EQ(got.root, Configuration::Root::kNone);
  EXPECT_EQ(got.default_group, "radiology");
  ASSERT_EQ(got.rules.size(), 2u);
  EXPECT_EQ(got.rules[0].name, "women's imaging");
  EXPECT_EQ(got.rules[0].group, "mammo");
  EXPECT_THAT(got.rules[0].further, ElementsAre("oncology", "research"));
  ASSERT_EQ(got.rules[0].conditions.size(), 2u);
  EXPECT_EQ(got.rules[0].conditions[0].attribute, "InstitutionName");
  EXPECT_EQ(std::get<Glob>(got.rules[0].conditions[0].any_of.at(0)).pattern, "Frauenklinik*");
  EXPECT_EQ(got.rules[1].name, "rule 2");
  ASSERT_EQ(got.rules[1].conditions.size(), 4u);
  EXPECT_EQ(got.rules[1].conditions[0].attribute, "Modality");
  EXPECT_EQ(std::get<ExactText>(got.rules[1].conditions[0].any_of.at(1)).text, "XA");
  EXPECT_EQ(std::get<Range>(got.rules[1].conditions[1].any_of.at(0)).to, "5");
  EXPECT_EQ(std::get<Range>(got.rules[1].conditions[2].any_of.at(0)).from, "20240101");
}

TEST(Configuration, OfNothingIsTheDefault) {
  ASSERT_OK_AND_ASSIGN(const Configuration got, ParseConfiguration(""));
  EXPECT_EQ(got.root, Configuration::Root::kAll);
  EXPECT_EQ(got.default_group, "");
  EXPECT_THAT(got.rules, IsEmpty());
}

TEST(Configuration, SaysWhoMayTakeEmergencyAccessAndForHowLong) {
  ASSERT_OK_AND_ASSIGN(const Configuration none, ParseConfiguration(""));
  EXPECT_THAT(none.emergency.groups, IsEmpty());
  EXPECT_EQ(none.emergency.longest_seconds, 24 * 3600);
  ASSERT_OK_AND_ASSIGN(
      const Configuration got,
      ParseConfiguration("default_group = \"a\"\n[emergency]\ngroups = [\"nights\", "
                         "\"icu\"]\nlongest = \"90m\"\n"));
  EXPECT_THAT(got.emergency.groups, ElementsAre("nights", "icu"));
  EXPECT_EQ(got.emergency.longest_seconds, 90 * 60);
  EXPECT_THAT(GroupsOf(got), ElementsAre("a", "icu", "nights"));
  EXPECT_THAT(FilingGroupsOf(got), ElementsAre("a"));
  EXPECT_THAT(WhyNot("emergency = 1"), HasSubstr("[emergency]"));
  EXPECT_THAT(WhyNot("[emergency]\ngroup = \"a\""), HasSubstr("'group' is not known"));
  EXPECT_THAT(WhyNot("[emergency]\ngroups = \"a\""), HasSubstr("list of groups"));
  for (const char* longest : {"0s", "59s", "x", "-1h", "32d"})
    EXPECT_THAT(WhyNot("[emergency]\nlongest = \"" + std::string(longest) + "\""),
                HasSubstr("line 2: 'longest'"));
}

TEST(Configuration, NamesEachGroupOnce) {
  ASSERT_OK_AND_ASSIGN(const Configuration got, ParseConfiguration(kHospital));
  EXPECT_THAT(GroupsOf(got), ElementsAre("cardio", "mammo", "oncology", "radiology", "research"));
}

TEST(Configuration, RefusalsSayWhereAndWhat) {
  EXPECT_THAT(WhyNot("root = \"all\"\nrot = 1"), HasSubstr("line 2: 'rot' is not known"));
  EXPECT_THAT(WhyNot("root = \"some\""), HasSubstr("line 1: 'root' is"));
  EXPECT_THAT(WhyNot("\n[[rule]]\nname = \"x\""), HasSubstr("'x' has no 'group'"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = 5"), HasSubstr("line 2: 'group' has to be a text"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"\""), HasSubstr("'group' is empty"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\nwhere.Modalty = \"CT\""),
              HasSubstr("line 3: 'Modalty' is no keyword of the DICOM data dictionary"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\nwhere.ReferencedStudySequence = \"CT\""),
              HasSubstr("line 3: 'ReferencedStudySequence' holds no text"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\nwhere.Modality = []"), HasSubstr("is empty"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\nwhere.Modality = { globb = \"C*\" }"),
              HasSubstr("line 3: a condition on Modality"));
  for (const char* folder : {"\"ct\"", "\"/patients\"", "{ glob = \"/archive/*\" }"})
    EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\nwhere.folder = " + std::string(folder)),
                HasSubstr("from the mount's root"));
  EXPECT_THAT(WhyNot("[[rule]\ngroup"), HasSubstr("line 1: not TOML"));
  EXPECT_THAT(WhyNot("root = \"\xff\""), HasSubstr("not UTF-8"));
  EXPECT_THAT(WhyNot("rule = 5"), HasSubstr("[[rule]]"));
}

TEST(Configuration, RulesThatContradictEachOtherAreRefused) {
  EXPECT_THAT(WhyNot("[[rule]]\nname = \"x\"\ngroup = \"a\"\nwhere.Modality = \"CT\"\n"
                     "[[rule]]\nname = \"x\"\ngroup = \"b\""),
              HasSubstr("another rule 'x'"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\n[[rule]]\ngroup = \"b\""),
              HasSubstr("'rule 2' is never reached"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\nfurther = [\"a\"]"), HasSubstr("owns the studies"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\nfurther = [\"b\", \"b\"]"), HasSubstr("twice"));
  EXPECT_THAT(
      WhyNot("[[rule]]\ngroup = \"a\"\nwhere.StudyDate = { from = \"2025\", to = \"2024\" }"),
      HasSubstr("nothing lies between"));
  EXPECT_THAT(WhyNot("[[rule]]\ngroup = \"a\"\nwhere.Rows = { from = 10, to = 9 }"),
              HasSubstr("nothing lies between"));
}

// The parser below recurses; a text of brackets must not take the stack.
TEST(Configuration, LimitsAreKept) {
  EXPECT_THAT(WhyNot("x = " + std::string(60'000, '[')), HasSubstr("nest too deeply"));
  EXPECT_THAT(WhyNot("# " + std::string(kMaxConfigurationBytes, 'x')), HasSubstr("longer than"));
  std::string many;
  for (size_t i = 0; i <= kMaxRules; ++i) many += "[[rule]]\ngroup=\"a\"\nwhere.Rows=1\n";
  EXPECT_THAT(WhyNot(many), HasSubstr("more than"));
  EXPECT_THAT(WhyNot("default_group = \"" + std::string(2000, 'g') + "\""),
              HasSubstr("longer than"));
}

// Any keyword may be asked for; those that are not read of every header are told to the parser.
TEST(Configuration, NotesWhatItsRulesAskForBesides) {
  const auto parsed = ParseConfiguration(R"(
[[rule]]
group = "a"
where.RequestedProcedureDescription = { glob = "*Thorax*" }
where.Modality = "CT"
where.folder = "/archive/ct"
[[rule]]
group = "b"
where.PlanarConfiguration = 1
where.RequestedProcedureDescription = "Herz"
)");
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->further,
            (FurtherElements{{0x00280006, ElementKind::kNumber, "PlanarConfiguration"},
                             {0x00321060, ElementKind::kText, "RequestedProcedureDescription"}}));
}

TEST(Configuration, AsksForNoMoreThanAParserIsTold) {
  const char* const kKeywords[] = {"RequestedProcedureDescription",
                                   "RequestingPhysician",
                                   "RequestingService",
                                   "PlanarConfiguration",
                                   "PerformedStationAETitle",
                                   "PerformedStationName",
                                   "PerformedLocation",
                                   "ScheduledStudyLocation",
                                   "ReasonForStudy",
                                   "StudyStatusID",
                                   "StudyPriorityID",
                                   "StudyComments",
                                   "AdmissionID",
                                   "CurrentPatientLocation",
                                   "PatientInstitutionResidence",
                                   "PatientState",
                                   "ServiceEpisodeID"};
  static_assert(std::size(kKeywords) == kMaxFurtherElements + 1);
  std::string rules;
  for (size_t i = 0; i < kMaxFurtherElements; ++i)
    rules += "[[rule]]\ngroup = \"a\"\nwhere." + std::string(kKeywords[i]) + " = \"x\"\n";
  EXPECT_THAT(ParseConfiguration(rules), IsOk());
  rules += "[[rule]]\ngroup = \"a\"\nwhere." + std::string(kKeywords[kMaxFurtherElements]) +
           " = \"x\"\n";
  EXPECT_THAT(WhyNot(rules), HasSubstr("line 51: 'ServiceEpisodeID' is one too many"));
}

}  // namespace
}  // namespace leadglass
