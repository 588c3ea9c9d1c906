// SPDX-License-Identifier: Apache-2.0
#pragma once

// AuditCopies: where the records of the audit trail go besides the trail itself, as the vault's
// configuration says ([audit], docs/configuration.md). The trail is the record; a copy may be lost.

#include <cstdint>
#include <string>

namespace leadglass {

struct AuditCopies {
  bool journal = false;  // the systemd journal, a structured entry each
  // DICOM audit messages (PS3.15 A.5) by syslog.
  enum class Syslog : uint8_t {
    kNone,
    kLocal,  // to this machine's daemon, which may pass them on over TLS
    kUdp,    // to `host`, as RFC 5424 over UDP (RFC 5426)
  };
  Syslog syslog = Syslog::kNone;
  std::string host;  // a name or an address, without brackets
  uint16_t port = 514;
  std::string source_id;  // AuditSourceID; empty: the name of this machine
  std::string site_id;    // AuditEnterpriseSiteID; empty: none
  bool any() const { return journal || syslog != Syslog::kNone; }
  bool operator==(const AuditCopies&) const = default;
};

}  // namespace leadglass
