// SPDX-License-Identifier: Apache-2.0
#include "tests/fs/fuse_memory_vault.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

namespace leadglass {

MemoryVault::MemoryVault() {
  MutexLock lock(mutex_);
  for (const InodeId id : {kRootInode, kArchiveInode, kPatientsInode, kIncomingInode}) {
    Inode& inode = inodes_[id];
    inode.parent = kRootInode;
    inode.attributes.inode = inode.attributes.node = id;
    inode.attributes.mode = S_IFDIR | 0777;
    inode.attributes.nlink = 2;
    inode.attributes.volatile_names = id == kPatientsInode;
    Touch(inode);
  }
  inodes_[kRootInode].names = {{"archive", {kArchiveInode, 3}},
                               {"patients", {kPatientsInode, 4}},
                               {"incoming", {kIncomingInode, 5}}};
}

MemoryVault::Counts MemoryVault::counts() const {
  MutexLock lock(mutex_);
  return counts_;
}

void MemoryVault::ResetCounts() {
  MutexLock lock(mutex_);
  counts_ = Counts();
}

void MemoryVault::FailReads(std::optional<Error> error) {
  MutexLock lock(mutex_);
  read_error_ = std::move(error);
}

void MemoryVault::Overwrite(std::string_view name, std::string_view bytes) {
  Invalidator invalidator;
  InodeId id = kNoInode;
  {
    MutexLock lock(mutex_);
    Inode* const inode = *FindName(kArchiveInode, name);
    inode->bytes = bytes;
    BytesChanged(*inode, Times::kVault);
    id = inode->attributes.inode;
    invalidator = invalidator_;
  }
  invalidator(id, true);
  invalidator(id | kViewBit, true);
}

void MemoryVault::SetInvalidator(Invalidator invalidator) {
  MutexLock lock(mutex_);
  invalidator_ = std::move(invalidator);
}

Attributes MemoryVault::Show(const Inode& inode, bool view) const {
  Attributes out = inode.attributes;
  if (!S_ISDIR(out.mode)) out.size = inode.bytes.size();
  out.blocks = (out.size + 511) / 512;
  if (view) {
    out.node |= kViewBit;
    out.volatile_names = true;
  }
  return out;
}

Result<MemoryVault::Inode*> MemoryVault::Find(NodeId node) {
  const auto found = inodes_.find(InodeOf(node));
  if (found == inodes_.end()) return PosixError(ENOENT);
  return &found->second;
}

Result<MemoryVault::Inode*> MemoryVault::FindName(NodeId parent, std::string_view name) {
  LG_ASSIGN_OR_RETURN(Inode* const folder, Find(parent));
  const auto found = folder->names.find(name);
  if (found == folder->names.end()) return PosixError(ENOENT);
  return Find(found->second.inode);
}

void MemoryVault::Touch(Inode& inode) {
  inode.attributes.mtime = inode.attributes.ctime = SystemClock().WallNanos();
}

void MemoryVault::BytesChanged(Inode& inode, Times times) {
  ++inode.attributes.content_version;
  if (times == Times::kVault) Touch(inode);
}

void MemoryVault::Kill(Inode& inode) {
  uint32_t& mode = inode.attributes.mode;
  mode &= ~static_cast<uint32_t>(S_ISUID);
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<uint32_t>(S_ISGID);
}

Result<MemoryVault::Inode*> MemoryVault::Make(const Caller& caller, NodeId parent,
                                              std::string_view name, mode_t mode) {
  LG_ASSIGN_OR_RETURN(Inode* const folder, Find(parent));
  if (folder->names.count(name) != 0) return PosixError(EEXIST);
  if (parent == kPatientsInode) return PosixError(EROFS);
  const InodeId id = next_inode_++;
  Inode& inode = inodes_[id];
  inode.parent = InodeOf(parent);
  inode.attributes.node = inode.attributes.inode = id;
  inode.attributes.mode = (mode & S_IFMT) | (mode & ALLPERMS & ~caller.umask);
  inode.attributes.nlink = S_ISDIR(mode) ? 2 : 1;
  inode.attributes.uid = caller.uid;
  inode.attributes.gid = caller.gid;
  Touch(inode);
  Touch(*folder);
  folder->names[std::string(name)] = {id, next_cookie_++};
  if (S_ISREG(mode)) inodes_[kPatientsInode].names[std::string(name)] = {id, next_cookie_++};
  return &inode;
}

Result<Attributes> MemoryVault::Lookup(const Caller&, NodeId parent, std::string_view name) {
  MutexLock lock(mutex_);
  ++counts_.lookups;
  LG_ASSIGN_OR_RETURN(Inode* const inode, FindName(parent, name));
  return Show(*inode, parent == kPatientsInode);
}

Result<Attributes> MemoryVault::MakeNode(const Caller& caller, NodeId parent, std::string_view name,
                                         mode_t mode, uint64_t rdev) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Make(caller, parent, name, mode));
  inode->attributes.rdev = rdev;
  return Show(*inode, false);
}

Result<Attributes> MemoryVault::MakeFolder(const Caller& caller, NodeId parent,
                                           std::string_view name, mode_t mode) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Make(caller, parent, name, S_IFDIR | (mode & ALLPERMS)));
  return Show(*inode, false);
}

Result<Attributes> MemoryVault::MakeSymlink(const Caller& caller, NodeId parent,
                                            std::string_view name, std::string_view target) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Make(caller, parent, name, S_IFLNK | 0777));
  inode->bytes = target;
  return Show(*inode, false);
}

Result<std::string> MemoryVault::ReadSymlink(NodeId node) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  return inode->bytes;
}

Result<Attributes> MemoryVault::Link(const Caller&, NodeId node, NodeId new_parent,
                                     std::string_view new_name) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  LG_ASSIGN_OR_RETURN(Inode* const folder, Find(new_parent));
  if (folder->names.count(new_name) != 0) return PosixError(EEXIST);
  folder->names[std::string(new_name)] = {inode->attributes.inode, next_cookie_++};
  ++inode->attributes.nlink;
  return Show(*inode, false);
}

Status MemoryVault::Unlink(const Caller&, NodeId parent, std::string_view name) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, FindName(parent, name));
  if (parent == kPatientsInode) return PosixError(EROFS);
  if (S_ISDIR(inode->attributes.mode)) return PosixError(EISDIR);
  --inode->attributes.nlink;
  inodes_[InodeOf(parent)].names.erase(std::string(name));
  inodes_[kPatientsInode].names.erase(std::string(name));
  return {};  // the inode stays: somebody may have it open
}

Status MemoryVault::RemoveFolder(const Caller&, NodeId parent, std::string_view name) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, FindName(parent, name));
  if (!S_ISDIR(inode->attributes.mode)) return PosixError(ENOTDIR);
  if (!inode->names.empty()) return PosixError(ENOTEMPTY);
  inodes_[InodeOf(parent)].names.erase(std::string(name));
  return {};
}

Status MemoryVault::Rename(const Caller&, NodeId parent, std::string_view name, NodeId new_parent,
                           std::string_view new_name, unsigned flags) {
  MutexLock lock(mutex_);
  if (flags != 0) return PosixError(EINVAL);
  LG_ASSIGN_OR_RETURN(Inode* const inode, FindName(parent, name));
  LG_ASSIGN_OR_RETURN(Inode* const folder, Find(new_parent));
  folder->names[std::string(new_name)] = {inode->attributes.inode, next_cookie_++};
  inodes_[InodeOf(parent)].names.erase(std::string(name));
  return {};
}

Status MemoryVault::List(const Caller&, NodeId node, uint64_t cookie, bool,
                         const std::function<bool(const ListedEntry&)>& visitor) {
  std::vector<std::pair<std::string, ListedEntry>> entries;
  {
    MutexLock lock(mutex_);
    ++counts_.lists;
    LG_ASSIGN_OR_RETURN(Inode* const folder, Find(node));
    entries.push_back({".", {{}, 1, Show(*folder, false)}});
    entries.push_back({"..", {{}, 2, Show(inodes_[folder->parent], false)}});
    for (const auto& [name, entry] : folder->names) {
      entries.push_back(
          {name, {{}, entry.cookie, Show(inodes_[entry.inode], node == kPatientsInode)}});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.second.cookie < b.second.cookie; });
  for (auto& [name, entry] : entries) {
    entry.name = name;
    if (entry.cookie > cookie && !visitor(entry)) break;
  }
  return {};
}

Result<Attributes> MemoryVault::GetAttributes(NodeId node) {
  MutexLock lock(mutex_);
  ++counts_.get_attributes;
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  return Show(*inode, IsViewNode(node));
}

Result<Attributes> MemoryVault::SetAttributes(const Caller&, NodeId node,
                                              const AttributeChange& change, bool kill_suidgid) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  if (IsViewNode(node)) return PosixError(EROFS);
  Attributes& attributes = inode->attributes;
  if (change.mode) attributes.mode = (attributes.mode & S_IFMT) | (*change.mode & ALLPERMS);
  if (change.uid) attributes.uid = *change.uid;
  if (change.gid) attributes.gid = *change.gid;
  if (change.size) {
    inode->bytes.resize(*change.size);
    BytesChanged(*inode, Times::kVault);
    if (kill_suidgid) Kill(*inode);
  }
  attributes.atime = change.atime.value_or(attributes.atime);
  attributes.mtime = change.mtime.value_or(attributes.mtime);
  attributes.ctime = change.ctime.value_or(SystemClock().WallNanos());
  return Show(*inode, false);
}

Result<OpenFile*> MemoryVault::Open(const Caller&, NodeId node, int flags, Times times) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (IsViewNode(node) && writes) return PosixError(EROFS);
  ++counts_.opens;
  if ((flags & O_TRUNC) != 0) {
    inode->bytes.clear();
    BytesChanged(*inode, times);
  }
  auto file = std::make_unique<OpenFile>();
  file->node = node;
  file->flags = flags;
  file->times = times;
  OpenFile* const out = file.get();
  open_[out] = std::move(file);
  return out;
}

Result<Entry> MemoryVault::Create(const Caller& caller, NodeId parent, std::string_view name,
                                  mode_t mode, int flags, Times times) {
  Entry entry;
  {
    MutexLock lock(mutex_);
    LG_ASSIGN_OR_RETURN(Inode* const inode,
                        Make(caller, parent, name, S_IFREG | (mode & ALLPERMS)));
    entry.attributes = Show(*inode, false);
  }
  LG_ASSIGN_OR_RETURN(entry.file, Open(Caller{}, entry.attributes.node, flags, times));
  return entry;
}

Result<size_t> MemoryVault::Read(OpenFile& file, uint64_t offset, MutableByteSpan out) {
  MutexLock lock(mutex_);
  ++counts_.reads;
  if (read_error_) return *read_error_;
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(file.node));
  if (offset >= inode->bytes.size()) return size_t{0};
  const size_t size = std::min<size_t>(out.size(), inode->bytes.size() - offset);
  std::memcpy(out.data(), inode->bytes.data() + offset, size);
  return size;
}

Status MemoryVault::Write(OpenFile& file, uint64_t offset, ByteSpan data, bool kill_suidgid) {
  MutexLock lock(mutex_);
  ++counts_.writes;
  if (kill_suidgid) ++counts_.kill_writes;
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(file.node));
  if (inode->bytes.size() < offset + data.size()) inode->bytes.resize(offset + data.size());
  std::memcpy(inode->bytes.data() + offset, data.data(), data.size());
  BytesChanged(*inode, file.times);
  if (kill_suidgid) Kill(*inode);
  return {};
}

void MemoryVault::Release(OpenFile* file) {
  MutexLock lock(mutex_);
  ++counts_.releases;
  open_.erase(file);
}

Status MemoryVault::Allocate(OpenFile& file, int mode, uint64_t offset, uint64_t length) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(file.node));
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && inode->bytes.size() < offset + length) {
    inode->bytes.resize(offset + length);
  }
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0 && offset < inode->bytes.size()) {
    const size_t size = std::min<size_t>(length, inode->bytes.size() - offset);
    std::memset(inode->bytes.data() + offset, 0, size);
  }
  BytesChanged(*inode, file.times);
  return {};
}

// Blocks of 4 KiB of zeros count as holes.
Result<uint64_t> MemoryVault::Seek(OpenFile& file, uint64_t offset, int whence) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(file.node));
  const std::string& bytes = inode->bytes;
  if (offset >= bytes.size()) return PosixError(ENXIO);
  for (uint64_t at = offset; at < bytes.size(); at = (at / 4096 + 1) * 4096) {
    const auto block = std::string_view(bytes).substr(at / 4096 * 4096, 4096);
    const bool data = block.find_first_not_of('\0') != std::string_view::npos;
    if (data == (whence == SEEK_DATA)) return at;
  }
  if (whence == SEEK_DATA) return PosixError(ENXIO);
  return bytes.size();
}

Result<ByteVector> MemoryVault::GetXattr(const Caller&, NodeId node, std::string_view name) {
  MutexLock lock(mutex_);
  ++counts_.get_xattrs;
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  const auto found = inode->xattrs.find(name);
  if (found == inode->xattrs.end()) return PosixError(ENODATA);
  return found->second;
}

Status MemoryVault::SetXattr(const Caller&, NodeId node, std::string_view name, ByteSpan value,
                             int flags) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  const bool exists = inode->xattrs.count(name) != 0;
  if (flags == XATTR_CREATE && exists) return PosixError(EEXIST);
  if (flags == XATTR_REPLACE && !exists) return PosixError(ENODATA);
  inode->xattrs[std::string(name)] = ByteVector(value.begin(), value.end());
  return {};
}

Result<std::vector<std::string>> MemoryVault::ListXattrs(NodeId node) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  std::vector<std::string> names;
  for (const auto& [name, value] : inode->xattrs) names.push_back(name);
  return names;
}

Status MemoryVault::RemoveXattr(const Caller&, NodeId node, std::string_view name) {
  MutexLock lock(mutex_);
  LG_ASSIGN_OR_RETURN(Inode* const inode, Find(node));
  const auto found = inode->xattrs.find(name);
  if (found == inode->xattrs.end()) return PosixError(ENODATA);
  inode->xattrs.erase(found);
  return {};
}

void MemoryVault::Forget(NodeId) {
  MutexLock lock(mutex_);
  ++counts_.forgets;
}

}  // namespace leadglass
