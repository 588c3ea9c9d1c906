// SPDX-License-Identifier: Apache-2.0
#include "index/operations.h"

#include <string>
#include <utility>

#include "index/record_codec.h"

namespace leadglass {
namespace {

constexpr uint8_t kCritical = 1;
constexpr size_t kOperationTypes = std::variant_size_v<AnyOperation>;

// Type numbers are the places in the variant, from 1: the variant's order is part of the format.
static_assert(std::is_same_v<std::variant_alternative_t<0, AnyOperation>, PutInode>);
static_assert(std::is_same_v<std::variant_alternative_t<1, AnyOperation>, EraseInode>);
static_assert(std::is_same_v<std::variant_alternative_t<2, AnyOperation>, PutName>);
static_assert(std::is_same_v<std::variant_alternative_t<3, AnyOperation>, EraseName>);
static_assert(std::is_same_v<std::variant_alternative_t<4, AnyOperation>, PutExtent>);
static_assert(std::is_same_v<std::variant_alternative_t<5, AnyOperation>, CutExtents>);
static_assert(std::is_same_v<std::variant_alternative_t<6, AnyOperation>, PutXattr>);
static_assert(std::is_same_v<std::variant_alternative_t<7, AnyOperation>, EraseXattr>);
static_assert(std::is_same_v<std::variant_alternative_t<8, AnyOperation>, PutFileKey>);
static_assert(std::is_same_v<std::variant_alternative_t<9, AnyOperation>, PutStudyKey>);
static_assert(std::is_same_v<std::variant_alternative_t<10, AnyOperation>, PutGroupKey>);
static_assert(std::is_same_v<std::variant_alternative_t<11, AnyOperation>, PutSession>);
static_assert(std::is_same_v<std::variant_alternative_t<12, AnyOperation>, PutEntity>);
static_assert(std::is_same_v<std::variant_alternative_t<13, AnyOperation>, EraseEntity>);
static_assert(std::is_same_v<std::variant_alternative_t<14, AnyOperation>, PutFiling>);
static_assert(std::is_same_v<std::variant_alternative_t<15, AnyOperation>, EraseFiling>);
static_assert(std::is_same_v<std::variant_alternative_t<16, AnyOperation>, Punch>);
static_assert(std::is_same_v<std::variant_alternative_t<17, AnyOperation>, Checkpoint>);
static_assert(std::is_same_v<std::variant_alternative_t<18, AnyOperation>, Cleared>);
static_assert(std::is_same_v<std::variant_alternative_t<19, AnyOperation>, PutConfiguration>);
static_assert(std::is_same_v<std::variant_alternative_t<20, AnyOperation>, QuoteAudit>);
static_assert(std::is_same_v<std::variant_alternative_t<21, AnyOperation>, PutHold>);
static_assert(std::is_same_v<std::variant_alternative_t<22, AnyOperation>, EraseHold>);
static_assert(std::is_same_v<std::variant_alternative_t<23, AnyOperation>, PutEmergency>);
static_assert(std::is_same_v<std::variant_alternative_t<24, AnyOperation>, EraseEmergency>);
static_assert(std::is_same_v<std::variant_alternative_t<25, AnyOperation>, EraseStudyKey>);
static_assert(std::is_same_v<std::variant_alternative_t<26, AnyOperation>, PutRenewals>);
static_assert(std::is_same_v<std::variant_alternative_t<27, AnyOperation>, PutShred>);
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
      use(std::variant_alternative_t<I, AnyOperation>{});
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

Operation::Operation() = default;
Operation::Operation(const Operation& other) = default;
Operation::Operation(Operation&& other) noexcept = default;
Operation& Operation::operator=(const Operation& other) = default;
Operation& Operation::operator=(Operation&& other) noexcept = default;
Operation::~Operation() = default;

template <OperationType Type>
Operation::Operation(Type operation)
    : AnyOperation(std::in_place_type<Type>, std::move(operation)) {}
template Operation::Operation(PutInode operation);
template Operation::Operation(EraseInode operation);
template Operation::Operation(PutName operation);
template Operation::Operation(EraseName operation);
template Operation::Operation(PutExtent operation);
template Operation::Operation(CutExtents operation);
template Operation::Operation(PutXattr operation);
template Operation::Operation(EraseXattr operation);
template Operation::Operation(PutFileKey operation);
template Operation::Operation(PutStudyKey operation);
template Operation::Operation(PutGroupKey operation);
template Operation::Operation(PutSession operation);
template Operation::Operation(PutEntity operation);
template Operation::Operation(EraseEntity operation);
template Operation::Operation(PutFiling operation);
template Operation::Operation(EraseFiling operation);
template Operation::Operation(Punch operation);
template Operation::Operation(Checkpoint operation);
template Operation::Operation(Cleared operation);
template Operation::Operation(PutConfiguration operation);
template Operation::Operation(QuoteAudit operation);
template Operation::Operation(PutHold operation);
template Operation::Operation(EraseHold operation);
template Operation::Operation(PutEmergency operation);
template Operation::Operation(EraseEmergency operation);
template Operation::Operation(EraseStudyKey operation);
template Operation::Operation(PutRenewals operation);
template Operation::Operation(PutShred operation);

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

template class std::vector<leadglass::Operation>;
