// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_message.h"

#include <cstring>
#include <pugixml.hpp>
#include <sstream>
#include <string_view>

#include "cli/output.h"
#include "crypto/base64.h"
#include "index/dicom_facts.h"
#include "index/unicode_text.h"

namespace leadglass {

namespace {

// A code of PS3.16, of DCM where no other system is named.
struct Coding {
  const char* code;
  const char* text;
  const char* system = "DCM";
};

// EventID (CID 400), EventTypeCode (CID 401; code null: none) and EventActionCode.
struct Event {
  Coding id;
  Coding type;
  const char* action;
};

constexpr Coding kNoType{nullptr, nullptr};
constexpr Coding kApplicationActivity{"110100", "Application Activity"};
constexpr Coding kInstancesAccessed{"110103", "DICOM Instances Accessed"};
constexpr Coding kStudyDeleted{"110105", "DICOM Study Deleted"};
constexpr Coding kQuery{"110112", "Query"};
constexpr Coding kSecurityAlert{"110113", "Security Alert"};
constexpr Coding kAttributesChanged{"110135", "Object Security Attributes Changed"};
constexpr Coding kSecurityConfiguration{"110129", "Security Configuration"};

Event EventOf(AuditAction action) {
  switch (action) {
    case AuditAction::kMount: return {kApplicationActivity, {"110120", "Application Start"}, "E"};
    case AuditAction::kUnmount: return {kApplicationActivity, {"110121", "Application Stop"}, "E"};
    case AuditAction::kRead:
    case AuditAction::kExecute: return {kInstancesAccessed, kNoType, "R"};
    case AuditAction::kWrite:
    case AuditAction::kRename:
    case AuditAction::kLink: return {kInstancesAccessed, kNoType, "U"};
    case AuditAction::kStore: return {kInstancesAccessed, kNoType, "C"};
    case AuditAction::kRemove: return {kInstancesAccessed, kNoType, "D"};
    case AuditAction::kFind:
    case AuditAction::kList: return {kQuery, kNoType, "E"};
    case AuditAction::kAccess:
    case AuditAction::kAttributes:
    case AuditAction::kHold:
    case AuditAction::kRelease: return {kSecurityAlert, kAttributesChanged, "E"};
    case AuditAction::kConfigure:
    case AuditAction::kLock:
    case AuditAction::kUnlock:
    case AuditAction::kGroupKey: return {kSecurityAlert, kSecurityConfiguration, "E"};
    case AuditAction::kLostTrail:
      return {kSecurityAlert, {"110133", "Audit Recording Stopped"}, "E"};
    case AuditAction::kEmergency:
      return {kSecurityAlert, {"110127", "Emergency Override Started"}, "E"};
    case AuditAction::kEmergencyEnd:
      return {kSecurityAlert, {"110138", "Emergency Override Stopped"}, "E"};
    case AuditAction::kShred: return {kStudyDeleted, kNoType, "D"};
  }
  return {kSecurityAlert, kNoType, "E"};  // a newer version's
}

// What an attribute may hold: XML 1.0 has no way to write most controls.
std::string Clean(std::string_view text) {
  std::string clean = IsUtf8(text) ? std::string(text) : Nfc(text);
  for (char& c : clean)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return clean;
}

std::string UtcMillis(int64_t nanos) {
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  std::string text = IsoTime(nanos / kNanosPerSecond);  // with a Z at its end
  const std::string millis = std::to_string(1000 + nanos % kNanosPerSecond / 1'000'000);
  text.insert(text.size() - 1, "." + millis.substr(1));
  return text;
}

void AddAttribute(pugi::xml_node node, const char* name, std::string_view value) {
  node.append_attribute(name).set_value(Clean(value).c_str());
}

void AddCoding(pugi::xml_node parent, const char* name, const Coding& coding) {
  pugi::xml_node node = parent.append_child(name);
  AddAttribute(node, "csd-code", coding.code);
  AddAttribute(node, "codeSystemName", coding.system);
  AddAttribute(node, "originalText", coding.text);
}

// RFC 3881 5.5.6: the value is base64, whatever it is.
void AddDetail(pugi::xml_node object, const char* type, std::string_view value) {
  pugi::xml_node detail = object.append_child("ParticipantObjectDetail");
  AddAttribute(detail, "type", type);
  AddAttribute(detail, "value", ToBase64(AsBytes(value)));
}

void AddEvent(pugi::xml_node message, const AuditRecord& record) {
  const Event event = EventOf(record.action);
  pugi::xml_node node = message.append_child("EventIdentification");
  AddAttribute(node, "EventActionCode", event.action);
  AddAttribute(node, "EventDateTime", UtcMillis(record.from));
  AddAttribute(node, "EventOutcomeIndicator", record.error == 0 ? "0" : "4");  // minor failure
  AddCoding(node, "EventID", event.id);
  if (event.type.code != nullptr) AddCoding(node, "EventTypeCode", event.type);
  if (record.error == 0) return;
  const char* const name = ::strerrorname_np(static_cast<int>(record.error));
  node.append_child("EventOutcomeDescription")
      .text()
      .set(name != nullptr ? name : std::to_string(record.error).c_str());
}

void AddParticipants(pugi::xml_node message, const AuditRecord& record, const AuditSource& source) {
  const auto add = [&](const std::string& id, const std::string& other, bool asked) {
    pugi::xml_node node = message.append_child("ActiveParticipant");
    AddAttribute(node, "UserID", id);
    AddAttribute(node, "AlternativeUserID", other);
    AddAttribute(node, "UserIsRequestor", asked ? "true" : "false");
    AddAttribute(node, "NetworkAccessPointID", source.host);
    AddAttribute(node, "NetworkAccessPointTypeCode", "1");  // a machine's name
    return node;
  };
  const std::string uid = std::to_string(record.uid);
  add(record.user.empty() ? uid : record.user, uid, true);
  if (!record.program.empty()) add(record.program, std::to_string(record.pid), false);
  AddCoding(add("leadglass", std::to_string(source.pid), false), "RoleIDCode",
            {"110150", "Application"});
}

void AddSource(pugi::xml_node message, const AuditSource& source) {
  pugi::xml_node node = message.append_child("AuditSourceIdentification");
  if (!source.site.empty()) AddAttribute(node, "AuditEnterpriseSiteID", source.site);
  AddAttribute(node, "AuditSourceID", source.id);
  pugi::xml_node type = node.append_child("AuditSourceTypeCode");
  AddAttribute(type, "csd-code", "4");  // an application server's process
}

pugi::xml_node AddObject(pugi::xml_node message, const std::string& id, const char* type,
                         const char* role, const Coding& id_type) {
  pugi::xml_node node = message.append_child("ParticipantObjectIdentification");
  AddAttribute(node, "ParticipantObjectID", id);
  AddAttribute(node, "ParticipantObjectTypeCode", type);
  AddAttribute(node, "ParticipantObjectTypeCodeRole", role);
  AddCoding(node, "ParticipantObjectIDTypeCode", id_type);
  return node;
}

void AddObjects(pugi::xml_node message, const AuditRecord& record, const AuditSource& source) {
  pugi::xml_node subject;
  if (!record.study.empty()) {
    subject = AddObject(message, record.study, "2", "3", {"110180", "Study Instance UID"});
  } else {
    // A file of no study, or the vault itself: a system object that is a security resource.
    const std::string file = record.inode == kNoInode ? "" : "/" + std::to_string(record.inode);
    subject = AddObject(message, "leadglass:" + source.vault_id + file, "2", "13",
                        {"12", "URI", "RFC-3881"});
  }
  if (record.inode != kNoInode) AddDetail(subject, "inode", std::to_string(record.inode));
  if (record.count > 1) {
    AddDetail(subject, "count", std::to_string(record.count));
    AddDetail(subject, "until", UtcMillis(record.until));
  }
  if (!record.detail.empty()) AddDetail(subject, "detail", record.detail);
  if (record.patient_id.empty()) return;
  pugi::xml_node patient =
      AddObject(message, record.patient_id, "1", "1", {"2", "Patient Number", "RFC-3881"});
  if (!record.issuer.empty()) AddDetail(patient, "IssuerOfPatientID", record.issuer);
}

}  // namespace

std::string AuditMessage(const AuditRecord& record, const AuditSource& source) {
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version").set_value("1.0");
  declaration.append_attribute("encoding").set_value("UTF-8");
  pugi::xml_node message = document.append_child("AuditMessage");
  AddEvent(message, record);
  AddParticipants(message, record, source);
  AddSource(message, source);
  AddObjects(message, record, source);
  std::ostringstream out;
  document.save(out, "", pugi::format_raw, pugi::encoding_utf8);
  return out.str();
}

std::string SyslogFrame(const std::string& message, const AuditSource& source, int64_t nanos) {
  return "<85>1 " + UtcMillis(nanos) + " " + (source.host.empty() ? "-" : source.host) +
         " leadglass " + std::to_string(source.pid) + " DICOM+RFC3881 - " + message;
}

}  // namespace leadglass
