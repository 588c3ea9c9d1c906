// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <mutex>

#include "crypto/base/file.h"
#include "crypto/base/path.h"
#include "crypto/base/unique_fd.h"

namespace leadglass {
namespace {

Error Failed(const char* operation, const std::string& path) {
  return FileError(errno, operation, path);
}

// What a write past the page cache must be a multiple of: no disk's blocks are larger.
constexpr size_t kDirectUnit = 4096;

class PosixFile final : public File {
 public:
  PosixFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, MutableByteSpan out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(fd_.get(), out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, ByteSpan data) override {
    size_t done = 0;
    while (done < data.size()) {
      const ssize_t n = ::pwrite(fd_.get(), data.data() + done, data.size() - done,
                                 static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Failed("write", path_);
      done += static_cast<size_t>(n);
    }
    return {};
  }

  Status WriteDirect(uint64_t offset, ByteSpan data) override {
    const bool whole = offset % kDirectUnit == 0 && data.size() % kDirectUnit == 0 &&
                       reinterpret_cast<uintptr_t>(data.data()) % kDirectUnit == 0;
    const int fd = whole ? DirectDescriptor() : -1;
    if (fd < 0) return WriteAt(offset, data);
    size_t done = 0;
    while (done < data.size()) {
      const ssize_t n =
          ::pwrite(fd, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      // A file system that opens such a file but has other ideas of a block.
      if (n < 0 && errno == EINVAL) return WriteAt(offset + done, data.subspan(done));
      if (n < 0) return Failed("write", path_);
      done += static_cast<size_t>(n);
    }
    return {};
  }

  void StartReading(uint64_t offset, uint64_t length) override {
    ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(length),
                    POSIX_FADV_WILLNEED);
  }

  Status Sync() override {
    // Not retried: after a failure the kernel may have dropped the dirty pages.
    if (::fdatasync(fd_.get()) != 0) return Failed("sync", path_);
    return {};
  }

  Result<uint64_t> Size() override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return Failed("stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  Result<uint64_t> AllocatedBytes() override {
    constexpr uint64_t kUnit = 512;  // of st_blocks, whatever the file system's blocks are
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return Failed("stat", path_);
    return static_cast<uint64_t>(info.st_blocks) * kUnit;
  }

  Status Truncate(uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return Failed("truncate", path_);
    return {};
  }

  Status Allocate(uint64_t offset, uint64_t length) override {
    if (::fallocate(fd_.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0)
      return {};
    if (errno != EOPNOTSUPP) return Failed("allocate", path_);
    // A file system without fallocate: the size alone, room is found out at the write.
    LG_ASSIGN_OR_RETURN(const uint64_t size, Size());
    return size >= offset + length ? Status{} : Truncate(offset + length);
  }

  Status PunchHole(uint64_t offset, uint64_t length) override {
    if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(offset), static_cast<off_t>(length)) != 0)
      return Failed("punch", path_);
    return {};
  }

  Status TryLock() override {
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK)
      return Error(Errc::kUnavailable, "lock " + NameOf(path_) + ": held by another process",
                   EBUSY);
    return Failed("lock", path_);
  }

 private:
  // The same file once more, for writes past the page cache; -1 where the file system has none.
  // O_DIRECT belongs to a descriptor's open file, so a descriptor of its own: by its number, since
  // the file may have another name by now.
  int DirectDescriptor() {
    std::call_once(direct_once_, [this] {
      if ((::fcntl(fd_.get(), F_GETFL) & O_ACCMODE) == O_RDONLY) return;
      const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
      direct_ = UniqueFd(::open(self.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
    });
    return direct_ ? direct_.get() : -1;
  }

  UniqueFd fd_;
  std::string path_;
  std::once_flag direct_once_;
  UniqueFd direct_;
};

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

class RealFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead: flags |= O_RDONLY; break;
      case OpenMode::kReadWrite: flags |= O_RDWR; break;
      case OpenMode::kCreate: flags |= O_RDWR | O_CREAT; break;
      case OpenMode::kCreateExclusive: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    }
    UniqueFd fd(::open(path.c_str(), flags, 0600));
    if (!fd) return Failed("open", path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), path));
  }

  Status CreateFolder(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0) return Failed("create folder", path);
    return {};
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    std::unique_ptr<DIR, DirCloser> dir(::opendir(path.c_str()));
    if (!dir) return Failed("list", path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    if (errno != 0) return Failed("list", path);
    return names;
  }

  Result<bool> Exists(const std::string& path) override {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT) return false;
    return Failed("stat", path);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return Failed("rename", from);
    return {};
  }

  Status Link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return Failed("link", from);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return Failed("remove", path);
    return {};
  }

  Status RemoveFolder(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return Failed("remove folder", path);
    return {};
  }

  Status SyncFolder(const std::string& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return Failed("sync folder", path);
    return {};
  }

  Result<SpaceInfo> Space(const std::string& path) override {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) return Failed("statvfs", path);
    const uint64_t unit = info.f_frsize;
    return SpaceInfo{unit * info.f_blocks, unit * info.f_bfree, unit * info.f_bavail};
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static RealFileSystem fs;
  return fs;
}

Result<ByteVector> ReadWholeFile(FileSystem& fs, const std::string& path, size_t limit) {
  LG_ASSIGN_OR_RETURN(const auto file, fs.Open(path, OpenMode::kRead));
  LG_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > limit)
    return Error(Errc::kCorrupt, NameOf(path) +
                                     " is larger than it can be: " + std::to_string(size) +
                                     " bytes, limit " + std::to_string(limit));
  ByteVector data(size);
  LG_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, data));
  if (got != size) return Error(Errc::kCorrupt, NameOf(path) + " became shorter while it was read");
  return data;
}

Status ReplaceFile(FileSystem& fs, const std::string& path, ByteSpan data) {
  const std::string temporary = path + ".tmp";
  {
    LG_ASSIGN_OR_RETURN(const auto file, fs.Open(temporary, OpenMode::kCreate));
    LG_RETURN_IF_ERROR(file->Truncate(0));
    LG_RETURN_IF_ERROR(file->WriteAt(0, data));
    LG_RETURN_IF_ERROR(file->Sync());
  }
  LG_RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncFolder(FolderOf(path));
}

}  // namespace leadglass
