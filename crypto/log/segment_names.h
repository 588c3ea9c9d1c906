// SPDX-License-Identifier: Apache-2.0
#pragma once

// The names of segment files and what a log's folder holds.
// Thread safety: free functions without state.

#include <optional>
#include <string>
#include <vector>

#include "crypto/base/file.h"
#include "crypto/log/position.h"

namespace leadglass {

// "<folder>/0000000a" and "<folder>/0000000a/00000000000000ff.seg".
std::string EpochFolder(const std::string& folder, uint32_t epoch);
std::string SegmentPath(const std::string& folder, SegmentId id);
std::optional<uint32_t> ParseEpochName(std::string_view name);
std::optional<uint64_t> ParseSegmentName(std::string_view name);

struct SegmentListing {
  std::vector<SegmentId> segments;  // ascending
  std::vector<uint32_t> epochs;     // ascending; folders, with or without segments

  uint64_t highest_number() const;
};
// All segments of the log in `folder`; other names are not looked at.
// kNotFound: no such folder.
Result<SegmentListing> ListSegments(FileSystem& fs, const std::string& folder);
// kCorrupt: a number is missing from the middle (named).
Status CheckNoGap(const std::vector<SegmentId>& segments);

}  // namespace leadglass
