// SPDX-License-Identifier: Apache-2.0
#include "index/further_elements.h"

#include <algorithm>
#include <optional>

#include "index/data_dictionary.h"

namespace leadglass {
namespace {

constexpr uint32_t kFirstDataSetGroup = 0x0008;  // below: commands, file meta, media directories

// By value representation (PS3.5 6.2).
std::optional<ElementKind> KindOf(std::string_view vr) {
  constexpr std::array<std::string_view, 10> kCodes = {"AE", "AS", "CS", "DA", "DS",
                                                       "DT", "IS", "TM", "UI", "UR"};
  constexpr std::array<std::string_view, 6> kTexts = {"LO", "LT", "SH", "ST", "UC", "UT"};
  const auto is_one_of = [vr](const auto& all) {
    return std::find(all.begin(), all.end(), vr) != all.end();
  };
  if (is_one_of(kCodes)) return ElementKind::kCode;
  if (is_one_of(kTexts)) return ElementKind::kText;
  if (vr == "PN") return ElementKind::kName;
  if (vr == "US") return ElementKind::kNumber;
  return std::nullopt;
}

}  // namespace

bool IsAlwaysRead(std::string_view keyword) {
  return std::find(kMetaKeywords.begin(), kMetaKeywords.end(), keyword) != kMetaKeywords.end() ||
         std::any_of(kWantedElements.begin(), kWantedElements.end(),
                     [&](const WantedElement& element) { return element.keyword == keyword; });
}

Result<FurtherElement> FurtherElementOf(std::string_view keyword) {
  const std::string name = "'" + std::string(keyword.substr(0, kMaxKeywordBytes)) + "'";
  const auto found = FindInDictionary(keyword);
  if (!found)
    return Error(Errc::kInvalidArgument, name + " is no keyword of the DICOM data dictionary");
  if (found->tag >> 16 < kFirstDataSetGroup)
    return Error(Errc::kInvalidArgument,
                 name +
                     " stands in front of the data set, of which TransferSyntaxUID and "
                     "SourceApplicationEntityTitle can be asked for");
  const auto kind = KindOf(found->vr);
  if (!kind)
    return Error(Errc::kInvalidArgument, name +
                                             " holds no text that could be compared: its value "
                                             "representation is " +
                                             found->vr);
  return FurtherElement{found->tag, *kind, std::string(keyword)};
}

}  // namespace leadglass
