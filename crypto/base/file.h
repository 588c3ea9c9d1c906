// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operating system's files as an interface, so that losing un-synced bytes, tearing a write or
// failing the Nth call is a unit test (tests/support/fault_file_system.h).
//
// Everything that a vault keeps on disk (log segments, keyring, slot files, index tables) goes
// through a FileSystem. Paths are host paths. Errors are SystemError()s whose context is the
// operation and the last path component.
//
// Thread safety: a FileSystem may be used from several threads. A File may, too, as pread(2) and
// pwrite(2) may: overlapping concurrent writes leave unspecified bytes.

#include <memory>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace leadglass {

enum class OpenMode {
  kRead,             // must exist
  kReadWrite,        // must exist
  kCreate,           // read-write; created empty if missing (0600)
  kCreateExclusive,  // read-write; kExists if it exists (0600)
};

class File {
 public:
  virtual ~File() = default;

  // Reads up to out.size() bytes at `offset`; gives the count, short only at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t offset, MutableByteSpan out) = 0;
  // Writes all of `data`, or fails with an unknown part of it written.
  virtual Status WriteAt(uint64_t offset, ByteSpan data) = 0;
  // As WriteAt(), and its bytes are seen by readers as its are; but whole blocks of 4096 bytes pass
  // by the operating system's page cache where it can do so: for a multiple of that as the offset,
  // the length and the address of `data`. Not durable before Sync(), either.
  virtual Status WriteDirect(uint64_t offset, ByteSpan data) { return WriteAt(offset, data); }
  // The range is about to be read: the disk may begin. Says nothing, changes nothing.
  virtual void StartReading(uint64_t /*offset*/, uint64_t /*length*/) {}
  // Durable on return: data and the size needed to read it back (fdatasync).
  virtual Status Sync() = 0;
  virtual Result<uint64_t> Size() = 0;
  // Bytes of the disk that the file's content takes, in whole blocks: less than Size() where there
  // are holes, more where room was reserved.
  virtual Result<uint64_t> AllocatedBytes() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  // Reserves blocks and extends the file with zeros to at least offset + length.
  // kNoSpace leaves the file as it was or partly reserved.
  virtual Status Allocate(uint64_t offset, uint64_t length) = 0;
  // Gives the blocks of the range back; it reads as zeros, the size stays.
  virtual Status PunchHole(uint64_t offset, uint64_t length) = 0;
  // An advisory exclusive lock that goes with the last copy of the descriptor; never waits.
  // kUnavailable when somebody else holds it.
  virtual Status TryLock() = 0;
};

struct SpaceInfo {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;       // to root
  uint64_t available_bytes = 0;  // to others
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // mkdir, 0700. kExists when it is there.
  virtual Status CreateFolder(const std::string& path) = 0;
  // The names in a folder, without "." and "..", unordered.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;        // a file
  virtual Status RemoveFolder(const std::string& path) = 0;  // an empty folder
  // Durable on return: the names in the folder (fsync of the folder).
  virtual Status SyncFolder(const std::string& path) = 0;
  virtual Result<SpaceInfo> Space(const std::string& path) = 0;
};

// The machine's own file system; lives for ever.
FileSystem& PosixFileSystem();

// Reads a whole file of at most `limit` bytes; a longer one is kCorrupt.
Result<ByteVector> ReadWholeFile(FileSystem& fs, const std::string& path, size_t limit);
// Replaces `path` atomically: writes `path`.tmp, syncs it, renames it, syncs the folder.
// Durable on return. After an error `path` holds the old bytes or the new, never a mixture.
Status ReplaceFile(FileSystem& fs, const std::string& path, ByteSpan data);

}  // namespace leadglass
