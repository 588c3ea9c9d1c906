// SPDX-License-Identifier: Apache-2.0
#include "index/display_name.h"

#include <algorithm>
#include <array>
#include <optional>

#include "index/stable_hash.h"
#include "index/unicode_text.h"

namespace leadglass {
namespace {

constexpr size_t kMaxTailBytes = 140;  // of "[id]": leaves room for a name
constexpr std::string_view kImageEnding = ".dcm";

bool Digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string Stripped(std::string text) {
  const size_t begin = text.find_first_not_of(" .-~");
  if (begin == std::string::npos) return {};
  text.erase(0, begin);
  text.erase(text.find_last_not_of(" .") + 1);
  return text;
}

// Windows opens a device for these, whatever follows the first dot.
bool ReservedOnWindows(std::string_view name) {
  std::string base(name.substr(0, name.find('.')));
  base.erase(base.find_last_not_of(' ') + 1);
  base = CaseFolded(base);
  for (const std::string_view device : {"con", "prn", "aux", "nul", "conin$", "conout$"}) {
    if (base == device) return true;
  }
  const std::string_view port = std::string_view(base).substr(0, 3);
  return base.size() == 4 && (port == "com" || port == "lpt") && base[3] >= '0' && base[3] <= '9';
}

// Makes `text`, which is Printable, a whole name.
std::string Finished(std::string text, std::string_view fallback, size_t max_bytes) {
  std::string name = Stripped(std::move(text));
  if (ReservedOnWindows(name)) name.insert(0, 1, '_');
  name = Stripped(std::string(CutUtf8(name, max_bytes)));
  return name.empty() ? std::string(fallback) : name;
}

// "[id]" of at most kMaxTailBytes; a long id is cut and tagged, so that two of them stay apart.
std::string Bracketed(std::string_view id) {
  std::string text = Printable(id);
  if (text.size() > kMaxTailBytes - 2) {
    text = std::string(CutUtf8(text, kMaxTailBytes - 12)) + " ~" + ShortTag(id);
  }
  return "[" + text + "]";
}

// `head` and `tail` with a space between; the head gives way. The tail is one that may end a name.
std::string Joined(std::string_view head, std::string_view fallback, const std::string& tail) {
  const std::string begin = Finished(std::string(head), fallback, kMaxNameBytes - tail.size() - 1);
  return begin.empty() ? tail : begin + " " + tail;
}

void AddPart(std::string& parts, std::string_view part) {
  if (part.empty()) return;
  if (!parts.empty()) parts += ' ';
  parts += part;
}

// "20240115" and the older "2024.01.15" as 2024-01-15; anything else as it is.
std::string ReadableDate(std::string_view date) {
  std::string digits(date);
  if (date.size() == 10 && date[4] == '.' && date[7] == '.') {
    digits = std::string(date.substr(0, 4)) + std::string(date.substr(5, 2)) +
             std::string(date.substr(8, 2));
  }
  if (digits.size() != 8 || !Digits(digits)) return std::string(date);
  return digits.substr(0, 4) + "-" + digits.substr(4, 2) + "-" + digits.substr(6, 2);
}

// "7" -> "0007", so that ls sorts by number; "-5" -> "neg-0005", since no name starts with a dash.
// Anything else as it is.
std::string SortableNumber(std::string_view number) {
  const bool negative = number.starts_with('-');
  std::string_view digits = number;
  if (negative || number.starts_with('+')) digits.remove_prefix(1);
  if (!Digits(digits)) return std::string(number);
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const std::string zeros(digits.size() < 4 ? 4 - digits.size() : 0, '0');
  return (negative ? "neg-" : "") + zeros + std::string(digits);
}

}  // namespace

std::string PatientFolderName(const DicomFacts& facts, uint64_t inode) {
  const std::string name = Printable(ReadablePersonName(facts.patient_name));
  if (!Printable(facts.patient_id).empty()) {
    return Joined(name, "Unnamed", Bracketed(facts.patient_id));
  }
  const std::string unique = !facts.study_instance_uid.empty() ? facts.study_instance_uid
                             : !facts.patient_id.empty()       ? facts.patient_id
                                                               : std::to_string(inode);
  return Joined(name, "Unnamed", "[no id " + ShortTag(unique) + "]");
}

std::string StudyFolderName(const DicomFacts& facts) {
  if (facts.study_instance_uid.empty()) return "No study UID";
  std::string head = facts.study_date.empty() ? "Undated" : ReadableDate(facts.study_date);
  AddPart(head, facts.modality);
  AddPart(head, facts.study_description);
  head = Printable(head);
  if (Printable(facts.accession_number).empty()) return Finished(head, "Study", kMaxNameBytes);
  return Joined(head, "Study", Bracketed(facts.accession_number));
}

std::string SeriesFolderName(const DicomFacts& facts) {
  if (facts.series_instance_uid.empty()) return "No series UID";
  std::string name = SortableNumber(facts.series_number);
  AddPart(name, facts.modality);
  AddPart(name, facts.series_description);
  return SafeName(name, "Series");
}

std::string ImageFileName(const DicomFacts& facts) {
  const std::string number = SortableNumber(facts.instance_number);
  return SafeName(number, "image", kMaxNameBytes - kImageEnding.size()).append(kImageEnding);
}

std::string WithSuffix(std::string_view name, std::string_view unique) {
  const std::string suffix = " ~" + ShortTag(unique);
  std::string_view tail;
  if (name.ends_with(kImageEnding)) {
    tail = name.substr(name.size() - kImageEnding.size());
  } else if (const size_t bracket = name.rfind(" ["); name.ends_with(']') && bracket > 0 &&
                                                      bracket != std::string_view::npos &&
                                                      name.size() - bracket <= kMaxTailBytes + 1) {
    tail = name.substr(bracket);
  }
  std::string_view head = name.substr(0, name.size() - tail.size());
  head = CutUtf8(head, kMaxNameBytes - suffix.size() - tail.size());
  while (head.ends_with(' ')) head.remove_suffix(1);
  return std::string(head) + suffix + std::string(tail);
}

std::string CollisionKey(std::string_view name) { return CaseFolded(name); }

std::string SafeName(std::string_view text, std::string_view fallback, size_t max_bytes) {
  return Finished(Printable(text), fallback, max_bytes);
}

std::string ReadablePersonName(std::string_view patient_name) {
  while (true) {
    const size_t end = patient_name.find('=');
    std::string name;
    for (const char c : patient_name.substr(0, end)) {
      const char shown = c == '^' ? ' ' : c;
      if (shown != ' ' || (!name.empty() && name.back() != ' ')) name += shown;
    }
    if (name.ends_with(' ')) name.pop_back();
    if (!name.empty() || end == std::string_view::npos) return name;
    patient_name.remove_prefix(end + 1);
  }
}

}  // namespace leadglass
