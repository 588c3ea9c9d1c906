// SPDX-License-Identifier: Apache-2.0
#include "index/operations.h"

#include <string>
#include <utility>

#include "index/record_codec.h"

namespace leadglass {
namespace {

constexpr uint8_t kCritical = 1;
constexpr size_t kOperationTypes = std::variant_size_v<Operation>;

// Type numbers are the places in the variant, from 1: the variant's order is part of the format.
static_assert(std::is_same_v<std::variant_alternative_t<0, Operation>, PutInode>);
static_assert(std::is_same_v<std::variant_alternative_t<1, Operation>, EraseInode>);
static_assert(std::is_same_v<std::variant_alternative_t<2, Operation>, PutName>);
static_assert(std::is_same_v<std::variant_alternative_t<3, Operation>, EraseName>);
static_assert(std::is_same_v<std::variant_alternative_t<4, Operation>, PutExtent>);
static_assert(std::is_same_v<std::variant_alternative_t<5, Operation>, CutExtents>);
static_assert(std::is_same_v<std::variant_alternative_t<6, Operation>, PutXattr>);
static_assert(std::is_same_v<std::variant_alternative_t<7, Operation>, EraseXattr>);
static_assert(std::is_same_v<std::variant_alternative_t<8, Operation>, PutFileKey>);
static_assert(std::is_same_v<std::variant_alternative_t<9, Operation>, PutStudyKey>);
static_assert(std::is_same_v<std::variant_alternative_t<10, Operation>, PutGroupKey>);
static_assert(std::is_same_v<std::variant_alternative_t<11, Operation>, PutSession>);
static_assert(std::is_same_v<std::variant_alternative_t<12, Operation>, PutEntity>);
static_assert(std::is_same_v<std::variant_alternative_t<13, Operation>, EraseEntity>);
static_assert(std::is_same_v<std::variant_alternative_t<14, Operation>, PutFiling>);
static_assert(std::is_same_v<std::variant_alternative_t<15, Operation>, EraseFiling>);
static_assert(std::is_same_v<std::variant_alternative_t<16, Operation>, Punch>);
static_assert(std::is_same_v<std::variant_alternative_t<17, Operation>, Checkpoint>);
static_assert(std::is_same_v<std::variant_alternative_t<18, Operation>, Cleared>);
static_assert(std::is_same_v<std::variant_alternative_t<19, Operation>, PutConfiguration>);
static_assert(std::is_same_v<std::variant_alternative_t<20, Operation>, QuoteAudit>);
static_assert(std::is_same_v<std::variant_alternative_t<21, Operation>, PutHold>);
static_assert(std::is_same_v<std::variant_alternative_t<22, Operation>, EraseHold>);
static_assert(std::is_same_v<std::variant_alternative_t<23, Operation>, PutEmergency>);
static_assert(std::is_same_v<std::variant_alternative_t<24, Operation>, EraseEmergency>);
static_assert(std::is_same_v<std::variant_alternative_t<25, Operation>, EraseStudyKey>);
static_assert(std::is_same_v<std::variant_alternative_t<26, Operation>, PutRenewals>);
static_assert(std::is_same_v<std::variant_alternative_t<27, Operation>, PutShred>);
static_assert(kOperationTypes == 28);

bool IsCritical(const Operation& operation) {
  return !std::holds_alternative<Punch>(operation) && !std::holds_alternative<Cleared>(operation);
}

// False: the operation breaks a rule; nothing was appended.
bool EncodeOperation(const Operation& operation, ByteWriter& out) {
  FieldWriter fields;
  std::visit([&](const auto& op) { Fields(fields, op); }, operation);
  if (fields.failed()) return false;
  const ByteVector body = fields.Take();
  out.U16(static_cast<uint16_t>(operation.index() + 1));
  out.U8(IsCritical(operation) ? kCritical : 0);
  out.Bytes32(body);
  return true;
}

// Calls `use` with a default-constructed alternative number `index`.
template <size_t I = 0, typename Use>
void WithAlternative(size_t index, const Use& use) {
  if constexpr (I < kOperationTypes) {
    if (index == I) {
      use(std::variant_alternative_t<I, Operation>{});
    } else {
      WithAlternative<I + 1>(index, use);
    }
  }
}

Error Malformed(size_t place, uint16_t type) {
  return Error(Errc::kCorrupt, "operation " + std::to_string(place) + " of a commit (type " +
                                   std::to_string(type) + ") is malformed");
}

}  // namespace

ByteVector EncodeOperations(const Operations& operations) {
  ByteWriter out;
  for (const Operation& operation : operations) LG_CHECK(EncodeOperation(operation, out));
  return out.Take();
}

size_t FirstOperationLength(ByteSpan encoded) {
  ByteReader in(encoded);
  in.U16();
  in.U8();
  in.Bytes32();
  return in.failed() ? 0 : encoded.size() - in.remaining();
}

Status CheckOperations(const Operations& operations) {
  ByteWriter scratch;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (!EncodeOperation(operations[i], scratch))
      return Error(Errc::kInvalidArgument, "operation " + std::to_string(i) + " of a batch (type " +
                                               std::to_string(operations[i].index() + 1) +
                                               ") breaks a limit of the format");
  }
  return {};
}

Result<Operations> DecodeOperations(ByteSpan payload) {
  Operations operations;
  ByteReader in(payload);
  for (size_t place = 0; in.remaining() > 0; ++place) {
    const uint16_t type = in.U16();
    const uint8_t flags = in.U8();
    const ByteSpan body = in.Bytes32();
    if (in.failed()) return Malformed(place, type);
    const bool known = type >= 1 && type <= kOperationTypes;
    if ((!known && (flags & kCritical) != 0) || (flags & ~kCritical) != 0)
      return Error(Errc::kUnsupported, "a commit holds operation type " + std::to_string(type) +
                                           " with flags " + std::to_string(flags) +
                                           ", which this version does not know: use a newer one");
    if (!known) continue;
    FieldReader fields(body);
    WithAlternative(type - 1u, [&](auto op) {
      Fields(fields, op);
      operations.emplace_back(std::move(op));
    });
    if (fields.failed()) return Malformed(place, type);
  }
  return operations;
}

}  // namespace leadglass
