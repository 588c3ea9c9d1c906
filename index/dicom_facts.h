// SPDX-License-Identifier: Apache-2.0
#pragma once

// DicomFacts: what leadglass knows of one DICOM file, read from its header alone.
//
// All texts are valid UTF-8 (decoded from SpecificCharacterSet before anything was split), without
// the padding that DICOM calls insignificant. A value with several parts keeps its backslashes.
// Nothing here is a promise of the sender: numbers may be letters, dates may be impossible, UIDs
// may be anything. Names for folders are made by index/display_name.h, identities by
// index/dicom_keys.h.
//
// A plain value: copy it, compare it, no locks. Everything in it identifies a patient: it is never
// logged and never part of an error's context.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace leadglass {

// One virtual extended attribute, user.dicom.<keyword>. The keyword is from a fixed set
// (index/wanted_elements.h) or one that the filing rules ask for (index/further_elements.h), the
// value is at most kMaxAttributeBytes of UTF-8, cut between characters.
struct DicomAttribute {
  std::string keyword;
  std::string value;
  bool operator==(const DicomAttribute&) const = default;
};

struct DicomFacts {
  enum class Kind : uint8_t {
    kImage = 1,     // readable, with Study, Series and SOP Instance UID
    kNoUids = 2,    // readable, but one of the three UIDs is missing or blank
    kDicomdir = 3,  // a media directory: it stands in no view, and is listed with that reason
  };

  Kind kind = Kind::kNoUids;

  std::string patient_id;              // (0010,0020); empty: it identifies nobody
  std::string issuer_of_patient_id;    // (0010,0021)
  std::string patient_name;            // (0010,0010), all groups, with ^ and = as sent
  std::string patient_birth_date;      // (0010,0030)
  std::string patient_sex;             // (0010,0040)
  std::string study_instance_uid;      // (0020,000D)
  std::string study_date;              // (0008,0020)
  std::string study_time;              // (0008,0030)
  std::string study_description;       // (0008,1030)
  std::string accession_number;        // (0008,0050)
  std::string study_id;                // (0020,0010)
  std::string modality;                // (0008,0060)
  std::string series_instance_uid;     // (0020,000E)
  std::string series_number;           // (0020,0011)
  std::string series_description;      // (0008,103E)
  std::string body_part_examined;      // (0018,0015)
  std::string sop_instance_uid;        // (0008,0018)
  std::string sop_class_uid;           // (0008,0016)
  std::string instance_number;         // (0020,0013)
  std::string number_of_frames;        // (0028,0008)
  std::string transfer_syntax_uid;     // (0002,0010); empty where the file has none
  std::string specific_character_set;  // (0008,0005)

  // Keywords unique, empty values left out; the fixed set in the order of its tags, then further
  // ones in theirs.
  std::vector<DicomAttribute> attributes;

  bool operator==(const DicomFacts&) const = default;
};

// Limits that every DicomFacts keeps; Decode refuses more.
inline constexpr size_t kMaxIdentityBytes = 16 << 10;  // PatientID, issuer, UIDs: never cut
inline constexpr size_t kMaxTextBytes = 4 << 10;       // every other field: cut between characters
inline constexpr size_t kMaxAttributeBytes = 1 << 10;
inline constexpr size_t kMaxAttributes = 80;
inline constexpr size_t kMaxEncodedFactsBytes = 288 << 10;

// The fields in a fixed order, little-endian, lengths in front, attributes by the numbers of their
// keywords; the first byte is a version (2). docs/format.md, "Facts". Some 600 bytes an image: they
// are kept in the log twice, and in the index.
ByteVector EncodeDicomFacts(const DicomFacts& facts);

// Version 1 is read as well. kCorrupt for bytes that are of neither, that exceed a limit above, or
// that hold text which is not UTF-8: the bytes may come from a parser that a hostile file took
// over.
Result<DicomFacts> DecodeDicomFacts(ByteSpan bytes);

// True for well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
bool IsUtf8(std::string_view text);
// `text` without a cut character at its end, at most `max_bytes` long. `text` is UTF-8.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);

}  // namespace leadglass
