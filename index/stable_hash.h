// SPDX-License-Identifier: Apache-2.0
#pragma once

// Eight letters and digits that stand for a longer text in a name. The same for ever: names that
// people wrote down keep resolving. Not cryptographic; two texts share a tag once in 2^40, and the
// caller checks for that as for any collision.

#include <cstdint>
#include <string>
#include <string_view>

namespace leadglass {

inline std::string ShortTag(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;  // spreads short texts over all bits
  hash ^= hash >> 32;
  std::string tag;
  for (int i = 0; i < 8; ++i, hash >>= 5) {
    tag += "0123456789abcdefghjkmnpqrstvwxyz"[hash & 31];  // without i, l, o, u
  }
  return tag;
}

}  // namespace leadglass
