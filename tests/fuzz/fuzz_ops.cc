// SPDX-License-Identifier: Apache-2.0

// Fuzzes the decoder of commit payloads: whatever the bytes, an answer and no crash, and what was
// decoded encodes to a payload that decodes to the same again.

#include <cstdint>
#include <cstdlib>

#include "index/operations.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto first = leadglass::DecodeOperations({data, size});
  if (!first) return 0;
  const leadglass::ByteVector once = leadglass::EncodeOperations(*first);
  const auto second = leadglass::DecodeOperations(once);
  if (!second || leadglass::EncodeOperations(*second) != once) std::abort();
  return 0;
}
