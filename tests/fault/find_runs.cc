// SPDX-License-Identifier: Apache-2.0
//
// find_runs STRINGS PLAIN-FOLDER TARGET...: looks in every target (a file, or a folder with all in
// it) for what must not be there: each line of the file STRINGS, and each run of 16 bytes, at least
// 8 of them distinct, of any file in PLAIN-FOLDER. Exact. Exit status 1: something was found.

#include <algorithm>
#include <bit>
#include <bitset>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace {

namespace stdfs = std::filesystem;

constexpr size_t kRun = 16;
constexpr size_t kDistinct = 8;
constexpr size_t kLeastString = 6;  // shorter ones occur by chance

std::vector<std::string> FilesIn(const std::string& place) {
  std::vector<std::string> files;
  if (!stdfs::is_directory(place)) return {place};
  for (const auto& entry : stdfs::recursive_directory_iterator(place))
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "find_runs: cannot read %s\n", path.c_str());
    std::exit(2);
  }
  std::string bytes;
  constexpr size_t kStep = size_t{4} << 20;
  do {
    const size_t before = bytes.size();
    bytes.resize(before + kStep);
    in.read(bytes.data() + before, kStep);
    bytes.resize(before + static_cast<size_t>(in.gcount()));
  } while (in);
  if (in.bad()) {
    std::fprintf(stderr, "find_runs: cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return bytes;
}

uint64_t HashOf(const char* run) {
  uint64_t a = 0;
  uint64_t b = 0;
  std::memcpy(&a, run, 8);
  std::memcpy(&b, run + 8, 8);
  uint64_t h = (a ^ (b * 0x9e3779b97f4a7c15u)) * 0xd6e8feb86659fd93u;
  h ^= h >> 32;
  return h * 0xd6e8feb86659fd93u;
}

// Tells for sure which runs were never put in: three bits of one word stand for each, so that a
// look costs one access to memory. Has a word or two for each run, so that it stays in the
// processor's cache while they are few.
class RunFilter {
 public:
  explicit RunFilter(uint64_t runs)
      : shift_(64 - std::clamp(static_cast<int>(std::bit_width(runs)), 16, 25)),
        words_(size_t{1} << (64 - shift_)) {}
  void Put(uint64_t hash) { words_[hash >> shift_] |= Bits(hash); }
  bool MayHold(uint64_t hash) const { return (words_[hash >> shift_] & Bits(hash)) == Bits(hash); }

 private:
  // The word is chosen by the highest bits of the hash.
  static uint64_t Bits(uint64_t hash) {
    return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63) |
           uint64_t{1} << (hash >> 12 & 63);
  }

  const int shift_;
  std::vector<uint64_t> words_;
};

bool IsTelling(std::string_view run) {
  if (std::memcmp(run.data(), run.data() + 1, run.size() - 1) == 0) return false;  // most are zeros
  std::bitset<256> seen;
  for (const char c : run) seen.set(static_cast<uint8_t>(c));
  return seen.count() >= kDistinct;
}

template <typename F>
void EachRun(const std::string& bytes, const F& visit) {
  for (size_t at = 0; at + kRun <= bytes.size(); ++at) {
    const char* run = bytes.data() + at;
    visit(run, HashOf(run));
  }
}

// Three passes: the plaintext into a filter; the targets' runs that it lets through, kept whole;
// the plaintext again, against those.
int SharedRuns(const std::string& plain, const std::vector<std::string>& targets) {
  const auto plain_files = FilesIn(plain);
  uint64_t plain_bytes = 0;
  for (const std::string& file : plain_files) plain_bytes += stdfs::file_size(file);
  RunFilter maybe(plain_bytes);
  uint64_t runs = 0;
  for (const std::string& file : plain_files) {
    EachRun(ReadAll(file), [&](const char*, uint64_t hash) {
      maybe.Put(hash);
      ++runs;
    });
  }
  std::unordered_set<std::string> candidates;
  RunFilter kept(plain_bytes);
  uint64_t looked_at = 0;
  for (const std::string& file : targets) {
    const std::string bytes = ReadAll(file);
    looked_at += bytes.size();
    EachRun(bytes, [&](const char* run, uint64_t hash) {
      if (!maybe.MayHold(hash) || !IsTelling({run, kRun})) return;
      candidates.emplace(run, kRun);
      kept.Put(hash);
    });
  }
  int found = 0;
  std::string wanted;
  for (const std::string& file : plain_files) {
    EachRun(ReadAll(file), [&](const char* run, uint64_t hash) {
      if (!kept.MayHold(hash)) return;
      wanted.assign(run, kRun);
      if (candidates.erase(wanted) == 0) return;
      if (++found <= 10) std::printf("a run of %s stands in a target\n", file.c_str());
    });
  }
  std::printf("%llu runs of %zu files against %llu bytes in %zu files: %d found\n",
              static_cast<unsigned long long>(runs), plain_files.size(),
              static_cast<unsigned long long>(looked_at), targets.size(), found);
  return found;
}

// Texts that are looked for all at once: by their first bytes.
class TextFinder {
 public:
  explicit TextFinder(const std::vector<std::string>& texts) : filter_(size_t{1} << kFilterLog2) {
    for (const std::string& text : texts) {
      by_start_[StartOf(text.data())].push_back(&text);
      filter_[SlotOf(StartOf(text.data()))] = true;
    }
  }
  // Those that stand in `bytes`.
  std::set<const std::string*> In(const std::string& bytes) const {
    std::set<const std::string*> found;
    for (size_t at = 0; at + kLeastString <= bytes.size(); ++at) {
      const uint64_t start = StartOf(bytes.data() + at);
      if (!filter_[SlotOf(start)]) continue;
      const auto those = by_start_.find(start);
      if (those == by_start_.end()) continue;
      for (const std::string* text : those->second)
        if (bytes.compare(at, text->size(), *text) == 0) found.insert(text);
    }
    return found;
  }

 private:
  static constexpr int kFilterLog2 = 20;
  static uint64_t StartOf(const char* bytes) {
    uint64_t start = 0;
    std::memcpy(&start, bytes, kLeastString);
    return start;
  }
  static size_t SlotOf(uint64_t start) { return start * 0x9e3779b97f4a7c15u >> (64 - kFilterLog2); }

  std::vector<bool> filter_;
  std::unordered_map<uint64_t, std::vector<const std::string*>> by_start_;
};

int Strings(const std::string& list, const std::vector<std::string>& targets) {
  std::vector<std::string> strings;
  std::ifstream in(list);
  for (std::string line; std::getline(in, line);)
    if (line.size() >= kLeastString) strings.push_back(line);
  const TextFinder finder(strings);
  int found = 0;
  for (const std::string& target : targets) {
    for (const std::string* text : finder.In(ReadAll(target))) {
      ++found;
      std::printf("\"%s\" stands in %s\n", text->c_str(), target.c_str());
    }
  }
  std::printf("%zu names and ids: %d found\n", strings.size(), found);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: find_runs STRINGS PLAIN-FOLDER TARGET...\n", stderr);
    return 2;
  }
  std::vector<std::string> targets;
  for (int i = 3; i < argc; ++i) {
    const auto files = FilesIn(argv[i]);
    targets.insert(targets.end(), files.begin(), files.end());
  }
  const int found = Strings(argv[1], targets) + SharedRuns(argv[2], targets);
  return found == 0 ? 0 : 1;
}
