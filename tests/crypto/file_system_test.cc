// SPDX-License-Identifier: Apache-2.0
// The machine's files, those in memory, and those that fail: they answer alike.
#include <stdlib.h>

#include <filesystem>

#include "crypto/base/memory_file_system.h"
#include "crypto/base/path.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/file_system_contract.h"

namespace leadglass {
namespace {

struct RealDisk {
  RealDisk() : folder(::testing::TempDir() + "leadglass-XXXXXX") {
    LG_CHECK(::mkdtemp(folder.data()) != nullptr);
  }
  ~RealDisk() { std::filesystem::remove_all(folder); }
  FileSystem& fs() { return PosixFileSystem(); }
  std::string folder;
};

template <typename InMemory>
struct MemoryDisk {
  MemoryDisk() { LG_CHECK(memory.CreateFolder(folder)); }
  FileSystem& fs() { return memory; }
  InMemory memory;
  const std::string folder = "/d";
};

INSTANTIATE_TYPED_TEST_SUITE_P(Posix, FileSystemContract, RealDisk);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, FileSystemContract, MemoryDisk<MemoryFileSystem>);
INSTANTIATE_TYPED_TEST_SUITE_P(Fault, FileSystemContract, MemoryDisk<FaultFileSystem>);

TEST(MemoryFileSystem, IsTakenOutWholeAndPutBack) {
  MemoryFileSystem fs;
  ASSERT_THAT(fs.CreateFolder("/v"), IsOk());
  ASSERT_THAT(ReplaceFile(fs, "/v/f", AsBytes("text")), IsOk());
  DiskImage image = fs.Image();
  image.files.at("/v/f").front() = 'n';
  MemoryFileSystem changed(std::move(image));
  EXPECT_THAT(changed.List("/"), IsOkAndHolds(::testing::ElementsAre("v")));
  ASSERT_OK_AND_ASSIGN(const ByteVector bytes, ReadWholeFile(changed, "/v/f", 100));
  EXPECT_EQ(AsText(bytes), "next");
  ASSERT_OK_AND_ASSIGN(const ByteVector before, ReadWholeFile(fs, "/v/f", 100));
  EXPECT_EQ(AsText(before), "text") << "an image is a copy";
}

TEST(MemoryFileSystem, KeepsAnOpenFileWhenItIsGoneItself) {
  auto fs = std::make_unique<MemoryFileSystem>();
  ASSERT_OK_AND_ASSIGN(const auto file, fs->Open("/f", OpenMode::kCreate));
  fs.reset();
  EXPECT_THAT(file->WriteAt(0, AsBytes("x")), IsOk());
  EXPECT_THAT(file->Size(), IsOkAndHolds(1u));
}

TEST(Path, EndsAtTheRootOrTheWorkingFolder) {
  EXPECT_EQ(FolderOf("/a/b"), "/a");
  EXPECT_EQ(FolderOf("/a"), "/");
  EXPECT_EQ(FolderOf("/"), "/");
  EXPECT_EQ(FolderOf("a/b"), "a");
  EXPECT_EQ(FolderOf("a"), ".");
  EXPECT_EQ(FolderOf("."), ".");
  EXPECT_EQ(NameOf("/a/b"), "b");
  EXPECT_EQ(NameOf("b"), "b");
}

}  // namespace
}  // namespace leadglass
