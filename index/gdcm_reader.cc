// SPDX-License-Identifier: Apache-2.0
#include "index/gdcm_reader.h"

#include <gdcmReader.h>
#include <gdcmTrace.h>

#include <istream>
#include <set>
#include <streambuf>

namespace leadglass {
namespace {

// A seekable stream buffer over bytes somebody else owns. GDCM seeks a lot.
class SpanBuffer : public std::streambuf {
 public:
  explicit SpanBuffer(ByteSpan bytes) {
    char* begin = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
    setg(begin, begin, begin + bytes.size());
  }

 protected:
  pos_type seekoff(off_type offset, std::ios_base::seekdir from,
                   std::ios_base::openmode which) override {
    const off_type base = from == std::ios_base::beg   ? 0
                          : from == std::ios_base::cur ? gptr() - eback()
                                                       : egptr() - eback();
    return seekpos(base + offset, which);
  }
  pos_type seekpos(pos_type position, std::ios_base::openmode) override {
    const off_type at = position;
    if (at < 0 || at > egptr() - eback()) return pos_type(off_type(-1));
    setg(eback(), eback() + at, egptr());
    return position;
  }
};

void Append(ByteVector& out, ByteSpan bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// A file with a clean preamble and file meta in front of `data_set`: whatever was wrong there has
// been dealt with by FindLayout, and GDCM need not trip over it again.
ByteVector Wrap(ByteSpan data_set, GdcmSyntax syntax) {
  std::string uid = "1.2.840.10008.1.2.1";
  if (syntax.implicit) uid = "1.2.840.10008.1.2";
  if (syntax.big_endian) uid = "1.2.840.10008.1.2.2";
  if (uid.size() % 2 != 0) uid.push_back('\0');
  ByteWriter meta;
  meta.Raw(AsBytes(std::string_view("\x02\x00\x10\x00UI", 6)));
  meta.Bytes16(AsBytes(uid));
  ByteWriter file;
  file.Zeros(128);
  file.Raw(AsBytes(std::string_view("DICM\x02\x00\x00\x00UL\x04\x00", 12)));
  file.U32(static_cast<uint32_t>(meta.size()));
  file.Raw(meta.span());
  ByteVector bytes = file.Take();
  bytes.reserve(bytes.size() + data_set.size());
  Append(bytes, data_set);
  return bytes;
}

void SilenceGdcm() {
  gdcm::Trace::DebugOff();
  gdcm::Trace::WarningOff();
  gdcm::Trace::ErrorOff();
}

std::vector<std::optional<std::string>> Collect(const gdcm::DataSet& data_set,
                                                std::span<const uint32_t> wanted) {
  std::vector<std::optional<std::string>> values(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const gdcm::Tag tag(wanted[i]);
    if (!data_set.FindDataElement(tag)) continue;
    const gdcm::DataElement& element = data_set.GetDataElement(tag);
    if (element.IsEmpty()) {
      values[i].emplace();
    } else if (const gdcm::ByteValue* bytes = element.GetByteValue(); bytes != nullptr) {
      values[i].emplace(bytes->GetPointer(), bytes->GetLength());
    }
  }
  return values;
}

}  // namespace

std::optional<std::vector<std::optional<std::string>>> ReadWithGdcm(
    ByteSpan data_set, GdcmSyntax syntax, std::span<const uint32_t> wanted) {
  SilenceGdcm();
  try {
    const ByteVector file = Wrap(data_set, syntax);
    SpanBuffer buffer(file);
    std::istream stream(&buffer);
    std::set<gdcm::Tag> tags;
    for (const uint32_t tag : wanted) tags.insert(gdcm::Tag(tag));
    gdcm::Reader reader;
    reader.SetStream(stream);
    if (!reader.ReadSelectedTags(tags)) return std::nullopt;
    return Collect(reader.GetFile().GetDataSet(), wanted);
  } catch (...) {  // GDCM throws its own, std's and plain types
    return std::nullopt;
  }
}

}  // namespace leadglass
