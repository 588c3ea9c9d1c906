// SPDX-License-Identifier: Apache-2.0
#include "fs/reserving_file_system.h"

namespace leadglass {
namespace {

// Does it; once more with the reserve, where the disk is full.
template <typename Do>
auto WithReserve(ReservingFileSystem& fs, const Do& attempt) {
  const uint64_t before = fs.times_given();
  auto result = attempt();
  if (!result && result.error().code == Errc::kNoSpace && fs.GiveUp(before)) return attempt();
  return result;
}

class ReservingFile final : public File {
 public:
  ReservingFile(ReservingFileSystem& fs, std::unique_ptr<File> below)
      : fs_(fs), below_(std::move(below)) {}

  Result<size_t> ReadAt(uint64_t offset, MutableByteSpan out) override {
    return below_->ReadAt(offset, out);
  }
  Status WriteAt(uint64_t offset, ByteSpan data) override {
    return WithReserve(fs_, [&] { return below_->WriteAt(offset, data); });
  }
  Status Sync() override { return below_->Sync(); }
  Result<uint64_t> Size() override { return below_->Size(); }
  Result<uint64_t> AllocatedBytes() override { return below_->AllocatedBytes(); }
  Status Truncate(uint64_t size) override {
    return WithReserve(fs_, [&] { return below_->Truncate(size); });
  }
  Status Allocate(uint64_t offset, uint64_t length) override {
    return WithReserve(fs_, [&] { return below_->Allocate(offset, length); });
  }
  Status PunchHole(uint64_t offset, uint64_t length) override {
    return below_->PunchHole(offset, length);
  }
  Status TryLock() override { return below_->TryLock(); }

 private:
  ReservingFileSystem& fs_;
  std::unique_ptr<File> below_;
};

}  // namespace

void ReservingFileSystem::Refill() {
  MutexLock lock(mutex_);
  RefillLocked();
}

void ReservingFileSystem::RefillLocked() {
  if (bytes_ == 0) return;
  const auto file = below_.Open(reserve_, OpenMode::kCreate);
  if (!file) return;
  const Result<uint64_t> size = (*file)->Size();
  if (!size) return;
  if (*size < bytes_) {
    const Result<SpaceInfo> space = below_.Space(reserve_);
    if (!space || space->available_bytes / 2 < bytes_) return;
    if (!(*file)->Allocate(0, bytes_)) {
      (void)(*file)->Truncate(0);
      return;
    }
  }
  missing_ = false;
}

uint64_t ReservingFileSystem::times_given() const {
  MutexLock lock(mutex_);
  return times_given_;
}

bool ReservingFileSystem::GiveUp(uint64_t before) {
  MutexLock lock(mutex_);
  if (times_given_ != before) return true;
  const auto file = below_.Open(reserve_, OpenMode::kReadWrite);
  if (!file) return false;
  const Result<uint64_t> size = (*file)->Size();
  if (!size || *size == 0 || !(*file)->Truncate(0)) return false;
  ++times_given_;
  missing_ = true;
  return true;
}

Result<std::unique_ptr<File>> ReservingFileSystem::Open(const std::string& path, OpenMode mode) {
  if (mode == OpenMode::kRead) return below_.Open(path, mode);
  {
    MutexLock lock(mutex_);
    if (missing_) RefillLocked();
  }
  LG_ASSIGN_OR_RETURN(auto file, WithReserve(*this, [&] { return below_.Open(path, mode); }));
  return std::unique_ptr<File>(std::make_unique<ReservingFile>(*this, std::move(file)));
}

Status ReservingFileSystem::CreateFolder(const std::string& path) {
  return WithReserve(*this, [&] { return below_.CreateFolder(path); });
}
Result<std::vector<std::string>> ReservingFileSystem::List(const std::string& path) {
  return below_.List(path);
}
Result<bool> ReservingFileSystem::Exists(const std::string& path) { return below_.Exists(path); }
Status ReservingFileSystem::Rename(const std::string& from, const std::string& to) {
  return WithReserve(*this, [&] { return below_.Rename(from, to); });
}
Status ReservingFileSystem::Link(const std::string& from, const std::string& to) {
  return WithReserve(*this, [&] { return below_.Link(from, to); });
}
Status ReservingFileSystem::Remove(const std::string& path) {
  return WithReserve(*this, [&] { return below_.Remove(path); });
}
Status ReservingFileSystem::RemoveFolder(const std::string& path) {
  return WithReserve(*this, [&] { return below_.RemoveFolder(path); });
}
Status ReservingFileSystem::SyncFolder(const std::string& path) { return below_.SyncFolder(path); }
Result<SpaceInfo> ReservingFileSystem::Space(const std::string& path) { return below_.Space(path); }

}  // namespace leadglass
