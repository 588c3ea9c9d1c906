// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every FileSystem does alike, as typed tests: so that what passes on one in memory passes on
// a disk.
//
//   struct MyDisk {                      // made anew for each test
//     FileSystem& fs();
//     const std::string folder = "/d";   // there, empty, and the test's own
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Mine, FileSystemContract, MyDisk);

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "crypto/base/file.h"
#include "tests/support/matchers.h"

namespace leadglass {

// The errno of the system call, where FailsWithErrno() is about what a user of the mount is told.
MATCHER_P(FailsOnDiskWith, err, "fails with that errno of the system call") {
  return !arg.has_value() && arg.error().posix_errno == err;
}

template <typename Disk>
class FileSystemContract : public ::testing::Test {
 protected:
  FileSystem& fs() { return disk_.fs(); }
  std::string At(const std::string& name) const { return disk_.folder + "/" + name; }

  void Put(const std::string& name, const std::string& text) {
    ASSERT_OK_AND_ASSIGN(const auto file, fs().Open(At(name), OpenMode::kCreate));
    ASSERT_THAT(file->Truncate(0), IsOk());
    ASSERT_THAT(file->WriteAt(0, AsBytes(text)), IsOk());
  }
  std::string TextOf(File& file) {
    ByteVector bytes(1u << 17);
    const auto count = file.ReadAt(0, bytes);
    EXPECT_THAT(count, IsOk());
    return std::string(AsText(ByteSpan(bytes).first(count ? *count : 0)));
  }
  std::string Get(const std::string& name) {
    const auto bytes = ReadWholeFile(fs(), At(name), 1u << 20);
    return bytes ? std::string(AsText(*bytes)) : ErrcName(bytes.error().code);
  }
  std::vector<std::string> Names(const std::string& folder) {
    auto names = fs().List(folder);
    EXPECT_THAT(names, IsOk());
    if (!names) return {};
    std::sort(names->begin(), names->end());
    return *names;
  }

  Disk disk_;
};
TYPED_TEST_SUITE_P(FileSystemContract);

TYPED_TEST_P(FileSystemContract, OpensAsTheModeSays) {
  FileSystem& fs = this->fs();
  const std::string path = this->At("f");
  EXPECT_THAT(fs.Open(path, OpenMode::kRead), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(fs.Open(path, OpenMode::kReadWrite), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(fs.Open(path, OpenMode::kCreateExclusive), IsOk());
  EXPECT_THAT(fs.Open(path, OpenMode::kCreateExclusive), FailsWith(Errc::kExists));
  EXPECT_THAT(fs.Open(path, OpenMode::kCreate), IsOk());
  EXPECT_THAT(fs.Open(path, OpenMode::kReadWrite), IsOk());
  EXPECT_THAT(fs.Open(this->At("no/f"), OpenMode::kCreate), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(fs.Open(path + "/f", OpenMode::kCreate), FailsOnDiskWith(ENOTDIR));
  EXPECT_THAT(fs.Open(this->disk_.folder, OpenMode::kReadWrite), FailsOnDiskWith(EISDIR));
}

TYPED_TEST_P(FileSystemContract, ChangesNothingThroughAFileOpenedForReading) {
  this->Put("f", "kept");
  ASSERT_OK_AND_ASSIGN(const auto file, this->fs().Open(this->At("f"), OpenMode::kRead));
  EXPECT_FALSE(file->WriteAt(0, AsBytes("lost")));
  EXPECT_FALSE(file->Truncate(1));
  EXPECT_FALSE(file->Allocate(0, 100));
  EXPECT_FALSE(file->PunchHole(0, 4));
  EXPECT_EQ(this->Get("f"), "kept");
}

TYPED_TEST_P(FileSystemContract, ReadsShortOnlyAtTheEnd) {
  this->Put("f", "0123456789");
  ASSERT_OK_AND_ASSIGN(const auto file, this->fs().Open(this->At("f"), OpenMode::kRead));
  ByteVector out(4);
  EXPECT_THAT(file->ReadAt(3, out), IsOkAndHolds(4u));
  EXPECT_EQ(AsText(out), "3456");
  EXPECT_THAT(file->ReadAt(8, out), IsOkAndHolds(2u));
  EXPECT_EQ(AsText(out), "8956");
  EXPECT_THAT(file->ReadAt(10, out), IsOkAndHolds(0u));
  EXPECT_THAT(file->ReadAt(1000, out), IsOkAndHolds(0u));
}

TYPED_TEST_P(FileSystemContract, ZeroesWhatWasNeverWritten) {
  ASSERT_OK_AND_ASSIGN(const auto file, this->fs().Open(this->At("f"), OpenMode::kCreate));
  ASSERT_THAT(file->WriteAt(2, AsBytes("ab")), IsOk());
  EXPECT_EQ(this->TextOf(*file), std::string("\0\0ab", 4));
  ASSERT_THAT(file->Truncate(3), IsOk());
  ASSERT_THAT(file->Truncate(5), IsOk());
  EXPECT_EQ(this->TextOf(*file), std::string("\0\0a\0\0", 5));
}

TYPED_TEST_P(FileSystemContract, AllocatesWithoutChangingBytesAndPunchesWithoutChangingTheSize) {
  this->Put("f", "0123456789");
  ASSERT_OK_AND_ASSIGN(const auto file, this->fs().Open(this->At("f"), OpenMode::kReadWrite));
  ASSERT_THAT(file->Allocate(0, 4), IsOk());
  EXPECT_THAT(file->Size(), IsOkAndHolds(10u));
  ASSERT_THAT(file->Allocate(8, 4), IsOk());
  EXPECT_EQ(this->TextOf(*file), std::string("0123456789\0\0", 12));
  ASSERT_THAT(file->PunchHole(1, 2), IsOk());
  ASSERT_THAT(file->PunchHole(9, 100), IsOk());
  EXPECT_EQ(this->TextOf(*file), std::string("0\0\0"
                                             "345678\0\0\0",
                                             12));
}

// Whole blocks in aligned memory, which may go another way to the disk than all else.
TYPED_TEST_P(FileSystemContract, SeesBytesWrittenEitherWayAtOnce) {
  struct alignas(4096) Blocks {
    std::array<uint8_t, 4 * 4096> bytes;
  } blocks;
  for (size_t i = 0; i < blocks.bytes.size(); ++i) blocks.bytes[i] = static_cast<uint8_t>(i / 7);
  const ByteSpan all(blocks.bytes);
  ASSERT_OK_AND_ASSIGN(const auto file, this->fs().Open(this->At("f"), OpenMode::kCreate));
  ASSERT_OK_AND_ASSIGN(const auto reader, this->fs().Open(this->At("f"), OpenMode::kRead));
  std::string expected(100'000, '\0');
  ASSERT_THAT(file->Allocate(0, expected.size()), IsOk());
  const auto write = [&](uint64_t offset, ByteSpan data, bool direct) {
    EXPECT_EQ(this->TextOf(*reader), expected);  // so that it is cached where it can be
    ASSERT_THAT(direct ? file->WriteDirect(offset, data) : file->WriteAt(offset, data), IsOk());
    expected.replace(offset, data.size(), AsText(data));
    EXPECT_EQ(this->TextOf(*reader), expected);
    EXPECT_EQ(this->TextOf(*file), expected);
  };
  write(0, all, true);
  write(4096, all.subspan(100, 5000), false);
  write(8192, all.first(8192), true);
  write(4096 * 20, all.first(4097), true);  // not of whole blocks
  write(4096 * 6 + 1, all.first(4096), true);
  write(4096 * 7, all.subspan(1, 4096), true);
  write(4096 * 23, all, true);  // makes it longer
  EXPECT_FALSE(reader->WriteDirect(0, all));
  EXPECT_EQ(this->TextOf(*reader), expected);
}

TYPED_TEST_P(FileSystemContract, LocksAgainstOtherOpenersUntilTheFileIsClosed) {
  this->Put("f", "");
  ASSERT_OK_AND_ASSIGN(auto first, this->fs().Open(this->At("f"), OpenMode::kReadWrite));
  ASSERT_OK_AND_ASSIGN(const auto second, this->fs().Open(this->At("f"), OpenMode::kReadWrite));
  EXPECT_THAT(first->TryLock(), IsOk());
  EXPECT_THAT(first->TryLock(), IsOk());
  EXPECT_THAT(second->TryLock(), FailsWith(Errc::kUnavailable));
  first.reset();
  EXPECT_THAT(second->TryLock(), IsOk());
}

TYPED_TEST_P(FileSystemContract, ListsWhatStandsInAFolderAndNothingBelow) {
  FileSystem& fs = this->fs();
  EXPECT_EQ(this->Names(this->disk_.folder), std::vector<std::string>{});
  ASSERT_THAT(fs.CreateFolder(this->At("a")), IsOk());
  this->Put("a/inner", "");
  this->Put("b", "");
  EXPECT_EQ(this->Names(this->disk_.folder), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(this->Names(this->At("a")), std::vector<std::string>{"inner"});
  EXPECT_THAT(fs.List(this->At("b")), FailsOnDiskWith(ENOTDIR));
  EXPECT_THAT(fs.List(this->At("no")), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(fs.Exists(this->At("a")), IsOkAndHolds(true));
  EXPECT_THAT(fs.Exists(this->At("a/inner")), IsOkAndHolds(true));
  EXPECT_THAT(fs.Exists(this->At("no")), IsOkAndHolds(false));
}

TYPED_TEST_P(FileSystemContract, MakesAFolderOnceAndWhereItsFolderIs) {
  FileSystem& fs = this->fs();
  EXPECT_THAT(fs.CreateFolder(this->At("a/b")), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(fs.CreateFolder(this->At("a")), IsOk());
  EXPECT_THAT(fs.CreateFolder(this->At("a")), FailsWith(Errc::kExists));
  EXPECT_THAT(fs.CreateFolder(this->At("a/b")), IsOk());
  this->Put("f", "");
  EXPECT_THAT(fs.CreateFolder(this->At("f")), FailsWith(Errc::kExists));
  EXPECT_THAT(fs.CreateFolder(this->At("f/g")), FailsOnDiskWith(ENOTDIR));
}

TYPED_TEST_P(FileSystemContract, RenamesOverAFileThatWhoHasItOpenGoesOnReading) {
  FileSystem& fs = this->fs();
  this->Put("old", "old");
  this->Put("new", "new");
  ASSERT_OK_AND_ASSIGN(const auto file, fs.Open(this->At("old"), OpenMode::kRead));
  ASSERT_THAT(fs.Rename(this->At("new"), this->At("old")), IsOk());
  EXPECT_EQ(this->Get("old"), "new");
  EXPECT_EQ(this->TextOf(*file), "old");
  EXPECT_EQ(this->Names(this->disk_.folder), std::vector<std::string>{"old"});
  EXPECT_THAT(fs.Rename(this->At("new"), this->At("x")), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(fs.Rename(this->At("old"), this->At("no/x")), FailsOnDiskWith(ENOENT));
  ASSERT_THAT(fs.CreateFolder(this->At("a")), IsOk());
  EXPECT_THAT(fs.Rename(this->At("old"), this->At("a")), FailsOnDiskWith(EISDIR));
  EXPECT_THAT(fs.Rename(this->At("old"), this->At("old")), IsOk());
  EXPECT_EQ(this->Get("old"), "new");
}

TYPED_TEST_P(FileSystemContract, LinksGiveOneFileTwoNames) {
  FileSystem& fs = this->fs();
  this->Put("f", "old");
  ASSERT_THAT(fs.Link(this->At("f"), this->At("g")), IsOk());
  this->Put("f", "new");
  EXPECT_EQ(this->Get("g"), "new");
  EXPECT_THAT(fs.Link(this->At("f"), this->At("g")), FailsWith(Errc::kExists));
  EXPECT_THAT(fs.Link(this->At("no"), this->At("h")), FailsOnDiskWith(ENOENT));
  EXPECT_THAT(fs.Rename(this->At("f"), this->At("g")), IsOk());
  EXPECT_EQ(this->Names(this->disk_.folder), (std::vector<std::string>{"f", "g"}))
      << "rename(2) between two names of one file does nothing";
  ASSERT_THAT(fs.Remove(this->At("f")), IsOk());
  EXPECT_EQ(this->Get("g"), "new");
}

TYPED_TEST_P(FileSystemContract, RemovesFilesAndEmptyFolders) {
  FileSystem& fs = this->fs();
  ASSERT_THAT(fs.CreateFolder(this->At("a")), IsOk());
  this->Put("a/f", "here");
  ASSERT_OK_AND_ASSIGN(const auto file, fs.Open(this->At("a/f"), OpenMode::kRead));
  EXPECT_THAT(fs.RemoveFolder(this->At("a")), FailsOnDiskWith(ENOTEMPTY));
  EXPECT_THAT(fs.RemoveFolder(this->At("a/f")), FailsOnDiskWith(ENOTDIR));
  EXPECT_FALSE(fs.Remove(this->At("a")));
  EXPECT_THAT(fs.Remove(this->At("a/f")), IsOk());
  EXPECT_THAT(fs.Remove(this->At("a/f")), FailsOnDiskWith(ENOENT));
  EXPECT_EQ(this->TextOf(*file), "here");
  EXPECT_THAT(fs.RemoveFolder(this->At("a")), IsOk());
  EXPECT_THAT(fs.RemoveFolder(this->At("a")), FailsOnDiskWith(ENOENT));
  EXPECT_EQ(this->Names(this->disk_.folder), std::vector<std::string>{});
}

REGISTER_TYPED_TEST_SUITE_P(FileSystemContract, OpensAsTheModeSays,
                            ChangesNothingThroughAFileOpenedForReading, ReadsShortOnlyAtTheEnd,
                            ZeroesWhatWasNeverWritten,
                            AllocatesWithoutChangingBytesAndPunchesWithoutChangingTheSize,
                            LocksAgainstOtherOpenersUntilTheFileIsClosed,
                            ListsWhatStandsInAFolderAndNothingBelow,
                            MakesAFolderOnceAndWhereItsFolderIs,
                            RenamesOverAFileThatWhoHasItOpenGoesOnReading, LinksGiveOneFileTwoNames,
                            RemovesFilesAndEmptyFolders, SeesBytesWrittenEitherWayAtOnce);

}  // namespace leadglass
