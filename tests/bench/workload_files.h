// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the benchmark's programs read and write: files by their descriptors, DICOM images in memory.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace leadglass::bench {

using Clock = std::chrono::steady_clock;
using Bytes = std::vector<char>;

inline constexpr size_t kMiB = 1 << 20;
inline constexpr size_t kPage = 4096;

[[noreturn]] inline void Fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

inline double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Fd {
 public:
  Fd(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0640)) {
    if (fd_ < 0) Fail("open " + path);
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  void Write(const char* data, size_t size, off_t offset) const {
    while (size > 0) {
      const ssize_t n = ::pwrite(fd_, data, size, offset);
      if (n <= 0) Fail("write");
      data += n;
      offset += n;
      size -= static_cast<size_t>(n);
    }
  }
  size_t Read(char* into, size_t size, off_t offset) const {
    size_t done = 0;
    while (done < size) {
      const ssize_t n = ::pread(fd_, into + done, size - done, offset + static_cast<off_t>(done));
      if (n < 0) Fail("read");
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }
  void Sync() const {
    if (::fdatasync(fd_) != 0) Fail("fdatasync");
  }
  void Close() {
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) Fail("close");
  }

 private:
  int fd_;
};

struct Image {
  std::string path;  // below the folder of images
  Bytes bytes;
};

// Turns the header's UIDs (2.25. and a decimal number) into those of another study, so that no two
// imports are copies of one: a filing system has more to do for a copy.
inline void MakeOwnStudy(Bytes& bytes, size_t seed) {
  constexpr std::string_view kRoot = "2.25.";
  constexpr size_t kHeader = 4096, kDigits = 6;  // changed, behind the first
  const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), kHeader));
  for (auto at = bytes.begin();; at += kRoot.size()) {
    at = std::search(at, end, kRoot.begin(), kRoot.end());
    if (static_cast<size_t>(end - at) < kRoot.size() + kDigits + 1) return;
    size_t rest = seed;
    for (size_t i = 1; i <= kDigits; ++i, rest /= 10) {
      char& digit = *(at + static_cast<std::ptrdiff_t>(kRoot.size() + i));
      if (digit >= '0' && digit <= '9')
        digit = static_cast<char>('0' + (static_cast<size_t>(digit - '0') + rest) % 10);
    }
  }
}

// Those below `folder`, by path, each as one of the study `seed`.
inline std::vector<Image> LoadImages(const std::string& folder, size_t seed) {
  std::vector<Image> images;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    Image image;
    image.path = std::filesystem::relative(entry.path(), folder).string();
    std::ifstream in(entry.path(), std::ios::binary);
    image.bytes.assign(std::istreambuf_iterator<char>(in), {});
    MakeOwnStudy(image.bytes, seed);
    images.push_back(std::move(image));
  }
  std::sort(images.begin(), images.end(),
            [](const Image& a, const Image& b) { return a.path < b.path; });
  if (images.empty()) throw std::runtime_error("no images in " + folder);
  return images;
}

inline void RequireEqual(const char* got, const char* wanted, size_t size,
                         const std::string& what) {
  if (std::memcmp(got, wanted, size) != 0)
    throw std::runtime_error(what + ": other bytes than were written");
}

}  // namespace leadglass::bench
