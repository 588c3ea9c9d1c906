// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>

#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

using ::testing::UnorderedElementsAre;
using VaultNames = VaultTest;

TEST_F(VaultNames, BeginsWithThreeFixedFolders) {
  EXPECT_THAT(Names(kRootInode), UnorderedElementsAre("archive", "incoming", "patients"));
}

TEST_F(VaultNames, RefusesNamesInTheRootAndInViews) {
  EXPECT_THAT(vault_->MakeFolder(Root(), kRootInode, "x", 0755), FailsWithErrno(EPERM));
  EXPECT_THAT(vault_->RemoveFolder(kRootUser, kRootInode, "archive"), FailsWithErrno(EPERM));
  EXPECT_THAT(vault_->MakeFolder(Root(), kPatientsInode, "x", 0755), FailsWithErrno(EROFS));
}

TEST_F(VaultNames, KeepsTheTreeAcrossReopening) {
  const NodeId folder = Folder(kArchiveInode, "pacs");
  WriteFile(folder, "one", "1");
  ASSERT_THAT(vault_->MakeSymlink(Root(), folder, "two", "one"), IsOk());
  ASSERT_THAT(vault_->MakeNode(Root(), folder, "pipe", S_IFIFO | 0600, 0), IsOk());
  const auto before = Tree(kArchiveInode);
  Reopen();
  EXPECT_EQ(Tree(kArchiveInode), before);
  EXPECT_THAT(vault_->ReadSymlink(Walk("/archive/pacs/two")), IsOkAndHolds("one"));
  EXPECT_THAT(ReadFile(Walk("/archive/pacs/one")), IsOkAndHolds("1"));
}

TEST_F(VaultNames, TakesNamesThatBeginWithADot) {
  const NodeId node = WriteFile(kArchiveInode, ".DS_Store", "x");
  EXPECT_THAT(ReadFile(node), IsOkAndHolds("x"));
}

TEST_F(VaultNames, CountsLinks) {
  const NodeId node = WriteFile(kArchiveInode, "a", "x");
  ASSERT_OK_AND_ASSIGN(const Attributes linked, vault_->Link(kRootUser, node, kArchiveInode, "b"));
  EXPECT_EQ(linked.nlink, 2u);
  ASSERT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "a"), IsOk());
  ASSERT_OK_AND_ASSIGN(const Attributes left, vault_->Lookup(kRootUser, kArchiveInode, "b"));
  EXPECT_EQ(left.nlink, 1u);
  EXPECT_EQ(left.inode, node);
}

TEST_F(VaultNames, RefusesALinkToAFolder) {
  const NodeId folder = Folder(kArchiveInode, "d");
  EXPECT_THAT(vault_->Link(kRootUser, folder, kArchiveInode, "e"), FailsWithErrno(EPERM));
}

TEST_F(VaultNames, RefusesLongEmptyAndTakenNames) {
  const std::string longest(255, 'n');
  EXPECT_THAT(vault_->MakeFolder(Root(), kArchiveInode, longest, 0755), IsOk());
  EXPECT_THAT(vault_->MakeFolder(Root(), kArchiveInode, longest + "n", 0755),
              FailsWithErrno(ENAMETOOLONG));
  EXPECT_THAT(vault_->MakeFolder(Root(), kArchiveInode, longest, 0755), FailsWithErrno(EEXIST));
  EXPECT_THAT(vault_->Lookup(kRootUser, kArchiveInode, "absent"), FailsWithErrno(ENOENT));
}

TEST_F(VaultNames, RemovesOnlyEmptyFolders) {
  const NodeId folder = Folder(kArchiveInode, "d");
  WriteFile(folder, "f", "x");
  EXPECT_THAT(vault_->RemoveFolder(kRootUser, kArchiveInode, "d"), FailsWithErrno(ENOTEMPTY));
  ASSERT_THAT(vault_->Unlink(kRootUser, folder, "f"), IsOk());
  EXPECT_THAT(vault_->RemoveFolder(kRootUser, kArchiveInode, "d"), IsOk());
  EXPECT_EQ(Walk("/archive/d"), 0u);
}

TEST_F(VaultNames, RenamesOverAFileAndKeepsItReadableWhileOpen) {
  WriteFile(kArchiveInode, "new", "new bytes");
  const NodeId old = WriteFile(kArchiveInode, "old", "old bytes");
  ASSERT_OK_AND_ASSIGN(OpenFile* const open, vault_->Open(kRootUser, old, O_RDONLY));
  ASSERT_THAT(vault_->Rename(kRootUser, kArchiveInode, "new", kArchiveInode, "old", 0), IsOk());
  EXPECT_THAT(ReadFile(Walk("/archive/old")), IsOkAndHolds("new bytes"));
  ByteVector bytes(9);
  EXPECT_THAT(vault_->Read(*open, 0, bytes), IsOkAndHolds(9u));
  EXPECT_EQ(AsText(bytes), "old bytes");
  vault_->Release(open);
}

TEST_F(VaultNames, MovesFoldersWithTheirParentLinks) {
  const NodeId a = Folder(kArchiveInode, "a");
  const NodeId b = Folder(kArchiveInode, "b");
  Folder(a, "child");
  ASSERT_THAT(vault_->Rename(kRootUser, a, "child", b, "moved", 0), IsOk());
  EXPECT_EQ(vault_->GetAttributes(a)->nlink, 2u);
  EXPECT_EQ(vault_->GetAttributes(b)->nlink, 3u);
  EXPECT_EQ(vault_->Lookup(kRootUser, Walk("/archive/b/moved"), "..")->node, b);
}

TEST_F(VaultNames, RefusesToMoveAFolderIntoItself) {
  const NodeId a = Folder(kArchiveInode, "a");
  const NodeId inner = Folder(a, "inner");
  EXPECT_THAT(vault_->Rename(kRootUser, kArchiveInode, "a", inner, "x", 0), FailsWithErrno(EINVAL));
  EXPECT_THAT(vault_->Rename(kRootUser, kArchiveInode, "a", a, "x", 0), FailsWithErrno(EINVAL));
}

TEST_F(VaultNames, ObeysRenameFlags) {
  WriteFile(kArchiveInode, "a", "A");
  WriteFile(kArchiveInode, "b", "B");
  EXPECT_THAT(vault_->Rename(kRootUser, kArchiveInode, "a", kArchiveInode, "b", RENAME_NOREPLACE),
              FailsWithErrno(EEXIST));
  ASSERT_THAT(vault_->Rename(kRootUser, kArchiveInode, "a", kArchiveInode, "b", RENAME_EXCHANGE),
              IsOk());
  EXPECT_THAT(ReadFile(Walk("/archive/a")), IsOkAndHolds("B"));
  EXPECT_THAT(ReadFile(Walk("/archive/b")), IsOkAndHolds("A"));
}

TEST_F(VaultNames, GivesNewFilesTheGroupOfASetgidFolder) {
  const NodeId folder = Folder(kArchiveInode, "g");
  AttributeChange change;
  change.gid = 77;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, folder, change, false), IsOk());
  change = {};
  change.mode = 02775;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, folder, change, false), IsOk());
  const NodeId file = WriteFile(folder, "f", "x");
  const NodeId inner = Folder(folder, "d");
  EXPECT_EQ(vault_->GetAttributes(file)->gid, 77u);
  EXPECT_EQ(vault_->GetAttributes(inner)->gid, 77u);
  EXPECT_EQ(vault_->GetAttributes(inner)->mode & 07000, 02000u);
}

TEST_F(VaultNames, ListsInOrderOfCreationFromAnyCookie) {
  for (int i = 0; i < 50; ++i) WriteFile(kArchiveInode, "f" + std::to_string(i), "x");
  std::vector<std::pair<std::string, uint64_t>> all;
  ASSERT_THAT(vault_->List(kRootUser, kArchiveInode, 2, true,
                           [&](const Vault::ListedEntry& entry) {
                             all.emplace_back(entry.name, entry.cookie);
                             return true;
                           }),
              IsOk());
  ASSERT_EQ(all.size(), 50u);
  EXPECT_EQ(all.front().first, "f0");
  EXPECT_EQ(all.back().first, "f49");
  ASSERT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "f10"), IsOk());
  std::string next;
  ASSERT_THAT(vault_->List(kRootUser, kArchiveInode, all[9].second, false,
                           [&](const Vault::ListedEntry& entry) {
                             next = entry.name;
                             return false;
                           }),
              IsOk());
  EXPECT_EQ(next, "f11");
}

TEST_F(VaultNames, SweepsOrphansAtTheNextOpen) {
  const NodeId node = WriteFile(kArchiveInode, "gone", "x");
  ASSERT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "gone"), IsOk());
  Reopen();
  EXPECT_THAT(vault_->GetAttributes(node), FailsWithErrno(ENOENT));
}

TEST_F(VaultNames, NeverReusesAnInodeNumber) {
  const NodeId first = WriteFile(kArchiveInode, "a", "x");
  ASSERT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "a"), IsOk());
  vault_->Forget(first);
  Reopen();
  EXPECT_GT(WriteFile(kArchiveInode, "b", "x"), first);
}

TEST_F(VaultNames, RefusesASecondOpener) {
  EXPECT_THAT(Vault::Open(PosixFileSystem(), folder_, *keys_, nullptr, {}, SystemClock()),
              FailsWith(Errc::kUnavailable));
}

TEST_F(VaultNames, RefusesAVaultFileFromBeforeARemovedPassphrase) {
  WriteFile(kArchiveInode, "a", "x");
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  SecretBytes second(3);
  std::memcpy(second.ExposeForOpenSsl().data(), "two", 3);
  ASSERT_THAT(keys_->AddSlot(second, 10, SystemClock()), IsOk());
  const std::filesystem::path old = folder_ + "-old";
  std::filesystem::remove_all(old);
  std::filesystem::copy(folder_, old);  // the files beside the log: vault file and keyring
  ASSERT_THAT(keys_->RemoveSlot(keys_->info().slots.front().id), IsOk());
  ASSERT_THAT(Vault::RecordKeyEpoch(PosixFileSystem(), folder_, *keys_, SystemClock()), IsOk());
  for (const auto& file : std::filesystem::directory_iterator(old))
    std::filesystem::copy(file, folder_, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove_all(old);
  ASSERT_OK_AND_ASSIGN(const auto stale, VaultKeys::Unlock(PosixFileSystem(), folder_, second));
  // Whatever is accepted: nothing but the newest vault file helps.
  Vault::Options accepting;
  accepting.accept_rollback = true;
  Vault::Options salvaging;
  salvaging.salvage = salvaging.read_only = true;
  for (const Vault::Options& options : {Vault::Options(), accepting, salvaging}) {
    const auto opened =
        Vault::Open(PosixFileSystem(), folder_, *stale, nullptr, options, SystemClock());
    EXPECT_THAT(opened, FailsSaying(Errc::kAccessDenied,
                                    "is of key epoch 2, and the vault file knows none after 1: "
                                    "vault file and keyring are old ones, put back"));
    EXPECT_EQ(opened.error().posix_errno, EKEYREVOKED);
  }
}

TEST_F(VaultNames, ReadOnlyVaultsRefuseEveryChange) {
  const NodeId node = WriteFile(kArchiveInode, "a", "x");
  Vault::Options options;
  options.read_only = true;
  Reopen(options);
  EXPECT_THAT(ReadFile(node), IsOkAndHolds("x"));
  EXPECT_THAT(vault_->MakeFolder(Root(), kArchiveInode, "d", 0755), FailsWithErrno(EROFS));
  EXPECT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "a"), FailsWithErrno(EROFS));
  EXPECT_THAT(vault_->Open(kRootUser, node, O_RDWR), FailsWithErrno(EROFS));
}

}  // namespace
}  // namespace leadglass
