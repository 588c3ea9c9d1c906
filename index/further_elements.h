// SPDX-License-Identifier: Apache-2.0
#pragma once

// Further elements: what is read of headers besides the fixed set (index/wanted_elements.h),
// because the vault's filing rules ask for it. They become attributes like the others, and have no
// say in where a file belongs, how far its header goes, or whether it can be read.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/result.h"
#include "index/wanted_elements.h"

namespace leadglass {

struct FurtherElement {
  uint32_t tag = 0;                       // group << 16 | element
  ElementKind kind = ElementKind::kCode;  // not kIdentity
  std::string keyword;
  bool operator==(const FurtherElement&) const = default;
};
// By ascending tag, each once, at most kMaxFurtherElements.
using FurtherElements = std::vector<FurtherElement>;
inline constexpr size_t kMaxFurtherElements = 16;
inline constexpr size_t kMaxKeywordBytes = 64;  // as the dictionary's keywords are

static_assert(kWantedElements.size() + kMetaKeywords.size() + kMaxFurtherElements <=
              kMaxAttributes);

// Whether the keyword's value is read of every header anyway.
bool IsAlwaysRead(std::string_view keyword);

// The element of PS3.6 with that keyword. kInvalidArgument, with the reason for people: there is
// none, its value is no text (a sequence, binary numbers other than US, pixels), or it stands in
// the file meta. Not asked for what IsAlwaysRead().
Result<FurtherElement> FurtherElementOf(std::string_view keyword);

}  // namespace leadglass
