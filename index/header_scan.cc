// SPDX-License-Identifier: Apache-2.0
#include "index/header_scan.h"

#include <algorithm>

#include "index/bounded_inflate.h"
#include "index/character_set.h"
#include "index/wanted_elements.h"

namespace leadglass {
namespace {

constexpr std::string_view kDirectoryClass = "1.2.840.10008.1.3.10";

using Outcome = std::variant<ScannedHeader, NeedMore, Unparsed>;

// What is known of a file's size while only its beginning is here.
class Prefix {
 public:
  Prefix(ByteSpan bytes, uint64_t file_size) : bytes_(bytes), file_size_(file_size) {}
  ByteSpan bytes() const { return bytes_; }
  uint64_t file_size() const { return file_size_; }
  bool whole() const { return bytes_.size() >= file_size_; }
  bool CanGrow() const { return !whole() && bytes_.size() < kMaxHeaderBytes; }
  // Asks for at least `bytes`, and more than that, so that a long header is read in few steps.
  NeedMore More(uint64_t bytes) const {
    const uint64_t wish = std::max<uint64_t>(bytes + kMoreHeaderBytes, 2 * bytes_.size());
    return NeedMore{std::min({wish, file_size_, uint64_t{kMaxHeaderBytes}})};
  }

 private:
  ByteSpan bytes_;
  uint64_t file_size_;
};

// A file without preamble and file meta is believed to be DICOM only if it starts like a data set:
// most of what a PACS writes beside images (databases, logs) is told from its first bytes.
bool StartsLikeDataSet(ByteSpan bytes) {
  if (bytes.size() < 8) return false;
  DicomLayout layout;
  CorrectLayout(layout, bytes);
  const auto half = [&](size_t at) {
    return layout.big_endian ? LoadBe<uint16_t>(&bytes[at]) : LoadLe<uint16_t>(&bytes[at]);
  };
  if (half(0) != 0x0008) return false;
  if (!layout.implicit) return true;
  const uint32_t length =
      layout.big_endian ? LoadBe<uint32_t>(&bytes[4]) : LoadLe<uint32_t>(&bytes[4]);
  return length <= 1024 || length == 0xFFFFFFFF;
}

bool LooksLikeDicom(const ScannedHeader& header) {
  if (header.layout.has_meta) return true;
  const auto& found = header.scan.found;
  const bool any = std::find(found.begin(), found.end(), true) != found.end();
  return any && (header.layout.has_preamble || header.scan.elements >= 3);
}

bool HasAllUids(const ScannedHeader& header) {
  return std::all_of(kMustHave.begin(), kMustHave.end(),
                     [&](size_t i) { return !TrimPadding(AsText(header.scan.values[i])).empty(); });
}

// The verdict once no further byte will come.
Outcome Conclude(ScannedHeader header, UnparsedReason if_cut) {
  const ScanEnd end = header.scan.end;
  if (!LooksLikeDicom(header)) return Unparsed{UnparsedReason::kNotDicom};
  if (end == ScanEnd::kTooDeep) return Unparsed{UnparsedReason::kTooDeep};
  if (HasAllUids(header)) return header;  // cut or broken behind all that matters
  if (end == ScanEnd::kCut && !header.scan.cut_in_pixels) return Unparsed{if_cut};
  if (end == ScanEnd::kMalformed) return Unparsed{UnparsedReason::kMalformed};
  if (header.scan.elements == 0) return Unparsed{UnparsedReason::kTruncated};
  return header;
}

Outcome ScanPlain(ScannedHeader header, const Prefix& prefix) {
  const uint64_t offset = header.layout.data_set_offset;
  header.data_set = prefix.bytes().subspan(header.layout.data_set_offset);
  CorrectLayout(header.layout, header.data_set);
  header.scan = ScanElements(header.data_set, header.layout, kWantedTags, kMustHave);
  const size_t end = header.scan.end_offset;
  const bool ran_out = header.scan.end == ScanEnd::kCut ||
                       (header.scan.end == ScanEnd::kDataEnd && end == header.data_set.size());
  if (!ran_out || prefix.whole()) return Conclude(std::move(header), UnparsedReason::kTruncated);
  const uint64_t needed = offset + std::max<uint64_t>(header.scan.needed_bytes, end + 1);
  // Nothing stands behind the pixels: they need not be read to know that.
  const bool pixels_last = header.scan.cut_in_pixels && needed >= prefix.file_size();
  if (needed > prefix.file_size() || pixels_last) {
    return Conclude(std::move(header), UnparsedReason::kTruncated);
  }
  if (needed <= kMaxHeaderBytes && prefix.CanGrow()) return prefix.More(needed);
  return Conclude(std::move(header), UnparsedReason::kTooLarge);
}

Outcome ScanDeflated(ScannedHeader header, const Prefix& prefix) {
  const ByteSpan compressed = prefix.bytes().subspan(header.layout.data_set_offset);
  for (size_t limit = 256 << 10;; limit *= 8) {
    limit = std::min(limit, kMaxInflatedBytes);
    Inflated inflated = InflateSome(compressed, limit);
    header.inflated = std::move(inflated.bytes);
    header.data_set = header.inflated;
    CorrectLayout(header.layout, header.data_set);
    header.scan = ScanElements(header.data_set, header.layout, kWantedTags, kMustHave);
    const bool ran_out = header.scan.end == ScanEnd::kCut || header.scan.end == ScanEnd::kDataEnd;
    if (!ran_out || inflated.end == Inflated::End::kStreamEnd) {
      return Conclude(std::move(header), UnparsedReason::kTruncated);
    }
    if (inflated.end == Inflated::End::kBroken) {
      if (HasAllUids(header)) return header;
      return Unparsed{UnparsedReason::kDeflateBroken};
    }
    if (inflated.end == Inflated::End::kInputEnd) {
      if (prefix.CanGrow()) return prefix.More(0);
      return Conclude(std::move(header),
                      prefix.whole() ? UnparsedReason::kTruncated : UnparsedReason::kTooLarge);
    }
    if (limit == kMaxInflatedBytes) {
      return Conclude(std::move(header), UnparsedReason::kDeflateTooLarge);
    }
  }
}

// Whatever else stands in it is not about one image, and has no say.
void MakeDirectory(ScannedHeader& header) {
  header.directory = true;
  header.scan.values.assign(kWantedTags.size(), {});
  header.scan.found.assign(kWantedTags.size(), false);
}

}  // namespace

ByteSpan ScannedHeader::Value(uint32_t tag) const { return scan.values[WantedIndex(tag)]; }

bool CannotBeDicom(ByteSpan first_bytes) {
  const DicomLayout layout = FindLayout(first_bytes);
  return !layout.has_preamble && !layout.has_meta && !StartsLikeDataSet(first_bytes);
}

Outcome ScanHeader(ByteSpan bytes, uint64_t file_size) {
  if (file_size == 0) return Unparsed{UnparsedReason::kEmpty};
  if (bytes.size() > file_size) bytes = bytes.first(static_cast<size_t>(file_size));
  const Prefix prefix(bytes.first(std::min(bytes.size(), kMaxHeaderBytes)), file_size);
  ScannedHeader header;
  if (CannotBeDicom(prefix.bytes())) return Unparsed{UnparsedReason::kNotDicom};
  header.layout = FindLayout(prefix.bytes());
  if (!header.layout.meta_complete) {
    if (prefix.CanGrow()) return prefix.More(0);
    return Unparsed{prefix.whole() ? UnparsedReason::kTruncated : UnparsedReason::kTooLarge};
  }
  if (header.layout.media_sop_class_uid == kDirectoryClass) {
    MakeDirectory(header);
    return header;
  }
  Outcome outcome = header.layout.deflated ? ScanDeflated(std::move(header), prefix)
                                           : ScanPlain(std::move(header), prefix);
  auto* scanned = std::get_if<ScannedHeader>(&outcome);
  if (scanned != nullptr && scanned->scan.has_directory) MakeDirectory(*scanned);
  return outcome;
}

std::variant<std::vector<std::string>, NeedMore> ScanFurther(const ScannedHeader& header,
                                                             ByteSpan bytes, uint64_t file_size,
                                                             std::span<const uint32_t> tags) {
  const Prefix prefix(bytes.first(std::min(bytes.size(), kMaxHeaderBytes)), file_size);
  const size_t offset = header.layout.data_set_offset;
  ByteSpan data_set = prefix.bytes().subspan(offset);
  Inflated inflated;
  if (header.layout.deflated) {
    inflated = InflateSome(data_set, kMaxInflatedBytes);
    data_set = inflated.bytes;
  }
  const ScanResult scan = ScanElements(data_set, header.layout, tags, {});
  const bool ran_out = (scan.end == ScanEnd::kCut && !scan.cut_in_pixels) ||
                       (scan.end == ScanEnd::kDataEnd && scan.end_offset == data_set.size());
  if (ran_out && prefix.CanGrow()) {
    if (header.layout.deflated) {
      if (inflated.end == Inflated::End::kInputEnd) return prefix.More(0);
    } else if (const uint64_t needed =
                   offset + std::max<uint64_t>(scan.needed_bytes, scan.end_offset + 1);
               needed <= std::min<uint64_t>(file_size, kMaxHeaderBytes)) {
      return prefix.More(needed);
    }
  }
  std::vector<std::string> values;
  for (const ByteSpan value : scan.values) values.emplace_back(AsText(value));
  return values;
}

std::string_view TrimPadding(std::string_view text) {
  const auto padding = [](char c) { return c == ' ' || c == '\0'; };
  while (!text.empty() && padding(text.back())) text.remove_suffix(1);
  while (!text.empty() && padding(text.front())) text.remove_prefix(1);
  return text;
}

std::string DecodeText(const ScannedHeader& header, ByteSpan value, bool person_name) {
  const CharacterSet set(AsText(header.Value(0x00080005)));
  return std::string(TrimPadding(set.Decode(value, person_name)));
}

}  // namespace leadglass
