// SPDX-License-Identifier: Apache-2.0
#include "index/data_dictionary.h"

#include <gdcmDict.h>
#include <gdcmDicts.h>
#include <gdcmGlobal.h>

#include <algorithm>

namespace leadglass {
namespace {

std::string VrText(const gdcm::VR& vr) {
  switch (static_cast<gdcm::VR::VRType>(vr)) {
    case gdcm::VR::OB_OW: return "OB or OW";
    case gdcm::VR::US_SS: return "US or SS";
    case gdcm::VR::US_SS_OW: return "US, SS or OW";
    case gdcm::VR::US_OW: return "US or OW";
    default: return gdcm::VR::GetVRString(vr);
  }
}

}  // namespace

std::optional<DictionaryElement> FindInDictionary(std::string_view keyword) {
  if (keyword.empty()) return std::nullopt;
  const gdcm::Dict& dictionary = gdcm::Global::GetInstance().GetDicts().GetPublicDict();
  const auto found = std::find_if(dictionary.Begin(), dictionary.End(), [&](const auto& entry) {
    return keyword == entry.second.GetKeyword();
  });
  if (found == dictionary.End()) return std::nullopt;
  return DictionaryElement{found->first.GetElementTag(), VrText(found->second.GetVR())};
}

}  // namespace leadglass
