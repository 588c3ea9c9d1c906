// SPDX-License-Identifier: Apache-2.0
#include "index/extent_map.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "index/index_keys.h"
#include "index/index_values.h"

namespace leadglass {
namespace {

constexpr uint64_t kEndOfAll = std::numeric_limits<uint64_t>::max();

struct Overlap {
  std::vector<Extent> extents;  // that overlap the range
  bool more_behind = false;     // an extent begins at or beyond the end of the range
};

Result<Overlap> FindOverlap(IndexBatch& batch, InodeId inode, uint64_t from, uint64_t to) {
  Overlap overlap;
  if (from == kEndOfAll) return overlap;
  Status decoded;
  const Status scanned = batch.Scan(
      index_keys::Extent(inode, from + 1), index_keys::InodePart(inode, index_keys::kFileKeyPart),
      [&](std::string_view key, std::string_view value) {
        auto extent = DecodeExtent(index_keys::Be64At(key, key.size() - 8), value);
        if (!extent) {
          decoded = extent.error();
          return false;
        }
        overlap.more_behind = extent->file_offset >= to;
        if (!overlap.more_behind) overlap.extents.push_back(*extent);
        return !overlap.more_behind;
      });
  LG_RETURN_IF_ERROR(scanned);
  LG_RETURN_IF_ERROR(decoded);
  return overlap;
}

void Store(IndexBatch& batch, InodeId inode, const Extent& extent) {
  batch.Put(index_keys::Extent(inode, extent.end()), EncodeExtent(extent));
}

// Drops [from, to) of the extents that overlap it, in favour of `successor`, if any.
Status Trim(IndexBatch& batch, DeadSpace& dead, InodeId inode, const std::vector<Extent>& extents,
            uint64_t from, uint64_t to, const Extent* successor) {
  for (const Extent& extent : extents) {
    // A batch that is applied again puts the same record in its own place.
    const bool same = successor != nullptr && !successor->hole && !extent.hole &&
                      successor->record.position == extent.record.position;
    if (!same) {
      Extent lost = extent;
      lost.file_offset = std::max(extent.file_offset, from);
      lost.length = std::min(extent.end(), to) - lost.file_offset;
      LG_RETURN_IF_ERROR(dead.Drop(inode, lost));
    }
    if (extent.end() <= to) batch.Erase(index_keys::Extent(inode, extent.end()));
    if (extent.file_offset < from) {
      Extent left = extent;
      left.length = from - extent.file_offset;
      Store(batch, inode, left);
    }
    if (extent.end() > to) {
      Extent right = extent;  // takes the place of the whole: it has its end
      right.length = extent.end() - to;
      right.file_offset = to;
      Store(batch, inode, right);
    }
  }
  return {};
}

}  // namespace

Status PutExtentInto(IndexBatch& batch, ExtentBounds& bounds, DeadSpace& dead, InodeId inode,
                     const Extent& extent) {
  auto bound = bounds.Find(inode);
  if (!bound || *bound > extent.file_offset) {
    LG_ASSIGN_OR_RETURN(const Overlap overlap,
                        FindOverlap(batch, inode, extent.file_offset, extent.end()));
    LG_RETURN_IF_ERROR(
        Trim(batch, dead, inode, overlap.extents, extent.file_offset, extent.end(), &extent));
    // With nothing behind it, the new extent or what is left of the last old one is the last.
    if (!bound && !overlap.more_behind)
      bound = overlap.extents.empty() ? 0 : overlap.extents.back().end();
  }
  Store(batch, inode, extent);
  if (bound) bounds.Set(inode, std::max(*bound, extent.end()));
  return {};
}

Status CutExtentsFrom(IndexBatch& batch, ExtentBounds& bounds, DeadSpace& dead, InodeId inode,
                      uint64_t size) {
  const auto bound = bounds.Find(inode);
  if (bound && *bound <= size) return {};
  LG_ASSIGN_OR_RETURN(const Overlap overlap, FindOverlap(batch, inode, size, kEndOfAll));
  LG_RETURN_IF_ERROR(Trim(batch, dead, inode, overlap.extents, size, kEndOfAll, nullptr));
  bounds.Set(inode, size);
  return {};
}

Status DropAllExtents(IndexBatch& batch, DeadSpace& dead, InodeId inode) {
  LG_ASSIGN_OR_RETURN(const Overlap overlap, FindOverlap(batch, inode, 0, kEndOfAll));
  for (const Extent& extent : overlap.extents) LG_RETURN_IF_ERROR(dead.Drop(inode, extent));
  return {};
}

}  // namespace leadglass
