// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <pugixml.hpp>
#include <set>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

const AuditSource kSource{"pacs-1", "St. Elsewhere", "archive7", "00ff", 4711};

AuditRecord Reading() {
  AuditRecord record;
  record.from = 1'800'000'000'123'456'789;
  record.until = record.from + 5'000'000'000;
  record.count = 120;
  record.action = AuditAction::kRead;
  record.uid = 1001;
  record.user = "alice";
  record.pid = 52;
  record.program = "dcmview";
  record.inode = 99;
  record.study = "1.2.3";
  record.patient_id = "P1";
  record.issuer = "H";
  return record;
}

class AuditMessageTest : public ::testing::Test {
 protected:
  pugi::xml_node Parse(const AuditRecord& record) {
    text_ = AuditMessage(record, kSource);
    const auto parsed = document_.load_string(text_.c_str());
    EXPECT_TRUE(parsed) << parsed.description() << "\n" << text_;
    return document_.child("AuditMessage");
  }
  static std::string Of(const pugi::xml_node& node, const char* path, const char* attribute) {
    return node.first_element_by_path(path).attribute(attribute).value();
  }
  // The value of a detail; base64.
  static std::string Detail(const pugi::xml_node& object, const char* type) {
    return object.find_child_by_attribute("ParticipantObjectDetail", "type", type)
        .attribute("value")
        .value();
  }
  std::string text_;
  pugi::xml_document document_;
};

TEST_F(AuditMessageTest, SaysWhoReadWhichStudyOfWhichPatient) {
  const auto message = Parse(Reading());
  EXPECT_EQ(Of(message, "EventIdentification", "EventActionCode"), "R");
  EXPECT_EQ(Of(message, "EventIdentification", "EventDateTime"), "2027-01-15T08:00:00.123Z");
  EXPECT_EQ(Of(message, "EventIdentification", "EventOutcomeIndicator"), "0");
  EXPECT_EQ(Of(message, "EventIdentification/EventID", "csd-code"), "110103");
  EXPECT_EQ(Of(message, "EventIdentification/EventID", "codeSystemName"), "DCM");
  EXPECT_EQ(Of(message, "EventIdentification/EventID", "originalText"), "DICOM Instances Accessed");
  const auto user = message.find_child_by_attribute("ActiveParticipant", "UserIsRequestor", "true");
  EXPECT_STREQ(user.attribute("UserID").value(), "alice");
  EXPECT_STREQ(user.attribute("AlternativeUserID").value(), "1001");
  const auto program = message.find_child_by_attribute("ActiveParticipant", "UserID", "dcmview");
  EXPECT_STREQ(program.attribute("AlternativeUserID").value(), "52");
  EXPECT_EQ(Of(message, "AuditSourceIdentification", "AuditSourceID"), "pacs-1");
  EXPECT_EQ(Of(message, "AuditSourceIdentification", "AuditEnterpriseSiteID"), "St. Elsewhere");
  const auto study = message.find_child_by_attribute("ParticipantObjectIdentification",
                                                     "ParticipantObjectID", "1.2.3");
  EXPECT_EQ(Of(study, "ParticipantObjectIDTypeCode", "csd-code"), "110180");
  EXPECT_EQ(Detail(study, "count"), "MTIw");
  EXPECT_EQ(Detail(study, "inode"), "OTk=");
  const auto patient = message.find_child_by_attribute("ParticipantObjectIdentification",
                                                       "ParticipantObjectTypeCode", "1");
  EXPECT_STREQ(patient.attribute("ParticipantObjectID").value(), "P1");
  EXPECT_EQ(Of(patient, "ParticipantObjectIDTypeCode", "codeSystemName"), "RFC-3881");
  EXPECT_EQ(Detail(patient, "IssuerOfPatientID"), "SA==");
}

// PS3.15 A.5 lists the children of each element in an order, which receivers check.
TEST_F(AuditMessageTest, HasItsElementsInTheStandardsOrder) {
  AuditRecord record = Reading();
  record.error = EACCES;
  const auto message = Parse(record);
  std::string order;
  for (const auto& child : message.children()) order += std::string(child.name()) + " ";
  EXPECT_THAT(order, MatchesRegex("EventIdentification (ActiveParticipant )+"
                                  "AuditSourceIdentification (ParticipantObjectIdentification )+"));
  order.clear();
  for (const auto& child : message.child("ParticipantObjectIdentification").children())
    order += std::string(child.name()) + " ";
  EXPECT_THAT(order, MatchesRegex("ParticipantObjectIDTypeCode (ParticipantObjectDetail )+"));
}

TEST_F(AuditMessageTest, OfARefusalSaysWhy) {
  AuditRecord record = Reading();
  record.error = EACCES;
  const auto event = Parse(record).child("EventIdentification");
  EXPECT_STREQ(event.attribute("EventOutcomeIndicator").value(), "4");
  EXPECT_STREQ(event.child("EventOutcomeDescription").text().get(), "EACCES");
}

TEST_F(AuditMessageTest, OfTheVaultItselfNamesTheVault) {
  AuditRecord record;
  record.action = AuditAction::kConfigure;
  record.detail = "version 3";
  const auto message = Parse(record);
  EXPECT_EQ(Of(message, "EventIdentification/EventTypeCode", "csd-code"), "110129");
  const auto object = message.child("ParticipantObjectIdentification");
  EXPECT_STREQ(object.attribute("ParticipantObjectID").value(), "leadglass:00ff");
  EXPECT_EQ(Detail(object, "detail"), "dmVyc2lvbiAz");
  EXPECT_STREQ(message.child("ActiveParticipant").attribute("UserID").value(), "0");
}

TEST_F(AuditMessageTest, IsXmlWhateverAHeaderSays) {
  AuditRecord record = Reading();
  record.patient_id = "P<1>\"&'\x01\n\xff";
  record.study = std::string(
      "1\0"
      "2",
      3);
  record.detail = std::string(256, '\xfe');
  const auto message = Parse(record);
  const auto patient = message.find_child_by_attribute("ParticipantObjectIdentification",
                                                       "ParticipantObjectTypeCode", "1");
  EXPECT_STREQ(patient.attribute("ParticipantObjectID").value(), "P<1>\"&'??\xef\xbf\xbd");
  EXPECT_EQ(text_.find_first_of(std::string_view("\0\x01\n", 3)), std::string::npos);
}

TEST_F(AuditMessageTest, GivesEveryActionAnEventOfItsOwnKind) {
  std::set<std::string> ids;
  for (int action = 1; action <= static_cast<int>(AuditAction::kShred); ++action) {
    AuditRecord record = Reading();
    record.action = static_cast<AuditAction>(action);
    const auto event = Parse(record).child("EventIdentification");
    EXPECT_THAT(std::string(event.child("EventID").attribute("csd-code").value()),
                MatchesRegex("1101(00|03|05|12|13)"));
    ids.insert(event.child("EventID").attribute("csd-code").value());
  }
  EXPECT_EQ(ids.size(), 5u);
}

TEST(SyslogFrameTest, IsThatOfRfc5424) {
  EXPECT_EQ(SyslogFrame("<x/>", kSource, 1'800'000'000'000'000'000),
            "<85>1 2027-01-15T08:00:00.000Z archive7 leadglass 4711 DICOM+RFC3881 - <x/>");
}

}  // namespace
}  // namespace leadglass
