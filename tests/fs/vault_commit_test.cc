// SPDX-License-Identifier: Apache-2.0

// Changes are gathered for one commit of the log, which is written before anything is promised.

#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "tests/fs/fault_disk.h"
#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

Status MakeFile(Vault& vault, const std::string& name) {
  LG_ASSIGN_OR_RETURN(const Attributes archive, vault.Lookup(kRootUser, kRootInode, "archive"));
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const Attributes made,
                      vault.MakeNode(kRootUser, archive.node, name, S_IFREG | 0644, 0));
  return {};
}

bool HasFile(Vault& vault, const std::string& name) {
  const auto archive = vault.Lookup(kRootUser, kRootInode, "archive");
  return archive && vault.Lookup(kRootUser, archive->node, name).has_value();
}

uint64_t NewestCommit(Vault& vault) {
  const auto status = vault.GetStatus();
  return status ? status->head.commit_number : 0;
}

TEST(VaultCommit, TakesManyChanges) {
  constexpr uint64_t kFiles = 1000;
  FaultDisk disk(1);
  ASSERT_OK_AND_ASSIGN(auto vault, disk.Open());
  const uint64_t before = NewestCommit(*vault);
  for (uint64_t i = 0; i < kFiles; ++i)
    ASSERT_THAT(MakeFile(*vault, "f" + std::to_string(i)), IsOk());
  ASSERT_THAT(vault->SyncAll(), IsOk());
  EXPECT_GT(NewestCommit(*vault), before);
  EXPECT_LT(NewestCommit(*vault), before + kFiles / 5);
}

TEST(VaultCommit, IsMadeOfWhatWasDoneBeforeASync) {
  FaultDisk disk(2);
  {
    ASSERT_OK_AND_ASSIGN(auto vault, disk.Open());
    ASSERT_THAT(MakeFile(*vault, "earlier"), IsOk());
    ASSERT_OK_AND_ASSIGN(const Attributes archive, vault->Lookup(kRootUser, kRootInode, "archive"));
    ASSERT_THAT(vault->FsyncFolder(archive.node), IsOk());
    disk.fs.Crash(FaultFileSystem::Tear::kLoseAll);
  }
  ASSERT_OK_AND_ASSIGN(const auto vault, disk.Open());
  EXPECT_TRUE(HasFile(*vault, "earlier"));
}

TEST(VaultCommit, IsMadeByUpkeepWhereNobodyAsksForIt) {
  FaultDisk disk(3);
  ASSERT_OK_AND_ASSIGN(auto vault, disk.Open());
  const uint64_t before = NewestCommit(*vault);
  ASSERT_THAT(MakeFile(*vault, "left alone"), IsOk());
  for (int i = 0; i < 1000 && NewestCommit(*vault) == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_GT(NewestCommit(*vault), before);
}

// Who asks for a change is told that there is no room for it, not who syncs later.
TEST(VaultCommit, HasRoomForWhatWasAccepted) {
  FaultDisk disk(4);
  Vault::Options options = SmallVault();
  options.spare_segments = 0;
  std::vector<std::string> accepted;
  {
    ASSERT_OK_AND_ASSIGN(auto vault, disk.Open(options));
    disk.fs.SetCapacity(disk.fs.UsedBytes() + (64u << 10));
    for (int i = 0;; ++i) {
      ASSERT_LT(i, 20'000);
      const std::string name = "a file on a disk that fills up, number " + std::to_string(i);
      const Status made = MakeFile(*vault, name);
      if (!made) {
        EXPECT_THAT(made, FailsWith(Errc::kNoSpace));
        break;
      }
      accepted.push_back(name);
    }
    ASSERT_THAT(vault->SyncAll(), IsOk());
    disk.fs.Crash(FaultFileSystem::Tear::kLoseAll);
  }
  disk.fs.SetCapacity(UINT64_MAX);
  ASSERT_OK_AND_ASSIGN(const auto vault, disk.Open(options));
  EXPECT_GT(accepted.size(), 50u);
  for (const std::string& name : accepted) EXPECT_TRUE(HasFile(*vault, name)) << name;
}

}  // namespace
}  // namespace leadglass
