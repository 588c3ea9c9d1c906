// SPDX-License-Identifier: Apache-2.0
#include "fs/overlay_file_system.h"

#include <cerrno>

#include "crypto/base/path.h"

namespace leadglass {
namespace {

constexpr size_t kCopyLimit = 64u << 20;

}  // namespace

bool OverlayFileSystem::IsHidden(const std::string& path) const {
  if (hidden_.contains(path)) return true;
  const std::string folder = FolderOf(path);
  return folder != path && IsHidden(folder);
}

Result<OverlayFileSystem::Kind> OverlayFileSystem::KindBelow(const std::string& path) {
  if (IsHidden(path)) return Kind::kNothing;
  const auto names = below_.List(path);
  if (names) return Kind::kFolder;
  if (names.error().posix_errno != ENOENT && names.error().posix_errno != ENOTDIR)
    return names.error();
  LG_ASSIGN_OR_RETURN(const bool exists, below_.Exists(path));
  return exists ? Kind::kFile : Kind::kNothing;
}

Result<bool> OverlayFileSystem::ExistsLocked(const std::string& path) {
  LG_ASSIGN_OR_RETURN(const bool above, above_.Exists(path));
  if (above) return true;
  return IsHidden(path) ? Result<bool>(false) : below_.Exists(path);
}

Status OverlayFileSystem::CopyUp(const std::string& path) {
  LG_ASSIGN_OR_RETURN(const bool above, above_.Exists(path));
  if (above) return {};
  LG_ASSIGN_OR_RETURN(const Kind below, KindBelow(path));
  if (below == Kind::kNothing) return FileError(ENOENT, "open", path);
  LG_RETURN_IF_ERROR(CopyUp(FolderOf(path)));
  if (below == Kind::kFolder) return above_.CreateFolder(path);
  LG_ASSIGN_OR_RETURN(const ByteVector bytes, ReadWholeFile(below_, path, kCopyLimit));
  LG_ASSIGN_OR_RETURN(const auto file, above_.Open(path, OpenMode::kCreateExclusive));
  return file->WriteAt(0, bytes);
}

Result<std::unique_ptr<File>> OverlayFileSystem::Open(const std::string& path, OpenMode mode) {
  MutexLock lock(mutex_);
  if (mode == OpenMode::kRead) {
    LG_ASSIGN_OR_RETURN(const bool above, above_.Exists(path));
    return above || IsHidden(path) ? above_.Open(path, mode) : below_.Open(path, mode);
  }
  LG_ASSIGN_OR_RETURN(const bool exists, ExistsLocked(path));
  if (exists && mode == OpenMode::kCreateExclusive) return FileError(EEXIST, "open", path);
  LG_RETURN_IF_ERROR(CopyUp(exists ? path : FolderOf(path)));
  return above_.Open(path, mode);
}

Status OverlayFileSystem::CreateFolder(const std::string& path) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const bool exists, ExistsLocked(path));
  if (exists) return FileError(EEXIST, "create folder", path);
  LG_RETURN_IF_ERROR(CopyUp(FolderOf(path)));
  return above_.CreateFolder(path);
}

Result<std::vector<std::string>> OverlayFileSystem::List(const std::string& path) {
  MutexLock lock(mutex_);
  return ListLocked(path);
}

Result<std::vector<std::string>> OverlayFileSystem::ListLocked(const std::string& path) {
  auto names = above_.List(path);
  if (IsHidden(path) || (!names && names.error().posix_errno != ENOENT)) return names;
  const auto below = below_.List(path);
  if (!below) return names ? std::move(names) : below;
  std::set<std::string> all;
  if (names) all.insert(names->begin(), names->end());
  for (const std::string& name : *below)
    if (!hidden_.contains((path == "/" ? "" : path) + "/" + name)) all.insert(name);
  return std::vector<std::string>(all.begin(), all.end());
}

Result<bool> OverlayFileSystem::Exists(const std::string& path) {
  MutexLock lock(mutex_);
  return ExistsLocked(path);
}

Status OverlayFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const Kind replaced, KindBelow(to));
  if (replaced == Kind::kFolder) return FileError(EISDIR, "rename", to);
  LG_RETURN_IF_ERROR(CopyUp(from));
  LG_RETURN_IF_ERROR(CopyUp(FolderOf(to)));
  LG_RETURN_IF_ERROR(above_.Rename(from, to));
  LG_ASSIGN_OR_RETURN(const bool stays, above_.Exists(from));
  return stays ? Status{} : HideBelow(from);
}

Status OverlayFileSystem::Link(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const bool taken, ExistsLocked(to));
  if (taken) return FileError(EEXIST, "link", to);
  LG_RETURN_IF_ERROR(CopyUp(from));
  LG_RETURN_IF_ERROR(CopyUp(FolderOf(to)));
  return above_.Link(from, to);
}

Status OverlayFileSystem::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const Kind below, KindBelow(path));
  if (below == Kind::kFolder) return FileError(EISDIR, "remove", path);
  const Status above = above_.Remove(path);
  if (!above && !(above.error().code == Errc::kNotFound && below == Kind::kFile)) return above;
  return HideBelow(path);
}

Status OverlayFileSystem::RemoveFolder(const std::string& path) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(const auto names, ListLocked(path));
  if (!names.empty()) return FileError(ENOTEMPTY, "remove folder", path);
  const Status above = above_.RemoveFolder(path);
  if (!above && above.error().code != Errc::kNotFound) return above;
  return HideBelow(path);
}

Status OverlayFileSystem::HideBelow(const std::string& path) {
  LG_ASSIGN_OR_RETURN(const Kind below, KindBelow(path));
  if (below != Kind::kNothing) hidden_.insert(path);
  return {};
}

Status OverlayFileSystem::SyncFolder(const std::string&) { return {}; }

Result<SpaceInfo> OverlayFileSystem::Space(const std::string& path) { return below_.Space(path); }

}  // namespace leadglass
