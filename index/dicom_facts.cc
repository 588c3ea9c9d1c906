// SPDX-License-Identifier: Apache-2.0
#include "index/dicom_facts.h"

#include <algorithm>
#include <array>

#include "index/wanted_elements.h"

namespace leadglass {
namespace {

constexpr uint8_t kVersion = 2;
constexpr uint8_t kVersionWithLongKeywords = 1;  // read, never written

struct Field {
  std::string DicomFacts::*text;
  size_t max_bytes;
};

// The order on disk; append only.
constexpr std::array kFields = {
    Field{&DicomFacts::patient_id, kMaxIdentityBytes},
    Field{&DicomFacts::issuer_of_patient_id, kMaxIdentityBytes},
    Field{&DicomFacts::patient_name, kMaxTextBytes},
    Field{&DicomFacts::patient_birth_date, kMaxTextBytes},
    Field{&DicomFacts::patient_sex, kMaxTextBytes},
    Field{&DicomFacts::study_instance_uid, kMaxIdentityBytes},
    Field{&DicomFacts::study_date, kMaxTextBytes},
    Field{&DicomFacts::study_time, kMaxTextBytes},
    Field{&DicomFacts::study_description, kMaxTextBytes},
    Field{&DicomFacts::accession_number, kMaxTextBytes},
    Field{&DicomFacts::study_id, kMaxTextBytes},
    Field{&DicomFacts::modality, kMaxTextBytes},
    Field{&DicomFacts::series_instance_uid, kMaxIdentityBytes},
    Field{&DicomFacts::series_number, kMaxTextBytes},
    Field{&DicomFacts::series_description, kMaxTextBytes},
    Field{&DicomFacts::body_part_examined, kMaxTextBytes},
    Field{&DicomFacts::sop_instance_uid, kMaxIdentityBytes},
    Field{&DicomFacts::sop_class_uid, kMaxTextBytes},
    Field{&DicomFacts::instance_number, kMaxTextBytes},
    Field{&DicomFacts::number_of_frames, kMaxTextBytes},
    Field{&DicomFacts::transfer_syntax_uid, kMaxTextBytes},
    Field{&DicomFacts::specific_character_set, kMaxTextBytes},
};

// Keywords that are stored as a number, from 1. The order on disk; append only, at most 127.
constexpr std::array<std::string_view, 52> kKeywords = {
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "StudyTime",
    "SeriesTime",
    "AcquisitionTime",
    "AccessionNumber",
    "Modality",
    "Manufacturer",
    "InstitutionName",
    "ReferringPhysicianName",
    "StationName",
    "StudyDescription",
    "SeriesDescription",
    "ManufacturerModelName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientWeight",
    "BodyPartExamined",
    "SliceThickness",
    "ProtocolName",
    "PatientPosition",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "Laterality",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "InstitutionalDepartmentName",
    "PerformingPhysicianName",
    "OperatorsName",
    "DeviceSerialNumber",
    "SourceApplicationEntityTitle",
};
static_assert(kKeywords.size() < 128);

// In an attribute's number: the value is that of the field that has the same element.
constexpr uint8_t kValueIsField = 0x80;

uint8_t NumberOf(std::string_view keyword) {
  const auto found = std::find(kKeywords.begin(), kKeywords.end(), keyword);
  return found == kKeywords.end() ? 0 : static_cast<uint8_t>(found - kKeywords.begin() + 1);
}

// The field that has the element's text, too; null: none.
std::string DicomFacts::*FieldOf(std::string_view keyword) {
  const auto found = std::find_if(kWantedElements.begin(), kWantedElements.end(),
                                  [&](const WantedElement& e) { return e.keyword == keyword; });
  return found == kWantedElements.end() ? nullptr : found->field;
}

void WriteAttribute(const DicomFacts& facts, const DicomAttribute& attribute, ByteWriter& writer) {
  const std::string_view value = CutUtf8(attribute.value, kMaxAttributeBytes);
  const uint8_t number = NumberOf(attribute.keyword);
  const auto field = FieldOf(attribute.keyword);
  if (number != 0 && field != nullptr && facts.*field == value) {
    writer.U8(number | kValueIsField);
    return;
  }
  writer.U8(number);
  if (number == 0) writer.Text16(CutUtf8(attribute.keyword, kMaxAttributeBytes));
  writer.Text16(value);
}

bool ReadText(ByteReader& reader, size_t max_bytes, std::string& into) {
  into = reader.Text16();
  return into.size() <= max_bytes && IsUtf8(into);
}

bool ReadAttribute(ByteReader& reader, uint8_t number, const DicomFacts& facts,
                   DicomAttribute& attribute) {
  const size_t keyword = number & ~kValueIsField;
  if (keyword > kKeywords.size()) return false;
  if (keyword == 0) {
    if (!ReadText(reader, kMaxAttributeBytes, attribute.keyword)) return false;
  } else {
    attribute.keyword = kKeywords[keyword - 1];
  }
  if ((number & kValueIsField) == 0) return ReadText(reader, kMaxAttributeBytes, attribute.value);
  const auto field = FieldOf(attribute.keyword);
  if (field == nullptr || (facts.*field).size() > kMaxAttributeBytes) return false;
  attribute.value = facts.*field;
  return true;
}

Error Malformed(const char* what) {
  return Error(Errc::kCorrupt, std::string("encoded DICOM facts: ") + what);
}

// How many bytes a character takes that starts with `lead`; 0 for a byte that cannot start one.
size_t Utf8Length(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

}  // namespace

ByteVector EncodeDicomFacts(const DicomFacts& facts) {
  ByteWriter writer;
  writer.U8(kVersion);
  writer.U8(static_cast<uint8_t>(facts.kind));
  for (const Field& field : kFields) writer.Text16(CutUtf8(facts.*field.text, field.max_bytes));
  const size_t count = std::min(facts.attributes.size(), kMaxAttributes);
  writer.U8(static_cast<uint8_t>(count));
  for (size_t i = 0; i < count; ++i) WriteAttribute(facts, facts.attributes[i], writer);
  return writer.Take();
}

Result<DicomFacts> DecodeDicomFacts(ByteSpan bytes) {
  if (bytes.size() > kMaxEncodedFactsBytes) return Malformed("longer than any can be");
  ByteReader reader(bytes);
  const uint8_t version = reader.U8();
  if (version != kVersion && version != kVersionWithLongKeywords)
    return Malformed("of an unknown version");
  DicomFacts facts;
  const uint8_t kind = reader.U8();
  if (kind < 1 || kind > 3) return Malformed("of an unknown kind");
  facts.kind = static_cast<DicomFacts::Kind>(kind);
  for (const Field& field : kFields) {
    if (!ReadText(reader, field.max_bytes, facts.*field.text)) return Malformed("a bad field");
  }
  const size_t count = reader.U8();
  if (count > kMaxAttributes) return Malformed("too many attributes");
  for (size_t i = 0; i < count; ++i) {
    DicomAttribute attribute;
    const uint8_t number = version == kVersion ? reader.U8() : 0;
    if (!ReadAttribute(reader, number, facts, attribute)) return Malformed("a bad attribute");
    facts.attributes.push_back(std::move(attribute));
  }
  if (!reader.Finished()) return Malformed("cut short, or with bytes left over");
  return facts;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = Utf8Length(lead);
    if (length == 0 || text.size() - i < length) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<uint8_t>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    if (length > 2) {
      const auto second = static_cast<uint8_t>(text[i + 1]);
      if (lead == 0xE0 && second < 0xA0) return false;  // overlong
      if (lead == 0xED && second > 0x9F) return false;  // surrogates
      if (lead == 0xF0 && second < 0x90) return false;  // overlong
      if (lead == 0xF4 && second > 0x8F) return false;  // beyond U+10FFFF
    }
    i += length;
  }
  return true;
}

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace leadglass
