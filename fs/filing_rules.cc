// SPDX-License-Identifier: Apache-2.0
#include "fs/filing_rules.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace leadglass {
namespace {

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::optional<double> AsNumber(std::string_view text) {
  text = Trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);  // a DS may have one, from_chars() takes none
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// How many bytes the character at the start of `text` has; 1 for what is not UTF-8.
size_t CharacterLength(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80)
    ++length;
  return length;
}

// Goes back to the last '*' only: where a later one has been reached, an earlier one need not take
// more, so the time is at most the product of both lengths.
bool GlobMatches(std::string_view pattern, std::string_view text) {
  std::optional<std::string_view> after_star;
  std::string_view star_text;
  for (;;) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      after_star = pattern;
      star_text = text;
      continue;
    }
    if (text.empty() && pattern.empty()) return true;
    if (!text.empty() && pattern.starts_with('?')) {
      pattern.remove_prefix(1);
      text.remove_prefix(CharacterLength(text));
      continue;
    }
    if (!text.empty() && !pattern.empty() && pattern.front() == text.front()) {
      pattern.remove_prefix(1);
      text.remove_prefix(1);
      continue;
    }
    if (!after_star || star_text.empty()) return false;
    star_text.remove_prefix(CharacterLength(star_text));
    pattern = *after_star;
    text = star_text;
  }
}

bool IsBetween(const Range& range, std::string_view value) {
  const auto from = AsNumber(range.from), to = AsNumber(range.to);
  const bool numbers = (from || range.from.empty()) && (to || range.to.empty());
  if (const auto number = numbers ? AsNumber(value) : std::nullopt)
    return (!from || *from <= *number) && (!to || *number <= *to);
  if (numbers) return false;
  return (range.from.empty() || range.from <= value) && (range.to.empty() || value <= range.to);
}

template <typename Fits>
bool AnyValue(std::string_view values, const Fits& fits) {
  for (;;) {
    const size_t end = values.find('\\');
    if (fits(values.substr(0, end))) return true;
    if (end == values.npos) return false;
    values.remove_prefix(end + 1);
  }
}

}  // namespace

RuleSubject SubjectOf(const DicomFacts& facts, std::function<bool(std::string_view folder)> is_in) {
  return {[&facts](std::string_view keyword) -> std::optional<std::string> {
            for (const DicomAttribute& attribute : facts.attributes)
              if (attribute.keyword == keyword) return attribute.value;
            return std::nullopt;
          },
          std::move(is_in)};
}

std::string ToString(const Pattern& pattern) {
  if (const auto* exact = std::get_if<ExactText>(&pattern)) return '"' + exact->text + '"';
  if (const auto* glob = std::get_if<Glob>(&pattern)) return "like \"" + glob->pattern + '"';
  const auto& range = std::get<Range>(pattern);
  std::string text;
  if (!range.from.empty()) text = "from " + range.from;
  if (!range.to.empty()) text += (text.empty() ? "to " : " to ") + range.to;
  return text;
}

bool Matches(const Pattern& pattern, std::string_view value) {
  if (const auto* exact = std::get_if<ExactText>(&pattern)) return exact->text == value;
  if (const auto* glob = std::get_if<Glob>(&pattern)) return GlobMatches(glob->pattern, value);
  return IsBetween(std::get<Range>(pattern), value);
}

bool Meets(const Condition& condition, const RuleSubject& image) {
  const auto any = [&](const auto& fits) {
    return std::any_of(condition.any_of.begin(), condition.any_of.end(), fits);
  };
  if (condition.attribute == kFolderAttribute) {
    return any([&](const Pattern& pattern) {
      const auto* const folder = std::get_if<ExactText>(&pattern);
      return folder != nullptr && image.is_in(folder->text);
    });
  }
  const auto values = image.attribute(condition.attribute);
  return values && any([&](const Pattern& pattern) {
           return AnyValue(*values,
                           [&](std::string_view one) { return Matches(pattern, Trimmed(one)); });
         });
}

bool Matches(const FilingRule& rule, const RuleSubject& image) {
  return std::all_of(rule.conditions.begin(), rule.conditions.end(),
                     [&](const Condition& condition) { return Meets(condition, image); });
}

std::optional<size_t> FirstMatch(const std::vector<FilingRule>& rules, const RuleSubject& image) {
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&](const FilingRule& rule) { return Matches(rule, image); });
  if (found == rules.end()) return std::nullopt;
  return static_cast<size_t>(found - rules.begin());
}

}  // namespace leadglass
