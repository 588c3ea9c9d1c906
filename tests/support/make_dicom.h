// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes small DICOM files for tests, byte by byte: valid ones by default, broken ones on request.
//
//   const ByteVector image = MakeImage({.patient_id = "123", .patient_name = "Doe^Jane"});
//   DicomWriter w(DicomWriter::Syntax::kImplicitLe);
//   w.Add(0x00100020, "LO", "123").BeginSequence(0x00081110).BeginItem()...;
//   const ByteVector file = w.File();
//
// Elements are written in the order of the calls; nothing is checked, so disorder and duplicates
// are a matter of calling that way. Values are padded to even length as their VR wants.

#include <cstdint>
#include <string>
#include <string_view>

#include "crypto/base/bytes.h"

namespace leadglass {

class DicomWriter {
 public:
  enum class Syntax { kExplicitLe, kImplicitLe, kExplicitBe, kDeflated };

  explicit DicomWriter(Syntax syntax = Syntax::kExplicitLe) : syntax_(syntax) {}

  // An element with these value bytes. `vr` is two letters; it is left out in implicit files.
  DicomWriter& Add(uint32_t tag, std::string_view vr, std::string_view value);
  // A 16-bit number (US), in the file's byte order.
  DicomWriter& AddU16(uint32_t tag, uint16_t value);
  // An element header that claims `length` bytes, without any value behind it.
  DicomWriter& AddHeader(uint32_t tag, std::string_view vr, uint32_t length);
  // Sequences and items of undefined length; each needs its end.
  DicomWriter& BeginSequence(uint32_t tag);
  DicomWriter& EndSequence();
  DicomWriter& BeginItem();
  DicomWriter& EndItem();
  // SourceApplicationEntityTitle, in the file meta.
  DicomWriter& From(std::string_view ae_title) {
    ae_title_ = ae_title;
    return *this;
  }
  // Bytes as they are.
  DicomWriter& Raw(std::string_view bytes);

  // The data set alone (inflated, where the syntax is kDeflated).
  const ByteVector& DataSet() const { return data_set_; }
  // Preamble, "DICM", file meta with the transfer syntax and (if given) the SOP UIDs, data set.
  ByteVector File(std::string_view sop_instance_uid = {},
                  std::string_view sop_class_uid = "1.2.840.10008.5.1.4.1.1.7") const;

 private:
  void U16(uint16_t value);
  void U32(uint32_t value);
  void Tag(uint32_t tag);
  Syntax syntax_;
  ByteVector data_set_;
  std::string ae_title_;
};

// The usual fields of a little image; an empty value leaves its element out.
struct ImageSpec {
  std::string patient_id = "MADE-1";
  std::string patient_name = "Made^Patient";
  std::string birth_date = "19700101";
  std::string sex = "O";
  std::string issuer = {};
  std::string character_set = {};
  std::string study_uid = "2.25.1001";
  std::string series_uid = "2.25.2001";
  std::string sop_uid = "2.25.3001";
  std::string study_date = "20240115";
  std::string study_description = "Made study";
  std::string series_description = "Made series";
  std::string accession = "A1";
  std::string modality = "CT";
  std::string series_number = "1";
  std::string instance_number = "1";
  std::string procedure = {};  // RequestedProcedureDescription (0032,1060)
  size_t pixel_bytes = 256;    // of (7FE0,0010), a pattern that depends on `sop_uid`
  DicomWriter::Syntax syntax = DicomWriter::Syntax::kExplicitLe;
};

ByteVector MakeImage(const ImageSpec& spec = {});

}  // namespace leadglass
