// SPDX-License-Identifier: Apache-2.0
#pragma once

// Byte spans and little-endian, fixed-width numbers: the only way numbers reach the disk.
// No host struct is ever written or read as bytes.
//
// ByteWriter appends to a buffer it owns; ByteReader walks a span it does not own and turns sticky
// "failed" at the first field that does not fit, so that a decoder checks once at its end:
//
//   ByteReader r(payload);
//   const uint64_t inode = r.U64();
//   const auto name = r.Bytes16();
//   if (!r.Finished()) return Error(Errc::kCorrupt, "name record is malformed");
//
// Nothing here fails with an Error, and nothing here is checked against a format: a decoder's
// values mean something only once Finished() is true. Thread safety: values and free functions; one
// object is for one thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace leadglass {

// Spans borrow: the bytes outlive them. Sizes and offsets are in bytes everywhere.
using ByteSpan = std::span<const uint8_t>;
using MutableByteSpan = std::span<uint8_t>;
using ByteVector = std::vector<uint8_t>;
using Uuid = std::array<uint8_t, 16>;    // vault ids, session ids, key ids
using Digest = std::array<uint8_t, 32>;  // a SHA-256 value

// The same bytes under the other type, borrowed; no encoding is looked at.
inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Little-endian stores and loads of an unsigned T; `at` has sizeof(T) bytes, aligned or not.
template <typename T>
inline void StoreLe(uint8_t* at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
}
template <typename T>
inline T LoadLe(const uint8_t* at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(static_cast<T>(at[i]) << (8 * i));
  return value;
}
// The same in big-endian, for index keys whose byte order must be their numeric order.
template <typename T>
inline void StoreBe(uint8_t* at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    at[sizeof(T) - 1 - i] = static_cast<uint8_t>(value >> (8 * i));
}
template <typename T>
inline T LoadBe(const uint8_t* at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>((value << 8) | at[i]);
  return value;
}

// Appends fields, little-endian, to bytes that it owns. Memory is the only limit.
class ByteWriter {
 public:
  void U8(uint8_t v) { buffer_.push_back(v); }
  void U16(uint16_t v) { Number(v); }
  void U32(uint32_t v) { Number(v); }
  void U64(uint64_t v) { Number(v); }
  void I64(int64_t v) { Number(static_cast<uint64_t>(v)); }
  void Raw(ByteSpan v) { buffer_.insert(buffer_.end(), v.begin(), v.end()); }
  // Bytes behind their length in 8, 16 or 32 bits. The caller has made sure that the length fits: a
  // longer one is cut off in the prefix and makes bytes that do not decode.
  void Bytes8(ByteSpan v) {
    U8(static_cast<uint8_t>(v.size()));
    Raw(v);
  }
  void Bytes16(ByteSpan v) {
    U16(static_cast<uint16_t>(v.size()));
    Raw(v);
  }
  void Bytes32(ByteSpan v) {
    U32(static_cast<uint32_t>(v.size()));
    Raw(v);
  }
  void Text16(std::string_view v) { Bytes16(AsBytes(v)); }
  void Zeros(size_t n) { buffer_.resize(buffer_.size() + n); }

  size_t size() const { return buffer_.size(); }
  // Borrowed until the next append.
  ByteSpan span() const { return buffer_; }
  // All that was appended; the writer is spent.
  ByteVector Take() { return std::move(buffer_); }

 private:
  template <typename T>
  void Number(T v) {
    const size_t at = buffer_.size();
    buffer_.resize(at + sizeof(T));
    StoreLe(buffer_.data() + at, v);
  }
  ByteVector buffer_;
};

// Takes fields off the front of bytes that it borrows; any bytes will do. The first field that is
// not there whole fails the reader for good: that call and all later ones give 0 or nothing, and
// take nothing.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : rest_(bytes) {}

  uint8_t U8() { return Number<uint8_t>(); }
  uint16_t U16() { return Number<uint16_t>(); }
  uint32_t U32() { return Number<uint32_t>(); }
  uint64_t U64() { return Number<uint64_t>(); }
  int64_t I64() { return static_cast<int64_t>(Number<uint64_t>()); }
  // The next n bytes: a view into the caller's.
  ByteSpan Raw(size_t n) {
    if (failed_ || rest_.size() < n) {
      failed_ = true;
      return {};
    }
    const ByteSpan out = rest_.first(n);
    rest_ = rest_.subspan(n);
    return out;
  }
  template <size_t N>
  std::array<uint8_t, N> Array() {
    std::array<uint8_t, N> out{};
    if (const ByteSpan raw = Raw(N); raw.size() == N) std::memcpy(out.data(), raw.data(), N);
    return out;
  }
  // What ByteWriter::Bytes8() and its like wrote: views into the caller's bytes, and for Text16() a
  // copy of them, which need not be UTF-8. Any length up to what is left is taken; the caller says
  // what is too long.
  ByteSpan Bytes8() { return Raw(U8()); }
  ByteSpan Bytes16() { return Raw(U16()); }
  ByteSpan Bytes32() { return Raw(U32()); }
  std::string Text16() { return std::string(AsText(Bytes16())); }

  size_t remaining() const { return rest_.size(); }
  bool failed() const { return failed_; }
  // True when every field was there and nothing is left over.
  bool Finished() const { return !failed_ && rest_.empty(); }

 private:
  template <typename T>
  T Number() {
    const ByteSpan raw = Raw(sizeof(T));
    return raw.size() == sizeof(T) ? LoadLe<T>(raw.data()) : T{0};
  }
  ByteSpan rest_;
  bool failed_ = false;
};

// Lower-case hexadecimal, two digits a byte, for ids in messages and file names.
std::string ToHex(ByteSpan bytes);

}  // namespace leadglass
