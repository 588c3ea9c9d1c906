// SPDX-License-Identifier: Apache-2.0
#pragma once

// Secret<N>: N key bytes in memory that is locked (never swapped), left out of core dumps, and
// wiped when the object dies. Move-only, no stream or fmt output, equality in constant time.
// The bytes come out under one greppable name, ExposeForOpenSsl().
// Thread-compatible; the cells come from a pool that is thread-safe. A forked child inherits the
// bytes but not the lock on their pages: daemonise before the first key is read.

#include <array>
#include <cstddef>
#include <utility>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace leadglass {

namespace internal {
// A zeroed cell of at least `size` (at most 4096) bytes. Aborts when memory runs out. Where the
// limit on locked memory is reached, cells stay excluded from core dumps but may be swapped;
// SecretMemoryIsLocked() then tells.
uint8_t* AllocateSecret(size_t size);
// Wipes and takes back a cell of AllocateSecret(size).
void FreeSecret(uint8_t* cell, size_t size);
// OPENSSL_cleanse's promise without OpenSSL: the stores are not optimised away.
void Wipe(void* at, size_t size);
bool ConstantTimeEqual(const uint8_t* a, const uint8_t* b, size_t size);
}  // namespace internal

// False once any secret had to live in memory that could not be locked (RLIMIT_MEMLOCK).
bool SecretMemoryIsLocked();
// Makes the process not dumpable (no core file, no ptrace by others of the same user) and sets its
// core limit to zero. To be called before the first key is read.
Status ForbidCoreDumps();

template <size_t N>
class Secret {
 public:
  static constexpr size_t kSize = N;

  // All zeros, to be filled through ExposeForOpenSsl().
  Secret() : cell_(internal::AllocateSecret(N)) {}
  // Copies the bytes and wipes the source.
  static Secret TakeFrom(std::array<uint8_t, N>& bytes) {
    Secret secret;
    std::memcpy(secret.cell_, bytes.data(), N);
    internal::Wipe(bytes.data(), N);
    return secret;
  }
  Secret(Secret&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      Free();
      cell_ = std::exchange(other.cell_, nullptr);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { Free(); }

  // A deliberate second copy.
  Secret Clone() const {
    Secret copy;
    std::memcpy(copy.cell_, cell_, N);
    return copy;
  }
  bool operator==(const Secret& other) const {
    return internal::ConstantTimeEqual(cell_, other.cell_, N);
  }

  std::span<const uint8_t, N> ExposeForOpenSsl() const {
    return std::span<const uint8_t, N>(cell_, N);
  }
  std::span<uint8_t, N> ExposeForOpenSsl() { return std::span<uint8_t, N>(cell_, N); }

 private:
  void Free() {
    if (cell_ != nullptr) internal::FreeSecret(cell_, N);
    cell_ = nullptr;
  }
  uint8_t* cell_;
};

// Key bytes of a length known at run time only (a passphrase), at most 4096.
class SecretBytes {
 public:
  explicit SecretBytes(size_t size) : size_(size), cell_(internal::AllocateSecret(size)) {}
  SecretBytes(SecretBytes&& other) noexcept
      : size_(std::exchange(other.size_, 0)), cell_(std::exchange(other.cell_, nullptr)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      Free();
      size_ = std::exchange(other.size_, 0);
      cell_ = std::exchange(other.cell_, nullptr);
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { Free(); }

  size_t size() const { return size_; }
  ByteSpan ExposeForOpenSsl() const { return {cell_, size_}; }
  MutableByteSpan ExposeForOpenSsl() { return {cell_, size_}; }

 private:
  void Free() {
    if (cell_ != nullptr) internal::FreeSecret(cell_, size_);
    cell_ = nullptr;
  }
  size_t size_;
  uint8_t* cell_;
};

}  // namespace leadglass
