// SPDX-License-Identifier: Apache-2.0
#pragma once

// The folder and file names people see in /patients. Pure functions of the header: the same file
// always gets the same name, from one listing and one mount to the next.
//
// Every name returned here is well-formed UTF-8 in NFC, 1 to 255 bytes, without control characters,
// bidi overrides and other invisible characters, / \ : * ? " < > |, leading dots, dashes, tildes or
// spaces, trailing dots or spaces, and is no name that Windows reserves (CON, NUL, COM1, ...).
// Two names may be equal, or equal for Windows and SMB: compare CollisionKey(), then WithSuffix().
// Names identify patients: never log one. Any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "index/dicom_facts.h"

namespace leadglass {

inline constexpr size_t kMaxNameBytes = 255;

// "Doe Jane [123]"; "Unnamed [123]"; for a blank PatientID "Doe Jane [no id q7k2m3xa]", where the
// eight letters come from the study UID (from `inode` where that is missing too), so that strangers
// of one name stay apart. The [id] is kept when the name has to be cut.
std::string PatientFolderName(const DicomFacts& facts, uint64_t inode);
// "2024-01-15 CT Abdomen [A1234]"; parts that are missing are left out; "Undated" without a date;
// "No study UID" without a StudyInstanceUID.
std::string StudyFolderName(const DicomFacts& facts);
// "0003 CT Arterial phase"; "No series UID" without a SeriesInstanceUID.
std::string SeriesFolderName(const DicomFacts& facts);
// "0017.dcm"; "image.dcm" without a usable InstanceNumber.
std::string ImageFileName(const DicomFacts& facts);

// `name` with " ~xxxxxxxx" (eight letters and digits from a stable hash of `unique`, such as a UID
// or a key of dicom_keys.h) before its ".dcm" or "[id]", at most kMaxNameBytes long.
std::string WithSuffix(std::string_view name, std::string_view unique);

// Equal for names that a case-insensitive or normalising file system cannot keep apart.
std::string CollisionKey(std::string_view name);

// Any UTF-8 text as a safe name (see above); `fallback` when nothing of it is left.
std::string SafeName(std::string_view text, std::string_view fallback,
                     size_t max_bytes = kMaxNameBytes);

// "Doe^Jane^^Dr" -> "Doe Jane Dr"; the first non-empty group (alphabetic, ideographic, phonetic).
std::string ReadablePersonName(std::string_view patient_name);

}  // namespace leadglass
