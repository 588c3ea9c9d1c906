// SPDX-License-Identifier: Apache-2.0
#pragma once

// The elements that leadglass reads of every header: a fixed set, by ascending tag, as ElementScan
// needs it; and of the file meta. Each becomes the extended attribute user.dicom.<keyword>; some
// are fields of DicomFacts as well. Keywords and value representations are those of PS3.6; the
// elements belong to the modules Patient (PS3.3 C.7.1.1), General Study and Patient Study (C.7.2.1,
// C.7.2.2), General Series (C.7.3.1), General Equipment (C.7.5.1), the image modules (C.7.6) and
// SOP Common (C.12.1).
//
// Adding one is no change of the format: attributes are stored by keyword. What is filed already
// keeps those that it was filed with until it is filed again. Removing one, or renaming it, takes
// an attribute away from users.
// Constants: any thread.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "index/dicom_facts.h"

namespace leadglass {

// How raw bytes become the text of a value, by value representation (PS3.5 6.2). All but kNumber
// lose the spaces and NULs at both ends, and keep the backslashes between several values.
enum class ElementKind : uint8_t {
  kCode,  // CS, UI, DA, TM, IS, DS, AS: the default repertoire, whatever (0008,0005) says
  kText,  // LO, SH: decoded by (0008,0005) (PS3.3 C.12.1.1.2)
  kName,  // PN: decoded likewise, component groups (6.2.1) apart; empty groups at the end dropped
  // LO or UI that decides where a file belongs. Decoded likewise, and never cut: one over
  // kMaxIdentityBytes makes the file UnparsedReason::kTooLarge, because two that differ behind the
  // cut would be one. The others are cut at kMaxTextBytes. Readers must agree on it (kAmbiguous).
  kIdentity,
  kNumber,  // US, one value, as decimal digits; of another length: as if it were not there
};

struct WantedElement {
  uint32_t tag;  // group << 16 | element
  std::string_view keyword;
  ElementKind kind;
  std::string DicomFacts::*field = nullptr;  // where the text goes; null: an attribute only
};

inline constexpr std::array kWantedElements = {
    WantedElement{0x00080005, "SpecificCharacterSet", ElementKind::kCode,
                  &DicomFacts::specific_character_set},
    WantedElement{0x00080008, "ImageType", ElementKind::kCode},
    WantedElement{0x00080016, "SOPClassUID", ElementKind::kCode, &DicomFacts::sop_class_uid},
    WantedElement{0x00080018, "SOPInstanceUID", ElementKind::kIdentity,
                  &DicomFacts::sop_instance_uid},
    WantedElement{0x00080020, "StudyDate", ElementKind::kCode, &DicomFacts::study_date},
    WantedElement{0x00080021, "SeriesDate", ElementKind::kCode},
    WantedElement{0x00080022, "AcquisitionDate", ElementKind::kCode},
    WantedElement{0x00080023, "ContentDate", ElementKind::kCode},
    WantedElement{0x00080030, "StudyTime", ElementKind::kCode, &DicomFacts::study_time},
    WantedElement{0x00080031, "SeriesTime", ElementKind::kCode},
    WantedElement{0x00080032, "AcquisitionTime", ElementKind::kCode},
    WantedElement{0x00080050, "AccessionNumber", ElementKind::kText, &DicomFacts::accession_number},
    WantedElement{0x00080060, "Modality", ElementKind::kCode, &DicomFacts::modality},
    WantedElement{0x00080070, "Manufacturer", ElementKind::kText},
    WantedElement{0x00080080, "InstitutionName", ElementKind::kText},
    WantedElement{0x00080090, "ReferringPhysicianName", ElementKind::kName},
    WantedElement{0x00081010, "StationName", ElementKind::kText},
    WantedElement{0x00081030, "StudyDescription", ElementKind::kText,
                  &DicomFacts::study_description},
    WantedElement{0x0008103E, "SeriesDescription", ElementKind::kText,
                  &DicomFacts::series_description},
    WantedElement{0x00081040, "InstitutionalDepartmentName", ElementKind::kText},
    WantedElement{0x00081050, "PerformingPhysicianName", ElementKind::kName},
    WantedElement{0x00081070, "OperatorsName", ElementKind::kName},
    WantedElement{0x00081090, "ManufacturerModelName", ElementKind::kText},
    WantedElement{0x00100010, "PatientName", ElementKind::kName, &DicomFacts::patient_name},
    WantedElement{0x00100020, "PatientID", ElementKind::kIdentity, &DicomFacts::patient_id},
    WantedElement{0x00100021, "IssuerOfPatientID", ElementKind::kIdentity,
                  &DicomFacts::issuer_of_patient_id},
    WantedElement{0x00100030, "PatientBirthDate", ElementKind::kCode,
                  &DicomFacts::patient_birth_date},
    WantedElement{0x00100040, "PatientSex", ElementKind::kCode, &DicomFacts::patient_sex},
    WantedElement{0x00101010, "PatientAge", ElementKind::kCode},
    WantedElement{0x00101030, "PatientWeight", ElementKind::kCode},
    WantedElement{0x00180015, "BodyPartExamined", ElementKind::kCode,
                  &DicomFacts::body_part_examined},
    WantedElement{0x00180050, "SliceThickness", ElementKind::kCode},
    WantedElement{0x00181000, "DeviceSerialNumber", ElementKind::kText},
    WantedElement{0x00181030, "ProtocolName", ElementKind::kText},
    WantedElement{0x00185100, "PatientPosition", ElementKind::kCode},
    WantedElement{0x0020000D, "StudyInstanceUID", ElementKind::kIdentity,
                  &DicomFacts::study_instance_uid},
    WantedElement{0x0020000E, "SeriesInstanceUID", ElementKind::kIdentity,
                  &DicomFacts::series_instance_uid},
    WantedElement{0x00200010, "StudyID", ElementKind::kText, &DicomFacts::study_id},
    WantedElement{0x00200011, "SeriesNumber", ElementKind::kCode, &DicomFacts::series_number},
    WantedElement{0x00200012, "AcquisitionNumber", ElementKind::kCode},
    WantedElement{0x00200013, "InstanceNumber", ElementKind::kCode, &DicomFacts::instance_number},
    WantedElement{0x00200060, "Laterality", ElementKind::kCode},
    WantedElement{0x00280002, "SamplesPerPixel", ElementKind::kNumber},
    WantedElement{0x00280004, "PhotometricInterpretation", ElementKind::kCode},
    WantedElement{0x00280008, "NumberOfFrames", ElementKind::kCode, &DicomFacts::number_of_frames},
    WantedElement{0x00280010, "Rows", ElementKind::kNumber},
    WantedElement{0x00280011, "Columns", ElementKind::kNumber},
    WantedElement{0x00280030, "PixelSpacing", ElementKind::kCode},
    WantedElement{0x00280100, "BitsAllocated", ElementKind::kNumber},
    WantedElement{0x00280101, "BitsStored", ElementKind::kNumber},
    WantedElement{0x00280103, "PixelRepresentation", ElementKind::kNumber},
};

// The same tags alone, in the same order, for the scan and for GDCM.
inline constexpr auto kWantedTags = [] {
  std::array<uint32_t, kWantedElements.size()> tags{};
  for (size_t i = 0; i < tags.size(); ++i) tags[i] = kWantedElements[i].tag;
  return tags;
}();

// Where `tag` stands in both arrays. It must stand there: others do not compile where a constant is
// asked for, and run over the end elsewhere.
constexpr size_t WantedIndex(uint32_t tag) {
  size_t i = 0;
  while (kWantedTags[i] != tag) ++i;
  return i;
}

// SOP, Study and Series Instance UID, as indexes into the arrays. Type 1 in every image (PS3.3
// C.12.1, C.7.2.1, C.7.3.1); the scan looks for them behind elements out of order, and a file
// without one of them is Kind::kNoUids.
inline constexpr std::array kMustHave = {WantedIndex(0x00080018), WantedIndex(0x0020000D),
                                         WantedIndex(0x0020000E)};

static_assert(std::is_sorted(kWantedTags.begin(), kWantedTags.end()));

// What is read of the file meta (PS3.10 7.1), which the scan does not walk over, besides.
inline constexpr std::array<std::string_view, 2> kMetaKeywords = {"TransferSyntaxUID",
                                                                  "SourceApplicationEntityTitle"};

static_assert(kWantedElements.size() + kMetaKeywords.size() <= kMaxAttributes);

}  // namespace leadglass
