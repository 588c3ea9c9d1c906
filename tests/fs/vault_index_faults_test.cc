// SPDX-License-Identifier: Apache-2.0
// A vault whose index fails or is damaged: the log goes on being right, and the index is made of it
// again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>

#include "tests/fs/fault_disk.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;

// The log takes a commit that the index cannot: the vault must not build further ones on an index
// that does not know it.
TEST(VaultIndexFaults, AnIndexThatCannotBeWrittenMakesTheVaultReadOnlyUntilRemount) {
  FaultDisk disk(1);
  const std::string value = Noise(7, 60'000);
  std::set<std::string> set;
  {
    auto vault = disk.Open();
    ASSERT_THAT(vault, IsOk());
    ASSERT_OK_AND_ASSIGN(const Attributes archive,
                         (*vault)->Lookup(kRootUser, kRootInode, "archive"));
    ASSERT_OK_AND_ASSIGN(const Attributes folder,
                         (*vault)->MakeFolder(kRootUser, archive.node, "folder", 0755));
    disk.fs.FailFrom(1, EIO, Lasts::kForEver, {Call::kWrite, Call::kSync, Call::kOpen},
                     std::string(kFaultDiskVault) + "/index/");
    Status status;
    for (int i = 0; i < 5000 && status; ++i) {
      const std::string name = "user.n" + std::to_string(i);
      status = (*vault)->SetXattr(kRootUser, folder.node, name, AsBytes(value), 0);
      if (status) set.insert(name);
    }
    ASSERT_FALSE(status) << "the index never wrote anything";
    EXPECT_FALSE(set.empty());
    ASSERT_OK_AND_ASSIGN(const VaultStatus told, (*vault)->GetStatus());
    EXPECT_TRUE(told.failed);
    EXPECT_THAT((*vault)->MakeFolder(kRootUser, archive.node, "later", 0755),
                FailsWithErrno(EROFS));
    EXPECT_THAT((*vault)->SetXattr(kRootUser, folder.node, "user.late", AsBytes(value), 0),
                FailsWithErrno(EROFS));
    EXPECT_THAT((*vault)->Lookup(kRootUser, archive.node, "folder"), IsOk());
    EXPECT_THAT((*vault)->GetXattr(kRootUser, folder.node, *set.begin()), IsOk());
    (void)(*vault)->Close();
  }
  disk.fs.Heal();
  auto again = disk.Open();
  ASSERT_THAT(again, IsOk());
  ASSERT_OK_AND_ASSIGN(const Attributes archive,
                       (*again)->Lookup(kRootUser, kRootInode, "archive"));
  ASSERT_OK_AND_ASSIGN(const Attributes folder,
                       (*again)->Lookup(kRootUser, archive.node, "folder"));
  for (const std::string& name : set)
    EXPECT_THAT((*again)->GetXattr(kRootUser, folder.node, name), IsOk()) << name;
  EXPECT_THAT((*again)->MakeFolder(kRootUser, archive.node, "later", 0755), IsOk());
  EXPECT_EQ(Unreadable(**again), "");
}

using Files = std::map<std::string, ByteVector>;

Files FilesOf(FileSystem& fs, const std::string& folder) {
  Files files;
  const auto names = fs.List(folder);
  EXPECT_THAT(names, IsOk());
  for (const std::string& name : *names)
    files[name] = *ReadWholeFile(fs, folder + "/" + name, 64u << 20);
  return files;
}

void PutFiles(FileSystem& fs, const std::string& folder, const Files& files) {
  const auto names = fs.List(folder);
  ASSERT_THAT(names, IsOk());
  for (const std::string& name : *names) ASSERT_THAT(fs.Remove(folder + "/" + name), IsOk());
  for (const auto& [name, bytes] : files)
    ASSERT_THAT(ReplaceFile(fs, folder + "/" + name, bytes), IsOk());
}

// An index of an earlier moment is brought up to the log, and that reads it here and there: damage
// that nothing met while it was opened, whichever frame of its tables has it, means a rebuild.
TEST(VaultIndexFaults, DamageThatOnlyTheReplayMeetsMeansARebuild) {
  constexpr int kNames = 900;
  constexpr int64_t kLater = 2'000'000'000'000'000'000;
  const std::string folder = std::string(kFaultDiskVault) + "/index";
  const auto name_of = [](int i) {
    return "a file with a name of some length, " + std::to_string(i);
  };
  FaultDisk disk(1);
  const auto in_archive = [&](Vault& vault, const std::function<void(NodeId)>& use) {
    ASSERT_OK_AND_ASSIGN(const Attributes archive, vault.Lookup(kRootUser, kRootInode, "archive"));
    use(archive.node);
  };
  const auto session = [&](const std::function<void(Vault&, NodeId)>& use) {
    auto vault = disk.Open();
    ASSERT_THAT(vault, IsOk());
    in_archive(**vault, [&](NodeId archive) { use(**vault, archive); });
    ASSERT_THAT((*vault)->Close(), IsOk());
  };
  session([&](Vault& vault, NodeId archive) {
    for (int i = 0; i < kNames; ++i)
      ASSERT_THAT(vault.MakeNode(kRootUser, archive, name_of(i), S_IFREG | 0644, 0), IsOk());
  });
  const Files earlier = FilesOf(disk.fs, folder);
  session([&](Vault& vault, NodeId archive) {
    for (int i = 0; i < kNames; ++i) {
      ASSERT_OK_AND_ASSIGN(const Attributes file, vault.Lookup(kRootUser, archive, name_of(i)));
      AttributeChange change;
      change.mtime = kLater + i;
      ASSERT_THAT(vault.SetAttributes(kRootUser, file.node, change, false), IsOk());
    }
    for (int i = 0; i < kNames; i += 3)
      ASSERT_THAT(vault.Rename(kRootUser, archive, name_of(i), archive, name_of(i) + " moved", 0),
                  IsOk());
  });
  constexpr size_t kTableHeader = 48, kSealedFrame = 8192 + 40;  // docs/format.md
  size_t tried = 0;
  for (const auto& [name, bytes] : earlier) {
    if (name.size() < 4 || name.substr(name.size() - 4) != ".ldb") continue;
    for (size_t at = kTableHeader + 24; at < bytes.size(); at += kSealedFrame) {
      SCOPED_TRACE(name + " at " + std::to_string(at));
      Files damaged = earlier;
      damaged[name][at] ^= 1;
      PutFiles(disk.fs, folder, damaged);
      ++tried;
      session([&](Vault& vault, NodeId archive) {
        for (int i = 0; i < kNames; ++i) {
          ASSERT_OK_AND_ASSIGN(
              const Attributes file,
              vault.Lookup(kRootUser, archive, name_of(i) + (i % 3 == 0 ? " moved" : "")));
          ASSERT_EQ(file.mtime, kLater + i);
        }
        ASSERT_EQ(Unreadable(vault), "");
      });
      if (::testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(tried, 3u) << "an index of hardly a block says little";
}

}  // namespace
}  // namespace leadglass
