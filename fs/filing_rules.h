// SPDX-License-Identifier: Apache-2.0
#pragma once

// Filing rules: which Unix groups a study is open to, by what its images say of themselves. Pure
// functions over plain values; where rules come from is fs/configuration.h.
//
// Rules are ordered. An image matches a rule when it meets all of its conditions; the first rule
// that it matches wins. A study belongs to the rule with the lowest number that any of its images
// matches, so that the order in which they arrive does not matter.
//
// Values are compared as DICOM has them (UTF-8, case counts), each value of a multi-valued
// attribute (PS3.5 6.4) by itself: one that fits is enough. An attribute that an image does not
// have meets no condition.
//
// What an image says identifies a patient: it is never logged and never part of an error's context.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "index/dicom_facts.h"

namespace leadglass {

struct ExactText {
  std::string text;
  bool operator==(const ExactText&) const = default;
};
// '*' stands for any characters, none included, '?' for one (PS3.4 C.2.2.2.4).
struct Glob {
  std::string pattern;
  bool operator==(const Glob&) const = default;
};
// Both ends belong to it; an empty one is open. Decimal numbers (PS3.5 6.2 DS, IS) where both given
// ends are some, else text in the order of its bytes, which is that of dates and times (DA, TM).
struct Range {
  std::string from;
  std::string to;
  bool operator==(const Range&) const = default;
};
using Pattern = std::variant<ExactText, Glob, Range>;

// What a condition may ask for beside DICOM keywords: the folder that the image was written to, or
// one above it, from the mount's root ("/archive/ct"). It is named exactly.
inline constexpr std::string_view kFolderAttribute = "folder";

struct Condition {
  std::string attribute;        // a keyword of PS3.6, or kFolderAttribute
  std::vector<Pattern> any_of;  // at least one; of kFolderAttribute: ExactText only
  bool operator==(const Condition&) const = default;
};

struct FilingRule {
  std::string name;                   // for people; unique
  std::string group;                  // the Unix group that owns a study
  std::vector<std::string> further;   // others that may read it
  std::vector<Condition> conditions;  // all must hold; none: every image matches
  bool operator==(const FilingRule&) const = default;
};

// One image, as far as rules ask for it.
struct RuleSubject {
  // The value of a keyword, backslashes between several; nullopt: the image has none.
  std::function<std::optional<std::string>(std::string_view keyword)> attribute;
  // Whether it was written to that folder, or to one below.
  std::function<bool(std::string_view folder)> is_in;
};

// What a header says, and where the file lies. `facts` must outlive it.
RuleSubject SubjectOf(const DicomFacts& facts, std::function<bool(std::string_view folder)> is_in);

// As a person reads it: "CT", like "CATH*", from 1 to 5.
std::string ToString(const Pattern& pattern);

bool Matches(const Pattern& pattern, std::string_view value);
bool Meets(const Condition& condition, const RuleSubject& image);
bool Matches(const FilingRule& rule, const RuleSubject& image);

// The index of the first rule that the image matches; nullopt: none does.
std::optional<size_t> FirstMatch(const std::vector<FilingRule>& rules, const RuleSubject& image);

}  // namespace leadglass
