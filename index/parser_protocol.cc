// SPDX-License-Identifier: Apache-2.0
#include "index/parser_protocol.h"

#include <sys/socket.h>

#include <cerrno>

namespace leadglass {
namespace {

enum AnswerKind : uint8_t { kFacts = 1, kMore = 2, kUnparsed = 3 };

}  // namespace

ByteVector ParseRequest::Encode() const {
  ByteWriter writer;
  writer.U64(file_size);
  writer.U32(prefix_bytes);
  writer.U8(static_cast<uint8_t>(readers));
  writer.U16(further_bytes);
  return writer.Take();
}

std::optional<ParseRequest> ParseRequest::Decode(ByteSpan bytes) {
  ByteReader reader(bytes);
  ParseRequest request;
  request.file_size = reader.U64();
  request.prefix_bytes = reader.U32();
  const uint8_t readers = reader.U8();
  request.further_bytes = reader.U16();
  if (!reader.Finished() || readers > 1 || request.prefix_bytes > kMaxHeaderBytes) {
    return std::nullopt;
  }
  request.readers = static_cast<Readers>(readers);
  return request;
}

ByteVector EncodeFurther(const FurtherElements& further) {
  ByteWriter writer;
  for (const FurtherElement& element : further) {
    writer.U32(element.tag);
    writer.U8(static_cast<uint8_t>(element.kind));
    writer.Text16(element.keyword);
  }
  return writer.Take();
}

std::optional<FurtherElements> DecodeFurther(ByteSpan bytes) {
  FurtherElements further;
  ByteReader reader(bytes);
  while (reader.remaining() > 0) {
    FurtherElement element;
    element.tag = reader.U32();
    const uint8_t kind = reader.U8();
    element.keyword = reader.Text16();
    const bool ascends = further.empty() || further.back().tag < element.tag;
    if (kind > static_cast<uint8_t>(ElementKind::kNumber) || !ascends || element.keyword.empty() ||
        element.keyword.size() > kMaxKeywordBytes || further.size() == kMaxFurtherElements)
      return std::nullopt;
    element.kind = static_cast<ElementKind>(kind);
    further.push_back(std::move(element));
  }
  if (!reader.Finished()) return std::nullopt;
  return further;
}

ByteVector EncodeAnswer(const HeaderResult& answer) {
  ByteWriter writer;
  if (const auto* facts = std::get_if<DicomFacts>(&answer)) {
    writer.U8(kFacts);
    writer.Raw(EncodeDicomFacts(*facts));
  } else if (const auto* more = std::get_if<NeedMore>(&answer)) {
    writer.U8(kMore);
    writer.U64(more->bytes);
  } else {
    writer.U8(kUnparsed);
    writer.U8(static_cast<uint8_t>(std::get<Unparsed>(answer).reason));
  }
  return writer.Take();
}

std::optional<HeaderResult> DecodeAnswer(ByteSpan bytes) {
  if (bytes.size() > kMaxAnswerBytes) return std::nullopt;
  ByteReader reader(bytes);
  switch (reader.U8()) {
    case kFacts: {
      auto facts = DecodeDicomFacts(reader.Raw(reader.remaining()));
      if (!facts) return std::nullopt;
      return HeaderResult(std::move(facts).value());
    }
    case kMore: {
      const NeedMore more{reader.U64()};
      if (!reader.Finished() || more.bytes > kMaxHeaderBytes) return std::nullopt;
      return HeaderResult(more);
    }
    case kUnparsed: {
      const uint8_t reason = reader.U8();
      if (!reader.Finished() || reason < 1 ||
          reason > static_cast<uint8_t>(UnparsedReason::kAmbiguous)) {
        return std::nullopt;
      }
      return HeaderResult(Unparsed{static_cast<UnparsedReason>(reason)});
    }
    default: return std::nullopt;
  }
}

bool SendAll(int socket, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return true;
}

bool ReceiveAll(int socket, MutableByteSpan into) {
  while (!into.empty()) {
    const ssize_t got = recv(socket, into.data(), into.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into = into.subspan(static_cast<size_t>(got));
  }
  return true;
}

}  // namespace leadglass
