// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_file_system.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;
using Tear = FaultFileSystem::Tear;

// A file of `size` bytes `fill`, durable with its name.
void Make(FaultFileSystem& fs, const std::string& path, size_t size, uint8_t fill) {
  ASSERT_THAT(ReplaceFile(fs, path, ByteVector(size, fill)), IsOk());
}

ByteVector Read(FaultFileSystem& fs, const std::string& path) {
  auto bytes = ReadWholeFile(fs, path, 1u << 30);
  EXPECT_THAT(bytes, IsOk());
  return bytes ? *bytes : ByteVector{};
}

TEST(FaultFileSystem, KeepsWhatWasSynced) {
  FaultFileSystem fs;
  Make(fs, "/f", 5000, 7);
  fs.Crash(Tear::kLoseAll);
  EXPECT_EQ(Read(fs, "/f"), ByteVector(5000, 7));
}

TEST(FaultFileSystem, LosesBytesThatWereNotSynced) {
  FaultFileSystem fs;
  Make(fs, "/f", 1000, 7);
  ASSERT_OK_AND_ASSIGN(const auto file, fs.Open("/f", OpenMode::kReadWrite));
  ASSERT_THAT(file->WriteAt(500, ByteVector(1000, 8)), IsOk());
  EXPECT_EQ(Read(fs, "/f").size(), 1500u);
  fs.Crash(Tear::kLoseAll);
  EXPECT_EQ(Read(fs, "/f"), ByteVector(1000, 7));
  EXPECT_THAT(file->Size(), FailsWithErrno(EIO)) << "handles of before the crash are dead";
}

TEST(FaultFileSystem, LosesNamesWhoseFolderWasNotSynced) {
  FaultFileSystem fs;
  Make(fs, "/old", 10, 1);
  {
    ASSERT_OK_AND_ASSIGN(const auto file, fs.Open("/new", OpenMode::kCreate));
    ASSERT_THAT(file->Sync(), IsOk());
  }
  ASSERT_THAT(fs.Rename("/old", "/moved"), IsOk());
  fs.Crash(Tear::kLoseAll);
  EXPECT_THAT(fs.Exists("/new"), IsOkAndHolds(false));
  EXPECT_THAT(fs.Exists("/moved"), IsOkAndHolds(false));
  EXPECT_EQ(Read(fs, "/old"), ByteVector(10, 1));
}

TEST(FaultFileSystem, KeepsEverythingWhenOnlyTheProcessDied) {
  FaultFileSystem fs;
  {
    ASSERT_OK_AND_ASSIGN(const auto file, fs.Open("/new", OpenMode::kCreate));
    ASSERT_THAT(file->WriteAt(0, ByteVector(10, 3)), IsOk());
    ASSERT_THAT(file->TryLock(), IsOk());
    fs.Crash(Tear::kKeepAll);
  }
  EXPECT_EQ(Read(fs, "/new"), ByteVector(10, 3));
  ASSERT_OK_AND_ASSIGN(const auto again, fs.Open("/new", OpenMode::kReadWrite));
  EXPECT_THAT(again->TryLock(), IsOk());
}

TEST(FaultFileSystem, TearsTheLastWriteAtSectors) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    FaultFileSystem fs(seed);
    Make(fs, "/f", 0, 0);
    ASSERT_OK_AND_ASSIGN(const auto file, fs.Open("/f", OpenMode::kReadWrite));
    ASSERT_THAT(file->WriteAt(0, ByteVector(2000, 9)), IsOk());
    fs.Crash(Tear::kPrefix);
    sizes.insert(Read(fs, "/f").size());
  }
  EXPECT_EQ(sizes, (std::set<size_t>{0, 512, 1024, 1536, 2000}));
}

TEST(FaultFileSystem, ScattersSectorsOfUnsyncedWrites) {
  bool later_without_earlier = false;
  for (uint64_t seed = 0; seed < 100 && !later_without_earlier; ++seed) {
    FaultFileSystem fs(seed);
    Make(fs, "/f", 2048, 0);
    ASSERT_OK_AND_ASSIGN(const auto file, fs.Open("/f", OpenMode::kReadWrite));
    ASSERT_THAT(file->WriteAt(0, ByteVector(2048, 9)), IsOk());
    fs.Crash(Tear::kScatter);
    const ByteVector left = Read(fs, "/f");
    later_without_earlier = left[0] == 0 && left[2047] == 9;
  }
  EXPECT_TRUE(later_without_earlier);
}

TEST(FaultFileSystem, NeverMakesBytesOfAFailedSyncDurable) {
  FaultFileSystem fs;
  Make(fs, "/f", 10, 1);
  ASSERT_OK_AND_ASSIGN(const auto file, fs.Open("/f", OpenMode::kReadWrite));
  ASSERT_THAT(file->WriteAt(0, ByteVector(10, 2)), IsOk());
  fs.FailFrom(1, EIO, Lasts::kForOneCall, {Call::kSync});
  EXPECT_THAT(file->Sync(), FailsWithErrno(EIO));
  EXPECT_THAT(file->Sync(), IsOk()) << "the second call succeeds, as fsync(2) on Linux";
  fs.Crash(Tear::kLoseAll);
  EXPECT_EQ(Read(fs, "/f"), ByteVector(10, 1));
}

TEST(FaultFileSystem, FailsTheNthCallOnce) {
  FaultFileSystem fs;
  fs.FailFrom(2, ENOSPC, Lasts::kForOneCall, {Call::kExists});
  EXPECT_THAT(fs.List("/"), IsOk());
  EXPECT_THAT(fs.Exists("/a"), IsOk());
  EXPECT_THAT(fs.Exists("/a"), FailsWith(Errc::kNoSpace));
  EXPECT_THAT(fs.Exists("/a"), IsOk());
  EXPECT_EQ(fs.calls(), 3u);
  EXPECT_EQ(fs.faults(), 1u);
}

TEST(FaultFileSystem, FailsEveryCallFromTheNthUntilHealed) {
  FaultFileSystem fs;
  fs.FailFrom(2, EIO, Lasts::kForEver, {}, "/bad");
  EXPECT_THAT(fs.Exists("/bad/a"), IsOk());
  EXPECT_THAT(fs.Exists("/good"), IsOk());
  EXPECT_THAT(fs.Exists("/bad/a"), FailsWithErrno(EIO));
  EXPECT_THAT(fs.Exists("/bad/b"), FailsWithErrno(EIO));
  fs.Heal();
  EXPECT_THAT(fs.Exists("/bad/b"), IsOk());
}

TEST(FaultFileSystem, RunsOutOfSpaceAndGetsItBack) {
  FaultFileSystem fs;
  fs.SetCapacity(3 * 4096);
  ASSERT_OK_AND_ASSIGN(const auto file, fs.Open("/f", OpenMode::kCreate));
  ASSERT_THAT(file->Allocate(0, 2 * 4096), IsOk());
  EXPECT_EQ(fs.UsedBytes(), 2u * 4096);
  EXPECT_THAT(file->WriteAt(4096, ByteVector(2 * 4096, 1)), IsOk());
  EXPECT_THAT(file->WriteAt(3 * 4096, ByteVector(1, 1)), FailsWith(Errc::kNoSpace));
  EXPECT_THAT(file->Size(), IsOkAndHolds(3u * 4096));
  ASSERT_THAT(file->PunchHole(4096, 4096), IsOk());
  EXPECT_EQ(fs.UsedBytes(), 2u * 4096);
  ASSERT_THAT(fs.Remove("/f"), IsOk());
  EXPECT_EQ(fs.UsedBytes(), 0u);
}

TEST(FaultFileSystem, KeepsTheRulesOfNames) {
  FaultFileSystem fs;
  ASSERT_THAT(fs.CreateFolder("/d"), IsOk());
  Make(fs, "/d/a", 1, 1);
  EXPECT_THAT(fs.CreateFolder("/d"), FailsWith(Errc::kExists));
  EXPECT_THAT(fs.Open("/d/a", OpenMode::kCreateExclusive), FailsWith(Errc::kExists));
  EXPECT_THAT(fs.Open("/d/b", OpenMode::kRead), FailsWith(Errc::kNotFound));
  EXPECT_THAT(fs.Open("/none/b", OpenMode::kCreate), FailsWith(Errc::kNotFound));
  const Status not_empty = fs.RemoveFolder("/d");
  ASSERT_THAT(not_empty, FailsWith(Errc::kInternal));
  EXPECT_EQ(not_empty.error().posix_errno, ENOTEMPTY);
  ASSERT_THAT(fs.Link("/d/a", "/d/b"), IsOk());
  ASSERT_THAT(fs.Remove("/d/a"), IsOk());
  EXPECT_EQ(Read(fs, "/d/b"), ByteVector(1, 1));
  EXPECT_THAT(fs.List("/d"), IsOkAndHolds(std::vector<std::string>{"b"}));
}

TEST(FaultFileSystem, FlipsBitsThatSurviveACrash) {
  FaultFileSystem fs;
  Make(fs, "/f", 3, 0);
  fs.FlipBits("/f", 1, 0x80);
  fs.Crash(Tear::kLoseAll);
  EXPECT_EQ(Read(fs, "/f"), (ByteVector{0, 0x80, 0}));
}

}  // namespace
}  // namespace leadglass
