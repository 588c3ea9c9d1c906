// SPDX-License-Identifier: Apache-2.0

// A file that is overwritten in small pieces for ever does not make the vault grow for ever, and
// nothing is lost by that: not in the files, not when the index is built anew from what the log
// still says, not by a crash at any moment.

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "tests/fs/fault_disk.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;
using Tear = FaultFileSystem::Tear;

constexpr size_t kPage = 4096;
constexpr size_t kPages = 50;
constexpr uint64_t kLive = kPage * kPages;

Vault::Options WithCheckpoints(int64_t horizon_nanos) {
  Vault::Options options = GivingBack(horizon_nanos);
  options.least_checkpoint_gain = 400'000;
  return options;
}
Vault::Options Keeping() { return WithCheckpoints(kHourNanos); }
Vault::Options Clearing() { return WithCheckpoints(0); }

class VaultCheckpoint : public ::testing::Test {
 protected:
  void Open(const Vault::Options& options) {
    auto opened = disk_->Open(options);
    ASSERT_THAT(opened, IsOk());
    vault_ = *std::move(opened);
  }
  void Close() {
    ASSERT_THAT(vault_->Close(), IsOk());
    vault_.reset();
  }
  void Reindex() {
    ASSERT_THAT(Vault::Reindex(disk_->fs, kFaultDiskVault, *disk_->keys, nullptr, SystemClock()),
                IsOk());
  }
  NodeId Archive() { return vault_->Lookup(kRootUser, kRootInode, "archive")->node; }
  OpenFile* Make(const std::string& name) {
    auto made = vault_->Create(kRootUser, Archive(), name, 0640, O_RDWR | O_CREAT);
    EXPECT_THAT(made, IsOk());
    return made ? made->file : nullptr;
  }
  // Of every kind something, which no later change tells of again.
  void MakeOthers() {
    for (int i = 0; i < 5; ++i) {
      const std::string name = "kept" + std::to_string(i);
      OpenFile* const file = Make(name);
      const std::string bytes = Noise(static_cast<uint64_t>(i) + 50, 3'000 * (1u << (2 * i)));
      ASSERT_THAT(vault_->Write(*file, 0, AsBytes(bytes), false), IsOk());
      vault_->Release(file);
      files_[name] = bytes;
    }
    const NodeId kept = vault_->Lookup(kRootUser, Archive(), "kept0")->node;
    ASSERT_THAT(vault_->SetXattr(kRootUser, kept, "user.note", AsBytes("a note"), 0), IsOk());
    ASSERT_THAT(vault_->Link(kRootUser, kept, Archive(), "second name"), IsOk());
    files_["second name"] = files_["kept0"];
    ASSERT_THAT(vault_->MakeSymlink(kRootUser, Archive(), "link", "kept1"), IsOk());
    ASSERT_THAT(vault_->MakeFolder(kRootUser, Archive(), "folder", 0750), IsOk());
    ASSERT_THAT(vault_->SyncAll(), IsOk());
  }
  void MakeDatabase() {
    OpenFile* const file = Make("database");
    files_["database"] = Noise(1, kLive);
    ASSERT_THAT(vault_->Write(*file, 0, AsBytes(files_["database"]), false), IsOk());
    ASSERT_THAT(vault_->Fsync(*file), IsOk());
    vault_->Release(file);
  }
  // Pages at random, each fsynced.
  void Overwrite(size_t count, uint64_t seed) {
    std::mt19937_64 random(seed);
    ASSERT_OK_AND_ASSIGN(
        OpenFile* const file,
        vault_->Open(kRootUser, vault_->Lookup(kRootUser, Archive(), "database")->node, O_RDWR));
    std::string& now = files_["database"];
    for (size_t i = 0; i < count; ++i) {
      const uint64_t at = random() % kPages * kPage;
      const std::string page = Noise(random(), kPage);
      ASSERT_THAT(vault_->Write(*file, at, AsBytes(page), false), IsOk());
      ASSERT_THAT(vault_->Fsync(*file), IsOk());
      now.replace(at, kPage, page);
    }
    vault_->Release(file);
  }
  void ExpectAll() {
    for (const auto& [name, bytes] : files_) {
      ASSERT_OK_AND_ASSIGN(const Attributes found, vault_->Lookup(kRootUser, Archive(), name));
      const auto read = ReadAll(*vault_, found.node);
      ASSERT_THAT(read, IsOk()) << name;
      EXPECT_TRUE(*read == bytes) << name;
    }
    EXPECT_EQ(*vault_->ReadSymlink(vault_->Lookup(kRootUser, Archive(), "link")->node), "kept1");
    const NodeId kept = vault_->Lookup(kRootUser, Archive(), "kept0")->node;
    ASSERT_OK_AND_ASSIGN(const ByteVector note, vault_->GetXattr(kRootUser, kept, "user.note"));
    EXPECT_EQ(AsText(note), "a note");
    EXPECT_EQ(vault_->GetAttributes(kept)->nlink, 2u);
    EXPECT_EQ(vault_->Lookup(kRootUser, Archive(), "folder")->mode & 07777, 0750u);
    ASSERT_OK_AND_ASSIGN(const auto report, vault_->Check({}));
    EXPECT_FALSE(report.data_lost);
    // The footer that a crash tore has a second copy.
    for (const std::string& damage : report.damage)
      EXPECT_THAT(damage, ::testing::HasSubstr("its second copy serves"));
  }
  uint64_t LogBytes() { return vault_->GetStatus()->log_bytes; }
  // Three times what is live, for pages do not lie on the disk's blocks, and what no checkpoint was
  // worth yet.
  bool WaitUntilSmall() {
    uint64_t live = 1'000'000;
    for (const auto& [name, bytes] : files_) live += 3 * bytes.size();
    for (int i = 0; i < 600; ++i) {
      if (LogBytes() < live) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }

  std::unique_ptr<FaultDisk> disk_ = std::make_unique<FaultDisk>(1);
  std::unique_ptr<Vault> vault_;
  std::map<std::string, std::string> files_;
};

// The pieces of a checkpoint say nothing of the session that writes them: what is written between
// them must.
TEST_F(VaultCheckpoint, MayBeTheFirstThingThatASessionWrites) {
  Vault::Options some = Keeping();
  some.segment_size = 16u << 20;  // for several pieces each
  Vault::Options none = some;
  none.least_checkpoint_gain = UINT64_MAX / 4;
  Open(none);
  for (int i = 0; i < 20; ++i) {  // several pieces
    const std::string name = "file" + std::to_string(i);
    vault_->Release(Make(name));
    ASSERT_THAT(vault_->SetXattr(kRootUser, vault_->Lookup(kRootUser, Archive(), name)->node,
                                 "user.large", AsBytes(Noise(static_cast<uint64_t>(i), 60'000)), 0),
                IsOk());
  }
  Close();
  Open(some);
  const uint64_t before = vault_->GetStatus()->head.commit_number;
  for (int i = 0; i < 5000 && vault_->GetStatus()->head.commit_number < before + 2; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_GE(vault_->GetStatus()->head.commit_number, before + 2) << "no checkpoint was begun";
  OpenFile* const file = Make("between");
  ASSERT_THAT(vault_->Write(*file, 0, AsBytes("bytes"), false), IsOk());
  ASSERT_THAT(vault_->Fsync(*file), IsOk());
  EXPECT_THAT(ReadAll(*vault_, file->node), IsOkAndHolds("bytes"));
  vault_->Release(file);
  disk_->fs.Crash(Tear::kLoseAll);
  vault_.reset();
  Open(some);
  EXPECT_THAT(ReadAll(*vault_, vault_->Lookup(kRootUser, Archive(), "between")->node),
              IsOkAndHolds("bytes"));
}

TEST_F(VaultCheckpoint, KeepsAVaultSmallThatIsOverwrittenForEver) {
  Open(Clearing());
  MakeOthers();
  MakeDatabase();
  for (uint64_t round = 0; round < 4; ++round) Overwrite(700, round);
  EXPECT_TRUE(WaitUntilSmall()) << LogBytes() << " bytes, after 2,800 pages for " << kLive;
  ExpectAll();
  Close();
  Open(Keeping());
  ExpectAll();
  Close();
  Reindex();
  Open(Clearing());
  ExpectAll();
  Overwrite(1'500, 9);
  EXPECT_TRUE(WaitUntilSmall()) << LogBytes() << " bytes";
  ExpectAll();
  Close();
  Reindex();
  Open(Keeping());
  ExpectAll();
}

TEST_F(VaultCheckpoint, GivesNothingBackBeforeTheHorizon) {
  Open(Keeping());
  MakeOthers();
  MakeDatabase();
  const uint64_t before = LogBytes();
  Overwrite(1'000, 1);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  EXPECT_GT(LogBytes(), before + 1'000 * kPage);
  ExpectAll();
  Close();
  // A checkpoint there is, and an index built from it alone has everything.
  Reindex();
  Open(Clearing());
  ExpectAll();
  EXPECT_TRUE(WaitUntilSmall()) << LogBytes() << " bytes";
  ExpectAll();
}

// The pages that a mount left in the kernel's hands come late: they lie before the base, and no
// commit names them when it is cleared.
TEST_F(VaultCheckpoint, KeepsBytesThatAreInNoCommitYet) {
  Open(Clearing());
  MakeOthers();
  MakeDatabase();
  OpenFile* const slow = Make("slow");
  files_["slow"] = Noise(77, 300'000);
  ASSERT_THAT(vault_->Write(*slow, 0, AsBytes(files_["slow"]), false), IsOk());
  for (uint64_t round = 0; round < 3; ++round) Overwrite(700, round);
  EXPECT_TRUE(WaitUntilSmall()) << LogBytes() << " bytes";
  vault_->Release(slow);
  ExpectAll();
}

// Readers and writers go on while checkpoints are made and room is given back.
TEST_F(VaultCheckpoint, IsMadeWhileOthersWriteAndRead) {
  Open(Clearing());
  MakeOthers();
  MakeDatabase();
  std::atomic<bool> done{false};
  std::thread reader([&] {
    const NodeId node = vault_->Lookup(kRootUser, Archive(), "kept3")->node;
    while (!done) {
      const auto read = ReadAll(*vault_, node);
      EXPECT_THAT(read, IsOk());
      EXPECT_TRUE(*read == files_.at("kept3"));
    }
  });
  std::thread namer([&] {
    NodeId gone = 0;
    for (int i = 0; !done; ++i) {
      const std::string name = "name" + std::to_string(i % 20);
      auto made = vault_->Create(kRootUser, Archive(), name, 0600, O_RDWR | O_CREAT);
      ASSERT_THAT(made, IsOk());
      EXPECT_THAT(vault_->Write(*made->file, 0, AsBytes(name), false), IsOk());
      vault_->Release(made->file);
      EXPECT_THAT(vault_->Rename(kRootUser, Archive(), name, Archive(), "renamed", 0), IsOk());
      if (gone != 0) vault_->Forget(gone);
      gone = made->attributes.node;
    }
  });
  for (uint64_t round = 0; round < 3; ++round) Overwrite(700, round);
  done = true;
  reader.join();
  namer.join();
  EXPECT_TRUE(WaitUntilSmall()) << LogBytes() << " bytes";
  ExpectAll();
  const auto list = [&] {
    std::map<std::string, int64_t> listed;
    EXPECT_THAT(vault_->List(kRootUser, Archive(), 0, true,
                             [&](const Vault::ListedEntry& entry) {
                               listed[std::string(entry.name)] = entry.attributes.mtime;
                               return true;
                             }),
                IsOk());
    return listed;
  };
  const auto before = list();
  Close();
  Reindex();
  Open(Keeping());
  EXPECT_EQ(list(), before);
  ExpectAll();
}

// Each call that a checkpoint and the clearing make fails, and all after it; then it crashes.
TEST_F(VaultCheckpoint, ACrashAtAnyMomentLosesNothing) {
  for (const Tear tear : {Tear::kKeepAll, Tear::kLoseAll, Tear::kScatter}) {
    bool beyond = false;
    for (uint64_t n = 1; !beyond; n += 1 + n / 8) {
      SCOPED_TRACE(std::to_string(static_cast<int>(tear)) + ", call " + std::to_string(n));
      disk_ = std::make_unique<FaultDisk>(n);
      files_.clear();
      Open(Keeping());
      MakeOthers();
      MakeDatabase();
      Overwrite(150, n);
      Close();
      Open(Clearing());
      disk_->fs.FailFrom(n, EIO, Lasts::kForEver, {Call::kPunchHole, Call::kSync, Call::kWrite});
      for (int i = 0; i < 60 && disk_->fs.faults() == 0; ++i) {
        if (vault_->GetStatus()->stale_bytes < 200'000 && i > 20) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      beyond = disk_->fs.faults() == 0;
      disk_->fs.FailFrom(1, EIO, Lasts::kForEver);
      (void)vault_->Close();
      vault_.reset();
      disk_->fs.Crash(tear);
      Open(n % 2 == 0 ? Clearing() : Keeping());
      ExpectAll();
      Overwrite(20, n + 1);
      Close();
      Reindex();
      Open(Clearing());
      ExpectAll();
      Close();
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace leadglass
