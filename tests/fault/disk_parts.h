// SPDX-License-Identifier: Apache-2.0
#pragma once

// The structures of a vault's bytes on disk, found with the keyless framing: what there is to
// damage.

#include <string>
#include <vector>

#include "crypto/base/memory_file_system.h"

namespace leadglass {

struct DiskPart {
  std::string kind;  // "data record, frame", "keyring", ...
  std::string path;
  uint64_t offset = 0;
  uint64_t length = 0;
};

// Every structure of the vault in `image`, in the order of files and offsets.
std::vector<DiskPart> PartsOf(const DiskImage& image);

// A whole record of a segment.
struct DiskRecord {
  std::string path;
  uint64_t offset = 0;
  uint64_t length = 0;
  int kind = 0;  // RecordKind
};
std::vector<DiskRecord> RecordsOf(const DiskImage& image);

// Where the bytes of `part` occur in the image, `part` itself included.
std::vector<DiskPart> CopiesOf(const DiskImage& image, const DiskPart& part);

void FlipBit(DiskImage& image, const std::string& path, uint64_t bit);

bool IsSegmentPath(const std::string& path);
bool IsIndexPath(const std::string& path);

}  // namespace leadglass
