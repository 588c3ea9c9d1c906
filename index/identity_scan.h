// SPDX-License-Identifier: Apache-2.0
#pragma once

// ScanIdentity: PatientID and StudyInstanceUID of a file, found by a small scan of our own.
//
// The parser worker might be taken over by a hostile file and then lie about the next one. Where
// these two values decide who may read an image, the mount process checks them with this scan,
// which is small enough to run beside keys: bounded loops over a span, one zlib stream with a hard
// output limit, no recursion, no exceptions, no third-party parser.

#include <cstdint>
#include <string>
#include <variant>

#include "crypto/base/bytes.h"
#include "index/dicom_facts.h"
#include "index/header_parser.h"

namespace leadglass {

struct ScannedIdentity {
  std::string patient_id;          // UTF-8, trimmed; empty when missing
  std::string study_instance_uid;  // likewise
  bool operator==(const ScannedIdentity&) const = default;
};

// As ParseHeader: NeedMore when the top level goes on past the prefix before both are found.
std::variant<ScannedIdentity, NeedMore, Unparsed> ScanIdentity(ByteSpan prefix, uint64_t file_size);

// True when a scan of the same bytes finds the patient and the study that `facts` claims. False for
// anything else, a scan that fails included: then treat the file as UnparsedReason::kAmbiguous.
bool ScanConfirms(const DicomFacts& facts, ByteSpan prefix, uint64_t file_size);

}  // namespace leadglass
