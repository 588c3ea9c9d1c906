// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/mount/data_model.h"

namespace leadglass {
namespace {

off_t Off(size_t offset) { return static_cast<off_t>(offset); }

}  // namespace

void DataModel::Pread() {
  Handle& handle = AnyHandle();
  const Bytes& bytes = handle.content->bytes;
  const size_t offset = PickOffset(bytes);
  Bytes got(PickLength());
  Note("pread", *handle.content, offset, got.size());
  const ssize_t n = ::pread(handle.fd.get(), got.data(), got.size(), Off(offset));
  Must(n >= 0, "pread");
  const size_t expected = offset >= bytes.size() ? 0 : std::min(got.size(), bytes.size() - offset);
  if (static_cast<size_t>(n) != expected)
    Fail("pread gave " + std::to_string(n) + " bytes, must be " + std::to_string(expected));
  Compare(*handle.content, offset, got.data(), expected, "pread");
}

void DataModel::SequentialRead() {
  Handle& handle = AnyHandle();
  const Bytes& bytes = handle.content->bytes;
  const size_t start = PickOffset(bytes);
  Must(::lseek(handle.fd.get(), Off(start), SEEK_SET) == Off(start), "lseek");
  size_t offset = start;
  Note("reads in a row", *handle.content, offset, 0);
  for (uint64_t times = 1 + Below(6); times > 0; --times) {
    Bytes got(PickLength());
    const ssize_t n = ::read(handle.fd.get(), got.data(), got.size());
    Must(n >= 0, "read");
    const size_t left = offset < bytes.size() ? bytes.size() - offset : 0;
    if (static_cast<size_t>(n) != std::min(left, got.size())) Fail("a read came short");
    Compare(*handle.content, std::min(offset, bytes.size()), got.data(), static_cast<size_t>(n),
            "read");
    offset += static_cast<size_t>(n);
  }
}

void DataModel::Pwrite() {
  Handle& handle = AnyHandle();
  if (handle.append) return Append();
  Bytes& bytes = handle.content->bytes;
  const Bytes data = RandomBytes(PickLength());
  const size_t offset = std::min(PickOffset(bytes), kMaxFile - data.size());
  Note("pwrite", *handle.content, offset, data.size());
  const ssize_t n = ::pwrite(handle.fd.get(), data.data(), data.size(), Off(offset));
  Must(n == static_cast<ssize_t>(data.size()), "pwrite");
  Fill(bytes, offset, data.size(), data.data());
}

void DataModel::Append() {
  Handle& handle = AnyHandle();
  if (!handle.append) return;
  Bytes& bytes = handle.content->bytes;
  const Bytes data = RandomBytes(PickLength());
  if (bytes.size() + data.size() > kMaxFile) return;
  Note("append", *handle.content, bytes.size(), data.size());
  const ssize_t n = ::write(handle.fd.get(), data.data(), data.size());
  Must(n == static_cast<ssize_t>(data.size()), "append");
  Fill(bytes, bytes.size(), data.size(), data.data());
}

void DataModel::MapRead() {
  Handle& handle = AnyHandle();
  const Bytes& bytes = handle.content->bytes;
  if (bytes.empty()) return;
  const size_t offset = Below(bytes.size()) / kPage * kPage;
  const size_t length = std::min(PickLength(), bytes.size() - offset);
  Note("read through a mapping", *handle.content, offset, length);
  void* map = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, handle.fd.get(), Off(offset));
  Must(map != MAP_FAILED, "mmap");
  Compare(*handle.content, offset, static_cast<uint8_t*>(map), length, "mapping");
  Must(::munmap(map, length) == 0, "munmap");
}

void DataModel::MapWrite() {
  Handle& handle = AnyHandle();
  Bytes& bytes = handle.content->bytes;
  if (bytes.empty()) return;
  const size_t at = Below(bytes.size());
  const size_t offset = at / kPage * kPage;
  const Bytes data = RandomBytes(std::min(PickLength(), bytes.size() - at));
  const size_t length = at - offset + data.size();
  Note("write through a mapping", *handle.content, at, data.size());
  void* map =
      ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, handle.fd.get(), Off(offset));
  Must(map != MAP_FAILED, "mmap");
  std::memcpy(static_cast<uint8_t*>(map) + (at - offset), data.data(), data.size());
  Fill(bytes, at, data.size(), data.data());
  if (OneIn(12)) Must(::msync(map, length, MS_SYNC) == 0, "msync");
  Compare(*handle.content, offset, static_cast<uint8_t*>(map), length, "mapping after a write");
  Must(::munmap(map, length) == 0, "munmap");
}

void DataModel::MapKeep() {
  Handle& handle = AnyHandle();
  DropMap(handle);
  const Bytes& bytes = handle.content->bytes;
  if (bytes.empty() || OneIn(4)) return;
  handle.map_offset = Below(bytes.size()) / kPage * kPage;
  handle.map_length = (1 + Below(40)) * kPage;
  Note("mapping that stays", *handle.content, handle.map_offset, handle.map_length);
  void* map = ::mmap(nullptr, handle.map_length, PROT_READ | PROT_WRITE, MAP_SHARED,
                     handle.fd.get(), Off(handle.map_offset));
  Must(map != MAP_FAILED, "mmap");
  handle.map = static_cast<uint8_t*>(map);
}

// What other handles did must show through a mapping, and what the mapping does to them.
void DataModel::MapKeptAccess() {
  Handle& handle = AnyHandle();
  Bytes& bytes = handle.content->bytes;
  if (handle.map == nullptr || bytes.size() <= handle.map_offset) return;
  const size_t reach = std::min(handle.map_length, bytes.size() - handle.map_offset);
  const size_t at = Below(reach);
  const size_t length = std::min(PickLength(), reach - at);
  if (OneIn(2)) {
    Note("read through the mapping that stays", *handle.content, handle.map_offset + at, length);
    Compare(*handle.content, handle.map_offset + at, handle.map + at, length, "kept mapping");
    return;
  }
  const Bytes data = RandomBytes(length);
  Note("write through the mapping that stays", *handle.content, handle.map_offset + at, length);
  std::memcpy(handle.map + at, data.data(), length);
  Fill(bytes, handle.map_offset + at, length, data.data());
}

void DataModel::Truncate() {
  Handle& handle = AnyHandle();
  Bytes& bytes = handle.content->bytes;
  size_t size = Below(bytes.size() + 1);
  if (OneIn(3)) size = size / kPage * kPage;
  if (OneIn(2)) size = std::min(kMaxFile, bytes.size() + Below(256u << 10));
  Note("truncate", *handle.content, size, 0);
  Must(::ftruncate(handle.fd.get(), Off(size)) == 0, "ftruncate");
  bytes.resize(size);
}

void DataModel::PunchHole() {
  Handle& handle = AnyHandle();
  Bytes& bytes = handle.content->bytes;
  const size_t offset = PickOffset(bytes);
  const size_t length = PickLength() * (1 + Below(4));
  Note("punch", *handle.content, offset, length);
  Must(::fallocate(handle.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, Off(offset),
                   Off(length)) == 0,
       "fallocate(punch)");
  if (offset < bytes.size()) Fill(bytes, offset, std::min(length, bytes.size() - offset), nullptr);
}

void DataModel::ZeroRange() {
  Handle& handle = AnyHandle();
  Bytes& bytes = handle.content->bytes;
  const size_t length = PickLength();
  const size_t offset = std::min(PickOffset(bytes), kMaxFile - length);
  const bool keep_size = OneIn(2);
  Note(keep_size ? "zero, keeping the size" : "zero", *handle.content, offset, length);
  const int mode = FALLOC_FL_ZERO_RANGE | (keep_size ? FALLOC_FL_KEEP_SIZE : 0);
  Must(::fallocate(handle.fd.get(), mode, Off(offset), Off(length)) == 0, "fallocate(zero)");
  if (!keep_size) {
    Fill(bytes, offset, length, nullptr);
  } else if (offset < bytes.size()) {
    Fill(bytes, offset, std::min(length, bytes.size() - offset), nullptr);
  }
}

void DataModel::Allocate() {
  Handle& handle = AnyHandle();
  Bytes& bytes = handle.content->bytes;
  const size_t length = PickLength();
  const size_t offset = std::min(PickOffset(bytes), kMaxFile - length);
  const bool keep_size = OneIn(2);
  Note(keep_size ? "allocate, keeping the size" : "allocate", *handle.content, offset, length);
  Must(::fallocate(handle.fd.get(), keep_size ? FALLOC_FL_KEEP_SIZE : 0, Off(offset),
                   Off(length)) == 0,
       "fallocate");
  if (!keep_size && bytes.size() < offset + length) bytes.resize(offset + length);
}

void DataModel::CopyRange() {
  Handle& from = AnyHandle();
  Handle& to = AnyHandle();
  if (to.append || from.content->bytes.empty()) return;
  const size_t source = Below(from.content->bytes.size());
  size_t length = std::min(PickLength(), from.content->bytes.size() - source);
  const size_t target = std::min(PickOffset(to.content->bytes), kMaxFile - length);
  const bool apart = source + length <= target || target + length <= source;
  if (from.content == to.content && !apart) return;
  Note("copied from", *from.content, source, length);
  Note("copied to", *to.content, target, length);
  off64_t in = Off(source);
  off64_t out = Off(target);
  const Bytes data(from.content->bytes.begin() + static_cast<ptrdiff_t>(source),
                   from.content->bytes.begin() + static_cast<ptrdiff_t>(source + length));
  while (length > 0) {
    const ssize_t n = ::copy_file_range(from.fd.get(), &in, to.fd.get(), &out, length, 0);
    Must(n > 0, "copy_file_range");
    length -= static_cast<size_t>(n);
  }
  Fill(to.content->bytes, target, data.size(), data.data());
}

void DataModel::Reopen() {
  Handle& handle = AnyHandle();
  if (OneIn(2)) Must(handle.fd.Close().has_value(), "close");
  int flags = 0;
  if (OneIn(4)) flags |= O_APPEND;
  if (OneIn(20)) flags |= O_TRUNC;
  OpenInto(handle, AnyName(), flags);
}

void DataModel::RenameOver() {
  const std::string from = AnyName();
  const std::string to = AnyName();
  if (!names_.contains(from)) return;
  Note(("rename " + from + " to " + to).c_str(), *names_[from], 0, 0);
  Must(::rename(PathOf(from).c_str(), PathOf(to).c_str()) == 0, "rename");
  // Of two names of one file POSIX keeps both.
  if (names_.contains(to) && names_[to] == names_[from]) return;
  names_[to] = names_[from];
  names_.erase(from);
}

void DataModel::HardLink() {
  const std::string from = AnyName();
  const std::string to = AnyName();
  if (from == to || !names_.contains(from)) return;
  if (names_.contains(to)) Must(::unlink(PathOf(to).c_str()) == 0, "unlink");
  Note(("link " + from + " as " + to).c_str(), *names_[from], 0, 0);
  Must(::link(PathOf(from).c_str(), PathOf(to).c_str()) == 0, "link");
  names_[to] = names_[from];
}

void DataModel::Unlink() {
  const std::string name = AnyName();
  if (!names_.contains(name)) return;
  Note(("unlink " + name).c_str(), *names_[name], 0, 0);
  Must(::unlink(PathOf(name).c_str()) == 0, "unlink");
  names_.erase(name);
}

// What SEEK_DATA skips must be zeros, and the two must agree. Where zeros that were written count
// as data is the file system's business.
void DataModel::SeekDataHole() {
  Handle& handle = AnyHandle();
  const Bytes& bytes = handle.content->bytes;
  const int fd = handle.fd.get();
  const off_t size = Off(bytes.size());
  off_t at = Off(Below(bytes.size() + 1));
  Note("seek", *handle.content, static_cast<uint64_t>(at), 0);
  for (int times = 0; times < 200 && at < size; ++times) {
    const off_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno != ENXIO) Must(false, "lseek(SEEK_DATA)");
    const off_t stop = data < 0 ? size : data;
    if (stop < at || stop > size) Fail("SEEK_DATA went to " + std::to_string(stop));
    const auto first = bytes.begin() + at;
    const auto last = bytes.begin() + stop;
    const auto found = std::find_if(first, last, [](uint8_t b) { return b != 0; });
    if (found != last)
      Fail("SEEK_DATA from " + std::to_string(at) + " to " + std::to_string(data) +
           " skipped data at " + std::to_string(found - bytes.begin()));
    if (data < 0) break;
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole <= data || hole > size) Fail("SEEK_HOLE went to " + std::to_string(hole));
    at = hole;
  }
  if (::lseek(fd, size, SEEK_DATA) >= 0 || errno != ENXIO) Fail("SEEK_DATA at the end found data");
}

void DataModel::Sync() {
  Handle& handle = AnyHandle();
  Note("fsync", *handle.content, 0, 0);
  Must((OneIn(2) ? ::fsync(handle.fd.get()) : ::fdatasync(handle.fd.get())) == 0, "fsync");
}

void DataModel::CompareOne() { CompareHandle(AnyHandle()); }

}  // namespace leadglass
