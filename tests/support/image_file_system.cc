// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image_file_system.h"

#include <algorithm>
#include <cerrno>

namespace leadglass {
namespace {

std::string LastPart(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The name of `path` directly in `folder`; empty when it lies elsewhere.
std::string NameIn(const std::string& folder, const std::string& path) {
  if (path.size() <= folder.size() + 1 || !path.starts_with(folder + "/")) return {};
  const std::string rest = path.substr(folder.size() + 1);
  return rest.find('/') == std::string::npos ? rest : std::string();
}

class ImageFile final : public File {
 public:
  explicit ImageFile(std::shared_ptr<ImageFileSystem::Node> node) : node_(std::move(node)) {}
  ~ImageFile() override {
    MutexLock lock(node_->mutex);
    if (holds_lock_) node_->locked = false;
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
    if (node_->bytes.size() < offset + data.size()) node_->bytes.resize(offset + data.size());
    std::copy(data.begin(), data.end(), node_->bytes.begin() + static_cast<ptrdiff_t>(offset));
    return {};
  }
  Status Sync() override { return {}; }
  void StartWriteback(uint64_t, uint64_t) override {}
  Result<uint64_t> Size() override {
    MutexLock lock(node_->mutex);
    return uint64_t{node_->bytes.size()};
  }
  Status Truncate(uint64_t size) override {
    MutexLock lock(node_->mutex);
    node_->bytes.resize(size);
    return {};
  }
  Status Allocate(uint64_t offset, uint64_t length) override {
    MutexLock lock(node_->mutex);
    node_->bytes.resize(std::max<size_t>(node_->bytes.size(), offset + length));
    return {};
  }
  Status PunchHole(uint64_t offset, uint64_t length) override {
    MutexLock lock(node_->mutex);
    for (uint64_t i = offset; i < std::min<uint64_t>(offset + length, node_->bytes.size()); ++i)
      node_->bytes[i] = 0;
    return {};
  }
  Status TryLock() override {
    MutexLock lock(node_->mutex);
    if (node_->locked) return Error(Errc::kUnavailable, "locked by another opener");
    node_->locked = holds_lock_ = true;
    return {};
  }

 private:
  std::shared_ptr<ImageFileSystem::Node> node_;
  bool holds_lock_ = false;
};

}  // namespace

ImageFileSystem::ImageFileSystem(DiskImage image) {
  MutexLock lock(mutex_);
  folders_ = std::move(image.folders);
  for (auto& [path, bytes] : image.files) {
    auto node = std::make_shared<Node>();
    MutexLock inner(node->mutex);
    node->bytes = std::move(bytes);
    files_[path] = node;
  }
}

DiskImage ImageFileSystem::Image() const {
  MutexLock lock(mutex_);
  DiskImage image;
  image.folders = folders_;
  for (const auto& [path, node] : files_) {
    MutexLock inner(node->mutex);
    image.files[path] = node->bytes;
  }
  return image;
}

Result<std::unique_ptr<File>> ImageFileSystem::Open(const std::string& path, OpenMode mode) {
  MutexLock lock(mutex_);
  const bool exists = files_.contains(path);
  if (folders_.contains(path)) return SystemError(EISDIR, "open " + LastPart(path));
  if (!exists && (mode == OpenMode::kRead || mode == OpenMode::kReadWrite))
    return SystemError(ENOENT, "open " + LastPart(path));
  if (exists && mode == OpenMode::kCreateExclusive)
    return SystemError(EEXIST, "open " + LastPart(path));
  if (!exists && !folders_.contains(path.substr(0, path.rfind('/'))))
    return SystemError(ENOENT, "open " + LastPart(path));
  auto& node = files_[path];
  if (!node) node = std::make_shared<Node>();
  return std::unique_ptr<File>(std::make_unique<ImageFile>(node));
}

Status ImageFileSystem::CreateFolder(const std::string& path) {
  MutexLock lock(mutex_);
  if (files_.contains(path) || !folders_.insert(path).second)
    return SystemError(EEXIST, "mkdir " + LastPart(path));
  return {};
}

Result<std::vector<std::string>> ImageFileSystem::List(const std::string& path) {
  MutexLock lock(mutex_);
  if (!folders_.contains(path)) return SystemError(ENOENT, "list " + LastPart(path));
  std::vector<std::string> names;
  for (const auto& [file, node] : files_)
    if (std::string name = NameIn(path, file); !name.empty()) names.push_back(std::move(name));
  for (const std::string& folder : folders_)
    if (std::string name = NameIn(path, folder); !name.empty()) names.push_back(std::move(name));
  return names;
}

Result<bool> ImageFileSystem::Exists(const std::string& path) {
  MutexLock lock(mutex_);
  return files_.contains(path) || folders_.contains(path);
}

Status ImageFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  const auto found = files_.find(from);
  if (found == files_.end()) return SystemError(ENOENT, "rename " + LastPart(from));
  if (from == to) return {};
  files_[to] = found->second;
  files_.erase(from);
  return {};
}

Status ImageFileSystem::Link(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  const auto found = files_.find(from);
  if (found == files_.end()) return SystemError(ENOENT, "link " + LastPart(from));
  if (files_.contains(to)) return SystemError(EEXIST, "link " + LastPart(to));
  files_[to] = found->second;
  return {};
}

Status ImageFileSystem::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  if (files_.erase(path) == 0) return SystemError(ENOENT, "remove " + LastPart(path));
  return {};
}

Status ImageFileSystem::RemoveFolder(const std::string& path) {
  MutexLock lock(mutex_);
  const auto inside = [&](const std::string& other) { return other.starts_with(path + "/"); };
  for (const auto& [file, node] : files_)
    if (inside(file)) return SystemError(ENOTEMPTY, "rmdir " + LastPart(path));
  if (std::any_of(folders_.begin(), folders_.end(), inside))
    return SystemError(ENOTEMPTY, "rmdir " + LastPart(path));
  if (folders_.erase(path) == 0) return SystemError(ENOENT, "rmdir " + LastPart(path));
  return {};
}

Status ImageFileSystem::SyncFolder(const std::string& path) {
  MutexLock lock(mutex_);
  if (!folders_.contains(path)) return SystemError(ENOENT, "sync " + LastPart(path));
  return {};
}

Result<SpaceInfo> ImageFileSystem::Space(const std::string&) {
  return SpaceInfo{uint64_t{1} << 40, uint64_t{1} << 39, uint64_t{1} << 39};
}

}  // namespace leadglass
