// SPDX-License-Identifier: Apache-2.0
// Room that deleted and overwritten bytes took goes back to the disk, after the horizon, and
// nothing else ever does: not when calls of the disk fail, not when it crashes in between.
#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <thread>

#include "tests/fs/fault_disk.h"
#include "tests/support/fault_step.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;
using Tear = FaultFileSystem::Tear;

constexpr size_t kSmallFiles = 12;
constexpr size_t kFileSize = 150'000;  // two files to a segment

Vault::Options KeepingDeleted() { return GivingBack(kHourNanos); }
Vault::Options GivingBackAtOnce() { return GivingBack(0); }

class VaultSpace : public ::testing::Test {
 protected:
  void Open(const Vault::Options& options) {
    auto opened = disk_.Open(options);
    ASSERT_THAT(opened, IsOk());
    vault_ = *std::move(opened);
  }
  void Close() {
    ASSERT_THAT(vault_->Close(), IsOk());
    vault_.reset();
  }
  NodeId Archive() { return vault_->Lookup(kRootUser, kRootInode, "archive")->node; }
  static std::string Name(size_t i) { return "file" + std::to_string(i); }

  void Write(const std::string& name, uint64_t offset, const std::string& bytes) {
    OpenFile* file = nullptr;
    if (const auto there = vault_->Lookup(kRootUser, Archive(), name)) {
      ASSERT_OK_AND_ASSIGN(file, vault_->Open(kRootUser, there->node, O_RDWR));
    } else {
      ASSERT_OK_AND_ASSIGN(const Entry made,
                           vault_->Create(kRootUser, Archive(), name, 0644, O_RDWR | O_CREAT));
      file = made.file;
    }
    ASSERT_THAT(vault_->Write(*file, offset, AsBytes(bytes), false), IsOk());
    ASSERT_THAT(vault_->Fsync(*file), IsOk());
    vault_->Release(file);
    std::string& now = files_[name];
    now.resize(std::max(now.size(), offset + bytes.size()));
    now.replace(offset, bytes.size(), bytes);
  }
  void Remove(const std::string& name) {
    const NodeId node = vault_->Lookup(kRootUser, Archive(), name)->node;
    ASSERT_THAT(vault_->Unlink(kRootUser, Archive(), name), IsOk());
    vault_->Forget(node);
    ASSERT_THAT(vault_->SyncAll(), IsOk());
    files_.erase(name);
  }
  // Files of noise in several segments; those that are even are deleted, the first odd one is
  // overwritten as a whole, the second in part. One that stays ends it, in the newest segment.
  void WriteAndDelete() {
    for (size_t i = 0; i < kSmallFiles; ++i) Write(Name(i), 0, Noise(i, kFileSize));
    for (size_t i = 0; i < kSmallFiles; i += 2) Remove(Name(i));
    Write(Name(1), 0, Noise(100, kFileSize));
    Write(Name(3), 0, Noise(101, kFileSize / 2));
    Write("last", 0, Noise(102, kFileSize));
    Write("last2", 0, Noise(103, kFileSize));
  }
  void ExpectAllFiles() {
    for (const auto& [name, bytes] : files_) {
      ASSERT_OK_AND_ASSIGN(const Attributes found, vault_->Lookup(kRootUser, Archive(), name));
      const auto read = ReadAll(*vault_, found.node);
      ASSERT_THAT(read, IsOk()) << name;
      EXPECT_TRUE(*read == bytes) << name;
    }
    const auto report = vault_->Check({});
    ASSERT_THAT(report, IsOk());
    EXPECT_THAT(report->damage, ::testing::IsEmpty());
    EXPECT_FALSE(report->data_lost);
  }
  uint64_t DeadBytes() { return vault_->GetStatus()->dead_bytes; }
  // Until upkeep has done what it can; false: it took too long.
  bool WaitUntilGivenBack() {
    for (int i = 0; i < 6000; ++i) {
      if (DeadBytes() == 0) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  // Until the log takes what the files take, and a little: frames, ends of records, commits,
  // footers. To wait for when the holes matter: what a Punch named is no longer counted as dead,
  // and its holes are made after that.
  bool WaitUntilSmall() {
    const uint64_t live = files_.size() * kFileSize;
    for (int i = 0; i < 6000; ++i) {
      if (vault_->GetStatus()->log_bytes < live + live / 2 + (512u << 10)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  FaultDisk disk_{1};
  std::unique_ptr<Vault> vault_;
  std::map<std::string, std::string> files_;
};

TEST_F(VaultSpace, ComesBackAfterDeletingAndOverwriting) {
  Open(GivingBackAtOnce());
  WriteAndDelete();
  ASSERT_TRUE(WaitUntilGivenBack()) << DeadBytes() << " bytes are still dead";
  EXPECT_TRUE(WaitUntilSmall()) << vault_->GetStatus()->log_bytes << " bytes";
  ExpectAllFiles();
  Close();
  Open(GivingBackAtOnce());
  ExpectAllFiles();
}

TEST_F(VaultSpace, ACheckMeanwhileFindsNoDamage) {
  Open(GivingBackAtOnce());
  WriteAndDelete();
  for (int i = 0; i < 1'000 && DeadBytes() > 0; ++i) ExpectAllFiles();
  EXPECT_TRUE(WaitUntilGivenBack());
  ExpectAllFiles();
}

TEST_F(VaultSpace, StaysUntilTheHorizon) {
  Open(KeepingDeleted());
  WriteAndDelete();
  const uint64_t dead = DeadBytes();
  EXPECT_GT(dead, (kSmallFiles / 2 + 1) * (kFileSize - 3 * 4096));
  const uint64_t used = vault_->GetStatus()->log_bytes;
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));
  EXPECT_EQ(DeadBytes(), dead);
  EXPECT_GE(vault_->GetStatus()->log_bytes, used);
  Close();
  // It is remembered over a remount, and the horizon is what that mount says.
  Open(GivingBackAtOnce());
  EXPECT_EQ(DeadBytes(), dead);
  Write("more", 0, "a commit in a new segment");
  ASSERT_TRUE(WaitUntilGivenBack());
  ASSERT_TRUE(WaitUntilSmall()) << vault_->GetStatus()->log_bytes << " bytes";
  EXPECT_LT(vault_->GetStatus()->log_bytes, used);
  ExpectAllFiles();
}

TEST_F(VaultSpace, ANearlyFullDiskDoesNotWaitForTheHorizon) {
  disk_.fs.SetCapacity(64u << 20);
  Open(KeepingDeleted());
  WriteAndDelete();
  EXPECT_TRUE(WaitUntilGivenBack());
  ExpectAllFiles();
}

TEST_F(VaultSpace, OfAFileThatWasDeletedWhileItsBytesWereNotCommitted) {
  Open(GivingBackAtOnce());
  ASSERT_OK_AND_ASSIGN(const Entry made,
                       vault_->Create(kRootUser, Archive(), "temporary", 0600, O_RDWR | O_CREAT));
  ASSERT_THAT(vault_->Write(*made.file, 0, AsBytes(Noise(1, kFileSize)), false), IsOk());
  ASSERT_THAT(vault_->Unlink(kRootUser, Archive(), "temporary"), IsOk());
  vault_->Forget(made.attributes.node);
  // Without a FLUSH, as after the death of a process whose pages came late.
  vault_->Release(made.file);
  EXPECT_GT(DeadBytes(), kFileSize - 3 * 4096);
}

TEST_F(VaultSpace, ARebuiltIndexKnowsWhatIsDeadAndWhatIsPunched) {
  Open(KeepingDeleted());
  WriteAndDelete();
  const uint64_t dead = DeadBytes();
  Close();
  ASSERT_THAT(Vault::Reindex(disk_.fs, kFaultDiskVault, *disk_.keys, nullptr, SystemClock()),
              IsOk());
  Open(KeepingDeleted());
  EXPECT_EQ(DeadBytes(), dead);
  Close();
  Open(GivingBackAtOnce());
  Write("more", 0, "a commit in a new segment");
  ASSERT_TRUE(WaitUntilGivenBack());
  Close();
  ASSERT_THAT(Vault::Reindex(disk_.fs, kFaultDiskVault, *disk_.keys, nullptr, SystemClock()),
              IsOk());
  Open(KeepingDeleted());
  EXPECT_EQ(DeadBytes(), 0u);
  ExpectAllFiles();
}

TEST_F(VaultSpace, ADiskThatCannotPunchIsAskedOnce) {
  Open(GivingBackAtOnce());
  disk_.fs.FailFrom(1, EOPNOTSUPP, Lasts::kForEver, {Call::kPunchHole});
  WriteAndDelete();
  for (int i = 0; i < 6000 && !vault_->GetStatus()->cannot_punch; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(vault_->GetStatus()->cannot_punch);
  EXPECT_FALSE(vault_->GetStatus()->failed);
  Write("after", 0, Noise(7, kFileSize));
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));
  EXPECT_EQ(disk_.fs.faults(), 1u);
  ExpectAllFiles();
}

// Every call of the disk from the moment on at which something can be given back fails once, or all
// of them from one on; then the machine crashes. Nothing that is needed is lost, and what a Punch
// promised is done by the next mount.
TEST_F(VaultSpace, ACrashInBetweenLosesNothingAndIsMadeGood) {
  for (const Tear tear : {Tear::kKeepAll, Tear::kLoseAll, Tear::kScatter}) {
    for (uint64_t n = 1;; n += kFaultStep) {
      SCOPED_TRACE(std::to_string(static_cast<int>(tear)) + ", call " + std::to_string(n));
      FaultDisk fresh(n);
      files_.clear();
      {
        auto opened = fresh.Open(KeepingDeleted());
        ASSERT_THAT(opened, IsOk());
        vault_ = *std::move(opened);
        WriteAndDelete();
        Close();
      }
      auto opened = fresh.Open(GivingBackAtOnce());
      ASSERT_THAT(opened, IsOk());
      vault_ = *std::move(opened);
      Write("more", 0, "a commit in a new segment");
      fresh.fs.FailFrom(n, EIO, Lasts::kForEver, {Call::kPunchHole, Call::kSync, Call::kWrite});
      for (int i = 0; i < 400 && DeadBytes() > 0 && fresh.fs.faults() == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const bool beyond = fresh.fs.faults() == 0;
      fresh.fs.FailFrom(1, EIO, Lasts::kForEver);
      (void)vault_->Close();
      vault_.reset();
      fresh.fs.Crash(tear);
      opened = fresh.Open(GivingBackAtOnce());
      ASSERT_THAT(opened, IsOk());
      vault_ = *std::move(opened);
      ExpectAllFiles();
      Write("more", 0, "another commit, in another segment");
      ASSERT_TRUE(WaitUntilGivenBack());
      ExpectAllFiles();
      EXPECT_TRUE(WaitUntilSmall()) << vault_->GetStatus()->log_bytes << " bytes";
      Close();
      if (HasFailure() || beyond) break;
    }
  }
}

}  // namespace
}  // namespace leadglass
