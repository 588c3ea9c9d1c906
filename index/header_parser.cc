// SPDX-License-Identifier: Apache-2.0
#include "index/header_parser.h"

#include <algorithm>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "index/character_set.h"
#include "index/gdcm_reader.h"
#include "index/header_scan.h"
#include "index/wanted_elements.h"

namespace leadglass {
namespace {

constexpr size_t kMaxRawTextBytes = 8 << 10;  // of what will be cut to kMaxTextBytes anyway

// The raw bytes of every wanted element, from two readers.
struct RawValues {
  std::vector<std::string> bytes;
  bool ambiguous = false;
};

// Numbers in little-endian order, as GDCM gives them.
std::string RawOf(const ScannedHeader& header, std::string raw, ElementKind kind) {
  if (kind == ElementKind::kNumber && header.layout.big_endian && raw.size() >= 2)
    std::swap(raw[0], raw[1]);
  return raw;
}

// GDCM's values where it could read; the scan's elsewhere. For what decides a file's place both
// must agree, unless the element came twice: then the last one counts (GDCM keeps the first).
RawValues ReadValues(const ScannedHeader& header, Readers readers) {
  RawValues values;
  for (size_t i = 0; i < kWantedTags.size(); ++i)
    values.bytes.push_back(
        RawOf(header, std::string(AsText(header.scan.values[i])), kWantedElements[i].kind));
  if (readers == Readers::kScanOnly) return values;
  const ScanResult& scan = header.scan;
  const bool any = std::find(scan.found.begin(), scan.found.end(), true) != scan.found.end();
  if (!any || !scan.sound || scan.mixed || scan.duplicate) return values;
  const auto read =
      ReadWithGdcm(header.data_set.first(header.scan.sound_bytes),
                   GdcmSyntax{header.layout.implicit, header.layout.big_endian}, kWantedTags);
  if (!read) return values;
  for (size_t i = 0; i < kWantedTags.size(); ++i) {
    const std::optional<std::string>& theirs = (*read)[i];
    if (!theirs) continue;
    if (kWantedElements[i].kind == ElementKind::kIdentity &&
        TrimPadding(*theirs) != TrimPadding(values.bytes[i])) {
      values.ambiguous = true;
    }
    values.bytes[i] = *theirs;
  }
  return values;
}

std::string NumberText(std::string_view raw) {
  if (raw.size() != 2) return {};
  return std::to_string(LoadLe<uint16_t>(AsBytes(raw).data()));
}

// UTF-8 without padding; nothing when an identity is over its limit.
std::optional<std::string> ValueText(ElementKind kind, std::string_view raw,
                                     const CharacterSet& set) {
  if (kind == ElementKind::kNumber) return NumberText(raw);
  if (kind != ElementKind::kIdentity) {
    raw = raw.substr(0, kMaxRawTextBytes);
  } else if (raw.size() > kMaxIdentityBytes) {
    return std::nullopt;
  }
  static const CharacterSet default_set{std::string_view()};
  const CharacterSet& used = kind == ElementKind::kCode ? default_set : set;
  const std::string decoded = used.Decode(AsBytes(raw), kind == ElementKind::kName);
  std::string_view text = TrimPadding(decoded);
  if (kind == ElementKind::kName) {  // empty groups at the end may be left out or not
    while (text.ends_with('=')) text.remove_suffix(1);
  }
  if (kind != ElementKind::kIdentity) return std::string(CutUtf8(text, kMaxTextBytes));
  if (text.size() > kMaxIdentityBytes) return std::nullopt;
  return std::string(text);
}

void AddAttribute(DicomFacts& facts, std::string_view keyword, std::string_view value) {
  if (value.empty()) return;
  facts.attributes.push_back(
      {std::string(keyword), std::string(CutUtf8(value, kMaxAttributeBytes))});
}

HeaderResult MakeFacts(const ScannedHeader& header, Readers readers) {
  DicomFacts facts;
  facts.transfer_syntax_uid =
      CutUtf8(CharacterSet({}).Decode(AsBytes(header.layout.transfer_syntax_uid)), kMaxTextBytes);
  AddAttribute(facts, kMetaKeywords[0], facts.transfer_syntax_uid);
  AddAttribute(
      facts, kMetaKeywords[1],
      CutUtf8(CharacterSet({}).Decode(AsBytes(header.layout.source_ae_title)), kMaxTextBytes));
  if (header.directory) {
    facts.kind = DicomFacts::Kind::kDicomdir;
    return facts;
  }
  const RawValues values = ReadValues(header, readers);
  if (values.ambiguous) return Unparsed{UnparsedReason::kAmbiguous};
  const CharacterSet set(values.bytes[WantedIndex(0x00080005)]);
  for (size_t i = 0; i < kWantedElements.size(); ++i) {
    const WantedElement& element = kWantedElements[i];
    const auto text = ValueText(element.kind, values.bytes[i], set);
    if (!text) return Unparsed{UnparsedReason::kTooLarge};
    if (element.field != nullptr) facts.*element.field = *text;
    AddAttribute(facts, element.keyword, *text);
  }
  const bool image = !facts.study_instance_uid.empty() && !facts.series_instance_uid.empty() &&
                     !facts.sop_instance_uid.empty();
  facts.kind = image ? DicomFacts::Kind::kImage : DicomFacts::Kind::kNoUids;
  return facts;
}

// By the scan alone: they say nothing about whose image it is.
std::optional<NeedMore> AddFurther(DicomFacts& facts, const ScannedHeader& header, ByteSpan prefix,
                                   uint64_t file_size, const FurtherElements& further) {
  std::vector<uint32_t> tags;
  for (const FurtherElement& element : further) tags.push_back(element.tag);
  auto scanned = ScanFurther(header, prefix, file_size, tags);
  if (const auto* more = std::get_if<NeedMore>(&scanned)) return *more;
  auto& values = std::get<std::vector<std::string>>(scanned);
  const CharacterSet set(AsText(header.Value(0x00080005)));
  for (size_t i = 0; i < further.size(); ++i) {
    const std::string raw = RawOf(header, std::move(values[i]), further[i].kind);
    AddAttribute(facts, further[i].keyword,
                 ValueText(further[i].kind, raw, set).value_or(std::string()));
  }
  return std::nullopt;
}

}  // namespace

const char* UnparsedText(UnparsedReason reason) {
  switch (reason) {
    case UnparsedReason::kEmpty: return "the file is empty";
    case UnparsedReason::kNotDicom: return "not a DICOM file";
    case UnparsedReason::kTruncated: return "the file ends inside its header";
    case UnparsedReason::kMalformed: return "the header breaks off in bytes that are no element";
    case UnparsedReason::kTooDeep: return "nested deeper than 32";
    case UnparsedReason::kTooLarge: return "the header or an identifying value is too large";
    case UnparsedReason::kDeflateBroken: return "the deflated data set does not inflate";
    case UnparsedReason::kDeflateTooLarge: return "the deflated header is larger than 16 MiB";
    case UnparsedReason::kParserLimit: return "the parser exceeded its limit";
    case UnparsedReason::kAmbiguous: return "two readers disagree about patient or study";
  }
  return "unknown reason";
}

const char* UnparsedName(UnparsedReason reason) {
  switch (reason) {
    case UnparsedReason::kEmpty: return "empty";
    case UnparsedReason::kNotDicom: return "not-dicom";
    case UnparsedReason::kTruncated: return "truncated";
    case UnparsedReason::kMalformed: return "malformed";
    case UnparsedReason::kTooDeep: return "too-deep";
    case UnparsedReason::kTooLarge: return "too-large";
    case UnparsedReason::kDeflateBroken: return "deflate-broken";
    case UnparsedReason::kDeflateTooLarge: return "deflate-too-large";
    case UnparsedReason::kParserLimit: return "parser-limit";
    case UnparsedReason::kAmbiguous: return "ambiguous";
  }
  return "unknown";
}

HeaderResult ParseHeader(ByteSpan prefix, uint64_t file_size, Readers readers,
                         const FurtherElements& further) {
  try {
    const auto outcome = ScanHeader(prefix, file_size);
    if (const auto* more = std::get_if<NeedMore>(&outcome)) return *more;
    if (const auto* unparsed = std::get_if<Unparsed>(&outcome)) return *unparsed;
    const ScannedHeader& header = std::get<ScannedHeader>(outcome);
    HeaderResult result = MakeFacts(header, readers);
    auto* const facts = std::get_if<DicomFacts>(&result);
    if (facts == nullptr || further.empty() || header.directory) return result;
    if (const auto more = AddFurther(*facts, header, prefix, file_size, further)) return *more;
    return result;
  } catch (const std::bad_alloc&) {
    return Unparsed{UnparsedReason::kParserLimit};
  }
}

}  // namespace leadglass
