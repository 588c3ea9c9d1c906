// SPDX-License-Identifier: Apache-2.0
#include "fs/file_content.h"

#include <algorithm>

namespace leadglass {
namespace {

Extent Clip(const Extent& extent, uint64_t from, uint64_t to) {
  Extent part = extent;
  part.file_offset = std::max(extent.file_offset, from);
  part.length = std::min(extent.end(), to) - part.file_offset;
  return part;
}

Extent Hole(uint64_t from, uint64_t to) {
  Extent hole;
  hole.file_offset = from;
  hole.length = to - from;
  hole.hole = true;
  return hole;
}

}  // namespace

void FileContent::PutPending(const Extent& extent) {
  auto at = pending_.lower_bound(extent.file_offset);
  if (at != pending_.begin()) --at;
  while (at != pending_.end() && at->second.file_offset < extent.end()) {
    const Extent old = at->second;
    if (old.end() <= extent.file_offset) {
      ++at;
      continue;
    }
    at = pending_.erase(at);
    if (old.file_offset < extent.file_offset)
      pending_[old.file_offset] = Clip(old, old.file_offset, extent.file_offset);
    if (old.end() > extent.end()) pending_[extent.end()] = Clip(old, extent.end(), old.end());
  }
  pending_[extent.file_offset] = extent;
}

void FileContent::Put(const Extent& extent) {
  if (extent.length == 0) return;
  if (extent.file_offset > size_) PutPending(Hole(size_, extent.file_offset));
  PutPending(extent);
  size_ = std::max(size_, extent.end());
}

void FileContent::Truncate(uint64_t size) {
  if (size > size_) PutPending(Hole(size_, size));
  if (size < size_) {
    pending_.erase(pending_.lower_bound(size), pending_.end());
    if (!pending_.empty()) {
      Extent& last = pending_.rbegin()->second;
      if (last.end() > size) last = Clip(last, last.file_offset, size);
    }
    committed_limit_ = std::min(committed_limit_, size);
  }
  size_ = size;
}

// Those that the index has in the range.
Result<std::vector<Extent>> FileContent::Committed(const Index& index, uint64_t from,
                                                   uint64_t to) const {
  // As nearly every image is: written at once, in one record.
  const bool may_be_one = committed_size_ <= kMaxDataLength && committed_limit_ == committed_size_;
  if (may_be_one) {
    LG_ASSIGN_OR_RETURN(const auto last, index.ExtentEndingAt(inode_, committed_size_));
    if (last && last->file_offset <= from) return std::vector<Extent>{*last};
  }
  return index.Extents(inode_, from, to);
}

Result<std::vector<Extent>> FileContent::Resolve(const Index& index, uint64_t from,
                                                 uint64_t to) const {
  std::vector<Extent> parts;
  if (from >= to) return parts;
  std::vector<Extent> committed;
  const uint64_t committed_to = std::min(to, committed_limit_);
  auto pending = pending_.upper_bound(from);
  if (pending != pending_.begin() && std::prev(pending)->second.end() > from) --pending;
  const bool covered =
      pending != pending_.end() && pending->first <= from && pending->second.end() >= to;
  if (!covered && from < committed_to) {
    LG_ASSIGN_OR_RETURN(committed, Committed(index, from, committed_to));
  }
  auto base = committed.begin();
  uint64_t at = from;
  while (at < to) {
    if (pending != pending_.end() && pending->second.end() <= at) {
      ++pending;
      continue;
    }
    if (pending != pending_.end() && pending->first <= at) {
      parts.push_back(Clip(pending->second, at, to));
    } else {
      const uint64_t stop =
          std::min({to, committed_limit_, pending == pending_.end() ? to : pending->first});
      while (base != committed.end() && base->end() <= at) ++base;
      if (base == committed.end() || base->file_offset > at || stop <= at)
        return Error(Errc::kCorrupt, "inode " + std::to_string(inode_) + ": no extent for offset " +
                                         std::to_string(at) + "; run leadglass reindex");
      parts.push_back(Clip(*base, at, stop));
    }
    at = parts.back().end();
  }
  return parts;
}

Result<uint64_t> FileContent::DataBytes(const Index& index, uint64_t from, uint64_t to) const {
  uint64_t bytes = 0;
  LG_ASSIGN_OR_RETURN(const auto parts, Resolve(index, from, std::min(to, size_)));
  for (const Extent& part : parts)
    if (!part.hole) bytes += part.length;
  return bytes;
}

void FileContent::AppendOperations(Operations& operations) const {
  if (committed_limit_ < committed_size_)
    operations.emplace_back(CutExtents{inode_, committed_limit_});
  for (const auto& [offset, extent] : pending_) operations.emplace_back(PutExtent{inode_, extent});
}

void FileContent::MarkCommitted() {
  pending_.clear();
  committed_size_ = size_;
  committed_limit_ = size_;
}

bool FileContent::HasPendingBefore(SegmentId segment) const {
  return std::any_of(pending_.begin(), pending_.end(), [segment](const auto& entry) {
    const Extent& extent = entry.second;
    return !extent.hole && extent.record.position.segment < segment;
  });
}

}  // namespace leadglass
