// SPDX-License-Identifier: Apache-2.0
#pragma once

// Base64 (RFC 4648 section 4), for text formats that carry bytes. No secrets: it leaves copies.

#include <string>

#include "crypto/base/bytes.h"

namespace leadglass {

// Padded, in one line. `bytes` has less than 1 GiB.
std::string ToBase64(ByteSpan bytes);

}  // namespace leadglass
