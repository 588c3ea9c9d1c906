// SPDX-License-Identifier: Apache-2.0
#include "fs/reserving_file_system.h"

#include <functional>
#include <thread>

#include "tests/support/fault_file_system.h"
#include "tests/support/file_system_contract.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;

constexpr uint64_t kBlock = 4096;
constexpr uint64_t kReserve = 16 * kBlock;
constexpr const char* kReservePath = "/d/reserve";

class ReservingTest : public ::testing::Test {
 protected:
  ReservingTest() { LG_CHECK(disk_.CreateFolder("/d")); }

  // Another program fills the disk to the last block.
  void FillDisk() { disk_.SetCapacity(disk_.UsedBytes()); }
  void MakeRoom(uint64_t bytes) { disk_.SetCapacity(disk_.UsedBytes() + bytes); }
  uint64_t Held() {
    const auto file = disk_.Open(kReservePath, OpenMode::kRead);
    return file ? *(*file)->Size() : 0;
  }
  Status Write(const std::string& path, uint64_t bytes) {
    LG_ASSIGN_OR_RETURN(const auto file, fs_.Open(path, OpenMode::kCreate));
    return file->WriteAt(0, ByteVector(bytes, 1));
  }

  FaultFileSystem disk_;
  ReservingFileSystem fs_{disk_, kReservePath, kReserve};
};

TEST_F(ReservingTest, HoldsTheReserveOnTheDisk) {
  EXPECT_EQ(Held(), 0u) << "not before Refill()";
  fs_.Refill();
  EXPECT_EQ(Held(), kReserve);
  EXPECT_EQ(disk_.UsedBytes(), kReserve) << "blocks, not only a size";
  fs_.Refill();
  EXPECT_EQ(disk_.UsedBytes(), kReserve);
}

TEST_F(ReservingTest, TakesNoReserveWhereTheDiskHasLessThanTwiceItsSize) {
  MakeRoom(2 * kReserve - kBlock);
  fs_.Refill();
  EXPECT_EQ(Held(), 0u);
  MakeRoom(2 * kReserve);
  fs_.Refill();
  EXPECT_EQ(Held(), kReserve);
}

TEST_F(ReservingTest, LeavesNothingOfAReserveThatCouldNotBeAllocated) {
  disk_.FailFrom(1, ENOSPC, Lasts::kForOneCall, {Call::kAllocate});
  fs_.Refill();
  EXPECT_EQ(disk_.faults(), 1u);
  EXPECT_EQ(disk_.UsedBytes(), 0u);
}

TEST_F(ReservingTest, GivesTheReserveToAWriteOnAFullDisk) {
  fs_.Refill();
  FillDisk();
  EXPECT_THAT(Write("/d/f", 2 * kBlock), IsOk());
  EXPECT_EQ(Held(), 0u);
  ASSERT_OK_AND_ASSIGN(const ByteVector bytes, ReadWholeFile(disk_, "/d/f", 1u << 20));
  EXPECT_EQ(bytes, ByteVector(2 * kBlock, 1));
  EXPECT_THAT(Write("/d/g", kReserve - 2 * kBlock), IsOk()) << "and to those after it";
}

TEST_F(ReservingTest, FailsWhenTheReserveIsUsedUp) {
  fs_.Refill();
  FillDisk();
  EXPECT_THAT(Write("/d/f", kReserve), IsOk());
  EXPECT_THAT(Write("/d/g", kBlock), FailsWith(Errc::kNoSpace));
}

TEST_F(ReservingTest, FailsWhenTheReserveIsTooSmall) {
  fs_.Refill();
  FillDisk();
  EXPECT_THAT(Write("/d/f", kReserve + kBlock), FailsWith(Errc::kNoSpace));
  EXPECT_EQ(Held(), 0u);
}

TEST_F(ReservingTest, FailsAsTheDiskDoesWithoutAReserve) {
  FillDisk();
  EXPECT_THAT(Write("/d/f", kBlock), FailsWith(Errc::kNoSpace)) << "never filled";
  disk_.SetCapacity(1u << 30);
  ReservingFileSystem none(disk_, kReservePath, 0);
  none.Refill();
  EXPECT_EQ(Held(), 0u);
  EXPECT_THAT(disk_.Exists(kReservePath), IsOkAndHolds(false));
}

TEST_F(ReservingTest, FillsTheReserveAgainWhenTheDiskHasRoom) {
  fs_.Refill();
  FillDisk();
  ASSERT_THAT(Write("/d/f", kBlock), IsOk());
  ASSERT_THAT(Write("/d/f", kBlock), IsOk());
  EXPECT_EQ(Held(), 0u) << "the disk is still full";
  MakeRoom(2 * kReserve);
  ASSERT_THAT(fs_.Open("/d/f", OpenMode::kRead), IsOk());
  EXPECT_EQ(Held(), 0u) << "reading takes no room";
  ASSERT_THAT(Write("/d/f", kBlock), IsOk());
  EXPECT_EQ(Held(), kReserve);
  FillDisk();
  EXPECT_THAT(Write("/d/g", kBlock), IsOk()) << "a second time";
}

TEST_F(ReservingTest, KeepsTheReserveFromEveryOtherError) {
  fs_.Refill();
  disk_.FailFrom(1, EIO, Lasts::kForOneCall, {Call::kWrite});
  EXPECT_THAT(Write("/d/f", kBlock), FailsOnDiskWith(EIO));
  EXPECT_THAT(fs_.Open("/d/none", OpenMode::kReadWrite), FailsOnDiskWith(ENOENT));
  EXPECT_EQ(Held(), kReserve);
}

// Each change below fails once for want of room, and is tried again.
TEST_F(ReservingTest, TriesEveryKindOfChangeAgain) {
  ASSERT_THAT(Write("/d/f", kBlock), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto file, fs_.Open("/d/f", OpenMode::kReadWrite));
  const auto expect_again = [&](Call call, const std::function<Status()>& change) {
    fs_.Refill();
    ASSERT_EQ(Held(), kReserve);
    disk_.FailFrom(1, ENOSPC, Lasts::kForOneCall, {call}, "/d/f");
    EXPECT_THAT(change(), IsOk()) << static_cast<int>(call);
    EXPECT_EQ(disk_.faults(), 1u) << static_cast<int>(call);
    EXPECT_EQ(Held(), 0u) << static_cast<int>(call);
  };
  expect_again(Call::kWrite, [&] { return file->WriteAt(0, AsBytes("again")); });
  expect_again(Call::kTruncate, [&] { return file->Truncate(2 * kBlock); });
  expect_again(Call::kAllocate, [&] { return file->Allocate(0, 4 * kBlock); });
  expect_again(Call::kRename, [&] { return fs_.Rename("/d/f", "/d/f2"); });
  expect_again(Call::kLink, [&] { return fs_.Link("/d/f2", "/d/f"); });
  expect_again(Call::kRemove, [&] { return fs_.Remove("/d/f"); });
  expect_again(Call::kCreateFolder, [&] { return fs_.CreateFolder("/d/f"); });
  expect_again(Call::kRemoveFolder, [&] { return fs_.RemoveFolder("/d/f"); });
  expect_again(Call::kOpen, [&]() -> Status {
    LG_RETURN_IF_ERROR(fs_.Open("/d/f", OpenMode::kCreate));
    return {};
  });
}

TEST_F(ReservingTest, DoesNotTryASyncAgain) {
  fs_.Refill();
  ASSERT_OK_AND_ASSIGN(const auto file, fs_.Open("/d/f", OpenMode::kCreate));
  disk_.FailFrom(1, ENOSPC, Lasts::kForOneCall, {Call::kSync});
  EXPECT_THAT(file->Sync(), FailsWith(Errc::kNoSpace));
  EXPECT_EQ(Held(), kReserve);
}

TEST_F(ReservingTest, ThreadsThatMeetTheFullDiskTogetherAllGetRoom) {
  for (int round = 0; round < 200; ++round) {
    fs_.Refill();
    ASSERT_EQ(Held(), kReserve);
    FillDisk();
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < 4; ++t)
        threads.emplace_back(
            [this, t] { EXPECT_THAT(Write("/d/" + std::to_string(t), kReserve / 4), IsOk()); });
    }
    disk_.SetCapacity(1u << 30);
    for (int t = 0; t < 4; ++t) ASSERT_THAT(fs_.Remove("/d/" + std::to_string(t)), IsOk());
  }
}

struct ReservedDisk {
  ReservedDisk() {
    LG_CHECK(disk.CreateFolder(folder));
    reserving.Refill();
  }
  FileSystem& fs() { return reserving; }
  FaultFileSystem disk;
  ReservingFileSystem reserving{disk, "/reserve", kReserve};
  const std::string folder = "/d";
};
INSTANTIATE_TYPED_TEST_SUITE_P(Reserving, FileSystemContract, ReservedDisk);

}  // namespace
}  // namespace leadglass
