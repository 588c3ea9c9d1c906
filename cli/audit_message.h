// SPDX-License-Identifier: Apache-2.0
#pragma once

// Records of the audit trail in the form that hospitals collect: audit messages of DICOM
// PS3.15 A.5, the XML of RFC 3881, and their frame for syslog (PS3.15 A.6.1, RFC 5424).
// Pure functions, any thread.

#include <cstdint>
#include <string>

#include "fs/audit_record.h"

namespace leadglass {

// Where the messages come from.
struct AuditSource {
  std::string id;        // AuditSourceID
  std::string site;      // AuditEnterpriseSiteID; empty: left out
  std::string host;      // of this machine
  std::string vault_id;  // in hexadecimal; what an event without a study or file is about
  uint32_t pid = 0;      // of the daemon
};

// One AuditMessage. Ids only, as in the record; how often it happened, until when and what changed
// are ParticipantObjectDetails. SOP classes are not told: the trail does not know them.
std::string AuditMessage(const AuditRecord& record, const AuditSource& source);

// `message` behind the header of RFC 5424: facility 10 (security), severity notice, MSGID
// DICOM+RFC3881. `nanos` is the time of sending.
std::string SyslogFrame(const std::string& message, const AuditSource& source, int64_t nanos);

}  // namespace leadglass
