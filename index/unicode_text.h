// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Unicode that names and identities need, by ICU. Pure functions over UTF-8, any thread.
// Input that is no UTF-8 is repaired with U+FFFD.

#include <cstdint>
#include <string>
#include <string_view>

namespace leadglass {

// Canonical composition: two spellings of one text become equal.
std::string Nfc(std::string_view text);
// Equal for texts that differ in case, width or composition only (NFKC_Casefold).
std::string CaseFolded(std::string_view text);
// `text` as it may stand in a file name: controls and white space become one space, invisible
// characters and bidi controls go, / \ : * ? " < > | become _, the rest stays; then NFC. May be
// empty.
std::string Printable(std::string_view text);

}  // namespace leadglass
