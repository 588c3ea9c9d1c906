// SPDX-License-Identifier: Apache-2.0
#include "index/dicom_keys.h"

#include <algorithm>

#include "index/unicode_text.h"

namespace leadglass {
namespace {

// Length in front, so that no two different lists of parts give one key.
void AddPart(std::string& key, char kind, std::string_view part) {
  uint8_t length[4];
  StoreLe(length, static_cast<uint32_t>(part.size()));
  key += kind;
  key += AsText(length);
  key += part;
}

void AddInode(std::string& key, uint64_t inode) {
  uint8_t number[8];
  StoreLe(number, inode);
  AddPart(key, 'f', AsText(number));
}

// "1970.01.01" is how ACR-NEMA wrote 19700101.
std::string PlainDate(std::string_view date) {
  std::string plain(date);
  const bool dotted = date.size() == 10 && date[4] == '.' && date[7] == '.';
  if (dotted) plain.erase(std::remove(plain.begin(), plain.end(), '.'), plain.end());
  return plain;
}

}  // namespace

std::string PatientKey(const DicomFacts& facts, uint64_t inode) {
  std::string key;
  if (!facts.patient_id.empty()) {
    AddPart(key, 'i', Nfc(facts.issuer_of_patient_id));
    AddPart(key, 'p', Nfc(facts.patient_id));
    AddPart(key, 'b', PlainDate(facts.patient_birth_date));
    AddPart(key, 's', facts.patient_sex);
  } else if (!facts.study_instance_uid.empty()) {
    AddPart(key, 'u', facts.study_instance_uid);
  } else {
    AddInode(key, inode);
  }
  return key;
}

std::string StudyKey(const DicomFacts& facts, uint64_t inode) {
  std::string key = PatientKey(facts, inode);
  AddPart(key, 'S', facts.study_instance_uid);  // empty: the study of all that have no study UID
  return key;
}

std::string SeriesKey(const DicomFacts& facts, uint64_t inode) {
  std::string key = StudyKey(facts, inode);
  AddPart(key, 'R', facts.series_instance_uid);
  return key;
}

std::string InstanceKey(const DicomFacts& facts, uint64_t inode) {
  std::string key = SeriesKey(facts, inode);
  if (facts.sop_instance_uid.empty()) {
    AddInode(key, inode);
  } else {
    AddPart(key, 'I', facts.sop_instance_uid);
  }
  return key;
}

}  // namespace leadglass
