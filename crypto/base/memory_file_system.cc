// SPDX-License-Identifier: Apache-2.0
#include "crypto/base/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "crypto/base/path.h"

namespace leadglass {

struct MemoryFileSystem::Node {
  Mutex mutex;
  ByteVector bytes LG_GUARDED_BY(mutex);
  std::set<uint64_t> holes LG_GUARDED_BY(mutex);  // numbers of the blocks that were punched
  const void* lock_holder LG_GUARDED_BY(mutex) = nullptr;
};

class MemoryFile final : public File {
 public:
  MemoryFile(MemoryFileSystem::NodePtr node, std::string path, bool writable)
      : node_(std::move(node)), path_(std::move(path)), writable_(writable) {}
  ~MemoryFile() override {
    MutexLock lock(node_->mutex);
    if (node_->lock_holder == this) node_->lock_holder = nullptr;
  }

  Result<size_t> ReadAt(uint64_t offset, MutableByteSpan out) override {
    MutexLock lock(node_->mutex);
    if (offset >= node_->bytes.size()) return size_t{0};
    const size_t count = std::min<size_t>(out.size(), node_->bytes.size() - offset);
    std::copy_n(node_->bytes.begin() + static_cast<ptrdiff_t>(offset), count, out.begin());
    return count;
  }
  Status WriteAt(uint64_t offset, ByteSpan data) override {
    MutexLock lock(node_->mutex);
    LG_RETURN_IF_ERROR(NeedWritable("write"));
    GrowTo(offset + data.size());
    std::copy(data.begin(), data.end(), node_->bytes.begin() + static_cast<ptrdiff_t>(offset));
    FillHoles(offset, data.size());
    return {};
  }
  Status Sync() override { return {}; }
  Result<uint64_t> Size() override {
    MutexLock lock(node_->mutex);
    return uint64_t{node_->bytes.size()};
  }
  Result<uint64_t> AllocatedBytes() override {
    MutexLock lock(node_->mutex);
    return (BlocksOf(node_->bytes.size()) - node_->holes.size()) * kBlock;
  }
  Status Truncate(uint64_t size) override {
    MutexLock lock(node_->mutex);
    LG_RETURN_IF_ERROR(NeedWritable("truncate"));
    node_->bytes.resize(size);
    node_->holes.erase(node_->holes.lower_bound(BlocksOf(size)), node_->holes.end());
    return {};
  }
  Status Allocate(uint64_t offset, uint64_t length) override {
    MutexLock lock(node_->mutex);
    LG_RETURN_IF_ERROR(NeedWritable("allocate"));
    GrowTo(offset + length);
    FillHoles(offset, length);
    return {};
  }
  Status PunchHole(uint64_t offset, uint64_t length) override {
    MutexLock lock(node_->mutex);
    LG_RETURN_IF_ERROR(NeedWritable("punch"));
    const uint64_t size = node_->bytes.size();
    if (offset >= size) return {};
    std::fill_n(node_->bytes.begin() + static_cast<ptrdiff_t>(offset),
                std::min(length, size - offset), uint8_t{0});
    const uint64_t end = length >= size - offset ? BlocksOf(size) : (offset + length) / kBlock;
    for (uint64_t block = BlocksOf(offset); block < end; ++block) node_->holes.insert(block);
    return {};
  }
  Status TryLock() override {
    MutexLock lock(node_->mutex);
    if (node_->lock_holder != nullptr && node_->lock_holder != this)
      return Error(Errc::kUnavailable, "lock " + NameOf(path_) + ": held by another opener", EBUSY);
    node_->lock_holder = this;
    return {};
  }

 private:
  static constexpr uint64_t kBlock = 4096;

  static uint64_t BlocksOf(uint64_t size) { return (size + kBlock - 1) / kBlock; }
  void FillHoles(uint64_t offset, uint64_t length) LG_REQUIRES(node_->mutex) {
    node_->holes.erase(node_->holes.lower_bound(offset / kBlock),
                       node_->holes.lower_bound(BlocksOf(offset + length)));
  }
  Status NeedWritable(const char* operation) const {
    return writable_ ? Status{} : FileError(EBADF, operation, path_);
  }
  void GrowTo(uint64_t size) LG_REQUIRES(node_->mutex) {
    if (node_->bytes.size() < size) node_->bytes.resize(size);
  }

  const MemoryFileSystem::NodePtr node_;
  const std::string path_;
  const bool writable_;
};

MemoryFileSystem::MemoryFileSystem(DiskImage image) : folders_(std::move(image.folders)) {
  for (auto& [path, bytes] : image.files) {
    auto node = std::make_shared<Node>();
    MutexLock lock(node->mutex);
    node->bytes = std::move(bytes);
    files_[path] = node;
  }
}

DiskImage MemoryFileSystem::Image() const {
  MutexLock lock(mutex_);
  DiskImage image;
  image.folders = folders_;
  for (const auto& [path, node] : files_) {
    MutexLock inner(node->mutex);
    image.files[path] = node->bytes;
  }
  return image;
}

bool MemoryFileSystem::IsFolder(const std::string& path) const {
  return FolderOf(path) == path || folders_.contains(path);
}

Status MemoryFileSystem::NeedFolder(const char* operation, const std::string& path) const {
  if (IsFolder(path)) return {};
  return FileError(files_.contains(path) ? ENOTDIR : ENOENT, operation, path);
}

Status MemoryFileSystem::NeedPlace(const char* operation, const std::string& path) const {
  if (IsFolder(path)) return FileError(EISDIR, operation, path);
  return NeedFolder(operation, FolderOf(path));
}

Result<MemoryFileSystem::NodePtr> MemoryFileSystem::Find(const char* operation,
                                                         const std::string& path) const {
  if (const auto found = files_.find(path); found != files_.end()) return found->second;
  return FileError(IsFolder(path) ? EISDIR : ENOENT, operation, path);
}

Result<std::unique_ptr<File>> MemoryFileSystem::Open(const std::string& path, OpenMode mode) {
  MutexLock lock(mutex_);
  const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
  if (creates && !files_.contains(path)) {
    LG_RETURN_IF_ERROR(NeedPlace("open", path));
    files_[path] = std::make_shared<Node>();
  } else if (mode == OpenMode::kCreateExclusive) {
    return FileError(EEXIST, "open", path);
  }
  LG_ASSIGN_OR_RETURN(NodePtr node, Find("open", path));
  return std::unique_ptr<File>(
      std::make_unique<MemoryFile>(std::move(node), path, mode != OpenMode::kRead));
}

Status MemoryFileSystem::CreateFolder(const std::string& path) {
  MutexLock lock(mutex_);
  if (IsFolder(path) || files_.contains(path)) return FileError(EEXIST, "create folder", path);
  LG_RETURN_IF_ERROR(NeedFolder("create folder", FolderOf(path)));
  folders_.insert(path);
  return {};
}

Result<std::vector<std::string>> MemoryFileSystem::List(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(NeedFolder("list", path));
  std::vector<std::string> names;
  for (const auto& [file, node] : files_)
    if (FolderOf(file) == path) names.push_back(NameOf(file));
  for (const std::string& other : folders_)
    if (FolderOf(other) == path) names.push_back(NameOf(other));
  return names;
}

Result<bool> MemoryFileSystem::Exists(const std::string& path) {
  MutexLock lock(mutex_);
  return files_.contains(path) || IsFolder(path);
}

Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(NodePtr node, Find("rename", from));
  LG_RETURN_IF_ERROR(NeedPlace("rename", to));
  NodePtr& target = files_[to];
  if (target == node) return {};  // two names of one file: as rename(2), which leaves both
  target = std::move(node);
  files_.erase(from);
  return {};
}

Status MemoryFileSystem::Link(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(NodePtr node, Find("link", from));
  if (files_.contains(to) || IsFolder(to)) return FileError(EEXIST, "link", to);
  LG_RETURN_IF_ERROR(NeedPlace("link", to));
  files_[to] = std::move(node);
  return {};
}

Status MemoryFileSystem::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Find("remove", path));
  files_.erase(path);
  return {};
}

Status MemoryFileSystem::RemoveFolder(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(NeedFolder("remove folder", path));
  const auto inside = [&](const std::string& other) { return FolderOf(other) == path; };
  const bool empty =
      std::none_of(folders_.begin(), folders_.end(), inside) &&
      std::none_of(files_.begin(), files_.end(), [&](const auto& f) { return inside(f.first); });
  if (!empty) return FileError(ENOTEMPTY, "remove folder", path);
  if (folders_.erase(path) == 0) return FileError(EBUSY, "remove folder", path);  // "/" or "."
  return {};
}

Status MemoryFileSystem::SyncFolder(const std::string& path) {
  MutexLock lock(mutex_);
  return NeedFolder("sync folder", path);
}

Result<SpaceInfo> MemoryFileSystem::Space(const std::string&) {
  return SpaceInfo{uint64_t{1} << 40, uint64_t{1} << 39, uint64_t{1} << 39};
}

}  // namespace leadglass
