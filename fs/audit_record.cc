// SPDX-License-Identifier: Apache-2.0
#include "fs/audit_record.h"

#include <algorithm>

namespace leadglass {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kMaxText = 1024;
constexpr size_t kMaxGroups = 1024;

void PutText(ByteWriter& out, std::string_view text) { out.Text16(text.substr(0, kMaxText)); }

ByteVector EncodeOne(const AuditRecord& record) {
  ByteWriter out;
  out.I64(record.from);
  out.I64(record.until);
  out.U64(record.count);
  out.U8(static_cast<uint8_t>(record.action));
  out.U32(record.error);
  out.U32(record.uid);
  out.U32(record.gid);
  const size_t groups = std::min(record.groups.size(), kMaxGroups);
  out.U16(static_cast<uint16_t>(groups));
  for (size_t i = 0; i < groups; ++i) out.U32(record.groups[i]);
  out.U32(record.pid);
  PutText(out, record.program);
  PutText(out, record.user);
  PutText(out, record.group);
  out.U64(record.inode);
  PutText(out, record.study);
  PutText(out, record.patient_id);
  PutText(out, record.issuer);
  PutText(out, record.detail);
  return out.Take();
}

bool DecodeOne(ByteSpan bytes, AuditRecord& record) {
  ByteReader in(bytes);
  record.from = in.I64();
  record.until = in.I64();
  record.count = in.U64();
  const uint8_t action = in.U8();
  record.action = static_cast<AuditAction>(action);
  record.error = in.U32();
  record.uid = in.U32();
  record.gid = in.U32();
  for (size_t left = in.U16(); left > 0 && !in.failed(); --left) record.groups.push_back(in.U32());
  record.pid = in.U32();
  record.program = in.Text16();
  record.user = in.Text16();
  record.group = in.Text16();
  record.inode = in.U64();
  record.study = in.Text16();
  record.patient_id = in.Text16();
  record.issuer = in.Text16();
  record.detail = in.Text16();
  return !in.failed() && action != 0;
}

}  // namespace

std::string_view NameOf(AuditAction action) {
  switch (action) {
    case AuditAction::kMount: return "mount";
    case AuditAction::kUnmount: return "unmount";
    case AuditAction::kRead: return "read";
    case AuditAction::kWrite: return "write";
    case AuditAction::kFind: return "find";
    case AuditAction::kList: return "list";
    case AuditAction::kExecute: return "execute";
    case AuditAction::kAccess: return "access";
    case AuditAction::kAttributes: return "attributes";
    case AuditAction::kRemove: return "remove";
    case AuditAction::kRename: return "rename";
    case AuditAction::kLink: return "link";
    case AuditAction::kStore: return "store";
    case AuditAction::kConfigure: return "configure";
    case AuditAction::kLostTrail: return "lost-trail";
    case AuditAction::kHold: return "hold";
    case AuditAction::kRelease: return "release";
    case AuditAction::kEmergency: return "emergency";
    case AuditAction::kEmergencyEnd: return "emergency-end";
    case AuditAction::kLock: return "lock";
    case AuditAction::kUnlock: return "unlock";
    case AuditAction::kGroupKey: return "group-key";
    case AuditAction::kShred: return "shred";
  }
  return "other";
}

bool IsCounted(AuditAction action) {
  switch (action) {
    case AuditAction::kRead:
    case AuditAction::kWrite:
    case AuditAction::kExecute:
    case AuditAction::kAttributes:
    case AuditAction::kRename:
    case AuditAction::kLink:
    case AuditAction::kStore: return true;
    default: return false;
  }
}

ByteVector EncodeAuditRecords(std::span<const AuditRecord> records) {
  ByteWriter out;
  out.U8(kVersion);
  for (const AuditRecord& record : records) out.Bytes32(EncodeOne(record));
  return out.Take();
}

Result<std::vector<AuditRecord>> DecodeAuditRecords(ByteSpan payload) {
  ByteReader in(payload);
  if (const uint8_t version = in.U8(); version > kVersion)
    return Error(Errc::kUnsupported,
                 "audit trail: its records are a newer version's: read it with "
                 "the leadglass that wrote it");
  std::vector<AuditRecord> records;
  while (!in.failed() && in.remaining() > 0) {
    if (!DecodeOne(in.Bytes32(), records.emplace_back())) break;
  }
  if (!in.Finished()) return Error(Errc::kCorrupt, "audit trail: a commit holds no audit records");
  return records;
}

}  // namespace leadglass
