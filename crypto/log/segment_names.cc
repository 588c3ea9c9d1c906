// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/segment_names.h"

#include <algorithm>

namespace leadglass {
namespace {

constexpr std::string_view kSuffix = ".seg";

template <typename T>
std::string Hex(T value) {
  std::array<uint8_t, sizeof(T)> bytes{};
  StoreBe<T>(bytes.data(), value);
  return ToHex(bytes);
}

template <typename T>
std::optional<T> ParseHex(std::string_view text) {
  if (text.size() != 2 * sizeof(T)) return std::nullopt;
  T value = 0;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    value = static_cast<T>(value * 16 + static_cast<T>(digit ? c - '0' : c - 'a' + 10));
  }
  return value;
}

}  // namespace

std::string EpochFolder(const std::string& folder, uint32_t epoch) {
  return folder + "/" + Hex(epoch);
}

std::string SegmentPath(const std::string& folder, SegmentId id) {
  return EpochFolder(folder, id.epoch) + "/" + Hex(id.number) + std::string(kSuffix);
}

std::optional<uint32_t> ParseEpochName(std::string_view name) { return ParseHex<uint32_t>(name); }

std::optional<uint64_t> ParseSegmentName(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  return ParseHex<uint64_t>(name.substr(0, name.size() - kSuffix.size()));
}

uint64_t SegmentListing::highest_number() const {
  uint64_t highest = 0;
  for (const SegmentId id : segments) highest = std::max(highest, id.number);
  return highest;
}

Result<SegmentListing> ListSegments(FileSystem& fs, const std::string& folder) {
  SegmentListing out;
  LG_ASSIGN_OR_RETURN(const auto names, fs.List(folder));
  for (const std::string& name : names)
    if (const auto epoch = ParseEpochName(name)) out.epochs.push_back(*epoch);
  std::sort(out.epochs.begin(), out.epochs.end());
  for (const uint32_t epoch : out.epochs) {
    LG_ASSIGN_OR_RETURN(const auto files, fs.List(EpochFolder(folder, epoch)));
    for (const std::string& file : files)
      if (const auto number = ParseSegmentName(file)) out.segments.push_back({epoch, *number});
  }
  std::sort(out.segments.begin(), out.segments.end());
  return out;
}

// Numbers run from 1 without a gap, over all epochs together.
Status CheckNoGap(const std::vector<SegmentId>& segments) {
  std::vector<uint64_t> numbers;
  for (const SegmentId id : segments) numbers.push_back(id.number);
  std::sort(numbers.begin(), numbers.end());
  uint64_t expected = 1;
  for (const uint64_t number : numbers) {
    if (number > expected)
      return Error(Errc::kCorrupt, "segment " + std::to_string(expected) +
                                       " is missing from the log: bring its file back from a copy");
    expected = number + 1;
  }
  return {};
}

}  // namespace leadglass
