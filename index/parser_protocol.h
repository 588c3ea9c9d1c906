// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the pool and a worker say to each other over their socket: frames with a length in front,
// one request, one answer. Both directions are bounded; the answer is decoded as hostile bytes.

#include <cstdint>
#include <optional>

#include "crypto/base/bytes.h"
#include "index/header_parser.h"

namespace leadglass {

inline constexpr uint8_t kWorkerReady = 'R';   // a worker's first byte
inline constexpr uint8_t kWorkerUnsafe = 'U';  // it could not enter its sandbox, and is gone
inline constexpr size_t kMaxAnswerBytes = kMaxEncodedFactsBytes + 16;

// The fixed part of a request; `further_bytes` of EncodeFurther() and `prefix_bytes` bytes of the
// file follow.
struct ParseRequest {
  uint64_t file_size = 0;
  uint32_t prefix_bytes = 0;
  Readers readers = Readers::kGdcmAndScan;
  uint16_t further_bytes = 0;

  static constexpr size_t kBytes = 15;
  ByteVector Encode() const;
  // Nothing for bytes that make no sense.
  static std::optional<ParseRequest> Decode(ByteSpan bytes);
};

ByteVector EncodeFurther(const FurtherElements& further);
// Nothing for bytes that break a limit of FurtherElements. No bytes: none.
std::optional<FurtherElements> DecodeFurther(ByteSpan bytes);

// The answer's body; four bytes of length go before it.
ByteVector EncodeAnswer(const HeaderResult& answer);
// Nothing for bytes that are no answer, or whose facts break a limit.
std::optional<HeaderResult> DecodeAnswer(ByteSpan bytes);

// Blocking transfer of exactly that many bytes over a socket. False at its end or on an error.
bool SendAll(int socket, ByteSpan bytes);
bool ReceiveAll(int socket, MutableByteSpan into);

}  // namespace leadglass
