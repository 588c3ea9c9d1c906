// SPDX-License-Identifier: Apache-2.0

// Runs a fuzz target without libFuzzer, so that any compiler's build replays what fuzzing found:
//   fuzz_replay_NAME CORPUS-FOLDER [MUTATIONS]
// Every file of the folder in name order, then MUTATIONS (default 400) damaged variants of them by
// a fixed generator. The seed is printed; LEADGLASS_SEED=N tries another. A target that fails
// aborts or trips a sanitizer; the input that was running stands in the last line printed.

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace leadglass {
namespace {

using Bytes = std::vector<uint8_t>;

// splitmix64 (public domain, S. Vigna): the same numbers on every machine.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  size_t Below(size_t bound) { return bound == 0 ? 0 : static_cast<size_t>(Next() % bound); }

 private:
  uint64_t state_;
};

std::vector<std::pair<std::string, Bytes>> ReadCorpus(const std::string& folder) {
  std::vector<std::pair<std::string, Bytes>> corpus;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.emplace_back(entry.path().filename().string(),
                        Bytes(std::istreambuf_iterator<char>(file), {}));
  }
  std::sort(corpus.begin(), corpus.end());
  return corpus;
}

void MutateOnce(Bytes& bytes, Generator& random, const Bytes& other) {
  const size_t at = random.Below(bytes.size());
  const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  const size_t span = 1 + random.Below(std::min<size_t>(bytes.size() - at, 64));
  switch (random.Below(6)) {
    case 0: bytes[at] ^= static_cast<uint8_t>(1u << random.Below(8)); break;
    case 1: bytes[at] = static_cast<uint8_t>(random.Next()); break;
    case 2: bytes.resize(at); break;
    case 3: bytes.erase(from, from + static_cast<std::ptrdiff_t>(span)); break;
    case 4: {  // a piece of another input lands in this one
      const size_t piece = std::min<size_t>(other.size(), 64);
      bytes.insert(from, other.begin(), other.begin() + static_cast<std::ptrdiff_t>(piece));
      break;
    }
    default:  // lengths and offsets at their limits
      std::fill_n(from, std::min<size_t>(span, 8),
                  random.Below(2) == 0 ? uint8_t{0} : uint8_t{255});
  }
}

void Run(const std::string& what, const Bytes& input) {
  std::printf("\r%s", what.c_str());
  std::fflush(stdout);
  // A heap copy of exactly this size: a sanitizer then sees the first byte past the end.
  const Bytes exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

int Replay(const std::string& folder, size_t mutations) {
  const char* given = std::getenv("LEADGLASS_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  std::printf("seed %" PRIu64 "\n", seed);
  const auto corpus = ReadCorpus(folder);
  if (corpus.empty()) {
    std::printf("the corpus %s is empty\n", folder.c_str());
    return 1;
  }
  Run("no bytes at all", {});
  for (const auto& [name, bytes] : corpus) Run(name, bytes);
  Generator random(seed);
  for (size_t i = 0; i < mutations; ++i) {
    const auto& [name, original] = corpus[random.Below(corpus.size())];
    Bytes bytes = original;
    for (size_t n = 1 + random.Below(4); n > 0 && !bytes.empty(); --n) {
      MutateOnce(bytes, random, corpus[random.Below(corpus.size())].second);
    }
    Run("mutation " + std::to_string(i) + " of " + name, bytes);
  }
  std::printf("\n%zu inputs and %zu mutations\n", corpus.size(), mutations);
  return 0;
}

}  // namespace
}  // namespace leadglass

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: %s CORPUS-FOLDER [MUTATIONS]\n", argv[0]);
    return 2;
  }
  return leadglass::Replay(argv[1], argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 400);
}
