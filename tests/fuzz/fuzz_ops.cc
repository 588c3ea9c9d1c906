// SPDX-License-Identifier: Apache-2.0

// Fuzzes the decoder of commit payloads: whatever the bytes, an answer and no crash, and what was
// decoded encodes to a payload that decodes to the same again.

#include <cstdint>
#include <cstdlib>

#include "index/operations.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leadglass;
  const Result<Operations> first = DecodeOperations({data, size});
  if (!first) return 0;
  const ByteVector once = EncodeOperations(*first);
  const Result<Operations> second = DecodeOperations(once);
  if (!second || EncodeOperations(*second) != once) std::abort();
  return 0;
}
