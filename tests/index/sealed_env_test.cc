// SPDX-License-Identifier: Apache-2.0

// The file system that LevelDB sees, without LevelDB on top.

#include "index/sealed_env.h"

#include <gtest/gtest.h>
#include <leveldb/env.h>

#include "index/file_registry.h"
#include "tests/index/sample_operations.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

class SealedEnvTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  Result<std::unique_ptr<SealedEnv>> TryOpen() {
    return SealedEnv::Open(fs_, "/index", key_, SampleUuid(1), [this] {
      ++log_syncs_;
      return log_;
    });
  }
  void Reopen() {
    env_.reset();
    auto opened = TryOpen();
    ASSERT_THAT(opened, IsOk());
    env_ = std::move(*opened);
  }
  leveldb::Env& Env() { return *env_->env(); }
  // Creates, appends, syncs and closes.
  leveldb::Status Write(const std::string& name, const std::string& text) {
    leveldb::WritableFile* raw = nullptr;
    leveldb::Status status = Env().NewWritableFile("/index/" + name, &raw);
    const std::unique_ptr<leveldb::WritableFile> file(raw);
    if (status.ok()) status = file->Append(text);
    if (status.ok()) status = file->Sync();
    if (status.ok()) status = file->Close();
    return status;
  }
  std::string ReadTable(const std::string& name) {
    leveldb::RandomAccessFile* raw = nullptr;
    if (!Env().NewRandomAccessFile("/index/" + name, &raw).ok()) return "unreadable";
    const std::unique_ptr<leveldb::RandomAccessFile> file(raw);
    char scratch[100];
    leveldb::Slice got;
    return file->Read(0, sizeof(scratch), &got, scratch).ok() ? got.ToString() : "unreadable";
  }
  // Makes what was written so far the index: CURRENT names a MANIFEST.
  void Install() {
    ASSERT_TRUE(Write("MANIFEST-000001", "edits").ok());
    ASSERT_TRUE(Write("000001.dbtmp", "MANIFEST-000001\n").ok());
    ASSERT_TRUE(Env().RenameFile("/index/000001.dbtmp", "/index/CURRENT").ok());
  }
  bool OnDisk(const std::string& name) { return *fs_.Exists("/index/" + name); }

  FaultFileSystem fs_;
  Key key_;
  Status log_;
  int log_syncs_ = 0;
  std::unique_ptr<SealedEnv> env_;
};

TEST_F(SealedEnvTest, WritesNoWriteAheadLog) {
  EXPECT_TRUE(Write("000003.log", "a batch").ok());
  EXPECT_FALSE(OnDisk("000003.log"));
  std::string text = "unread";
  EXPECT_TRUE(leveldb::ReadFileToString(&Env(), "/index/000003.log", &text).ok());
  EXPECT_EQ(text, "");
}

TEST_F(SealedEnvTest, KeepsCurrentInTheRegistry) {
  EXPECT_FALSE(Env().FileExists("/index/CURRENT"));
  Install();
  EXPECT_FALSE(OnDisk("CURRENT"));
  EXPECT_FALSE(OnDisk("000001.dbtmp"));
  Reopen();
  EXPECT_TRUE(Env().FileExists("/index/CURRENT"));
  std::string text;
  EXPECT_TRUE(leveldb::ReadFileToString(&Env(), "/index/CURRENT", &text).ok());
  EXPECT_EQ(text, "MANIFEST-000001\n");
  EXPECT_TRUE(leveldb::ReadFileToString(&Env(), "/index/MANIFEST-000001", &text).ok());
  EXPECT_EQ(text, "edits");
}

TEST_F(SealedEnvTest, MakesTheLogDurableForTablesOnly) {
  Install();
  EXPECT_EQ(log_syncs_, 0);
  EXPECT_TRUE(Write("000005.ldb", "table").ok());
  EXPECT_EQ(log_syncs_, 1);
  EXPECT_EQ(ReadTable("000005.ldb"), "table");
}

TEST_F(SealedEnvTest, KeepsTheCodeOfAFailedWrite) {
  log_ = Error(Errc::kUnavailable, "poisoned");
  const leveldb::Status status = Write("000005.ldb", "table");
  EXPECT_TRUE(status.IsIOError());
  EXPECT_EQ(env_->ToError(status).code, Errc::kUnavailable);
  EXPECT_EQ(env_->ToError(leveldb::Status::Corruption("a key")).code, Errc::kCorrupt);
  EXPECT_EQ(env_->ToError(leveldb::Status::Corruption("a key")).context.find("a key"),
            std::string::npos);
}

TEST_F(SealedEnvTest, ATableIsKnownOnceAManifestThatMayNameItIsSynced) {
  Install();
  ASSERT_TRUE(Write("000005.ldb", "table").ok());
  Reopen();  // as if the process had died
  EXPECT_EQ(ReadTable("000005.ldb"), "unreadable");
  ASSERT_TRUE(Write("000005.ldb", "table").ok());
  ASSERT_TRUE(Write("MANIFEST-000006", "more edits").ok());
  Reopen();
  EXPECT_EQ(ReadTable("000005.ldb"), "table");
}

TEST_F(SealedEnvTest, LooksAtEachOfManyTables) {
  constexpr int kTables = 300;  // so many that several threads do it
  const auto name = [](int number) { return std::to_string(100'000 + number) + ".ldb"; };
  for (int i = 0; i < kTables; ++i) ASSERT_TRUE(Write(name(i), "table " + name(i)).ok());
  Install();
  Reopen();
  for (int i = 0; i < kTables; ++i) ASSERT_EQ(ReadTable(name(i)), "table " + name(i));
  env_.reset();
  for (const int shortened : {0, 1, kTables / 2, kTables - 1}) {
    ASSERT_OK_AND_ASSIGN(const auto file,
                         fs_.Open("/index/" + name(shortened), OpenMode::kReadWrite));
    ASSERT_OK_AND_ASSIGN(const uint64_t size, file->Size());
    ByteVector last(1);
    ASSERT_THAT(file->ReadAt(size - 1, last), IsOkAndHolds(size_t{1}));
    ASSERT_THAT(file->Truncate(size - 1), IsOk());
    EXPECT_THAT(TryOpen(), FailsWith(Errc::kCorrupt)) << name(shortened);
    ASSERT_THAT(file->WriteAt(size - 1, last), IsOk());
  }
  EXPECT_THAT(TryOpen(), IsOk());
}

TEST_F(SealedEnvTest, ListsOnlyWhatLevelDbMayKnow) {
  Install();
  ASSERT_TRUE(Write("000005.ldb", "table").ok());
  ASSERT_THAT(fs_.Open("/index/000007.log", OpenMode::kCreate), IsOk());
  std::vector<std::string> names;
  ASSERT_TRUE(Env().GetChildren("/index", &names).ok());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("MANIFEST-000001", "000005.ldb"));
}

TEST_F(SealedEnvTest, RemovesNothingAfterAFailedWrite) {
  Install();
  ASSERT_TRUE(Write("000005.ldb", "table").ok());
  log_ = Error(Errc::kUnavailable, "poisoned");
  ASSERT_FALSE(Write("000006.ldb", "table").ok());
  EXPECT_FALSE(Env().RemoveFile("/index/000005.ldb").ok());
  EXPECT_TRUE(OnDisk("000005.ldb"));
}

TEST_F(SealedEnvTest, IsLockedAgainstASecondOpener) {
  EXPECT_THAT(TryOpen(), FailsWith(Errc::kUnavailable));
}

}  // namespace
}  // namespace leadglass
