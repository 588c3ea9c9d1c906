// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

std::string PseudoRandom(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

class VaultData : public VaultTest {
 protected:
  OpenFile* Make(const std::string& name) {
    auto entry = vault_->Create(Root(), kArchiveInode, name, 0644, O_RDWR);
    EXPECT_THAT(entry, IsOk());
    return entry->file;
  }
  std::string ReadAll(OpenFile& file) {
    ByteVector bytes(vault_->GetAttributes(file.node)->size);
    EXPECT_THAT(vault_->Read(file, 0, bytes), IsOkAndHolds(bytes.size()));
    return std::string(AsText(bytes));
  }
  // In the middle of the first data record of so many plain bytes (docs/format.md, Records). False
  // if there is none.
  bool FlipAByteAmidARecordOf(uint32_t plain_bytes) const {
    std::vector<std::filesystem::path> segments;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/log"))
      if (entry.path().extension() == ".seg") segments.push_back(entry.path());
    std::sort(segments.begin(), segments.end());
    for (const auto& segment : segments) {
      std::string bytes(8u << 20, '\0');
      std::fstream file(segment, std::ios::binary | std::ios::in | std::ios::out);
      file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      file.clear();
      for (size_t at = bytes.find("LGrc"); at < bytes.size(); at = bytes.find("LGrc", at + 1)) {
        if (at + 96 > bytes.size() || bytes[at + 8] != 1) continue;
        uint32_t length = 0;
        std::memcpy(&length, bytes.data() + at + 24, sizeof length);
        if (length != plain_bytes) continue;
        const size_t middle = at + 96 + plain_bytes / 2;
        file.seekp(static_cast<std::streamoff>(middle));
        file.put(static_cast<char>(bytes.at(middle) ^ 1));
        return static_cast<bool>(file.flush());
      }
    }
    return false;
  }
};

TEST_F(VaultData, GivesBackWhatWasWritten) {
  const std::string bytes = PseudoRandom(3'000'000, 1);
  const NodeId node = WriteFile(kArchiveInode, "big", bytes);
  EXPECT_THAT(ReadFile(node), IsOkAndHolds(bytes));
  Reopen();
  EXPECT_THAT(ReadFile(node), IsOkAndHolds(bytes));
}

// What one bad byte on the disk costs is what a random read fetches: a chunk.
TEST_F(VaultData, ABadByteCostsAPageOfALargeFileAndAnImageFourOfThem) {
  constexpr size_t kOnePage = 4096;
  const struct {
    const char* name;
    size_t size;
    size_t pages_lost;
  } files[] = {{"multi-frame", 3'000'000, 1}, {"image", 525'000, 4}};
  for (const auto& [name, size, pages_lost] : files) {
    const std::string bytes = PseudoRandom(size, 7);
    const NodeId node = WriteFile(kArchiveInode, name, bytes);
    ASSERT_THAT(vault_->Close(), IsOk());
    vault_.reset();
    ASSERT_TRUE(
        FlipAByteAmidARecordOf(static_cast<uint32_t>(std::min(size, size_t{kMaxDataLength}))));
    OpenVault();
    ASSERT_OK_AND_ASSIGN(OpenFile* const file, vault_->Open(Root(), node, O_RDONLY));
    size_t lost = 0;
    for (size_t at = 0; at < size; at += kOnePage) {
      ByteVector page(std::min(kOnePage, size - at));
      const auto got = vault_->Read(*file, at, page);
      if (got) {
        EXPECT_EQ(AsText(page), std::string_view(bytes).substr(at, page.size()));
      } else {
        EXPECT_EQ(got.error().code, Errc::kCorrupt);
        ++lost;
      }
    }
    EXPECT_EQ(lost, pages_lost) << name;
    vault_->Release(file);
  }
}

TEST_F(VaultData, ReadsHolesAsZerosAndCountsBlocks) {
  OpenFile* const file = Make("sparse");
  ASSERT_THAT(vault_->Write(*file, 1'000'000, AsBytes("end"), false), IsOk());
  std::string expected(1'000'003, '\0');
  expected.replace(1'000'000, 3, "end");
  EXPECT_EQ(ReadAll(*file), expected);
  EXPECT_EQ(vault_->GetAttributes(file->node)->blocks, 1u);
  EXPECT_THAT(vault_->Seek(*file, 0, SEEK_DATA), IsOkAndHolds(1'000'000u));
  EXPECT_THAT(vault_->Seek(*file, 0, SEEK_HOLE), IsOkAndHolds(0u));
  EXPECT_THAT(vault_->Seek(*file, 1'000'001, SEEK_HOLE), IsOkAndHolds(1'000'003u));
  EXPECT_THAT(vault_->Seek(*file, 1'000'003, SEEK_DATA), FailsWithErrno(ENXIO));
  vault_->Release(file);
}

TEST_F(VaultData, CutsAndExtends) {
  OpenFile* const file = Make("f");
  ASSERT_THAT(vault_->Write(*file, 0, AsBytes("0123456789"), false), IsOk());
  ASSERT_THAT(vault_->Fsync(*file), IsOk());
  AttributeChange change;
  change.size = 4;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, file->node, change, false), IsOk());
  change.size = 8;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, file->node, change, false), IsOk());
  EXPECT_EQ(ReadAll(*file), std::string("0123\0\0\0\0", 8));
  ASSERT_THAT(vault_->Fsync(*file), IsOk());
  const NodeId node = file->node;
  vault_->Release(file);
  Reopen();
  EXPECT_THAT(ReadFile(node), IsOkAndHolds(std::string("0123\0\0\0\0", 8)));
}

TEST_F(VaultData, PunchesAndZeroes) {
  OpenFile* const file = Make("f");
  ASSERT_THAT(vault_->Write(*file, 0, AsBytes("0123456789"), false), IsOk());
  ASSERT_THAT(vault_->Allocate(*file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3), IsOk());
  ASSERT_THAT(vault_->Allocate(*file, FALLOC_FL_ZERO_RANGE, 8, 6), IsOk());
  EXPECT_EQ(ReadAll(*file), std::string("01\0\0\0"
                                        "567"
                                        "\0\0\0\0\0\0",
                                        14));
  EXPECT_THAT(vault_->Allocate(*file, FALLOC_FL_COLLAPSE_RANGE, 0, 4096),
              FailsWithErrno(EOPNOTSUPP));
  vault_->Release(file);
}

TEST_F(VaultData, ClearsSetuidWhenAsked) {
  OpenFile* const file = Make("f");
  AttributeChange change;
  change.mode = 06755;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, file->node, change, false), IsOk());
  ASSERT_THAT(vault_->Write(*file, 0, AsBytes("x"), true), IsOk());
  EXPECT_EQ(vault_->GetAttributes(file->node)->mode & 07777, 0755u);
  vault_->Release(file);
}

TEST_F(VaultData, SurvivesRandomOverwritesAgainstAModel) {
  constexpr uint32_t kSeed = 20261125;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  std::string model;
  OpenFile* file = Make("f");
  const NodeId node = file->node;
  for (int step = 0; step < 600; ++step) {
    const size_t offset = random() % 300'000;
    const size_t length = 1 + random() % 40'000;
    switch (random() % 8) {
      default: {
        const std::string bytes = PseudoRandom(length, static_cast<uint32_t>(random()));
        ASSERT_THAT(vault_->Write(*file, offset, AsBytes(bytes), false), IsOk());
        if (model.size() < offset + length) model.resize(offset + length);
        model.replace(offset, length, bytes);
        break;
      }
      case 0: {
        AttributeChange change;
        change.size = offset;
        ASSERT_THAT(vault_->SetAttributes(kRootUser, node, change, false), IsOk());
        model.resize(offset);
        break;
      }
      case 1: {
        ASSERT_THAT(
            vault_->Allocate(*file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length),
            IsOk());
        for (size_t i = offset; i < std::min(offset + length, model.size()); ++i) model[i] = 0;
        break;
      }
      case 2: ASSERT_THAT(vault_->Fsync(*file), IsOk()); break;
      case 3: ASSERT_THAT(vault_->Flush(*file), IsOk()); break;
    }
    if (step % 20 == 0) {
      ASSERT_EQ(ReadAll(*file), model) << "step " << step;
    }
    if (step % 150 == 149) {
      vault_->Release(file);
      Reopen();
      ASSERT_OK_AND_ASSIGN(file, vault_->Open(kRootUser, node, O_RDWR));
      ASSERT_EQ(ReadAll(*file), model) << "after reopening at step " << step;
    }
  }
  ASSERT_OK_AND_ASSIGN(const Attributes attributes, vault_->GetAttributes(node));
  EXPECT_EQ(attributes.size, model.size());
  EXPECT_LE(attributes.blocks, (model.size() + 511) / 512);
  vault_->Release(file);
}

TEST_F(VaultData, ChangesOfBytesLeaveTheTimesToACallerWhoKeepsThem) {
  const NodeId node = WriteFile(kArchiveInode, "f", "bytes");
  AttributeChange long_ago;
  long_ago.mtime = 1;
  long_ago.ctime = 2;
  for (const Times times : {Times::kCaller, Times::kVault}) {
    const bool kept = times == Times::kCaller;
    const auto expect_times = [&](const char* after) {
      const auto now = vault_->GetAttributes(node);
      ASSERT_THAT(now, IsOk());
      EXPECT_EQ(now->mtime == 1, kept) << after;
      EXPECT_EQ(now->ctime == 2, kept) << after;
      ASSERT_THAT(vault_->SetAttributes(kRootUser, node, long_ago, false), IsOk());
    };
    ASSERT_THAT(vault_->SetAttributes(kRootUser, node, long_ago, false), IsOk());
    ASSERT_OK_AND_ASSIGN(OpenFile* const file,
                         vault_->Open(kRootUser, node, O_RDWR | O_TRUNC, times));
    expect_times("O_TRUNC");
    ASSERT_THAT(vault_->Write(*file, 0, AsBytes("other bytes"), false), IsOk());
    expect_times("a write");
    ASSERT_THAT(vault_->Allocate(*file, 0, 0, 100), IsOk());
    expect_times("a longer file");
    ASSERT_THAT(vault_->Allocate(*file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5), IsOk());
    expect_times("a hole");
    ASSERT_THAT(vault_->Fsync(*file), IsOk());
    vault_->Release(file);
    Reopen();
    EXPECT_EQ(vault_->GetAttributes(node)->mtime, 1);
  }
}

class StoppedClock final : public Clock {
 public:
  int64_t WallNanos() override { return 1'700'000'000'000'000'000; }
  int64_t MonotonicNanos() override { return SystemClock().MonotonicNanos(); }
};

// The kernel keeps pages of a view file by what GetAttributes() says of it (fs/fuse_node.h).
TEST_F(VaultData, EachContentOfAFileHasItsOwnVersionThoughTheClockStands) {
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  StoppedClock clock;
  Vault::Options options;
  options.commit_interval_nanos = 0;  // a file that was closed is soon in nobody's hands
  auto opened = Vault::Open(PosixFileSystem(), folder_, *keys_, TestParser(), options, clock);
  ASSERT_THAT(opened, IsOk());
  vault_ = *std::move(opened);
  std::string content = "content 0";
  const NodeId node = WriteFile(kArchiveInode, "f", content);
  std::map<uint64_t, std::string> contents;  // by version
  const auto look = [&] {
    const uint64_t version = vault_->GetAttributes(node)->content_version;
    EXPECT_EQ(contents.try_emplace(version, content).first->second, content) << version;
  };
  for (int round = 1; round <= 3; ++round) {
    look();
    // More files than are kept in memory.
    for (int i = 0; i < 9'000; ++i) {
      const std::string name = std::to_string(round) + "." + std::to_string(i);
      ASSERT_THAT(vault_->MakeNode(Root(), kArchiveInode, name, S_IFREG | 0644, 0), IsOk());
    }
    look();
    ASSERT_OK_AND_ASSIGN(OpenFile* const file, vault_->Open(kRootUser, node, O_RDWR));
    content.back() = static_cast<char>('0' + round);
    ASSERT_THAT(vault_->Write(*file, 0, AsBytes(content), false), IsOk());
    look();
    ASSERT_THAT(vault_->Flush(*file), IsOk());
    vault_->Release(file);
  }
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();  // before its clock
}

TEST_F(VaultData, ReindexGivesTheSameTreeAndBytes) {
  const NodeId folder = Folder(kArchiveInode, "d");
  const std::string bytes = PseudoRandom(100'000, 7);
  const NodeId node = WriteFile(folder, "f", bytes);
  const auto before = Tree(kRootInode);
  ASSERT_OK_AND_ASSIGN(const Attributes attributes, vault_->GetAttributes(node));
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  ASSERT_THAT(Vault::Reindex(PosixFileSystem(), folder_, *keys_, {}, SystemClock()), IsOk());
  OpenVault();
  EXPECT_EQ(Tree(kRootInode), before);
  EXPECT_THAT(ReadFile(node), IsOkAndHolds(bytes));
  EXPECT_EQ(vault_->GetAttributes(node)->mtime, attributes.mtime);
}

TEST_F(VaultData, RebuildsAMissingIndex) {
  const NodeId node = WriteFile(kArchiveInode, "f", "bytes");
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  std::filesystem::remove_all(folder_ + "/index");
  OpenVault();
  EXPECT_THAT(ReadFile(node), IsOkAndHolds("bytes"));
}

TEST_F(VaultData, CheckFindsACleanVaultClean) {
  WriteFile(kArchiveInode, "f", PseudoRandom(2'000'000, 3));
  Reopen();
  ASSERT_OK_AND_ASSIGN(const Vault::CheckReport report, vault_->Check({}));
  EXPECT_TRUE(report.damage.empty()) << report.damage.front();
  EXPECT_FALSE(report.data_lost);
  EXPECT_EQ(report.files_checked, 1u);
  EXPECT_EQ(report.bytes_checked, 2'000'000u);
}

}  // namespace
}  // namespace leadglass
