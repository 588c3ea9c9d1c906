// SPDX-License-Identifier: Apache-2.0
#include "index/identity_scan.h"

#include "index/header_scan.h"

namespace leadglass {

std::variant<ScannedIdentity, NeedMore, Unparsed> ScanIdentity(ByteSpan prefix,
                                                               uint64_t file_size) {
  auto outcome = ScanHeader(prefix, file_size);
  if (const auto* more = std::get_if<NeedMore>(&outcome)) return *more;
  if (const auto* unparsed = std::get_if<Unparsed>(&outcome)) return *unparsed;
  const auto& header = std::get<ScannedHeader>(outcome);
  const ByteSpan id = header.Value(0x00100020);
  const ByteSpan uid = header.Value(0x0020000D);
  if (id.size() > kMaxIdentityBytes || uid.size() > kMaxIdentityBytes) {
    return Unparsed{UnparsedReason::kTooLarge};
  }
  return ScannedIdentity{DecodeText(header, id), DecodeText(header, uid)};
}

bool ScanConfirms(const DicomFacts& facts, ByteSpan prefix, uint64_t file_size) {
  const auto outcome = ScanIdentity(prefix, file_size);
  const auto* identity = std::get_if<ScannedIdentity>(&outcome);
  return identity != nullptr && identity->patient_id == facts.patient_id &&
         identity->study_instance_uid == facts.study_instance_uid;
}

}  // namespace leadglass
