// SPDX-License-Identifier: Apache-2.0
//
// What a vault records of its use: who opened, was refused, changed and removed what.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "index/posix_acl.h"
#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr Caller kAlice{6001, 5001, 0, 022};
constexpr Caller kMallory{6002, 5002, 0, 022};

class VaultAudit : public VaultTest {
 protected:
  void SetUp() override {
    VaultTest::SetUp();
    image_ = WriteFile(kArchiveInode, "a", MakeImage());
    patient_ = "Made Patient [MADE-1]";
    patient_node_ = Walk("/patients/" + patient_);
    study_ = *Names(patient_node_).begin();
    study_node_ = Walk("/patients/" + patient_ + "/" + study_);
    AttributeChange change;
    change.gid = 5001;
    change.mode = 0750;
    ASSERT_THAT(vault_->SetAttributes(kRootUser, study_node_, change, false), IsOk());
  }
  // Those of one user, or of all.
  std::vector<AuditRecord> Records(std::optional<uid_t> uid = {}) {
    std::vector<AuditRecord> records;
    EXPECT_THAT(vault_->ReadAudit([&](const AuditRecord& record) {
      if (!uid || record.uid == *uid) records.push_back(record);
      return true;
    }),
                IsOk());
    return records;
  }
  AuditRecord Only(uid_t uid, AuditAction action) {
    std::vector<AuditRecord> records = Records(uid);
    std::erase_if(records, [&](const AuditRecord& record) { return record.action != action; });
    EXPECT_THAT(records, SizeIs(1)) << NameOf(action);
    return records.empty() ? AuditRecord() : records.front();
  }
  void ExpectStudy(const AuditRecord& record) {
    EXPECT_EQ(record.study, ImageSpec().study_uid);
    EXPECT_EQ(record.patient_id, "MADE-1");
  }
  void OpenAndClose(const Caller& caller, NodeId node, int flags) {
    const auto file = vault_->Open(caller, node, flags);
    if (file) vault_->Release(*file);
  }

  NodeId image_ = 0, patient_node_ = 0, study_node_ = 0;
  std::string patient_, study_;
};

TEST_F(VaultAudit, WhoReadIsRecordedWithTheStudy) {
  for (int i = 0; i < 3; ++i) OpenAndClose(kAlice, image_ | kViewBit, O_RDONLY);
  uint64_t times = 0;
  for (const AuditRecord& record : Records(kAlice.uid)) {
    EXPECT_EQ(record.action, AuditAction::kRead);
    ExpectStudy(record);
    times += record.count;
  }
  EXPECT_EQ(times, 3u);
}

TEST_F(VaultAudit, EachRefusalIsRecorded) {
  OpenAndClose(kMallory, image_, O_RDONLY);
  AuditRecord record = Only(kMallory.uid, AuditAction::kRead);
  EXPECT_EQ(record.error, static_cast<uint32_t>(EACCES));
  ExpectStudy(record);
  // A name that he guessed.
  EXPECT_FALSE(vault_->Lookup(kMallory, kPatientsInode, patient_));
  record = Only(kMallory.uid, AuditAction::kFind);
  EXPECT_EQ(record.error, static_cast<uint32_t>(ENOENT));
  EXPECT_EQ(record.patient_id, "MADE-1");
  EXPECT_EQ(record.study, "");
  // One that nobody has is no denial.
  EXPECT_FALSE(vault_->Lookup(kMallory, kPatientsInode, "Nobody [0]"));
  Only(kMallory.uid, AuditAction::kFind);
  OpenAndClose(kMallory, image_, O_RDWR);
  EXPECT_EQ(Only(kMallory.uid, AuditAction::kWrite).error, static_cast<uint32_t>(EACCES));
  EXPECT_FALSE(vault_->OpenFolder(kMallory, study_node_));
  ExpectStudy(Only(kMallory.uid, AuditAction::kList));
}

TEST_F(VaultAudit, WhatAPacsStoresIsCountedForItsStudy) {
  const Caller pacs{6003, 6003, 0, 022};
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK_AND_ASSIGN(const Entry made, vault_->Create(pacs, kArchiveInode,
                                                          "b" + std::to_string(i), 0640, O_RDWR));
    const ByteVector bytes = MakeImage({.sop_uid = "2.25.5" + std::to_string(i)});
    ASSERT_THAT(vault_->Write(*made.file, 0, bytes, false), IsOk());
    ASSERT_THAT(vault_->Flush(*made.file), IsOk());
    vault_->Release(made.file);
  }
  uint64_t stored = 0;
  for (const AuditRecord& record : Records(pacs.uid)) {
    if (record.action != AuditAction::kStore) continue;
    ExpectStudy(record);
    stored += record.count;
  }
  EXPECT_EQ(stored, 5u);
}

TEST_F(VaultAudit, ChangesOfAccessSayWhatTheyWere) {
  AttributeChange change;
  change.mode = 0700;
  change.gid = 77;
  ASSERT_THAT(vault_->SetAttributes(kAlice, study_node_, change, false), IsOk());
  const AuditRecord record = Only(kAlice.uid, AuditAction::kAccess);
  ExpectStudy(record);
  EXPECT_EQ(record.detail, "mode 0700, gid 77");
  const ByteVector list = AclForGroups({88});
  ASSERT_THAT(vault_->SetXattr(kMallory, study_node_, kAclAccessXattr, list, 0), IsOk());
  EXPECT_THAT(Only(kMallory.uid, AuditAction::kAccess).detail, HasSubstr("g:88:r-x"));
  // Times are no access.
  AttributeChange times;
  times.mtime = 1;
  ASSERT_THAT(vault_->SetAttributes(kAlice, study_node_, times, false), IsOk());
  Only(kAlice.uid, AuditAction::kAccess);
  const Person clerk{{77, 78, 1, 0}, "clerk", {}, true};
  ASSERT_THAT(vault_->SetConfiguration(clerk, "root = \"all\"\n", {}), IsOk());
  EXPECT_EQ(Only(77, AuditAction::kConfigure).detail, "version 1");
}

TEST_F(VaultAudit, RemovalsAreToldWithTheStudyThatWent) {
  ASSERT_THAT(vault_->Unlink(kAlice, kArchiveInode, "a"), IsOk());
  ExpectStudy(Only(kAlice.uid, AuditAction::kRemove));
  WriteFile(kArchiveInode, "b", MakeImage());
  WriteFile(kArchiveInode, "c", "no image");
  ASSERT_THAT(vault_->Rename(kMallory, kArchiveInode, "c", kArchiveInode, "b", 0), IsOk());
  const AuditRecord record = Only(kMallory.uid, AuditAction::kRemove);
  ExpectStudy(record);
  EXPECT_THAT(record.detail, HasSubstr("replaced"));
  Only(kMallory.uid, AuditAction::kRename);
}

TEST_F(VaultAudit, OutlivesTheMountAndTheIndex) {
  OpenAndClose(kAlice, image_, O_RDONLY);
  OpenAndClose(kMallory, image_, O_RDONLY);
  const size_t before = Records().size();
  Reopen();
  EXPECT_THAT(Records(), SizeIs(before + 2)) << "with an unmount and a mount";
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  ASSERT_THAT(Vault::Reindex(PosixFileSystem(), folder_, *keys_, nullptr, SystemClock()), IsOk());
  OpenVault();
  ASSERT_OK_AND_ASSIGN(const AuditProof proof, vault_->VerifyAudit());
  EXPECT_TRUE(proof.whole);
  EXPECT_GE(proof.records, before + 4);
}

TEST_F(VaultAudit, ATrailThatWasTakenAwayKeepsTheVaultFromBeingMounted) {
  OpenAndClose(kMallory, image_, O_RDONLY);
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  std::filesystem::remove_all(folder_ + "/audit");
  const auto refused =
      Vault::Open(PosixFileSystem(), folder_, *keys_, nullptr, Vault::Options(), SystemClock());
  EXPECT_THAT(refused, FailsWith(Errc::kCorrupt));
  EXPECT_THAT(ToString(refused.error()), HasSubstr("audit trail"));
  // Images can be read all the same, ...
  Vault::Options reading;
  reading.read_only = true;
  OpenVault(reading);
  EXPECT_THAT(ReadFile(Walk("/archive/a")), IsOk());
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  // ... and the way on leaves a record of its own.
  Vault::Options accepting;
  accepting.accept_rollback = true;
  OpenVault(accepting);
  const auto records = Records();
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.front().action, AuditAction::kLostTrail);
  Reopen();
}

TEST_F(VaultAudit, ThatIsCutShortBehindWhatTheLogQuotesIsNoticed) {
  OpenAndClose(kMallory, image_, O_RDONLY);
  Reopen();
  OpenAndClose(kMallory, image_, O_RDONLY);
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  std::filesystem::path newest;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/audit"))
    if (entry.path().extension() == ".seg") newest = std::max(newest, entry.path());
  std::filesystem::remove(newest);
  EXPECT_FALSE(
      Vault::Open(PosixFileSystem(), folder_, *keys_, nullptr, Vault::Options(), SystemClock()));
}

}  // namespace
}  // namespace leadglass
