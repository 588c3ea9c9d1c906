// SPDX-License-Identifier: Apache-2.0
#include "fs/overlay_file_system.h"

#include <algorithm>
#include <cerrno>

namespace leadglass {
namespace {

// What is copied up at most: the small files of an index.
constexpr size_t kCopyLimit = 64u << 20;

std::string LastPart(const std::string& path) { return path.substr(path.rfind('/') + 1); }

class OverlayFile final : public File {
 public:
  explicit OverlayFile(std::shared_ptr<OverlayFileSystem::Node> node) : node_(std::move(node)) {}

  Result<size_t> ReadAt(uint64_t offset, MutableByteSpan out) override {
    MutexLock lock(node_->mutex);
    if (offset >= node_->bytes.size()) return size_t{0};
    const size_t count = std::min<size_t>(out.size(), node_->bytes.size() - offset);
    std::copy_n(node_->bytes.begin() + static_cast<ptrdiff_t>(offset), count, out.begin());
    return count;
  }
  Status WriteAt(uint64_t offset, ByteSpan data) override {
    MutexLock lock(node_->mutex);
    node_->bytes.resize(std::max<size_t>(node_->bytes.size(), offset + data.size()));
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
    const uint64_t end = std::min<uint64_t>(offset + length, node_->bytes.size());
    for (uint64_t i = offset; i < end; ++i) node_->bytes[i] = 0;
    return {};
  }
  // Nobody else sees these bytes.
  Status TryLock() override { return {}; }

 private:
  std::shared_ptr<OverlayFileSystem::Node> node_;
};

}  // namespace

Result<std::unique_ptr<File>> OverlayFileSystem::Open(const std::string& path, OpenMode mode) {
  MutexLock lock(mutex_);
  if (!files_.contains(path) && !hidden_.contains(path) && mode == OpenMode::kRead)
    return below_.Open(path, mode);
  LG_ASSIGN_OR_RETURN(const bool exists, ExistsLocked(path));
  const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
  if (!exists && !creates) return SystemError(ENOENT, "open " + LastPart(path));
  if (exists && mode == OpenMode::kCreateExclusive)
    return SystemError(EEXIST, "open " + LastPart(path));
  if (!exists) files_[path] = std::make_shared<Node>();
  LG_ASSIGN_OR_RETURN(const NodePtr node, CopyUp(path));
  return std::unique_ptr<File>(std::make_unique<OverlayFile>(node));
}

Status OverlayFileSystem::CreateFolder(const std::string& path) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const bool exists, ExistsLocked(path));
  if (exists) return SystemError(EEXIST, "mkdir " + LastPart(path));
  folders_.insert(path);
  return {};
}

Result<std::vector<std::string>> OverlayFileSystem::List(const std::string& path) {
  MutexLock lock(mutex_);
  std::set<std::string> names;
  if (!hidden_.contains(path)) {
    const auto below = below_.List(path);
    if (!below && !folders_.contains(path)) return below.error();
    if (below)
      for (const std::string& name : *below)
        if (!hidden_.contains(path + "/" + name)) names.insert(name);
  } else if (!folders_.contains(path)) {
    return SystemError(ENOENT, "list " + LastPart(path));
  }
  const auto add = [&](const std::string& other) {
    if (other.substr(0, other.rfind('/')) == path) names.insert(LastPart(other));
  };
  for (const auto& [file, node] : files_) add(file);
  for (const std::string& folder : folders_) add(folder);
  return std::vector<std::string>(names.begin(), names.end());
}

Result<bool> OverlayFileSystem::Exists(const std::string& path) {
  MutexLock lock(mutex_);
  return ExistsLocked(path);
}

Result<bool> OverlayFileSystem::ExistsLocked(const std::string& path) {
  if (files_.contains(path) || folders_.contains(path)) return true;
  if (hidden_.contains(path)) return false;
  return below_.Exists(path);
}

Result<OverlayFileSystem::NodePtr> OverlayFileSystem::CopyUp(const std::string& path) {
  if (const auto found = files_.find(path); found != files_.end()) return found->second;
  LG_ASSIGN_OR_RETURN(ByteVector bytes, ReadWholeFile(below_, path, kCopyLimit));
  const auto node = std::make_shared<Node>();
  {
    MutexLock lock(node->mutex);
    node->bytes = std::move(bytes);
  }
  files_[path] = node;
  return node;
}

void OverlayFileSystem::Hide(const std::string& path) {
  files_.erase(path);
  folders_.erase(path);
  hidden_.insert(path);
}

Status OverlayFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const bool exists, ExistsLocked(from));
  if (!exists) return SystemError(ENOENT, "rename " + LastPart(from));
  LG_ASSIGN_OR_RETURN(const NodePtr node, CopyUp(from));
  if (from == to) return {};
  Hide(from);
  files_[to] = node;
  return {};
}

Status OverlayFileSystem::Link(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const bool taken, ExistsLocked(to));
  if (taken) return SystemError(EEXIST, "link " + LastPart(to));
  LG_ASSIGN_OR_RETURN(const NodePtr node, CopyUp(from));
  files_[to] = node;
  return {};
}

Status OverlayFileSystem::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const bool exists, ExistsLocked(path));
  if (!exists) return SystemError(ENOENT, "remove " + LastPart(path));
  Hide(path);
  return {};
}

Status OverlayFileSystem::RemoveFolder(const std::string& path) {
  LG_ASSIGN_OR_RETURN(const auto names, List(path));
  if (!names.empty()) return SystemError(ENOTEMPTY, "rmdir " + LastPart(path));
  MutexLock lock(mutex_);
  Hide(path);
  return {};
}

Status OverlayFileSystem::SyncFolder(const std::string&) { return {}; }

Result<SpaceInfo> OverlayFileSystem::Space(const std::string& path) { return below_.Space(path); }

}  // namespace leadglass
