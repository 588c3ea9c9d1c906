// SPDX-License-Identifier: Apache-2.0
#include "crypto/recovery_kit.h"

#include <algorithm>

#include "crypto/secret_sharing.h"

namespace leadglass {
namespace {

Error Unfit(const std::string& what) { return Error(Errc::kInvalidArgument, what); }

std::string NameOf(const RecoveryCode& code) {
  return code.is_share() ? "share " + std::to_string(code.number) : std::string("the whole key");
}

Status CheckOneKit(const std::vector<RecoveryCode>& codes) {
  const RecoveryCode& first = codes.front();
  for (const RecoveryCode& code : codes) {
    if (code.kit != first.kit)
      return Unfit("codes of different recovery kits: " + NameOf(first) + " is of kit " +
                   KitName(first.kit) + ", " + NameOf(code) + " of kit " + KitName(code.kit) +
                   "; bring codes of one kit together");
    if (code.shares != first.shares || code.threshold != first.threshold)
      return Unfit("kit " + KitName(first.kit) + ": " + NameOf(first) + " and " + NameOf(code) +
                   " are not of the same division; bring shares together that say the same of how "
                   "many there are");
  }
  return {};
}

// Each share once, ascending.
Result<std::vector<const RecoveryCode*>> Distinct(const std::vector<RecoveryCode>& codes) {
  std::vector<const RecoveryCode*> distinct;
  for (const RecoveryCode& code : codes) {
    const auto same =
        std::find_if(distinct.begin(), distinct.end(),
                     [&](const RecoveryCode* other) { return other->number == code.number; });
    if (same == distinct.end()) {
      distinct.push_back(&code);
    } else if (!((*same)->value == code.value)) {
      return Unfit("kit " + KitName(code.kit) + ": there are two different codes for " +
                   NameOf(code) + "; one of them is forged");
    }
  }
  std::sort(distinct.begin(), distinct.end(),
            [](const RecoveryCode* a, const RecoveryCode* b) { return a->number < b->number; });
  return distinct;
}

Error TooFew(const std::vector<const RecoveryCode*>& have) {
  const RecoveryCode& first = *have.front();
  std::string numbers;
  for (const RecoveryCode* code : have)
    numbers += (numbers.empty() ? "" : ", ") + std::to_string(code->number);
  const bool one = have.size() == 1;
  return Unfit("too few shares of kit " + KitName(first.kit) + ": " +
               std::to_string(first.threshold) + " of its " + std::to_string(first.shares) +
               " are needed, and there " + (one ? "is 1 (number " : "are ") +
               (one ? "" : std::to_string(have.size()) + " (numbers ") + numbers + "); bring " +
               std::to_string(first.threshold - have.size()) + " more");
}

SharePoint PointOf(const RecoveryCode& code) {
  return {code.number, code.value.ExposeForOpenSsl()};
}

}  // namespace

RecoveryKey NewRecoveryKey() {
  RecoveryKey key;
  RandomBytes(key.kit);
  key.key = NewKey();
  return key;
}

RecoveryCode WholeCode(const RecoveryKey& key) {
  RecoveryCode code;
  code.kit = key.kit;
  code.value = key.key.Clone();
  return code;
}

Result<std::vector<RecoveryCode>> ShareCodes(const RecoveryKey& key, uint32_t threshold,
                                             uint32_t shares) {
  LG_ASSIGN_OR_RETURN(std::vector<SecretShare> split, SplitSecret(key.key, threshold, shares));
  std::vector<RecoveryCode> codes;
  for (SecretShare& share : split) {
    RecoveryCode code;
    code.kit = key.kit;
    code.number = share.number;
    code.shares = static_cast<uint8_t>(shares);
    code.threshold = static_cast<uint8_t>(threshold);
    code.value = std::move(share.value);
    codes.push_back(std::move(code));
  }
  return codes;
}

Result<RecoveryKey> CombineCodes(const std::vector<RecoveryCode>& codes) {
  if (codes.empty()) return Unfit("there is no recovery code in what was given");
  LG_RETURN_IF_ERROR(CheckOneKit(codes));
  LG_ASSIGN_OR_RETURN(const auto distinct, Distinct(codes));
  const RecoveryCode& first = *distinct.front();
  RecoveryKey key;
  key.kit = first.kit;
  if (!first.is_share()) {
    key.key = first.value.Clone();
    return key;
  }
  if (distinct.size() < first.threshold) return TooFew(distinct);
  std::vector<SharePoint> points;
  for (size_t i = 0; i < first.threshold; ++i) points.push_back(PointOf(*distinct[i]));
  for (size_t i = first.threshold; i < distinct.size(); ++i) {
    Key expected;
    InterpolateShares(points, distinct[i]->number, expected.ExposeForOpenSsl());
    if (!(expected == distinct[i]->value))
      return Unfit("the shares of kit " + KitName(first.kit) +
                   " do not fit together: at least one is forged; try other " +
                   std::to_string(first.threshold) + " of them");
  }
  InterpolateShares(points, 0, key.key.ExposeForOpenSsl());
  return key;
}

uint32_t MissingShares(const std::vector<RecoveryCode>& codes) {
  if (codes.empty()) return 1;
  if (!codes.front().is_share()) return 0;
  std::vector<uint8_t> numbers;
  for (const RecoveryCode& code : codes) numbers.push_back(code.number);
  std::sort(numbers.begin(), numbers.end());
  const auto distinct = static_cast<uint32_t>(
      std::distance(numbers.begin(), std::unique(numbers.begin(), numbers.end())));
  const uint32_t needed = codes.front().threshold;
  return distinct >= needed ? 0 : needed - distinct;
}

}  // namespace leadglass
