// SPDX-License-Identifier: Apache-2.0
#include "index/dicom_facts.h"

#include <array>

namespace leadglass {
namespace {

constexpr uint8_t kVersion = 1;

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

bool ReadText(ByteReader& reader, size_t max_bytes, std::string& into) {
  into = reader.Text16();
  return into.size() <= max_bytes && IsUtf8(into);
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
  for (size_t i = 0; i < count; ++i) {
    writer.Text16(CutUtf8(facts.attributes[i].keyword, kMaxAttributeBytes));
    writer.Text16(CutUtf8(facts.attributes[i].value, kMaxAttributeBytes));
  }
  return writer.Take();
}

Result<DicomFacts> DecodeDicomFacts(ByteSpan bytes) {
  if (bytes.size() > kMaxEncodedFactsBytes) return Malformed("longer than any can be");
  ByteReader reader(bytes);
  if (reader.U8() != kVersion) return Malformed("not of version 1");
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
    if (!ReadText(reader, kMaxAttributeBytes, attribute.keyword) ||
        !ReadText(reader, kMaxAttributeBytes, attribute.value)) {
      return Malformed("a bad attribute");
    }
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
