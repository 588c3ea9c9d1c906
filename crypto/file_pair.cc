// SPDX-License-Identifier: Apache-2.0
#include "crypto/file_pair.h"

namespace leadglass {

std::array<Result<ByteVector>, 2> FilePair::Read(size_t limit) const {
  return {ReadWholeFile(*fs_, PathOf(0), limit), ReadWholeFile(*fs_, PathOf(1), limit)};
}

Result<bool> FilePair::AnyExists() const {
  for (size_t copy = 0; copy < 2; ++copy) {
    LG_ASSIGN_OR_RETURN(const bool exists, fs_->Exists(PathOf(copy)));
    if (exists) return true;
  }
  return false;
}

void FilePair::Use(size_t copy, ByteVector bytes, bool other_differs) {
  used_ = copy;
  bytes_ = std::move(bytes);
  other_differs_ = other_differs;
}

Status FilePair::ReplaceOther(ByteSpan bytes) {
  other_differs_ = true;
  return ReplaceFile(*fs_, PathOf(1 - used_), bytes);
}

Status FilePair::ReplaceUsed(ByteSpan bytes) { return ReplaceFile(*fs_, PathOf(used_), bytes); }

void FilePair::Accept(ByteVector bytes, bool both) {
  used_ = 1 - used_;
  bytes_ = std::move(bytes);
  other_differs_ = !both;
}

Status FilePair::RestoreOther() {
  LG_RETURN_IF_ERROR(ReplaceOther(bytes_));
  other_differs_ = false;
  return {};
}

Status FilePair::RestoreBoth() {
  LG_RETURN_IF_ERROR(RestoreOther());
  return ReplaceUsed(bytes_);
}

Status FilePair::RemoveAll() {
  Status result;
  for (const char* suffix : {"", ".copy", ".tmp", ".copy.tmp"}) {
    const Status removed = fs_->Remove(path_ + suffix);
    if (!removed && removed.error().code != Errc::kNotFound) result = removed;
  }
  return result;
}

}  // namespace leadglass
