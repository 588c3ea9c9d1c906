// SPDX-License-Identifier: Apache-2.0
#include "index/dicom_keys.h"

#include <gtest/gtest.h>

namespace leadglass {
namespace {

DicomFacts KeyedFacts() {
  DicomFacts facts;
  facts.patient_id = "123";
  facts.patient_name = "Doe^Jane";
  facts.patient_birth_date = "19700101";
  facts.patient_sex = "F";
  facts.study_instance_uid = "1.2";
  facts.series_instance_uid = "1.2.3";
  facts.sop_instance_uid = "1.2.3.4";
  return facts;
}

template <typename F>
DicomFacts With(F change) {
  DicomFacts facts = KeyedFacts();
  change(facts);
  return facts;
}

TEST(PatientKey, IsThatOfThePersonNotOfTheSpelling) {
  const auto other = With([](DicomFacts& f) {
    f.patient_name = "DOE^JANE";
    f.study_instance_uid = "9.9";
  });
  EXPECT_EQ(PatientKey(KeyedFacts(), 1), PatientKey(other, 2));
}

TEST(PatientKey, SeparatesWhatSeparatesPeople) {
  const std::string key = PatientKey(KeyedFacts(), 1);
  EXPECT_NE(key, PatientKey(With([](DicomFacts& f) { f.patient_id = "124"; }), 1));
  EXPECT_NE(key, PatientKey(With([](DicomFacts& f) { f.issuer_of_patient_id = "SITE-B"; }), 1));
  EXPECT_NE(key, PatientKey(With([](DicomFacts& f) { f.patient_birth_date = "19800101"; }), 1));
  EXPECT_NE(key, PatientKey(With([](DicomFacts& f) { f.patient_sex = "M"; }), 1));
  EXPECT_NE(key, PatientKey(With([](DicomFacts& f) { f.patient_birth_date = ""; }), 1));
}

TEST(PatientKey, IsOneForTwoWritingsOfOneValue) {
  const auto composed = With([](DicomFacts& f) { f.patient_id = "Zo\u00EB"; });
  const auto decomposed = With([](DicomFacts& f) { f.patient_id = "Zoe\u0308"; });
  EXPECT_EQ(PatientKey(composed, 1), PatientKey(decomposed, 1));
  EXPECT_EQ(PatientKey(KeyedFacts(), 1),
            PatientKey(With([](DicomFacts& f) { f.patient_birth_date = "1970.01.01"; }), 1));
}

TEST(PatientKey, WithoutIdIsTheStudyAndWithoutStudyTheFile) {
  const auto no_id = With([](DicomFacts& f) { f.patient_id = ""; });
  EXPECT_EQ(PatientKey(no_id, 1), PatientKey(no_id, 2));
  auto other_study = no_id;
  other_study.study_instance_uid = "1.9";
  EXPECT_NE(PatientKey(no_id, 1), PatientKey(other_study, 1));
  auto nothing = no_id;
  nothing.study_instance_uid = "";
  EXPECT_NE(PatientKey(nothing, 1), PatientKey(nothing, 2));
}

TEST(PatientKey, IsUnambiguousAcrossItsParts) {
  auto one = KeyedFacts(), two = KeyedFacts();
  one.issuer_of_patient_id = "A";
  one.patient_id = "BC";
  two.issuer_of_patient_id = "AB";
  two.patient_id = "C";
  EXPECT_NE(PatientKey(one, 1), PatientKey(two, 1));
}

TEST(StudyKey, IsTwoForOneUidUnderTwoPatients) {
  const auto other = With([](DicomFacts& f) { f.patient_id = "CLASH2"; });
  EXPECT_NE(StudyKey(KeyedFacts(), 1), StudyKey(other, 1));
}

TEST(StudyKey, IsOneForAllOfAPatientWithoutStudyUid) {
  const auto without = With([](DicomFacts& f) { f.study_instance_uid = ""; });
  EXPECT_EQ(StudyKey(without, 1), StudyKey(without, 2));
}

TEST(SeriesKey, IsTwoForOneUidInTwoStudies) {
  const auto other = With([](DicomFacts& f) { f.study_instance_uid = "1.9"; });
  EXPECT_NE(SeriesKey(KeyedFacts(), 1), SeriesKey(other, 1));
}

TEST(InstanceKey, IsOneForOneSopInstanceUidAndPerFileWithout) {
  EXPECT_EQ(InstanceKey(KeyedFacts(), 1), InstanceKey(KeyedFacts(), 2));
  const auto without = With([](DicomFacts& f) { f.sop_instance_uid = ""; });
  EXPECT_NE(InstanceKey(without, 1), InstanceKey(without, 2));
}

TEST(DicomKeys, EachBeginsWithTheOneAbove) {
  EXPECT_EQ(StudyKey(KeyedFacts(), 1).rfind(PatientKey(KeyedFacts(), 1), 0), 0u);
  EXPECT_EQ(SeriesKey(KeyedFacts(), 1).rfind(StudyKey(KeyedFacts(), 1), 0), 0u);
  EXPECT_EQ(InstanceKey(KeyedFacts(), 1).rfind(SeriesKey(KeyedFacts(), 1), 0), 0u);
}

}  // namespace
}  // namespace leadglass
