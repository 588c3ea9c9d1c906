// SPDX-License-Identifier: Apache-2.0
#include "crypto/recovery_code.h"

#include <algorithm>

namespace leadglass {
namespace {

constexpr size_t kPrefixSize = 4;
constexpr std::string_view kPrefix = "LGR1";
constexpr std::string_view kPrefixAsRead = "1GR1";  // L counts as 1
constexpr size_t kDataInGroup = kRecoveryGroupSize - 1;
constexpr size_t kCharacters = kRecoveryGroups * kRecoveryGroupSize;
constexpr size_t kLooksLikeOne = kCharacters / 2;
// The bytes that the groups hold, 20 bits each.
constexpr size_t kPayload = 40;
constexpr size_t kChecksum = 2;
constexpr size_t kChecked = kPayload - kChecksum;

// The alphabet "0123456789ABCDEFGHJKMNPQRSTVWXYZ", by arithmetic: a gap in it is one step more.
constexpr uint32_t StepAfter(uint32_t value, uint32_t last, uint32_t step) {
  return ((last - value) >> 31) * step;
}
constexpr uint8_t CharacterOf(uint32_t value) {
  return static_cast<uint8_t>('0' + value + StepAfter(value, 9, 'A' - '9' - 1) +
                              StepAfter(value, 17, 1) + StepAfter(value, 19, 1) +
                              StepAfter(value, 21, 1) + StepAfter(value, 26, 1));
}

// The value of a character, or kNoValue; by looking at all, whichever it is.
constexpr uint32_t kNoValue = 32;
uint32_t ValueOf(uint8_t character) {
  uint32_t found = 0;
  uint32_t seen = 0;
  for (uint32_t value = 0; value < 32; ++value) {
    const uint32_t differ = uint32_t{CharacterOf(value)} ^ character;
    const uint32_t same = ((differ - 1) >> 31) & 1u;
    found |= value & (0u - same);
    seen |= same;
  }
  return found | ((seen ^ 1u) * kNoValue);
}

// What was typed for what was meant.
uint8_t Normal(uint8_t c) {
  if (c >= 'a' && c <= 'z') c = static_cast<uint8_t>(c - 'a' + 'A');
  if (c == 'I' || c == 'L') return '1';
  return c == 'O' ? '0' : c;
}
bool IsSeparator(uint8_t c) { return c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n'; }

// x * 2^power in GF(32), modulo z^5 + z^2 + 1.
uint32_t TimesPower(uint32_t x, uint32_t power) {
  for (uint32_t i = 0; i < power; ++i) x = ((x << 1) & 31u) ^ ((0u - ((x >> 4) & 1u)) & 5u);
  return x;
}

// Different weights find every wrong and every swapped character; the group's number, that it
// stands at another's place.
uint32_t CheckOf(size_t group, const uint8_t* values) {
  auto check = static_cast<uint32_t>(group);
  for (uint32_t i = 0; i < kDataInGroup; ++i) check ^= TimesPower(values[i], i + 1);
  return check;
}

void PutChecksum(const Secret<kPayload>& payload, MutableByteSpan out) {
  // The hash is of a secret, and two bytes of it are printed beside it.
  constexpr std::string_view kName = "leadglass recovery code 1";
  Secret<kName.size() + kChecked> named;
  const auto bytes = named.ExposeForOpenSsl();
  std::copy(kName.begin(), kName.end(), bytes.begin());
  std::copy_n(payload.ExposeForOpenSsl().begin(), kChecked, bytes.begin() + kName.size());
  Digest digest = Sha256(named.ExposeForOpenSsl());
  std::copy_n(digest.begin(), kChecksum, out.begin());
  internal::Wipe(digest.data(), digest.size());
}

std::string PlaceOf(size_t group) {
  return "group " + std::to_string(group + 1) + " (line " +
         std::to_string(group / kRecoveryGroupsInALine + 1) + ", group " +
         std::to_string(group % kRecoveryGroupsInALine + 1) + " in it)";
}

Error Mistyped(const std::string& what) {
  return Error(Errc::kInvalidArgument, "recovery code: " + what);
}

// The characters behind the prefix, as meant and without separators, and where a group as typed is
// not of five.
struct Typed {
  SecretBytes characters{kCharacters};
  size_t count = 0;  // of all that were typed; no more than kCharacters are kept
  size_t groups = 0;
  size_t odd_group = kRecoveryGroups;  // the first that is not of five, if any
};

Typed Take(ByteSpan text) {
  Typed typed;
  const MutableByteSpan kept = typed.characters.ExposeForOpenSsl();
  size_t prefix_left = kPrefixSize;
  size_t in_group = 0;
  const auto end_group = [&] {
    if (in_group == 0) return;
    if (in_group != kRecoveryGroupSize) typed.odd_group = std::min(typed.odd_group, typed.groups);
    ++typed.groups;
    in_group = 0;
  };
  for (const uint8_t c : text) {
    if (IsSeparator(c)) {
      end_group();
    } else if (prefix_left > 0) {
      --prefix_left;
    } else {
      if (typed.count < kCharacters) kept[typed.count] = Normal(c);
      ++typed.count;
      ++in_group;
    }
  }
  end_group();
  return typed;
}

// The payload, of which each group has passed its own check.
Result<Secret<kPayload>> PayloadOf(const Typed& typed) {
  if (typed.groups == kRecoveryGroups && typed.odd_group < kRecoveryGroups)
    return Mistyped(PlaceOf(typed.odd_group) + " has not 5 characters; compare it with the sheet");
  SecretBytes values(kCharacters);
  const MutableByteSpan value = values.ExposeForOpenSsl();
  const ByteSpan characters = typed.characters.ExposeForOpenSsl();
  const size_t groups = std::min(typed.count, kCharacters) / kRecoveryGroupSize;
  for (size_t group = 0; group < groups; ++group) {
    const size_t at = group * kRecoveryGroupSize;
    uint32_t wrong = 0;
    for (size_t i = at; i < at + kRecoveryGroupSize; ++i) {
      const uint32_t one = ValueOf(characters[i]);
      wrong |= one & kNoValue;
      value[i] = static_cast<uint8_t>(one & 31u);
    }
    wrong |= CheckOf(group, &value[at]) ^ value[at + kDataInGroup];
    if (wrong != 0)
      return Mistyped(PlaceOf(group) + " is mistyped; compare it with the sheet" +
                      (typed.count == kCharacters ? "" : ": there is a character too few or many"));
  }
  if (typed.count != kCharacters)
    return Mistyped("it has " + std::to_string(typed.count) + " characters behind " +
                    std::string(kPrefix) + " instead of " + std::to_string(kCharacters) +
                    ", the first " + std::to_string(groups) + " groups of which are right");
  Secret<kPayload> payload;
  const auto bytes = payload.ExposeForOpenSsl();
  uint32_t bits = 0;
  size_t have = 0;
  size_t put = 0;
  for (size_t i = 0; i < kCharacters; ++i) {
    if (i % kRecoveryGroupSize == kDataInGroup) continue;
    bits = (bits << 5) | value[i];
    have += 5;
    if (have < 8) continue;
    have -= 8;
    bytes[put++] = static_cast<uint8_t>(bits >> have);
    bits &= (1u << have) - 1;
  }
  return payload;
}

}  // namespace

SecretBytes EncodeRecoveryCode(const RecoveryCode& code) {
  LG_CHECK(code.threshold <= 16 && code.shares <= 16);
  Secret<kPayload> payload;
  const auto bytes = payload.ExposeForOpenSsl();
  std::copy(code.kit.begin(), code.kit.end(), bytes.begin());
  if (code.is_share())
    bytes[4] = static_cast<uint8_t>((code.threshold - 1) << 4 | (code.shares - 1));
  bytes[5] = code.number;
  const auto value = code.value.ExposeForOpenSsl();
  std::copy(value.begin(), value.end(), bytes.begin() + 6);
  PutChecksum(payload, MutableByteSpan(bytes).last(kChecksum));

  SecretBytes text(kRecoveryCodeSize);
  const MutableByteSpan out = text.ExposeForOpenSsl();
  std::copy(kPrefix.begin(), kPrefix.end(), out.begin());
  size_t at = kPrefixSize;
  SecretBytes group_values(kDataInGroup);
  const MutableByteSpan values = group_values.ExposeForOpenSsl();
  for (size_t group = 0; group < kRecoveryGroups; ++group) {
    out[at++] = '-';
    for (size_t i = 0; i < kDataInGroup; ++i) {
      // Five bits from bit `first` on lie in one byte or in two.
      const size_t first = (group * kDataInGroup + i) * 5;
      const uint32_t two = uint32_t{bytes[first / 8]} << 8 |
                           (first / 8 + 1 < kPayload ? uint32_t{bytes[first / 8 + 1]} : 0u);
      values[i] = static_cast<uint8_t>((two >> (11 - first % 8)) & 31u);
      out[at++] = CharacterOf(values[i]);
    }
    out[at++] = CharacterOf(CheckOf(group, values.data()));
  }
  return text;
}

bool LooksLikeRecoveryCode(ByteSpan text) {
  size_t seen = 0;
  for (const uint8_t c : text) {
    if (IsSeparator(c)) continue;
    if (seen < kPrefixSize && Normal(c) != static_cast<uint8_t>(kPrefixAsRead[seen])) return false;
    ++seen;
  }
  return seen >= kPrefixSize + kLooksLikeOne;
}

Result<RecoveryCode> DecodeRecoveryCode(ByteSpan text) {
  if (!LooksLikeRecoveryCode(text))
    return Mistyped("this is not one: it begins with " + std::string(kPrefix) + " and has " +
                    std::to_string(kRecoveryGroups) + " groups of 5 characters");
  LG_ASSIGN_OR_RETURN(const Secret<kPayload> payload, PayloadOf(Take(text)));
  const auto bytes = payload.ExposeForOpenSsl();
  SecretBytes checksum(kChecksum);
  PutChecksum(payload, checksum.ExposeForOpenSsl());
  if (!internal::ConstantTimeEqual(checksum.ExposeForOpenSsl().data(), bytes.data() + kChecked,
                                   kChecksum))
    return Mistyped(
        "it is mistyped in several places, though each group passes for itself; compare all of it "
        "with the sheet");
  RecoveryCode code;
  std::copy_n(bytes.begin(), code.kit.size(), code.kit.begin());
  code.number = bytes[5];
  if (code.is_share()) {
    code.threshold = static_cast<uint8_t>((bytes[4] >> 4) + 1);
    code.shares = static_cast<uint8_t>((bytes[4] & 15) + 1);
  }
  const bool known = code.is_share() ? code.threshold >= 2 && code.threshold <= code.shares &&
                                           code.number <= code.shares
                                     : bytes[4] == 0;
  if (!known)
    return Error(Errc::kUnsupported,
                 "recovery code: of a kind that this version does not know: made by a newer "
                 "leadglass, which is needed to read it");
  std::copy_n(bytes.begin() + 6, Key::kSize, code.value.ExposeForOpenSsl().begin());
  return code;
}

std::string KitName(const RecoveryKitId& kit) { return ToHex(kit); }

}  // namespace leadglass
