// SPDX-License-Identifier: Apache-2.0
//
// Whatever is done to the bytes of a vault: a reader who remembers the newest head sees the tree as
// it was, or an error. Never other bytes, never fewer, never an older tree.

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/fault/disk_parts.h"
#include "tests/fault/sample_vault.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

bool Long() { return std::getenv("LEADGLASS_LONG") != nullptr; }

uint64_t Seed() {
  static const uint64_t seed = [] {
    const char* given = std::getenv("LEADGLASS_SEED");
    const uint64_t value = given != nullptr ? std::strtoull(given, nullptr, 10) : 20261125;
    std::printf("LEADGLASS_SEED=%llu\n", static_cast<unsigned long long>(value));
    return value;
  }();
  return seed;
}

class Tampering : public ::testing::Test {
 protected:
  void TearDown() override {
    std::printf(
        "%d attacks: %d refused at mount, %d met as errors in the tree, %d without effect\n",
        attacks_, refused_, met_, without_effect_);
    EXPECT_GT(attacks_, 0);
  }

  // Carries one attack out, and judges what a reader sees.
  void Attack(const std::string& name, const DiskImage& image) {
    Attack(name, image, SampleVault::Get(), {SampleVault::Get().new_passphrase});
  }
  void Attack(const std::string& name, const DiskImage& image, const SampleVault& sample,
              const std::vector<std::string>& passphrases) {
    if (image.files == sample.newest.files) return;
    // Every fourth reader is a writer.
    const Access access = ++attacks_ % 4 == 0 ? Access::kReadWrite : Access::kReadOnly;
    for (const std::string& passphrase : passphrases) {
      const Sighting seen = Look(image, passphrase, sample.head, access);
      const std::string differences = Differences(sample.tree, seen);
      EXPECT_EQ(differences, "") << "silent: " << name;
      if (seen.refused) {
        EXPECT_NE(seen.refused->code, Errc::kInternal) << name << ToString(*seen.refused);
        EXPECT_NE(seen.refused->context, "") << name;
      }
      Count(seen);
    }
  }

  std::mt19937_64 random_{Seed()};

 private:
  void Count(const Sighting& seen) {
    if (seen.refused) {
      ++refused_;
    } else if (seen.any_error()) {
      ++met_;
    } else {
      ++without_effect_;
    }
  }

  int attacks_ = 0;
  int refused_ = 0;
  int met_ = 0;
  int without_effect_ = 0;
};

std::string At(const std::string& what, const std::string& path, uint64_t offset) {
  return what + " " + path + " at " + std::to_string(offset);
}

TEST_F(Tampering, AnUntouchedVaultReadsAsItWas) {
  const SampleVault& sample = SampleVault::Get();
  for (const Access access : {Access::kReadOnly, Access::kReadWrite}) {
    const Sighting seen = Look(sample.newest, sample.new_passphrase, sample.head, access);
    ASSERT_FALSE(seen.refused) << ToString(*seen.refused);
    EXPECT_FALSE(seen.any_error());
    EXPECT_EQ(Differences(sample.tree, seen), "");
  }
  EXPECT_GT(sample.tree.size(), 15u);
  EXPECT_FALSE(PartsOf(sample.newest).empty());
  // The judge can tell: the same vault earlier is another tree.
  const Sighting older = Look(sample.older, sample.old_passphrase, sample.older_head);
  EXPECT_NE(Differences(sample.tree, older), "");
  DiskImage extended = sample.newest;
  extended.files["/v/lock"] = {1};
  Attack("a byte in the lock file", extended);
}

TEST_F(Tampering, FlippedBitsAnywhere) {
  const SampleVault& sample = SampleVault::Get();
  for (const DiskPart& part : PartsOf(sample.newest)) {
    const bool long_part = part.kind == "index file" || part.kind == "keyring";
    for (int i = 0; i < (Long() ? 400 : long_part ? 12 : 3); ++i) {
      const uint64_t bit = part.offset * 8 + random_() % (part.length * 8);
      DiskImage image = sample.newest;
      FlipBit(image, part.path, bit);
      Attack(At("flip in " + part.kind, part.path, bit), image);
    }
  }
}

TEST_F(Tampering, FlippedBitsOfATinyVaultOneByOne) {
  const SampleVault tiny = SampleVault::Tiny();
  for (const auto& [path, bytes] : tiny.newest.files) {
    // The keyring is one sealed message: what holds for a part of it holds for all.
    const bool keyring = path.find("keyring") != std::string::npos;
    const uint64_t step = Long() ? (keyring ? 997 : 1) : (keyring ? 399989 : 2503);
    for (uint64_t bit = 0; bit < bytes.size() * 8; bit += step) {
      DiskImage image = tiny.newest;
      FlipBit(image, path, bit);
      Attack(At("flip", path, bit), image, tiny, {tiny.new_passphrase});
    }
  }
}

TEST_F(Tampering, FilesCutExtendedZeroedAndRemoved) {
  const SampleVault& sample = SampleVault::Get();
  for (const auto& [path, bytes] : sample.newest.files) {
    DiskImage image = sample.newest;
    image.files.erase(path);
    Attack("remove " + path, image);
    for (const size_t size : {size_t{0}, size_t{1}, size_t{16}, size_t{4096}, bytes.size() / 2,
                              bytes.size() - 16, bytes.size() - 1}) {
      if (size >= bytes.size()) continue;
      image = sample.newest;
      image.files[path].resize(size);
      Attack(At("cut", path, size), image);
    }
    for (const size_t more : {size_t{1}, size_t{16}, size_t{4096}}) {
      image = sample.newest;
      image.files[path].resize(bytes.size() + more);
      Attack(At("zeros after", path, more), image);
      image.files[path].back() = 0x5a;
      Attack(At("bytes after", path, more), image);
    }
    image = sample.newest;
    image.files[path].assign(bytes.size(), 0);
    Attack("zero all of " + path, image);
    image = sample.newest;
    image.files[path].insert(image.files[path].end(), bytes.begin(), bytes.end());
    Attack("double " + path, image);
  }
}

TEST_F(Tampering, FilesReplacedAndSwapped) {
  const SampleVault& sample = SampleVault::Get();
  const auto& files = sample.newest.files;
  for (const auto& [path, bytes] : files) {
    for (const DiskImage* source : {&sample.older, &sample.torn, &sample.other}) {
      DiskImage image = sample.newest;
      if (!source->files.contains(path)) continue;
      image.files[path] = source->files.at(path);
      Attack("another version of " + path, image);
    }
    for (const auto& [second, second_bytes] : files) {
      const bool alike = (IsSegmentPath(path) && IsSegmentPath(second)) ||
                         (IsIndexPath(path) && IsIndexPath(second));
      if (!alike || path == second) continue;
      DiskImage image = sample.newest;
      image.files[path] = second_bytes;
      Attack("copy " + second + " over " + path, image);
      if (path > second) continue;
      image.files[second] = bytes;
      Attack("swap " + path + " and " + second, image);
    }
  }
}

TEST_F(Tampering, FilesAdded) {
  const SampleVault& sample = SampleVault::Get();
  size_t turn = 0;
  for (const DiskImage* source : {&sample.newest, &sample.older, &sample.torn, &sample.other}) {
    for (const auto& [path, bytes] : source->files) {
      // The short form takes every fourth file, whatever it is; the long one all.
      if (!Long() && ++turn % 4 != 0) continue;
      const std::string name = path.substr(path.rfind('/') + 1);
      const std::string folder = path.substr(0, path.rfind('/') + 1);
      std::vector<std::string> targets;
      if (!sample.newest.files.contains(path)) targets.push_back(path);
      if (IsSegmentPath(path)) {
        targets.push_back(folder + "00000000000000ff.seg");
        targets.push_back(folder + "0000000000000000.seg");
        targets.push_back("/v/log/00000002/" + name);
        targets.push_back("/v/log/00000002/00000000000000ff.seg");
        for (const DiskRecord& last : RecordsOf(sample.newest))
          if (name < last.path.substr(last.path.rfind('/') + 1)) targets.push_back(last.path + "x");
      }
      if (IsIndexPath(path)) targets.push_back(folder + "009999.ldb");
      for (const std::string& target : targets) {
        DiskImage image = sample.newest;
        image.folders.insert(target.substr(0, target.rfind('/')));
        image.files[target] = bytes;
        Attack("add " + path + " as " + target, image);
      }
    }
  }
  DiskImage image = sample.newest;
  image.folders.insert("/v/log/00000002");
  Attack("an empty epoch", image);
}

// Records are moved, swapped, doubled, left out, zeroed and replayed where they lie.
TEST_F(Tampering, RecordsMoved) {
  const SampleVault& sample = SampleVault::Get();
  const std::vector<DiskRecord> records = RecordsOf(sample.newest);
  ASSERT_GT(records.size(), 10u);
  const size_t step = Long() ? 1 : 3;
  for (size_t i = 0; i < records.size(); ++i) {
    const DiskRecord& a = records[i];
    const ByteVector& bytes = sample.newest.files.at(a.path);
    const auto first = bytes.begin() + static_cast<ptrdiff_t>(a.offset);
    const ByteVector record(first, first + static_cast<ptrdiff_t>(a.length));
    const auto edit = [&](const char* what, const auto& change) {
      DiskImage image = sample.newest;
      ByteVector& target = image.files.at(a.path);
      change(target, target.begin() + static_cast<ptrdiff_t>(a.offset));
      Attack(At(what, a.path, a.offset), image);
    };
    const auto length = static_cast<ptrdiff_t>(a.length);
    edit("zero the record", [&](ByteVector&, auto at) { std::fill(at, at + length, uint8_t{0}); });
    edit("leave the record out", [&](ByteVector& t, auto at) { t.erase(at, at + length); });
    edit("double the record",
         [&](ByteVector& t, auto at) { t.insert(at, record.begin(), record.end()); });
    edit("end before the record", [&](ByteVector& t, auto at) { t.erase(at, t.end()); });
    for (size_t j = i % step; j < records.size(); j += step) {
      const DiskRecord& b = records[j];
      if (j == i || b.length != a.length) continue;
      DiskImage image = sample.newest;
      const auto from = image.files.at(a.path).begin() + static_cast<ptrdiff_t>(a.offset);
      const auto to = image.files.at(b.path).begin() + static_cast<ptrdiff_t>(b.offset);
      std::copy(from, from + length, to);
      Attack(At("copy over a record of its size", b.path, b.offset), image);
      image = sample.newest;
      std::swap_ranges(image.files.at(a.path).begin() + static_cast<ptrdiff_t>(a.offset),
                       image.files.at(a.path).begin() + static_cast<ptrdiff_t>(a.offset) + length,
                       image.files.at(b.path).begin() + static_cast<ptrdiff_t>(b.offset));
      if (a.path != b.path || a.offset + a.length <= b.offset || b.offset + b.length <= a.offset)
        Attack(At("swap two records", a.path, a.offset), image);
    }
  }
}

// The records of another vault and of the same vault earlier, at every place where one fits.
TEST_F(Tampering, RecordsOfAnotherTimeOrVault) {
  const SampleVault& sample = SampleVault::Get();
  for (const DiskRecord& there : RecordsOf(sample.newest)) {
    for (const DiskImage* source : {&sample.older, &sample.other}) {
      int tried = 0;
      for (const DiskRecord& record : RecordsOf(*source)) {
        if (record.length != there.length || (!Long() && ++tried > 2)) continue;
        DiskImage image = sample.newest;
        const auto from =
            source->files.at(record.path).begin() + static_cast<ptrdiff_t>(record.offset);
        std::copy(from, from + static_cast<ptrdiff_t>(record.length),
                  image.files.at(there.path).begin() + static_cast<ptrdiff_t>(there.offset));
        Attack(At("replay into", there.path, there.offset), image);
      }
    }
  }
}

// 4 KiB blocks, as a disk or a file system below would misplace them.
TEST_F(Tampering, BlocksMovedAndZeroed) {
  constexpr uint64_t kBlock = 4096;
  const SampleVault& sample = SampleVault::Get();
  std::vector<std::pair<std::string, uint64_t>> blocks;
  for (const auto& [path, bytes] : sample.newest.files)
    for (uint64_t at = 0; at + kBlock <= bytes.size(); at += kBlock) blocks.emplace_back(path, at);
  const auto place = [](DiskImage& image, const std::pair<std::string, uint64_t>& block) {
    return image.files.at(block.first).begin() + static_cast<ptrdiff_t>(block.second);
  };
  const int tries = Long() ? 5000 : 150;
  for (int i = 0; i < tries; ++i) {
    const auto& a = blocks[random_() % blocks.size()];
    const auto& b = blocks[random_() % blocks.size()];
    DiskImage image = sample.newest;
    std::fill_n(place(image, a), kBlock, uint8_t{0});
    Attack(At("zero a block", a.first, a.second), image);
    image = sample.newest;
    std::copy_n(place(image, a), kBlock, place(image, b));
    Attack(At("copy a block over", b.first, b.second), image);
    image = sample.newest;
    std::swap_ranges(place(image, a), place(image, a) + kBlock, place(image, b));
    Attack(At("swap a block", a.first, a.second), image);
    for (DiskImage older : {sample.older, sample.torn, sample.other}) {
      if (!older.files.contains(a.first) || older.files[a.first].size() < a.second + kBlock)
        continue;
      image = sample.newest;
      std::copy_n(place(older, a), kBlock, place(image, a));
      Attack(At("an older block", a.first, a.second), image);
    }
  }
}

// Each part of the vault as it is now, as it was, or as in another vault; in all combinations.
TEST_F(Tampering, PartsOfOtherTimesMixed) {
  const SampleVault& sample = SampleVault::Get();
  const auto part_of = [](const std::string& path) {
    if (path.find("/log/") != std::string::npos) return 0;
    if (IsIndexPath(path)) return 1;
    if (path.find("keyring") != std::string::npos) return 2;
    return 3;  // the vault file
  };
  const DiskImage* const sources[] = {&sample.newest, &sample.older, &sample.torn, &sample.other};
  for (unsigned mix = 0; mix < 256; ++mix) {
    DiskImage image;
    for (int part = 0; part < 4; ++part) {
      const DiskImage& source = *sources[(mix >> (2 * part)) % 4];
      image.folders.insert(source.folders.begin(), source.folders.end());
      for (const auto& [path, bytes] : source.files)
        if (part_of(path) == part) image.files[path] = bytes;
    }
    Attack("mix " + std::to_string(mix), image, sample,
           {sample.new_passphrase, sample.old_passphrase});
  }
}

TEST_F(Tampering, AWholeOlderVaultIsARollback) {
  const SampleVault& sample = SampleVault::Get();
  for (const DiskImage* image : {&sample.older, &sample.torn}) {
    const Sighting seen = Look(*image, sample.old_passphrase, sample.head);
    ASSERT_TRUE(seen.refused.has_value());
    EXPECT_EQ(seen.refused->code, Errc::kAccessDenied) << ToString(*seen.refused);
    Attack("a whole older vault", *image, sample, {sample.new_passphrase, sample.old_passphrase});
  }
}

}  // namespace
}  // namespace leadglass
