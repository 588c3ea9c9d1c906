// SPDX-License-Identifier: Apache-2.0

// The header parser over any bytes, read as a whole file and as the beginning of a longer one.
// GDCM is left out: its Debian build ends the process by assertions, which the worker pool expects
// and a fuzzer would report. What runs here is what runs beside keys, and what guards GDCM.

#include <cstdint>
#include <cstdlib>

#include "index/dicom_keys.h"
#include "index/display_name.h"
#include "index/header_parser.h"
#include "index/identity_scan.h"

namespace leadglass {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckNames(const DicomFacts& facts) {
  for (const std::string& name : {PatientFolderName(facts, 1), StudyFolderName(facts),
                                  SeriesFolderName(facts), ImageFileName(facts)}) {
    Require(!name.empty() && name.size() <= kMaxNameBytes && IsUtf8(name));
    Require(name.find('/') == std::string::npos && name.find('\0') == std::string::npos);
    Require(name.front() != '.');
    Require(WithSuffix(name, facts.sop_instance_uid).size() <= kMaxNameBytes);
  }
  Require(InstanceKey(facts, 1).starts_with(PatientKey(facts, 1)));
}

void Parse(ByteSpan bytes, uint64_t file_size) {
  const HeaderResult result = ParseHeader(bytes, file_size, Readers::kScanOnly);
  if (const auto* more = std::get_if<NeedMore>(&result)) {
    Require(more->bytes > bytes.size() && more->bytes <= file_size);
    return;
  }
  const auto* facts = std::get_if<DicomFacts>(&result);
  if (facts == nullptr) return;
  const auto again = DecodeDicomFacts(EncodeDicomFacts(*facts));
  Require(again && *again == *facts);
  Require(ScanConfirms(*facts, bytes, file_size));
  CheckNames(*facts);
}

}  // namespace
}  // namespace leadglass

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const leadglass::ByteSpan bytes(data, size);
  leadglass::Parse(bytes, size);
  leadglass::Parse(bytes, size + 100000);
  return 0;
}
