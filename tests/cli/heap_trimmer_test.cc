// SPDX-License-Identifier: Apache-2.0
#include "cli/heap_trimmer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/sanitized.h"

namespace leadglass {
namespace {

// The sanitizers' allocators keep what is freed, on purpose.
#ifndef LG_TEST_SANITIZED

size_t ResidentBytes() {
  size_t size = 0;
  size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<size_t>(::getpagesize());
}

TEST(HeapTrimmer, GivesBackWhatIsFreeBetweenWhatIsInUse) {
  constexpr size_t kPieces = 4096;
  constexpr size_t kPiece = 16u << 10;
  std::vector<std::unique_ptr<char[]>> pieces;
  for (size_t i = 0; i < kPieces; ++i) {
    pieces.push_back(std::make_unique<char[]>(kPiece));
    std::memset(pieces.back().get(), 1, kPiece);
  }
  for (size_t i = 0; i < kPieces; ++i)
    if (i % 8 != 0) pieces[i].reset();
  const size_t freed = kPieces / 8 * 7 * kPiece;
  const size_t before = ResidentBytes();

  const HeapTrimmer trimmer(std::chrono::milliseconds(10));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (before - std::min(before, ResidentBytes()) < freed / 2 &&
         std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GE(before - std::min(before, ResidentBytes()), freed / 2);
}

#endif

TEST(HeapTrimmer, EndsWithoutWaitingForItsPeriod) {
  const auto begin = std::chrono::steady_clock::now();
  { const HeapTrimmer trimmer(std::chrono::hours(1)); }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::minutes(1));
}

}  // namespace
}  // namespace leadglass
