// SPDX-License-Identifier: Apache-2.0
#include "index/unicode_text.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

namespace leadglass {
namespace {

icu::UnicodeString FromUtf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

std::string ToUtf8(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

// Never fails with the data that ICU ships; without it the text stays as it is.
std::string Normalised(const icu::UnicodeString& text, const icu::Normalizer2* by,
                       UErrorCode status) {
  if (U_FAILURE(status) || by == nullptr) return ToUtf8(text);
  const icu::UnicodeString normal = by->normalize(text, status);
  return ToUtf8(U_SUCCESS(status) ? normal : text);
}

bool Refused(UChar32 c) {
  return c < 0x80 &&
         std::string_view("/\\:*?\"<>|").find(static_cast<char>(c)) != std::string_view::npos;
}

enum class Fate { kKeep, kDrop, kSpace, kReplace };

Fate FateOf(UChar32 c) {
  if (Refused(c)) return Fate::kReplace;
  switch (u_charType(c)) {
    case U_CONTROL_CHAR:
    case U_SPACE_SEPARATOR:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR: return Fate::kSpace;
    case U_FORMAT_CHAR:
    case U_SURROGATE: return Fate::kDrop;
    default: break;
  }
  const bool noncharacter = (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
  if (noncharacter || u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) {
    return Fate::kDrop;
  }
  return Fate::kKeep;
}

}  // namespace

std::string Nfc(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
  return Normalised(FromUtf8(text), nfc, status);
}

std::string CaseFolded(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* fold = icu::Normalizer2::getNFKCCasefoldInstance(status);
  return Normalised(FromUtf8(text), fold, status);
}

std::string Printable(std::string_view text) {
  const icu::UnicodeString in = FromUtf8(text);
  icu::UnicodeString out;
  bool space = false;
  for (int32_t i = 0; i < in.length(); i = in.moveIndex32(i, 1)) {
    const UChar32 c = in.char32At(i);
    const Fate fate = FateOf(c);
    if (fate == Fate::kDrop) continue;
    if (fate == Fate::kSpace) {
      space = !out.isEmpty();
      continue;
    }
    if (space) out.append(u' ');
    space = false;
    out.append(fate == Fate::kReplace ? UChar32{'_'} : c);
  }
  return Nfc(ToUtf8(out));
}

}  // namespace leadglass
