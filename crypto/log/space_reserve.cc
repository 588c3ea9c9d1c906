// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/space_reserve.h"

#include <algorithm>

namespace leadglass {

bool SpaceReserve::EnsureOpen() {
  if (bytes_ == 0) return false;
  if (file_ != nullptr) return true;
  Result<std::unique_ptr<File>> file = fs_.Open(folder_ + "/reserve", OpenMode::kCreate);
  if (!file) return false;
  const Result<uint64_t> size = (*file)->Size();
  if (!size) return false;
  file_ = std::move(*file);
  held_ = std::min(*size, bytes_);
  return true;
}

void SpaceReserve::Refill() {
  if (!EnsureOpen() || held_ == bytes_) return;
  const Result<SpaceInfo> space = fs_.Space(folder_);
  if (!space || space->available_bytes / 2 < missing()) return;
  if (file_->Allocate(0, bytes_)) held_ = bytes_;
}

bool SpaceReserve::Release(uint64_t need) {
  if (!EnsureOpen() || held_ < need) return false;
  if (!file_->Truncate(held_ - need)) return false;
  held_ -= need;
  return true;
}

}  // namespace leadglass
