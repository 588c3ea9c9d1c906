// SPDX-License-Identifier: Apache-2.0
#include "index/character_set.h"

#include <unicode/ucnv.h>

#include <algorithm>
#include <array>
#include <memory>

#include "index/dicom_facts.h"

namespace leadglass {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr uint8_t kEscape = 0x1B;

// What one graphic set decodes to. Single-byte sets sit in one half of the code table; of the
// double-byte ones, those in G0 use bytes below 0x80, those in G1 bytes above.
enum class Coding { kAscii, kSingle, kRomaji, kKatakana, kDouble0, kDouble1, kUtf8, kWhole };

struct Set {
  std::string_view number;  // as in "ISO_IR 100"; the terms spell it in several ways
  Coding coding;
  const char* converter;    // ICU's name; for double-byte sets the EUC that holds it
  std::string_view escape;  // behind ESC; designates it into G0 or G1
  std::string_view prefix;  // goes before the bytes for the converter
};

constexpr std::array kSets = {
    Set{"6", Coding::kAscii, nullptr, "(B", ""},
    Set{"100", Coding::kSingle, "ISO-8859-1", "-A", ""},
    Set{"101", Coding::kSingle, "ISO-8859-2", "-B", ""},
    Set{"109", Coding::kSingle, "ISO-8859-3", "-C", ""},
    Set{"110", Coding::kSingle, "ISO-8859-4", "-D", ""},
    Set{"144", Coding::kSingle, "ISO-8859-5", "-L", ""},
    Set{"127", Coding::kSingle, "ISO-8859-6", "-G", ""},
    Set{"126", Coding::kSingle, "ISO-8859-7", "-F", ""},
    Set{"138", Coding::kSingle, "ISO-8859-8", "-H", ""},
    Set{"148", Coding::kSingle, "ISO-8859-9", "-M", ""},
    Set{"203", Coding::kSingle, "ISO-8859-15", "-b", ""},
    Set{"166", Coding::kSingle, "TIS-620", "-T", ""},
    Set{"13", Coding::kKatakana, nullptr, ")I", ""},
    Set{"14", Coding::kRomaji, nullptr, "(J", ""},
    Set{"87", Coding::kDouble0, "EUC-JP", "$B", ""},
    Set{"42", Coding::kDouble0, "EUC-JP", "$@", ""},
    Set{"159", Coding::kDouble0, "EUC-JP", "$(D", "\x8F"},
    Set{"149", Coding::kDouble1, "EUC-KR", "$)C", ""},
    Set{"58", Coding::kDouble1, "GB2312", "$)A", ""},
    Set{"192", Coding::kUtf8, nullptr, "", ""},
    Set{"GB18030", Coding::kWhole, "GB18030", "", ""},
    Set{"GBK", Coding::kWhole, "GBK", "", ""},
};
constexpr int kAsciiSet = 0;

int FindSet(std::string_view number) {
  for (size_t i = 0; i < kSets.size(); ++i) {
    if (kSets[i].number == number) return static_cast<int>(i);
  }
  return -1;
}

const Set& At(int set) { return kSets[static_cast<size_t>(set)]; }

// Closes an ICU converter.
struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, CloseConverter>;

void AppendUtf8(std::string& out, uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

// `bytes` by the ICU converter `name`; U+FFFD for each byte sequence it does not define.
void AppendConverted(std::string& out, const char* name, std::string_view bytes) {
  UErrorCode status = U_ZERO_ERROR;
  const Converter from(ucnv_open(name, &status));
  const Converter to(ucnv_open("UTF-8", &status));
  if (U_FAILURE(status)) {
    out += kReplacement;
    return;
  }
  std::array<char, 1024> buffer;
  std::array<UChar, 512> pivot;
  UChar* pivot_from = pivot.data();
  UChar* pivot_to = pivot.data();
  const char* source = bytes.data();
  const char* const source_end = source + bytes.size();
  UBool reset = true;
  do {
    status = U_ZERO_ERROR;
    char* target = buffer.data();
    ucnv_convertEx(to.get(), from.get(), &target, buffer.data() + buffer.size(), &source,
                   source_end, pivot.data(), &pivot_from, &pivot_to, pivot.data() + pivot.size(),
                   reset, true, &status);
    reset = false;
    out.append(buffer.data(), static_cast<size_t>(target - buffer.data()));
  } while (status == U_BUFFER_OVERFLOW_ERROR);
  if (U_FAILURE(status)) out += kReplacement;
}

// UTF-8 as it is; U+FFFD for every byte that is no part of a character.
void AppendRepaired(std::string& out, std::string_view bytes) {
  while (!bytes.empty()) {
    size_t length = 1;
    while (length < 4 && length <= bytes.size() && !IsUtf8(bytes.substr(0, length))) ++length;
    if (length <= bytes.size() && IsUtf8(bytes.substr(0, length))) {
      out += bytes.substr(0, length);
      bytes.remove_prefix(length);
    } else {
      out += kReplacement;
      bytes.remove_prefix(1);
    }
  }
}

// JIS X 0201. 0x5C is the yen sign on paper, but the delimiter of values in DICOM (PS3.5 6.1.2.3).
void AppendJisX0201(std::string& out, uint8_t byte) {
  if (byte == 0x7E) {
    AppendUtf8(out, 0x203E);
  } else if (byte < 0x80) {
    out += static_cast<char>(byte);
  } else if (byte >= 0xA1 && byte <= 0xDF) {
    AppendUtf8(out, 0xFF61u + byte - 0xA1u);
  } else {
    out += kReplacement;
  }
}

bool Plain(ByteSpan value) {
  return std::none_of(value.begin(), value.end(),
                      [](uint8_t byte) { return byte >= 0x80 || byte == kEscape; });
}

// Decodes one value in which escape sequences switch G0 (bytes below 0x80) and G1 (above).
class Iso2022Decoder {
 public:
  Iso2022Decoder(const std::vector<int>& terms, bool person_name)
      : terms_(terms), person_name_(person_name) {
    Reset();
  }

  std::string Decode(ByteSpan value) {
    rest_ = value;
    while (!rest_.empty()) {
      if (rest_[0] == kEscape && Designate()) continue;
      if (rest_[0] < 0x80) {
        Low();
      } else {
        High();
      }
    }
    return std::move(out_);
  }

 private:
  // The state at the start of a value and behind each delimiter: that of the first term.
  void Reset() {
    g0_ = At(terms_[0]).coding == Coding::kKatakana ? FindSet("14") : kAsciiSet;
    g1_ = -1;
    if (InG1(At(terms_[0]))) g1_ = terms_[0];
  }

  static bool InG1(const Set& set) {
    return set.coding == Coding::kSingle || set.coding == Coding::kKatakana ||
           set.coding == Coding::kDouble1;
  }

  // Obeys an escape sequence at the front of rest_; false when it is none that is known.
  bool Designate() {
    for (size_t i = 0; i < kSets.size(); ++i) {
      const std::string_view escape = kSets[i].escape;
      if (escape.empty() || rest_.size() <= escape.size()) continue;
      if (AsText(rest_.subspan(1, escape.size())) != escape) continue;
      (InG1(kSets[i]) ? g1_ : g0_) = static_cast<int>(i);
      rest_ = rest_.subspan(1 + escape.size());
      return true;
    }
    return false;
  }

  void Low() {
    const uint8_t byte = rest_[0];
    const Set& set = At(g0_);
    if (set.coding == Coding::kDouble0 && byte > 0x20 && byte < 0x7F && rest_.size() >= 2) {
      return Pair(set);
    }
    rest_ = rest_.subspan(1);
    if (set.coding == Coding::kRomaji) {
      AppendJisX0201(out_, byte);
    } else {
      out_ += static_cast<char>(byte);
    }
    if (Delimits(byte)) Reset();
  }

  bool Delimits(uint8_t byte) const {
    if (byte == '\r' || byte == '\n' || byte == '\f' || byte == '\\') return true;
    return person_name_ && (byte == '^' || byte == '=');
  }

  void High() {
    const int set_number = g1_ >= 0 ? g1_ : Fallback();
    const uint8_t byte = rest_[0];
    if (set_number < 0) {
      out_ += kReplacement;
    } else if (const Set& set = At(set_number); set.coding == Coding::kDouble1) {
      if (rest_.size() >= 2) return Pair(set);
      out_ += kReplacement;
    } else if (set.coding == Coding::kKatakana) {
      AppendJisX0201(out_, byte);
    } else {
      const auto end = std::find_if(rest_.begin(), rest_.end(), [](uint8_t b) { return b < 0x80; });
      const ByteSpan run = rest_.first(static_cast<size_t>(end - rest_.begin()));
      AppendConverted(out_, set.converter, AsText(run));
      rest_ = rest_.subspan(run.size());
      return;
    }
    rest_ = rest_.subspan(1);
  }

  // Senders forget to repeat the escape behind a delimiter: then the first declared set that has
  // bytes above 0x80.
  int Fallback() const {
    for (const int term : terms_) {
      if (InG1(At(term))) return term;
    }
    return -1;
  }

  void Pair(const Set& set) {
    std::string bytes(set.prefix);
    bytes += static_cast<char>(rest_[0] | 0x80);
    bytes += static_cast<char>(rest_[1] | 0x80);
    AppendConverted(out_, set.converter, bytes);
    rest_ = rest_.subspan(2);
  }

  const std::vector<int>& terms_;
  bool person_name_;
  int g0_ = kAsciiSet;
  int g1_ = -1;
  ByteSpan rest_;
  std::string out_;
};

// "ISO_IR 100", "ISO 2022 IR 100", "ISO-IR 100", "ISO_IR_100" -> "100"; GBK and GB18030 as they
// are.
std::string_view SetNumber(std::string_view term) {
  if (term == "GB18030" || term == "GBK") return term;
  if (term == "ISO 2022 GBK" || term == "ISO 2022 58") return term == "ISO 2022 58" ? "58" : "GBK";
  if (term == "UTF8" || term == "UTF-8") return "192";
  const size_t digits = term.find_last_not_of("0123456789");
  if (term.substr(0, 3) != "ISO" || digits == std::string_view::npos) return {};
  return term.substr(digits + 1);
}

}  // namespace

CharacterSet::CharacterSet(std::string_view specific_character_set) {
  std::string_view rest = specific_character_set;
  while (true) {
    const size_t end = rest.find('\\');
    std::string_view term = rest.substr(0, end);
    const auto padding = [](char c) { return c == ' ' || c == '\0'; };
    while (!term.empty() && padding(term.back())) term.remove_suffix(1);
    while (!term.empty() && padding(term.front())) term.remove_prefix(1);
    const int set = term.empty() ? kAsciiSet : FindSet(SetNumber(term));
    known_ = known_ && set >= 0;
    declared_ = declared_ || (!term.empty() && set > kAsciiSet);
    extensions_ = extensions_ || term.find("2022") != std::string_view::npos;
    terms_.push_back(std::max(set, kAsciiSet));
    if (end == std::string_view::npos || terms_.size() == 16) break;
    rest.remove_prefix(end + 1);
  }
  extensions_ = extensions_ || terms_.size() > 1;
}

std::string CharacterSet::Decode(ByteSpan value, bool person_name) const {
  const std::string_view text = AsText(value);
  if (Plain(value)) {
    const bool romaji = At(terms_[0]).coding == Coding::kKatakana;
    if (!romaji || text.find('~') == std::string_view::npos) return std::string(text);
  }
  std::string out;
  const Set& first = At(terms_[0]);
  if (first.coding == Coding::kUtf8) {
    AppendRepaired(out, text);
  } else if (first.coding == Coding::kWhole) {
    AppendConverted(out, first.converter, text);
  } else if (!declared_) {
    // Bytes that the default repertoire does not have, and no word of another.
    if (value.empty() || IsUtf8(text)) return std::string(text);
    AppendConverted(out, "ISO-8859-1", text);
  } else if (first.coding == Coding::kKatakana && !extensions_ &&
             std::any_of(value.begin(), value.end(),
                         [](uint8_t b) { return b >= 0x80 && (b < 0xA1 || b > 0xDF); })) {
    // Declared as JIS X 0201, written as Shift-JIS, which is its superset: common in Japan.
    AppendConverted(out, "Shift_JIS", text);
  } else {
    out = Iso2022Decoder(terms_, person_name).Decode(value);
  }
  return out;
}

void WarmUpCharacterSets() {
  for (const Set& set : kSets) {
    if (set.converter != nullptr) {
      std::string ignored;
      AppendConverted(ignored, set.converter, "a\xC1\xC1");
    }
  }
  std::string ignored;
  AppendConverted(ignored, "Shift_JIS", "a");
}

}  // namespace leadglass
