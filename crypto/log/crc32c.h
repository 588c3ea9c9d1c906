// SPDX-License-Identifier: Apache-2.0
#pragma once

// CRC32C (Castagnoli, RFC 3720 appendix B.4): finds torn and decayed bytes without a key. It
// protects against nobody: authenticity is the business of the tags and of the chain.
// Thread safety: free functions without state.

#include "crypto/base/bytes.h"

namespace leadglass {

// The CRC of `data` alone: Crc32c("123456789") == 0xE3069283.
uint32_t Crc32c(ByteSpan data);
// The CRC of what gave `crc`, followed by `data`; Crc32c(data) == ExtendCrc32c(0, data).
uint32_t ExtendCrc32c(uint32_t crc, ByteSpan data);

}  // namespace leadglass
