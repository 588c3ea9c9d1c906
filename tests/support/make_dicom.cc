// SPDX-License-Identifier: Apache-2.0
#include "tests/support/make_dicom.h"

#include <zlib.h>

#include "crypto/base/result.h"

namespace leadglass {
namespace {

bool LongForm(std::string_view vr) {
  for (const std::string_view longer :
       {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}) {
    if (vr == longer) return true;
  }
  return false;
}

void Append(ByteVector& out, ByteSpan bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

ByteVector Deflate(ByteSpan plain) {
  z_stream z{};
  LG_CHECK(deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  ByteVector out(deflateBound(&z, static_cast<uLong>(plain.size())));
  z.next_in = const_cast<Bytef*>(plain.data());
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  LG_CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

const char* SyntaxUid(DicomWriter::Syntax syntax) {
  switch (syntax) {
    case DicomWriter::Syntax::kImplicitLe: return "1.2.840.10008.1.2";
    case DicomWriter::Syntax::kExplicitBe: return "1.2.840.10008.1.2.2";
    case DicomWriter::Syntax::kDeflated: return "1.2.840.10008.1.2.1.99";
    case DicomWriter::Syntax::kExplicitLe: break;
  }
  return "1.2.840.10008.1.2.1";
}

}  // namespace

void DicomWriter::U16(uint16_t value) {
  uint8_t bytes[2];
  if (syntax_ == Syntax::kExplicitBe) {
    StoreBe(bytes, value);
  } else {
    StoreLe(bytes, value);
  }
  Append(data_set_, bytes);
}

void DicomWriter::U32(uint32_t value) {
  uint8_t bytes[4];
  if (syntax_ == Syntax::kExplicitBe) {
    StoreBe(bytes, value);
  } else {
    StoreLe(bytes, value);
  }
  Append(data_set_, bytes);
}

void DicomWriter::Tag(uint32_t tag) {
  U16(static_cast<uint16_t>(tag >> 16));
  U16(static_cast<uint16_t>(tag));
}

DicomWriter& DicomWriter::AddHeader(uint32_t tag, std::string_view vr, uint32_t length) {
  Tag(tag);
  if (syntax_ == Syntax::kImplicitLe) {
    U32(length);
    return *this;
  }
  Append(data_set_, AsBytes(vr));
  if (LongForm(vr)) {
    U16(0);
    U32(length);
  } else {
    U16(static_cast<uint16_t>(length));
  }
  return *this;
}

DicomWriter& DicomWriter::Add(uint32_t tag, std::string_view vr, std::string_view value) {
  AddHeader(tag, vr, static_cast<uint32_t>(value.size() + value.size() % 2));
  Append(data_set_, AsBytes(value));
  const bool zero_padded = vr == "UI" || vr == "OB" || vr == "UN";
  if (value.size() % 2 != 0) data_set_.push_back(zero_padded ? 0 : ' ');
  return *this;
}

DicomWriter& DicomWriter::AddU16(uint32_t tag, uint16_t value) {
  AddHeader(tag, "US", 2);
  U16(value);
  return *this;
}

DicomWriter& DicomWriter::BeginSequence(uint32_t tag) { return AddHeader(tag, "SQ", 0xFFFFFFFF); }

DicomWriter& DicomWriter::EndSequence() {
  Tag(0xFFFEE0DD);
  U32(0);
  return *this;
}

DicomWriter& DicomWriter::BeginItem() {
  Tag(0xFFFEE000);
  U32(0xFFFFFFFF);
  return *this;
}

DicomWriter& DicomWriter::EndItem() {
  Tag(0xFFFEE00D);
  U32(0);
  return *this;
}

DicomWriter& DicomWriter::Raw(std::string_view bytes) {
  Append(data_set_, AsBytes(bytes));
  return *this;
}

ByteVector DicomWriter::File(std::string_view sop_instance_uid,
                             std::string_view sop_class_uid) const {
  DicomWriter meta;  // file meta is explicit little endian whatever the data set is
  meta.Add(0x00020001, "OB", std::string_view("\0\1", 2));
  if (!sop_class_uid.empty()) meta.Add(0x00020002, "UI", sop_class_uid);
  if (!sop_instance_uid.empty()) meta.Add(0x00020003, "UI", sop_instance_uid);
  meta.Add(0x00020010, "UI", SyntaxUid(syntax_)).Add(0x00020012, "UI", "2.25.4711");
  if (!ae_title_.empty()) meta.Add(0x00020016, "AE", ae_title_);

  ByteVector file(128, 0);
  Append(file, AsBytes("DICM"));
  uint8_t length[4];
  StoreLe(length, static_cast<uint32_t>(meta.DataSet().size()));
  DicomWriter group_length;
  group_length.Add(0x00020000, "UL", AsText(length));
  Append(file, group_length.DataSet());
  Append(file, meta.DataSet());
  Append(file, syntax_ == Syntax::kDeflated ? Deflate(data_set_) : data_set_);
  return file;
}

ByteVector MakeImage(const ImageSpec& spec) {
  DicomWriter w(spec.syntax);
  const auto add = [&w](uint32_t tag, std::string_view vr, const std::string& value) {
    if (!value.empty()) w.Add(tag, vr, value);
  };
  add(0x00080005, "CS", spec.character_set);
  add(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7");
  add(0x00080018, "UI", spec.sop_uid);
  add(0x00080020, "DA", spec.study_date);
  add(0x00080030, "TM", "101500");
  add(0x00080050, "SH", spec.accession);
  add(0x00080060, "CS", spec.modality);
  add(0x00081030, "LO", spec.study_description);
  add(0x0008103E, "LO", spec.series_description);
  add(0x00100010, "PN", spec.patient_name);
  add(0x00100020, "LO", spec.patient_id);
  add(0x00100021, "LO", spec.issuer);
  add(0x00100030, "DA", spec.birth_date);
  add(0x00100040, "CS", spec.sex);
  add(0x0020000D, "UI", spec.study_uid);
  add(0x0020000E, "UI", spec.series_uid);
  add(0x00200011, "IS", spec.series_number);
  add(0x00200013, "IS", spec.instance_number);
  w.AddU16(0x00280010, 16).AddU16(0x00280011, 16).AddU16(0x00280100, 8);
  add(0x00321060, "LO", spec.procedure);
  std::string pixels(spec.pixel_bytes, '\0');
  uint32_t state = 2166136261u;
  for (const char c : spec.sop_uid) state = (state ^ static_cast<uint8_t>(c)) * 16777619u;
  for (char& pixel : pixels) {
    state = state * 1664525u + 1013904223u;
    pixel = static_cast<char>(state >> 24);
  }
  if (!pixels.empty()) w.Add(0x7FE00010, "OW", pixels);
  return w.File(spec.sop_uid);
}

}  // namespace leadglass
