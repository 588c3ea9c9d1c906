// SPDX-License-Identifier: Apache-2.0
//
// A study that was shredded is gone: here, in every copy of the log, and after every crash. Others
// are as they were.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <thread>

#include "tests/fs/fault_disk.h"
#include "tests/fs/log_reader.h"
#include "tests/fs/vault_fixture.h"
#include "tests/support/fault_step.h"

namespace leadglass {
namespace {

using ::testing::IsEmpty;

const Person kRecords{kRootUser, "root", {}, true};
constexpr const char* kWhy = "the patient asked for it";

std::string TextOf(const ImageSpec& spec) { return std::string(AsText(MakeImage(spec))); }

ImageSpec SpecOf(int number) {
  ImageSpec spec;
  spec.patient_id = "P" + std::to_string(number);
  spec.patient_name = "Patient^" + std::to_string(number);
  spec.study_uid += "." + std::to_string(number);
  spec.sop_uid += "." + std::to_string(number);
  return spec;
}

class VaultShred : public VaultTest {
 protected:
  NodeId Store(const ImageSpec& spec) {
    return WriteFile(kArchiveInode, spec.sop_uid, MakeImage(spec));
  }
  Result<uint64_t> Shred(const ImageSpec& spec) {
    return vault_->ShredStudy(kRecords, spec.study_uid, kWhy);
  }
  Result<KeptLog> CloseAndRead() {
    LG_RETURN_IF_ERROR(vault_->Close());
    vault_.reset();
    return KeptLog::Read(PosixFileSystem(), folder_, *keys_);
  }
};

int ErrnoOf(const Result<std::string>& read) { return read ? 0 : ToErrno(read.error()); }

TEST_F(VaultShred, NothingOfItReadsFromThenOnAlsoThroughFilesThatAreOpen) {
  const ImageSpec doomed = SpecOf(1), kept = SpecOf(2);
  const NodeId gone = Store(doomed), stays = Store(kept);
  ASSERT_OK_AND_ASSIGN(OpenFile* const open, vault_->Open(Root(), gone, O_RDWR));
  ByteVector into(50);
  ASSERT_THAT(vault_->Read(*open, 0, into), IsOk());
  EXPECT_THAT(Shred(doomed), IsOkAndHolds(uint64_t{1}));

  std::fill(into.begin(), into.end(), uint8_t{7});
  const auto read = vault_->Read(*open, 0, into);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(ToErrno(read.error()), EKEYREVOKED);
  EXPECT_EQ(std::count(into.begin(), into.end(), 7), 50);
  EXPECT_FALSE(vault_->Write(*open, 0, into, false).has_value());
  vault_->Release(open);
  EXPECT_EQ(ErrnoOf(ReadFile(gone)), EKEYREVOKED);
  EXPECT_THAT(ReadFile(stays), IsOkAndHolds(TextOf(kept)));
  EXPECT_EQ(Names(kPatientsInode), std::set<std::string>{"Patient 2 [P2]"});
  Reopen();
  EXPECT_EQ(ErrnoOf(ReadFile(gone)), EKEYREVOKED);
  EXPECT_THAT(ReadFile(stays), IsOkAndHolds(TextOf(kept)));
}

TEST_F(VaultShred, WhoHasTheVaultsKeysAndAllOfTheLogHasNothingOfIt) {
  const ImageSpec doomed = SpecOf(1), kept = SpecOf(2);
  const NodeId gone = Store(doomed), stays = Store(kept);
  ASSERT_THAT(Shred(doomed), IsOk());
  ASSERT_OK_AND_ASSIGN(const KeptLog log, CloseAndRead());
  const auto ids = log.StudyKeysOfFile(gone);
  ASSERT_FALSE(ids.empty());
  for (const Uuid& id : ids) EXPECT_EQ(log.Openable(*keys_, id), 0u);
  for (const Uuid& id : log.StudyKeysOfFile(stays)) EXPECT_GE(log.Openable(*keys_, id), 1u);
  OpenVault();
  EXPECT_THAT(ReadFile(stays), IsOkAndHolds(TextOf(kept)));
}

// Bytes that were synced before the header told whose they are.
TEST_F(VaultShred, TakesAlsoWhatWasSyncedBeforeItWasFiled) {
  const ImageSpec doomed = SpecOf(1);
  const ByteVector bytes = MakeImage(doomed);
  ASSERT_OK_AND_ASSIGN(const Entry entry,
                       vault_->Create(Root(), kArchiveInode, "slow", 0644, O_WRONLY));
  size_t at = 0;
  for (const size_t piece : {size_t{40}, size_t{200}, bytes.size() - 240}) {
    ASSERT_THAT(vault_->Write(*entry.file, at, ByteSpan(bytes).subspan(at, piece), false), IsOk());
    ASSERT_THAT(vault_->Fsync(*entry.file), IsOk());
    at += piece;
  }
  ASSERT_THAT(vault_->Flush(*entry.file), IsOk());
  vault_->Release(entry.file);
  EXPECT_THAT(ReadFile(entry.attributes.node), IsOkAndHolds(TextOf(doomed)));
  ASSERT_THAT(Shred(doomed), IsOk());
  ASSERT_OK_AND_ASSIGN(const KeptLog log, CloseAndRead());
  const auto ids = log.StudyKeysOfFile(entry.attributes.node);
  ASSERT_FALSE(ids.empty());
  for (const Uuid& id : ids) EXPECT_EQ(log.Openable(*keys_, id), 0u);
}

TEST_F(VaultShred, WhatWasSyncedAndIsNoImageTakesItsKeyAlongWhenItGoes) {
  NodeId nodes[2] = {};
  for (NodeId& node : nodes) {
    const std::string name = &node == nodes ? "kept.db" : "gone.db";
    ASSERT_OK_AND_ASSIGN(const Entry entry,
                         vault_->Create(Root(), kArchiveInode, name, 0644, O_WRONLY));
    ASSERT_THAT(vault_->Write(*entry.file, 0, AsBytes("a page of a database"), false), IsOk());
    ASSERT_THAT(vault_->Fsync(*entry.file), IsOk());
    vault_->Release(entry.file);
    node = entry.attributes.node;
  }
  ASSERT_THAT(vault_->Unlink(Root(), kArchiveInode, "gone.db"), IsOk());
  ASSERT_OK_AND_ASSIGN(const KeptLog log, CloseAndRead());
  ASSERT_EQ(log.StudyKeysOfFile(nodes[0]).size(), 1u);
  ASSERT_EQ(log.StudyKeysOfFile(nodes[1]).size(), 1u);
  EXPECT_EQ(log.Counting(log.StudyKeysOfFile(nodes[0]).front()), 1u);
  EXPECT_EQ(log.Counting(log.StudyKeysOfFile(nodes[1]).front()), 0u);
  OpenVault();
  EXPECT_THAT(ReadFile(nodes[0]), IsOkAndHolds(std::string("a page of a database")));
}

// Keys of many studies hang on one secret of the keyring.
TEST_F(VaultShred, LeavesTheStudiesWhoseKeysHangOnTheSameSecret) {
  constexpr int kStudies = 330;  // so that two share one, but for once in 700,000 times
  std::map<NodeId, int> images;
  for (int i = 0; i < kStudies; ++i) images[Store(SpecOf(i))] = i;
  ASSERT_OK_AND_ASSIGN(const KeptLog before, CloseAndRead());
  std::map<uint32_t, std::vector<NodeId>> pages;
  for (const auto& [node, number] : images)
    for (const Uuid& id : before.StudyKeysOfFile(node)) pages[ErasurePage(id)].push_back(node);
  const auto shared = std::find_if(pages.begin(), pages.end(),
                                   [](const auto& page) { return page.second.size() > 1; });
  ASSERT_NE(shared, pages.end());
  const NodeId gone = shared->second.front();
  OpenVault();
  ASSERT_THAT(Shred(SpecOf(images[gone])), IsOk());
  Reopen();
  for (const auto& [node, number] : images) {
    if (node == gone) continue;
    ASSERT_THAT(ReadFile(node), IsOkAndHolds(TextOf(SpecOf(number)))) << number;
  }
  ASSERT_OK_AND_ASSIGN(const KeptLog after, CloseAndRead());
  for (const Uuid& id : after.StudyKeysOfFile(gone)) EXPECT_EQ(after.Openable(*keys_, id), 0u);
  OpenVault();
}

TEST_F(VaultShred, ItsFilesKeepNamesAndSizesAndCanBeRemovedOrWrittenAnew) {
  const ImageSpec doomed = SpecOf(1);
  ImageSpec second = doomed;
  second.sop_uid += ".2";
  const NodeId first = Store(doomed), other = Store(second);
  ASSERT_THAT(Shred(doomed), IsOkAndHolds(uint64_t{2}));
  const auto attributes = vault_->GetAttributes(first);
  ASSERT_THAT(attributes, IsOk());
  EXPECT_EQ(attributes->size, TextOf(doomed).size());
  EXPECT_EQ(attributes->blocks, 0u);
  EXPECT_EQ(attributes->nlink, 1u);
  EXPECT_EQ(Names(kArchiveInode), (std::set<std::string>{doomed.sop_uid, second.sop_uid}));
  ASSERT_THAT(vault_->Unlink(Root(), kArchiveInode, second.sop_uid), IsOk());
  EXPECT_FALSE(vault_->Open(Root(), first, O_WRONLY).has_value());

  // The modality sends it again: a new study of the same UID.
  EXPECT_EQ(Store(doomed), first);
  EXPECT_THAT(ReadFile(first), IsOkAndHolds(TextOf(doomed)));
  EXPECT_EQ(Names(kPatientsInode), std::set<std::string>{"Patient 1 [P1]"});
  Reopen();
  EXPECT_THAT(ReadFile(first), IsOkAndHolds(TextOf(doomed)));
  ASSERT_THAT(Shred(doomed), IsOkAndHolds(uint64_t{1}));
  EXPECT_EQ(ErrnoOf(ReadFile(first)), EKEYREVOKED);
  (void)other;
}

TEST_F(VaultShred, IsTheSameAfterTheIndexWasRebuilt) {
  const ImageSpec doomed = SpecOf(1), kept = SpecOf(2);
  const NodeId gone = Store(doomed), stays = Store(kept);
  ASSERT_THAT(Shred(doomed), IsOk());
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  ASSERT_THAT(Vault::Reindex(PosixFileSystem(), folder_, *keys_, {}, SystemClock()), IsOk());
  OpenVault();
  EXPECT_EQ(ErrnoOf(ReadFile(gone)), EKEYREVOKED);
  EXPECT_THAT(ReadFile(stays), IsOkAndHolds(TextOf(kept)));
  ASSERT_OK_AND_ASSIGN(const auto report, vault_->Check({}));
  EXPECT_THAT(report.damage, IsEmpty());
  EXPECT_EQ(report.files_shredded, 1u);
}

TEST_F(VaultShred, IsRefusedWhereItIsNotPlainWhatIsMeantOrWhy) {
  const ImageSpec doomed = SpecOf(1);
  ImageSpec twin = SpecOf(2);
  twin.study_uid = doomed.study_uid;
  const NodeId image = Store(doomed), other = Store(twin);
  EXPECT_THAT(Shred(doomed), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(vault_->ShredStudy(kRecords, "1.2.3", kWhy), FailsWith(Errc::kNotFound));
  const std::string path = "/archive/" + doomed.sop_uid;
  EXPECT_THAT(vault_->ShredStudy(kRecords, path, ""), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(ReadFile(image), IsOk());
  EXPECT_THAT(vault_->ShredStudy(kRecords, path, kWhy), IsOk());
  EXPECT_EQ(ErrnoOf(ReadFile(image)), EKEYREVOKED);
  EXPECT_THAT(ReadFile(other), IsOkAndHolds(TextOf(twin)));
}

TEST_F(VaultShred, ALegalHoldKeepsIt) {
  const ImageSpec kept = SpecOf(1);
  const NodeId image = Store(kept);
  ASSERT_THAT(vault_->AddHold(kRecords, kept.study_uid, "a lawsuit"), IsOk());
  const auto refused = Shred(kept);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(ToErrno(refused.error()), EPERM);
  EXPECT_THAT(ReadFile(image), IsOkAndHolds(TextOf(kept)));
  ASSERT_THAT(vault_->RemoveHold(kRecords, kept.study_uid, std::nullopt, "settled"), IsOk());
  EXPECT_THAT(Shred(kept), IsOk());
}

TEST_F(VaultShred, TheTrailSaysWhoDestroyedWhat) {
  const ImageSpec doomed = SpecOf(1);
  Store(doomed);
  ASSERT_THAT(vault_->ShredStudy({{77, 78, 1, 0}, "clerk", {}, true}, doomed.study_uid, kWhy),
              IsOk());
  int found = 0;
  ASSERT_THAT(vault_->ReadAudit([&](const AuditRecord& record) {
    if (record.action != AuditAction::kShred) return true;
    ++found;
    EXPECT_EQ(record.uid, 77u);
    EXPECT_EQ(record.study, doomed.study_uid);
    EXPECT_EQ(record.patient_id, doomed.patient_id);
    EXPECT_EQ(record.detail, kWhy);
    return true;
  }),
              IsOk());
  EXPECT_EQ(found, 1);
}

NodeId WriteOne(Vault& vault, const ImageSpec& spec) {
  const ByteVector bytes = MakeImage(spec);
  const auto entry = vault.Create(kRootUser, kArchiveInode, spec.sop_uid, 0644, O_WRONLY);
  EXPECT_THAT(entry, IsOk());
  if (!entry) return 0;
  EXPECT_THAT(vault.Write(*entry->file, 0, bytes, false), IsOk());
  EXPECT_THAT(vault.Flush(*entry->file), IsOk());
  vault.Release(entry->file);
  return entry->attributes.node;
}

// How many wraps of the file's study keys open, with all that the log ever had.
Result<size_t> OpenableOf(FaultDisk& disk, NodeId file) {
  LG_ASSIGN_OR_RETURN(const KeptLog log, KeptLog::Read(disk.fs, kFaultDiskVault, *disk.keys));
  size_t openable = 0;
  for (const Uuid& id : log.StudyKeysOfFile(file)) openable += log.Openable(*disk.keys, id);
  return openable;
}

// What is left to do after a mount is done by a thread of the vault's. While it writes, a reading
// may come upon a record half written, so only the last one counts.
Result<size_t> OpenableInTheEnd(FaultDisk& disk, NodeId file) {
  Result<size_t> openable = OpenableOf(disk, file);
  for (int i = 0; i < 2'000 && !(openable && *openable == 0); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    openable = OpenableOf(disk, file);
  }
  return openable;
}

int PatientsIn(Vault& vault) {
  int count = 0;
  const auto visit = [&](const Vault::ListedEntry& entry) {
    if (!entry.name.starts_with('.')) ++count;
    return true;
  };
  EXPECT_THAT(vault.List(kRootUser, kPatientsInode, 0, false, visit), IsOk());
  return count;
}

// Whatever call to the disk a crash comes at: either the study is whole, or it is gone and, once
// the vault was mounted for a moment, gone from every copy of the log. The other is whole always.
TEST(VaultShredFaults, AfterACrashAtAnyMomentItIsWholeOrGone) {
  const ImageSpec doomed = SpecOf(1), kept = SpecOf(2);
  constexpr FaultFileSystem::Tear kTears[] = {
      FaultFileSystem::Tear::kLoseAll, FaultFileSystem::Tear::kPrefix,
      FaultFileSystem::Tear::kScatter, FaultFileSystem::Tear::kKeepAll};
  bool finished = false;
  int whole_ones = 0, gone_ones = 0;
  for (uint64_t call = 1; !finished; call += kFaultStep) {
    SCOPED_TRACE(call);
    FaultDisk disk(call);
    NodeId gone = 0, stays = 0;
    {
      ASSERT_OK_AND_ASSIGN(const auto vault, disk.Open());
      gone = WriteOne(*vault, doomed);
      stays = WriteOne(*vault, kept);
      ASSERT_THAT(vault->SyncAll(), IsOk());
      disk.fs.FailFrom(call, EIO, FaultFileSystem::Lasts::kForEver);
      finished = vault->ShredStudy(kRecords, doomed.study_uid, kWhy).has_value();
      disk.fs.Crash(kTears[call % 4]);
    }
    disk.keys = *VaultKeys::Unlock(disk.fs, kFaultDiskVault, FaultDisk::Passphrase());
    ASSERT_OK_AND_ASSIGN(const auto vault, disk.Open(GivingBack(kHourNanos)));
    EXPECT_THAT(ReadAll(*vault, stays), IsOkAndHolds(TextOf(kept)));
    const auto read = ReadAll(*vault, gone);
    if (read) {
      EXPECT_FALSE(finished);
      EXPECT_EQ(*read, TextOf(doomed));
      EXPECT_EQ(PatientsIn(*vault), 2);
      ++whole_ones;
      continue;
    }
    ++gone_ones;
    EXPECT_EQ(ToErrno(read.error()), EKEYREVOKED);
    EXPECT_THAT(OpenableInTheEnd(disk, gone), IsOkAndHolds(size_t{0}));
    EXPECT_EQ(PatientsIn(*vault), 1);
    EXPECT_THAT(ReadAll(*vault, stays), IsOkAndHolds(TextOf(kept)));
    EXPECT_EQ(Unreadable(*vault), "");
    ASSERT_THAT(vault->Close(), IsOk());
    EXPECT_THAT(OpenableOf(disk, gone), IsOkAndHolds(size_t{0}));
  }
  EXPECT_GT(whole_ones, 0);
  EXPECT_GT(gone_ones, 5);
}

}  // namespace
}  // namespace leadglass
