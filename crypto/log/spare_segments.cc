// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/spare_segments.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace leadglass {
namespace {

constexpr std::string_view kPrefix = "spare-";

struct alignas(4096) Zeros {
  std::array<uint8_t, SpareSegments::kStep> bytes;
};
Zeros zeros;  // never written, so that no memory stands behind it

}  // namespace

SpareSegments::SpareSegments(FileSystem& fs, std::string folder, uint64_t segment_size,
                             size_t count)
    : fs_(fs), folder_(std::move(folder)), segment_size_(segment_size), count_(count) {}

void SpareSegments::RemoveLeftovers() {
  const auto names = fs_.List(folder_);
  if (!names) return;
  for (const std::string& name : *names)
    if (name.starts_with(kPrefix)) (void)fs_.Remove(folder_ + "/" + name);
}

bool SpareSegments::HasRoom() const {
  const Result<SpaceInfo> space = fs_.Space(folder_);
  return space && space->available_bytes / kRoomFactor >= segment_size_;
}

bool SpareSegments::Prepare() {
  if (count_ == 0) return false;
  if (!HasRoom()) {
    Drop();
    return false;
  }
  std::optional<Spare> spare;
  {
    MutexLock lock(mutex_);
    if (ready_.size() >= count_) return false;
    spare = std::exchange(unfinished_, std::nullopt);
  }
  if (!spare) {
    Result<Spare> begun = Begin();
    if (!begun) return false;
    spare = std::move(*begun);
  }
  if (const Status extended = Extend(*spare); !extended) {
    Remove(*std::move(spare));
    Drop();
    return false;
  }
  MutexLock lock(mutex_);
  if (spare->written < segment_size_) {
    unfinished_ = std::move(spare);
    return true;
  }
  ready_.push_back(*std::move(spare));
  return ready_.size() < count_;
}

Result<SpareSegments::Spare> SpareSegments::Begin() {
  Spare spare;
  {
    MutexLock lock(mutex_);
    spare.path = folder_ + "/" + std::string(kPrefix) + std::to_string(next_name_++);
  }
  LG_ASSIGN_OR_RETURN(spare.file, fs_.Open(spare.path, OpenMode::kCreateExclusive));
  // At once, so that the file lies in one piece.
  if (const Status allocated = spare.file->Allocate(0, segment_size_); !allocated) {
    Remove(std::move(spare));
    return allocated.error();
  }
  return spare;
}

Status SpareSegments::Extend(Spare& spare) const {
  const uint64_t step = std::min(kStep, segment_size_ - spare.written);
  LG_RETURN_IF_ERROR(spare.file->WriteDirect(
      spare.written, ByteSpan(zeros.bytes).first(static_cast<size_t>(step))));
  spare.written += step;
  return spare.written == segment_size_ ? spare.file->Sync() : Status();
}

void SpareSegments::Remove(Spare spare) const {
  spare.file.reset();
  (void)fs_.Remove(spare.path);  // what stays is removed by the next session
}

std::unique_ptr<File> SpareSegments::Take(const std::string& path) {
  Spare spare;
  {
    MutexLock lock(mutex_);
    if (ready_.empty()) return nullptr;
    spare = std::move(ready_.back());
    ready_.pop_back();
  }
  if (fs_.Rename(spare.path, path)) return std::move(spare.file);
  Remove(std::move(spare));
  return nullptr;
}

void SpareSegments::Drop() {
  std::vector<Spare> doomed;
  {
    MutexLock lock(mutex_);
    doomed = std::move(ready_);
    ready_.clear();
    if (unfinished_) doomed.push_back(*std::exchange(unfinished_, std::nullopt));
  }
  for (Spare& spare : doomed) Remove(std::move(spare));
}

uint64_t SpareSegments::bytes() const {
  MutexLock lock(mutex_);
  return segment_size_ * (ready_.size() + (unfinished_ ? 1 : 0));
}

}  // namespace leadglass
