// SPDX-License-Identifier: Apache-2.0
#include "fs/credentials.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "crypto/base/unique_fd.h"

namespace leadglass {

namespace {

// Each opening of a file may wait for this: as few calls as there can be.
std::string ReadProc(pid_t process, const char* file) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/%s", static_cast<int>(process), file);
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!fd) return text;
  constexpr size_t kPiece = 4096;
  for (size_t end = 0;;) {
    text.resize(end + kPiece);
    const ssize_t got = ::read(fd.get(), text.data() + end, kPiece);
    if (got < 0) return {};  // it has just ended
    end += static_cast<size_t>(got);
    text.resize(end);
    if (static_cast<size_t>(got) < kPiece)
      return text;  // these files give all that there is room for
  }
}

// The numbers on the line that begins with `field`.
std::vector<uint32_t> NumbersOf(std::string_view text, std::string_view field) {
  std::vector<uint32_t> numbers;
  const size_t at = text.find(field);
  if (at == std::string_view::npos) return numbers;
  text.remove_prefix(at + field.size());
  text = text.substr(0, text.find('\n'));
  while (!text.empty()) {
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc()) numbers.push_back(number);
    text.remove_prefix(error == std::errc() ? static_cast<size_t>(end - text.data()) : 1);
  }
  return numbers;
}

}  // namespace

// A thread has its own credentials, and its number leads to them though no listing shows it. Its
// name comes first, and has no line's end in it that is not escaped.
ProcessFacts ProcessFactsOf(pid_t thread) {
  ProcessFacts facts;
  if (thread <= 0) return facts;
  const std::string status = ReadProc(thread, "status");
  const std::vector<uint32_t> process = NumbersOf(status, "\nTgid:");
  if (process.size() == 1) facts.pid = static_cast<pid_t>(process.front());
  facts.groups = NumbersOf(status, "\nGroups:");
  if (facts.pid > 0) {
    facts.program = ReadProc(facts.pid, "comm");
    if (!facts.program.empty() && facts.program.back() == '\n') facts.program.pop_back();
    // A program may call itself anything.
    for (char& c : facts.program)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return facts;
}

std::vector<gid_t> SupplementaryGroups(pid_t thread) {
  return thread > 0 ? NumbersOf(ReadProc(thread, "status"), "\nGroups:") : std::vector<gid_t>();
}

const std::vector<gid_t>& Credentials::Supplementary() const {
  if (!supplementary_) {
    supplementary_ = groups_of_(caller_.pid);
    std::sort(supplementary_->begin(), supplementary_->end());
  }
  return *supplementary_;
}

bool Credentials::IsIn(gid_t gid) const {
  if (gid == caller_.gid) return true;
  const std::vector<gid_t>& groups = Supplementary();
  return std::binary_search(groups.begin(), groups.end(), gid);
}

bool Credentials::Is(const Viewer& viewer) const {
  switch (viewer.kind) {
    case Viewer::Kind::kEverybody: return true;
    case Viewer::Kind::kUser: return viewer.id == caller_.uid;
    case Viewer::Kind::kGroup: return IsIn(viewer.id);
  }
  return false;
}

std::vector<Viewer> Credentials::AsViewers() const {
  std::vector<Viewer> viewers{{Viewer::Kind::kEverybody, 0},
                              {Viewer::Kind::kUser, caller_.uid},
                              {Viewer::Kind::kGroup, caller_.gid}};
  for (const gid_t gid : Supplementary()) viewers.push_back({Viewer::Kind::kGroup, gid});
  std::sort(viewers.begin(), viewers.end());
  viewers.erase(std::unique(viewers.begin(), viewers.end()), viewers.end());
  return viewers;
}

}  // namespace leadglass
