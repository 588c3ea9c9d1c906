// SPDX-License-Identifier: Apache-2.0
#include "fs/study_holds.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "index/dicom_facts.h"

namespace leadglass {

std::string HoldIdText(uint32_t id) {
  char text[16];
  std::snprintf(text, sizeof(text), "%08x", id);
  return text;
}

std::optional<uint32_t> ParseHoldId(std::string_view text) {
  uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (error != std::errc() || end != text.data() + text.size() || id == 0) return std::nullopt;
  return id;
}

Status CheckReason(std::string_view reason) {
  if (reason.find_first_not_of(' ') == reason.npos)
    return Error(Errc::kInvalidArgument, "there has to be a reason: --reason \"...\"");
  if (reason.size() > kMostReasonBytes)
    return Error(
        Errc::kInvalidArgument,
        "the reason has more than " + std::to_string(kMostReasonBytes) + " bytes: say it shorter");
  const bool one_line = std::all_of(reason.begin(), reason.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  if (!one_line || !IsUtf8(reason))
    return Error(Errc::kInvalidArgument, "the reason has to be one line of UTF-8 text");
  return {};
}

void StudyHolds::Add(const HoldRecord& hold, InodeId folder) {
  WriterLock lock(mutex_);
  holds_.insert_or_assign({hold.study_identity, hold.id}, hold);
  if (folder != kNoInode) identities_.insert_or_assign(folder, hold.study_identity);
  count_.store(holds_.size(), std::memory_order_release);
}

void StudyHolds::Remove(std::string_view study_identity, uint32_t id) {
  WriterLock lock(mutex_);
  const std::string identity(study_identity);
  holds_.erase({identity, id});
  const auto rest = holds_.lower_bound({identity, 0});
  if (rest == holds_.end() || rest->first.first != identity)
    std::erase_if(identities_, [&](const auto& known) { return known.second == identity; });
  count_.store(holds_.size(), std::memory_order_release);
}

std::optional<StudyHolds::Held> StudyHolds::OfFolder(InodeId folder) const {
  if (empty()) return std::nullopt;
  ReaderLock lock(mutex_);
  const auto known = identities_.find(folder);
  if (known == identities_.end()) return std::nullopt;
  std::optional<Held> held;
  for (auto at = holds_.lower_bound({known->second, 0});
       at != holds_.end() && at->first.first == known->second; ++at) {
    if (!held) held = Held{at->second, at->second.since};
    if (at->second.since < held->hold.since) held->hold = at->second;
    held->newest = std::max(held->newest, at->second.since);
  }
  return held;
}

bool StudyHolds::Holds(std::string_view study_identity) const {
  ReaderLock lock(mutex_);
  const auto first = holds_.lower_bound({std::string(study_identity), 0});
  return first != holds_.end() && first->first.first == study_identity;
}

std::vector<HoldRecord> StudyHolds::All() const {
  ReaderLock lock(mutex_);
  std::vector<HoldRecord> all;
  for (const auto& [key, hold] : holds_) all.push_back(hold);
  return all;
}

uint64_t StudyHolds::studies() const {
  ReaderLock lock(mutex_);
  uint64_t count = 0;
  const std::string* last = nullptr;
  for (const auto& [key, hold] : holds_) {
    if (last == nullptr || *last != key.first) ++count;
    last = &key.first;
  }
  return count;
}

}  // namespace leadglass
