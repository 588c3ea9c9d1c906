// SPDX-License-Identifier: Apache-2.0
#include "fs/credentials.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace leadglass {

ProcessFacts ProcessFactsOf(pid_t thread) {
  ProcessFacts facts;
  if (thread <= 0) return facts;
  // A thread has its own credentials, and its number leads to them though no listing shows it.
  std::ifstream status("/proc/" + std::to_string(thread) + "/status");
  constexpr std::string_view kProcess = "Tgid:", kGroups = "Groups:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kProcess)) std::istringstream(line.substr(kProcess.size())) >> facts.pid;
    if (!line.starts_with(kGroups)) continue;
    std::istringstream numbers(line.substr(kGroups.size()));
    for (gid_t gid = 0; numbers >> gid;) facts.groups.push_back(gid);
    break;
  }
  if (facts.pid > 0) {
    std::ifstream program("/proc/" + std::to_string(facts.pid) + "/comm");
    std::getline(program, facts.program);
  }
  return facts;
}

std::vector<gid_t> SupplementaryGroups(pid_t thread) { return ProcessFactsOf(thread).groups; }

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
