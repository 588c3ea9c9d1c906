// SPDX-License-Identifier: Apache-2.0
#include "crypto/base/secret.h"

#include <fstream>
#include <ostream>
#include <set>
#include <sstream>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/sanitized.h"

namespace leadglass {
namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};

static_assert(!std::is_copy_constructible_v<Secret<32>>);
static_assert(!std::is_copy_assignable_v<Secret<32>>);
static_assert(std::is_nothrow_move_constructible_v<Secret<32>>);
static_assert(!Streamable<Secret<32>>);
static_assert(!std::is_convertible_v<Secret<32>, ByteSpan>);
static_assert(!std::is_convertible_v<Secret<32>, std::string_view>);
static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);
static_assert(!Streamable<SecretBytes>);
static_assert(!std::is_convertible_v<SecretBytes, ByteSpan>);

// The sanitizers' run-time libraries make mlock(2) succeed without doing anything.
#ifdef LG_TEST_SANITIZED
constexpr bool kMlockIsReal = false;
#else
constexpr bool kMlockIsReal = true;
#endif

bool AllZero(ByteSpan bytes) {
  for (const uint8_t byte : bytes) {
    if (byte != 0) return false;
  }
  return true;
}

TEST(Secret, BeginsAsZerosEvenInARecycledCell) {
  const uint8_t* cell = nullptr;
  {
    Secret<32> secret;
    std::memset(secret.ExposeForOpenSsl().data(), 0xAA, 32);
    cell = secret.ExposeForOpenSsl().data();
  }
  Secret<32> next;
  ASSERT_EQ(next.ExposeForOpenSsl().data(), cell) << "the pool hands out the cell freed last";
  EXPECT_TRUE(AllZero(next.ExposeForOpenSsl()));
}

TEST(Secret, WipesItsCellWhenItDies) {
  const uint8_t* cell = nullptr;
  {
    Secret<64> secret;
    std::memset(secret.ExposeForOpenSsl().data(), 0xAA, 64);
    cell = secret.ExposeForOpenSsl().data();
  }
  // The cell's first bytes link the free list; its memory stays mapped.
  EXPECT_TRUE(AllZero(ByteSpan(cell + sizeof(void*), 64 - sizeof(void*))));
}

TEST(Secret, TakesBytesAndWipesTheSource) {
  std::array<uint8_t, 32> bytes{};
  bytes.fill(7);
  const Secret<32> secret = Secret<32>::TakeFrom(bytes);
  EXPECT_TRUE(AllZero(bytes));
  EXPECT_EQ(secret.ExposeForOpenSsl()[31], 7);
}

TEST(Secret, ComparesEveryByte) {
  for (size_t i = 0; i < 32; ++i) {
    Secret<32> a;
    Secret<32> b = a.Clone();
    EXPECT_TRUE(a == b);
    b.ExposeForOpenSsl()[i] = 1;
    EXPECT_FALSE(a == b) << "byte " << i;
  }
}

TEST(Secret, MovesWithoutCopying) {
  Secret<32> a;
  a.ExposeForOpenSsl()[0] = 9;
  const uint8_t* cell = a.ExposeForOpenSsl().data();
  Secret<32> b = std::move(a);
  EXPECT_EQ(b.ExposeForOpenSsl().data(), cell);
  Secret<32> c;
  c = std::move(b);
  EXPECT_EQ(c.ExposeForOpenSsl().data(), cell);
}

TEST(SecretBytes, ServesEverySizeUpToFourKibibytes) {
  for (size_t size = 0; size <= 4096; ++size) {
    SecretBytes bytes(size);
    ASSERT_EQ(bytes.ExposeForOpenSsl().size(), size);
    ASSERT_TRUE(AllZero(bytes.ExposeForOpenSsl()));
    if (size != 0) std::memset(bytes.ExposeForOpenSsl().data(), 0xFF, size);
  }
}

TEST(SecretBytes, AbortsAboveFourKibibytes) {
  EXPECT_DEATH(SecretBytes bytes(4097), "check failed");
}

// VmFlags of the mapping that holds `at`, from /proc/self/smaps.
std::string MappingFlags(const void* at) {
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(smaps, line)) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) {
      const auto address = reinterpret_cast<unsigned long>(at);
      inside = from <= address && address < to;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return {};
}

TEST(Secret, LivesInMemoryLeftOutOfCoreDumps) {
  const Secret<32> secret;
  const std::string flags = MappingFlags(secret.ExposeForOpenSsl().data());
  if (flags.empty()) GTEST_SKIP() << "the kernel shows no VmFlags";
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
  if (kMlockIsReal && SecretMemoryIsLocked()) {
    EXPECT_NE(flags.find(" lo "), std::string::npos) << flags;
  }
}

TEST(Secret, HandsOutDistinctCellsToManyThreads) {
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 5000;
  std::vector<std::vector<Secret<32>>> kept(kThreads);
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&mine = kept[t], t] {
        for (size_t i = 0; i < kEach; ++i) {
          { const Secret<32> gone; }
          mine.emplace_back();
          std::memset(mine.back().ExposeForOpenSsl().data(), static_cast<int>(t + 1), 32);
        }
      });
    }
  }
  std::set<const uint8_t*> cells;
  for (size_t t = 0; t < kThreads; ++t) {
    for (const auto& secret : kept[t]) {
      cells.insert(secret.ExposeForOpenSsl().data());
      for (const uint8_t byte : secret.ExposeForOpenSsl()) ASSERT_EQ(byte, t + 1);
    }
  }
  EXPECT_EQ(cells.size(), kThreads * kEach);
}

}  // namespace
}  // namespace leadglass
