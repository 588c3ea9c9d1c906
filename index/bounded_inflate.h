// SPDX-License-Identifier: Apache-2.0
#pragma once

// InflateSome: the beginning of a deflated data set, never more than was asked for, so that 200 KB
// of input that stands for 200 MB (a bomb) costs no more than its limit. Pure; any thread.

#include <cstddef>

#include "crypto/base/bytes.h"

namespace leadglass {

struct Inflated {
  enum class End {
    kStreamEnd,  // all of it
    kLimit,      // there is more, `max_bytes` are here
    kInputEnd,   // the compressed bytes ran out first
    kBroken,     // not a deflate stream from here on
  };
  ByteVector bytes;  // what came out before `end`
  End end = End::kBroken;
};

// Raw deflate, as DICOM wants; streams with a zlib header, which some senders write, are taken too.
Inflated InflateSome(ByteSpan compressed, size_t max_bytes);

}  // namespace leadglass
