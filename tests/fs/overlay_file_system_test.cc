// SPDX-License-Identifier: Apache-2.0
#include "fs/overlay_file_system.h"

#include <thread>

#include "tests/support/fault_file_system.h"
#include "tests/support/file_system_contract.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A disk that refuses every change, as a read-only one does.
class OverlayTest : public ::testing::Test {
 protected:
  OverlayTest() {
    for (const char* folder : {"/v", "/v/index", "/v/index/deep"})
      LG_CHECK(disk_.CreateFolder(folder));
    for (const char* file : {"/v/index/a", "/v/index/b", "/v/index/deep/c"})
      LG_CHECK(ReplaceFile(disk_, file, AsBytes("below")));
    MakeReadOnly();
  }

  void MakeReadOnly() {
    disk_.FailFrom(
        1, EROFS, FaultFileSystem::Lasts::kForEver,
        {Call::kWrite, Call::kTruncate, Call::kAllocate, Call::kPunchHole, Call::kCreateFolder,
         Call::kRename, Call::kLink, Call::kRemove, Call::kRemoveFolder});
  }
  // Everything that the disk holds, and whether anybody tried to change it.
  void ExpectDiskUntouched() {
    EXPECT_EQ(disk_.faults(), 0u);
    EXPECT_THAT(disk_.List("/v"), IsOkAndHolds(ElementsAre("index")));
    EXPECT_THAT(disk_.List("/v/index"), IsOkAndHolds(UnorderedElementsAre("a", "b", "deep")));
    for (const char* file : {"/v/index/a", "/v/index/b", "/v/index/deep/c"})
      EXPECT_EQ(TextIn(disk_, file), "below");
  }
  static std::string TextIn(FileSystem& fs, const std::string& path) {
    const auto bytes = ReadWholeFile(fs, path, 1u << 20);
    return bytes ? std::string(AsText(*bytes)) : ErrcName(bytes.error().code);
  }
  std::string Text(const std::string& path) { return TextIn(overlay_, path); }

  FaultFileSystem disk_;
  OverlayFileSystem overlay_{disk_};
};

TEST_F(OverlayTest, ShowsWhatIsBelow) {
  EXPECT_EQ(Text("/v/index/a"), "below");
  EXPECT_THAT(overlay_.List("/v/index"), IsOkAndHolds(UnorderedElementsAre("a", "b", "deep")));
  EXPECT_THAT(overlay_.Exists("/v/index/deep/c"), IsOkAndHolds(true));
  EXPECT_THAT(overlay_.Exists("/v/index/d"), IsOkAndHolds(false));
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, WritesReachOnlyTheOverlay) {
  ASSERT_OK_AND_ASSIGN(const auto file, overlay_.Open("/v/index/a", OpenMode::kReadWrite));
  EXPECT_THAT(file->WriteAt(2, AsBytes("LOW and more")), IsOk());
  EXPECT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(Text("/v/index/a"), "beLOW and more");
  ASSERT_THAT(ReplaceFile(overlay_, "/v/index/b", AsBytes("above")), IsOk());
  EXPECT_EQ(Text("/v/index/b"), "above");
  EXPECT_THAT(overlay_.List("/v/index"), IsOkAndHolds(UnorderedElementsAre("a", "b", "deep")));
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, TruncatesAndPunchesACopy) {
  ASSERT_OK_AND_ASSIGN(const auto file, overlay_.Open("/v/index/a", OpenMode::kCreate));
  EXPECT_THAT(file->Size(), IsOkAndHolds(5u));
  ASSERT_THAT(file->Truncate(3), IsOk());
  EXPECT_EQ(Text("/v/index/a"), "bel");
  ASSERT_THAT(file->Allocate(0, 4), IsOk());
  ASSERT_THAT(file->PunchHole(0, 1), IsOk());
  EXPECT_EQ(Text("/v/index/a"), std::string("\0el\0", 4));
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, MakesFilesInFoldersThatAreBelow) {
  ASSERT_THAT(ReplaceFile(overlay_, "/v/index/deep/new", AsBytes("above")), IsOk());
  EXPECT_THAT(overlay_.List("/v/index/deep"), IsOkAndHolds(UnorderedElementsAre("c", "new")));
  EXPECT_EQ(Text("/v/index/deep/c"), "below") << "a folder in memory hides nothing below";
  ASSERT_THAT(overlay_.CreateFolder("/v/other"), IsOk());
  ASSERT_THAT(ReplaceFile(overlay_, "/v/other/f", AsBytes("above")), IsOk());
  EXPECT_THAT(overlay_.List("/v"), IsOkAndHolds(UnorderedElementsAre("index", "other")));
  EXPECT_THAT(overlay_.Open("/v/none/f", OpenMode::kCreate), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(overlay_.CreateFolder("/v/none/g"), FailsOnDiskWith(ENOENT));
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, RemovedFilesStayGoneUntilMadeAnew) {
  ASSERT_THAT(overlay_.Remove("/v/index/a"), IsOk());
  EXPECT_THAT(overlay_.Remove("/v/index/a"), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(overlay_.Exists("/v/index/a"), IsOkAndHolds(false));
  EXPECT_THAT(overlay_.Open("/v/index/a", OpenMode::kRead), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(overlay_.Open("/v/index/a", OpenMode::kReadWrite), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(overlay_.List("/v/index"), IsOkAndHolds(UnorderedElementsAre("b", "deep")));
  { ASSERT_THAT(overlay_.Open("/v/index/a", OpenMode::kCreateExclusive), IsOk()); }
  EXPECT_EQ(Text("/v/index/a"), "") << "a new file, not the bytes below";
  ASSERT_THAT(overlay_.Remove("/v/index/a"), IsOk());
  EXPECT_THAT(overlay_.Exists("/v/index/a"), IsOkAndHolds(false));
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, RemovesACopyTogetherWithWhatItWasCopiedFrom) {
  { ASSERT_THAT(overlay_.Open("/v/index/a", OpenMode::kReadWrite), IsOk()); }
  ASSERT_THAT(overlay_.Remove("/v/index/a"), IsOk());
  EXPECT_THAT(overlay_.Exists("/v/index/a"), IsOkAndHolds(false));
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, DoesNotRemoveAFolderAsAFile) {
  EXPECT_THAT(overlay_.Remove("/v/index/deep"), FailsOnDiskWith(EISDIR));
  EXPECT_EQ(Text("/v/index/deep/c"), "below");
}

// How an index that is damaged is thrown away and built anew.
TEST_F(OverlayTest, AFolderIsRemovedAndMadeAnewEmpty) {
  EXPECT_THAT(overlay_.RemoveFolder("/v/index/deep"), FailsOnDiskWith(ENOTEMPTY));
  ASSERT_THAT(overlay_.Remove("/v/index/deep/c"), IsOk());
  ASSERT_THAT(overlay_.RemoveFolder("/v/index/deep"), IsOk());
  EXPECT_THAT(overlay_.Exists("/v/index/deep"), IsOkAndHolds(false));
  EXPECT_THAT(overlay_.List("/v/index/deep"), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(overlay_.Open("/v/index/deep/c", OpenMode::kCreate), FailsOnDiskWith(ENOENT));
  ASSERT_THAT(overlay_.CreateFolder("/v/index/deep"), IsOk());
  EXPECT_THAT(overlay_.List("/v/index/deep"), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT(ReplaceFile(overlay_, "/v/index/deep/c", AsBytes("above")), IsOk());
  EXPECT_EQ(Text("/v/index/deep/c"), "above");
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, RenamesFromBelowOverBelow) {
  ASSERT_THAT(overlay_.Rename("/v/index/deep/c", "/v/index/d"), IsOk());
  EXPECT_THAT(overlay_.Exists("/v/index/deep/c"), IsOkAndHolds(false));
  EXPECT_EQ(Text("/v/index/d"), "below");
  ASSERT_THAT(ReplaceFile(overlay_, "/v/index/a.tmp", AsBytes("above")), IsOk());
  ASSERT_THAT(overlay_.Rename("/v/index/a.tmp", "/v/index/a"), IsOk());
  EXPECT_EQ(Text("/v/index/a"), "above");
  EXPECT_THAT(overlay_.Rename("/v/index/none", "/v/index/a"), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(overlay_.Rename("/v/index/a", "/v/index/deep"), FailsOnDiskWith(EISDIR));
  EXPECT_THAT(overlay_.Rename("/v/index/deep", "/v/moved"), FailsOnDiskWith(EISDIR));
  EXPECT_THAT(overlay_.List("/v/index"), IsOkAndHolds(UnorderedElementsAre("a", "b", "d", "deep")));
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, LinksAFileBelow) {
  ASSERT_THAT(overlay_.Link("/v/index/a", "/v/index/d"), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto file, overlay_.Open("/v/index/d", OpenMode::kReadWrite));
  ASSERT_THAT(file->WriteAt(0, AsBytes("BELOW")), IsOk());
  EXPECT_EQ(Text("/v/index/a"), "BELOW");
  EXPECT_THAT(overlay_.Link("/v/index/a", "/v/index/b"), FailsWith(Errc::kExists));
  ExpectDiskUntouched();
}

TEST_F(OverlayTest, OneWhoReadsFromBelowGoesOnReadingThat) {
  ASSERT_OK_AND_ASSIGN(const auto reader, overlay_.Open("/v/index/a", OpenMode::kRead));
  ASSERT_OK_AND_ASSIGN(const auto writer, overlay_.Open("/v/index/a", OpenMode::kReadWrite));
  ASSERT_THAT(writer->WriteAt(0, AsBytes("above")), IsOk());
  ByteVector out(5);
  EXPECT_THAT(reader->ReadAt(0, out), IsOkAndHolds(5u));
  EXPECT_EQ(AsText(out), "below");
}

TEST_F(OverlayTest, PassesOnThatTheDiskCannotBeRead) {
  disk_.FailFrom(1, EIO, FaultFileSystem::Lasts::kForEver,
                 {Call::kOpen, Call::kRead, Call::kList, Call::kExists});
  EXPECT_THAT(overlay_.Open("/v/index/a", OpenMode::kRead), FailsOnDiskWith(EIO));
  EXPECT_THAT(overlay_.Open("/v/index/a", OpenMode::kCreate), FailsOnDiskWith(EIO));
  EXPECT_THAT(overlay_.Exists("/v/index/a"), FailsOnDiskWith(EIO));
  EXPECT_THAT(overlay_.List("/v/index"), FailsOnDiskWith(EIO));
  EXPECT_THAT(overlay_.Remove("/v/index/a"), FailsOnDiskWith(EIO));
  EXPECT_THAT(overlay_.Rename("/v/index/a", "/v/index/d"), FailsOnDiskWith(EIO));
  MakeReadOnly();
  EXPECT_EQ(Text("/v/index/a"), "below") << "nothing was half done";
  EXPECT_THAT(overlay_.List("/v/index"), IsOkAndHolds(UnorderedElementsAre("a", "b", "deep")));
}

TEST_F(OverlayTest, LeavesNoPartOfAFileWhoseCopyFailed) {
  disk_.FailFrom(1, EIO, FaultFileSystem::Lasts::kForEver, {Call::kRead});
  EXPECT_THAT(overlay_.Open("/v/index/a", OpenMode::kReadWrite), FailsOnDiskWith(EIO));
  MakeReadOnly();
  EXPECT_EQ(Text("/v/index/a"), "below");
}

TEST_F(OverlayTest, RefusesToCopyAFileOfMoreThan64MiB) {
  disk_.Heal();
  {
    ASSERT_OK_AND_ASSIGN(const auto big, disk_.Open("/v/big", OpenMode::kCreate));
    ASSERT_THAT(big->Truncate((64u << 20) + 1), IsOk());
  }
  EXPECT_THAT(overlay_.Open("/v/big", OpenMode::kReadWrite), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(overlay_.Open("/v/big", OpenMode::kRead), IsOk());
  ASSERT_THAT(ReplaceFile(overlay_, "/v/small", AsBytes("above")), IsOk());
  EXPECT_THAT(overlay_.Rename("/v/small", "/v/big"), IsOk()) << "what goes is not copied";
  EXPECT_THAT(overlay_.Remove("/v/big"), IsOk());
}

TEST_F(OverlayTest, TellsOfTheRoomBelow) {
  disk_.SetCapacity(1u << 20);
  ASSERT_OK_AND_ASSIGN(const SpaceInfo below, disk_.Space("/v"));
  ASSERT_OK_AND_ASSIGN(const SpaceInfo space, overlay_.Space("/v"));
  EXPECT_EQ(space.available_bytes, below.available_bytes);
}

TEST_F(OverlayTest, IsUsedFromSeveralThreads) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([this, t] {
      const std::string mine = "/v/index/" + std::to_string(t);
      for (int i = 0; i < 50; ++i) {
        EXPECT_THAT(ReplaceFile(overlay_, mine, AsBytes(mine)), IsOk());
        const auto shared = overlay_.Open("/v/index/a", OpenMode::kReadWrite);
        ASSERT_THAT(shared, IsOk());
        EXPECT_THAT((*shared)->WriteAt(0, AsBytes("above")), IsOk());
        EXPECT_EQ(Text(mine), mine);
        EXPECT_THAT(overlay_.List("/v/index"), IsOk());
        EXPECT_THAT(overlay_.Remove(mine), IsOk());
      }
    });
  threads.clear();
  EXPECT_THAT(overlay_.List("/v/index"), IsOkAndHolds(UnorderedElementsAre("a", "b", "deep")));
  EXPECT_EQ(Text("/v/index/a"), "above");
  ExpectDiskUntouched();
}

struct EmptyOverlay {
  EmptyOverlay() { LG_CHECK(disk.CreateFolder(folder)); }
  FileSystem& fs() { return overlay; }
  MemoryFileSystem disk;
  OverlayFileSystem overlay{disk};
  const std::string folder = "/d";
};
INSTANTIATE_TYPED_TEST_SUITE_P(Overlay, FileSystemContract, EmptyOverlay);

}  // namespace
}  // namespace leadglass
