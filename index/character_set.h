// SPDX-License-Identifier: Apache-2.0
#pragma once

// DICOM text in any SpecificCharacterSet -> UTF-8 (PS3.3 C.12.1.1.2, PS3.5 chapter 6.1).
//
// Decoding comes before splitting: 0x5C (\), 0x5E (^) and 0x3D (=) occur as second bytes of
// Shift-JIS-like, GBK, GB18030 and ISO 2022 characters, so a value is only split once it is UTF-8.
// Whatever the bytes are, the result is well-formed UTF-8: what a character set does not define
// becomes U+FFFD. Names that real senders misspell ("ISO-IR 100", "ISO 2022 IR 6") are understood.
//
// Immutable after construction, so any number of threads may share one.

#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"

namespace leadglass {

class CharacterSet {
 public:
  // `specific_character_set` is the raw value of (0008,0005), several terms split by backslashes.
  // Empty means the default repertoire (ASCII). Bytes above 0x7F in the default repertoire break
  // the standard; valid UTF-8 is taken as such, anything else as ISO 8859-1, as viewers do.
  explicit CharacterSet(std::string_view specific_character_set);

  // A whole value, backslashes and all. Escape sequences of ISO 2022 are obeyed (in UTF-8, GBK and
  // GB18030 there are none), and reset at line ends, \, and for names (`person_name`) at ^ and =.
  std::string Decode(ByteSpan value, bool person_name = false) const;

  // True when `specific_character_set` named only sets that are known here.
  bool known() const { return known_; }

 private:
  std::vector<int> terms_;   // rows of the table in character_set.cc, never empty
  bool declared_ = false;    // a set was named at all
  bool extensions_ = false;  // ISO 2022 escapes may occur
  bool known_ = true;
};

// Opens every converter once, so that a later Decode needs no file (the parser may open none).
void WarmUpCharacterSets();

}  // namespace leadglass
