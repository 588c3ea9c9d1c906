// SPDX-License-Identifier: Apache-2.0
#pragma once

// AuditRecord: who did what to which study, and whether he was let (45 CFR 164.312(b)). It names
// studies and patients by their identifiers, never by name, and files by inode.
//
// Encoding (docs/format.md, "The audit trail"): what a commit of the trail says is a version byte
// and records, each behind its length; a record may grow at its end in a later version.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "index/records.h"

namespace leadglass {

// The numbers are part of the format.
enum class AuditAction : uint8_t {
  kMount = 1,
  kUnmount = 2,
  kRead = 3,   // a file was opened to read it
  kWrite = 4,  // a file was opened to write it, or made
  kFind = 5,   // a patient's or study's folder was asked for by name; only where it was refused
  kList = 6,   // a folder of a view was to be listed; only where it was refused
  kExecute = 7,
  kAccess = 8,      // group, mode or access list of a study or of a folder, or its owner
  kAttributes = 9,  // the same of a file: of an image only what its study lets through
  kRemove = 10,     // a name was removed; the bytes go with the last one
  kRename = 11,
  kLink = 12,       // a further name
  kStore = 13,      // an image was filed into its study
  kConfigure = 14,  // the vault's configuration was replaced
  kLostTrail = 15,  // an earlier trail is missing or damaged, and somebody accepted that; or events
                    // that could not be recorded
  kHold = 16,       // a legal hold was put on a study
  kRelease = 17,    // ... and taken off
  kEmergency = 18,  // emergency access was given, or asked for
  kEmergencyEnd = 19,
  kLock = 20,      // a group was locked
  kUnlock = 21,    // or unlocked, or its passphrase did not fit
  kGroupKey = 22,  // a group was given another key or passphrase
  kShred = 23,     // a study was destroyed
};
std::string_view NameOf(AuditAction action);  // as `leadglass audit` prints it: "read"
// What happens for every image of many, and is counted where it was done.
bool IsCounted(AuditAction action);

struct AuditRecord {
  int64_t from = 0;    // nanoseconds since 1970 UTC: of the first event that it stands for
  int64_t until = 0;   // of the last
  uint64_t count = 1;  // how many
  AuditAction action = AuditAction::kRead;
  uint32_t error = 0;  // 0: it was done; else as errno(3): EACCES, ENOENT, EROFS, ...
  // Who.
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;  // supplementary
  uint32_t pid = 0;              // of the process of the first event; 0: it could not be told
  std::string program;           // its name, as /proc/PID/comm has it; may be empty
  std::string user;              // the names of uid and gid here and then; empty: there were none
  std::string group;
  // What.
  uint64_t inode = kNoInode;
  std::string study;       // StudyInstanceUID (0020,000D); empty: none
  std::string patient_id;  // PatientID (0010,0020)
  std::string issuer;      // IssuerOfPatientID (0010,0021)
  std::string detail;      // what changed, such as "mode 0750, group 3001"
  bool operator==(const AuditRecord&) const = default;
};

// Whether a whole trail is there, as somebody else can be shown.
struct AuditProof {
  uint64_t records = 0;
  uint64_t commits = 0;
  int64_t first = 0;                // nanoseconds since 1970 UTC: of the oldest event; 0: none
  int64_t last = 0;                 // of the newest
  Head head;                        // the newest commit, whose chain value binds all before it
  std::vector<std::string> damage;  // one line each: what, where, whether a second copy serves
  bool whole = true;                // no record is lost
};

// What one commit of the trail says. Texts longer than 1 KiB are cut.
ByteVector EncodeAuditRecords(std::span<const AuditRecord> records);
// kCorrupt: not such bytes. kUnsupported: a newer version's.
Result<std::vector<AuditRecord>> DecodeAuditRecords(ByteSpan payload);

}  // namespace leadglass
