// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who and what an image belongs to: byte strings that are equal exactly when two files belong to
// the same patient, study, series or instance. Pure functions of the header (and of the inode where
// the header identifies nothing), so the order of arrival never matters.
//
// - Patient: issuer, PatientID, birth date and sex together. Missing is a value of its own: someone
//   with a birth date and someone without one get two folders. One person in two folders is a
//   nuisance that a correction mends; two persons in one folder is a danger, and "missing goes with
//   whoever is there" would depend on who came first.
// - A blank PatientID identifies nobody: each study is a patient of its own; without a study UID
//   too, each file is.
// - A study UID under two patients is two studies, a series UID in two studies two series: a
//   sender's mistake does not mix two people's images.
// - A missing study, series or SOP UID: one "without" study per patient, one "without" series per
//   study, and an instance of its own per file.
//
// The keys hold patient data: they go into sealed records and index keys, never into a log line.
// Each is at most about 100 KiB, in practice 100 bytes; hash it where a fixed size is wanted.

#include <cstdint>
#include <string>

#include "index/dicom_facts.h"

namespace leadglass {

std::string PatientKey(const DicomFacts& facts, uint64_t inode);
// Begins with PatientKey; SeriesKey begins with StudyKey, InstanceKey with SeriesKey.
std::string StudyKey(const DicomFacts& facts, uint64_t inode);
std::string SeriesKey(const DicomFacts& facts, uint64_t inode);
// Two files with one InstanceKey claim to be the same image; whether their bytes agree is the
// caller's to find out.
std::string InstanceKey(const DicomFacts& facts, uint64_t inode);

}  // namespace leadglass
