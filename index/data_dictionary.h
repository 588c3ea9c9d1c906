// SPDX-License-Identifier: Apache-2.0
#pragma once

// FindInDictionary: the data dictionary of PS3.6, by keyword. It is GDCM's; the edition is that of
// the GDCM that is installed.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace leadglass {

struct DictionaryElement {
  uint32_t tag = 0;  // group << 16 | element
  std::string vr;    // PS3.5 6.2; "US or SS" and the like where the dictionary names several
  bool operator==(const DictionaryElement&) const = default;
};

// nullopt: no element has that keyword; those of repeating groups ("OverlayRows", 60xx) have no tag
// of their own, and are not found. Walks over the dictionary: tens of microseconds. Any thread.
std::optional<DictionaryElement> FindInDictionary(std::string_view keyword);

}  // namespace leadglass
