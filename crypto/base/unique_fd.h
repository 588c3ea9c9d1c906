// SPDX-License-Identifier: Apache-2.0
#pragma once

// UniqueFd: owns one file descriptor and closes it once.
// Thread-compatible. Close() reports the error where it matters (after writes); the destructor
// cannot and does not.

#include <unistd.h>
#include <cerrno>

#include <utility>

#include "crypto/base/result.h"

namespace leadglass {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }
  // Gives the descriptor up to the caller.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }
  // Closes now; the descriptor is gone whatever the result (Linux close(2)).
  Status Close() {
    const int fd = Release();
    if (fd >= 0 && ::close(fd) != 0) return SystemError(errno, "close");
    return {};
  }

 private:
  int fd_ = -1;
};

}  // namespace leadglass
