// SPDX-License-Identifier: Apache-2.0
#include "index/bounded_inflate.h"

#include <zlib.h>

#include <algorithm>

namespace leadglass {
namespace {

constexpr size_t kStep = 64 << 10;

// inflateEnd on every way out.
class Stream {
 public:
  explicit Stream(int window_bits) { valid_ = inflateInit2(&z_, window_bits) == Z_OK; }
  ~Stream() {
    if (valid_) inflateEnd(&z_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  bool valid() const { return valid_; }
  z_stream& z() { return z_; }

 private:
  z_stream z_{};
  bool valid_ = false;
};

Inflated Run(ByteSpan compressed, size_t max_bytes, int window_bits) {
  Inflated out;
  Stream stream(window_bits);
  if (!stream.valid()) return out;
  z_stream& z = stream.z();
  z.next_in = const_cast<Bytef*>(compressed.data());
  z.avail_in = static_cast<uInt>(compressed.size());  // at most kMaxHeaderBytes
  while (true) {
    const size_t have = out.bytes.size();
    const size_t room = std::min(kStep, max_bytes - have);
    if (room == 0) {
      out.end = Inflated::End::kLimit;
      return out;
    }
    out.bytes.resize(have + room);
    z.next_out = out.bytes.data() + have;
    z.avail_out = static_cast<uInt>(room);
    const int result = inflate(&z, Z_NO_FLUSH);
    out.bytes.resize(have + room - z.avail_out);
    if (result == Z_OK && (z.avail_in > 0 || z.avail_out == 0)) continue;
    if (result == Z_STREAM_END) {
      out.end = Inflated::End::kStreamEnd;
    } else if (result == Z_OK || result == Z_BUF_ERROR) {
      out.end = Inflated::End::kInputEnd;
    } else {
      out.end = Inflated::End::kBroken;
    }
    return out;
  }
}

}  // namespace

Inflated InflateSome(ByteSpan compressed, size_t max_bytes) {
  Inflated raw = Run(compressed, max_bytes, -MAX_WBITS);
  // A zlib header read as raw deflate breaks off at once or nearly so.
  if (raw.end == Inflated::End::kBroken) {
    Inflated with_header = Run(compressed, max_bytes, MAX_WBITS);
    if (with_header.bytes.size() > raw.bytes.size()) return with_header;
  }
  return raw;
}

}  // namespace leadglass
