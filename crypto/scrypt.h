// SPDX-License-Identifier: Apache-2.0
#pragma once

// scrypt (RFC 7914) with r = 8 and p = 1: from a passphrase to the key of its slot.
// Thread safety: a free function without state.

#include "crypto/aead.h"

namespace leadglass {

// The cost limits of the format. The upper one bounds what a hostile vault file can make us spend
// before anything about it is authenticated: scrypt needs 1 KiB times N, so 16 GiB at 24.
inline constexpr uint32_t kMinScryptLog2N = 10;
inline constexpr uint32_t kMaxScryptLog2N = 24;
inline constexpr uint32_t kScryptR = 8;
inline constexpr uint32_t kScryptP = 1;

using ScryptSalt = std::array<uint8_t, 32>;

// kInvalidArgument: log2_n outside the limits. kUnavailable: this machine has not that much memory;
// refused before it is tried, since Linux would grant the memory and kill the process later.
Result<Key> Scrypt(const SecretBytes& passphrase, const ScryptSalt& salt, uint32_t log2_n);

}  // namespace leadglass
