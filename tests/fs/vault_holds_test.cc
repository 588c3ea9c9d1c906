// SPDX-License-Identifier: Apache-2.0
//
// Legal holds: of a held study nothing is destroyed, whoever asks for it; all else goes on.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "fs/study_holds.h"
#include "index/posix_acl.h"
#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Caller kPacs{6003, 6003, 0, 022};
constexpr uint64_t kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const Person kClerk{{7001, 7001, 0, 0}, "clerk", {}, true};
constexpr const char* kReason = "Smith v. Hospital";

ImageSpec Other() {
  return {.patient_id = "FREE-1",
          .patient_name = "Free^Patient",
          .study_uid = "2.25.1002",
          .series_uid = "2.25.2002",
          .sop_uid = "2.25.3002"};
}

class VaultHolds : public VaultTest {
 protected:
  void SetUp() override {
    VaultTest::SetUp();
    folder_node_ = Folder(kArchiveInode, "pacs");
    held_ = WriteFile(folder_node_, "held", MakeImage());
    free_ = WriteFile(folder_node_, "free", MakeImage(Other()));
    ASSERT_OK_AND_ASSIGN(bytes_, ReadFile(held_));
    free_bytes_ = *ReadFile(free_);
    AttributeChange change;
    change.uid = kPacs.uid;
    for (const NodeId image : {held_, free_})
      ASSERT_THAT(vault_->SetAttributes(kRootUser, image, change, false), IsOk());
  }
  uint32_t Hold(const std::string& reason = kReason) {
    const auto put = vault_->AddHold(kClerk, ImageSpec().study_uid, reason);
    EXPECT_THAT(put, IsOk());
    EXPECT_THAT(*put, SizeIs(1));
    return put && !put->empty() ? put->front().id : 0;
  }
  void Release(std::optional<uint32_t> id = {}) {
    EXPECT_THAT(vault_->RemoveHold(kClerk, ImageSpec().study_uid, id, "settled"), IsOk());
  }
  void Reindex() {
    ASSERT_THAT(vault_->Close(), IsOk());
    vault_.reset();
    ASSERT_THAT(Vault::Reindex(PosixFileSystem(), folder_, *keys_, nullptr, SystemClock()), IsOk());
    OpenVault();
  }
  // Every name and byte of the held image.
  void ExpectWhole(const std::string& name = "held") {
    EXPECT_EQ(Walk("/archive/pacs/" + name), held_);
    EXPECT_THAT(ReadFile(held_), IsOkAndHolds(bytes_));
    EXPECT_EQ(vault_->GetAttributes(held_)->nlink, 2u);
    EXPECT_THAT(Names(Walk("/patients/Made Patient [MADE-1]")), SizeIs(1));
  }
  std::vector<AuditRecord> Refusals() {
    std::vector<AuditRecord> records;
    EXPECT_THAT(vault_->ReadAudit([&](const AuditRecord& record) {
      if (record.error == EPERM) records.push_back(record);
      return true;
    }),
                IsOk());
    return records;
  }
  int Opens(const Caller& caller, NodeId node, int flags) {
    const auto file = vault_->Open(caller, node, flags);
    if (file) vault_->Release(*file);
    return file ? 0 : ToErrno(file.error());
  }
  static int ErrnoOf(const Status& status) { return status ? 0 : ToErrno(status.error()); }
  int SetSize(const Caller& caller, NodeId node, uint64_t size) {
    AttributeChange change;
    change.size = size;
    const auto changed = vault_->SetAttributes(caller, node, change, false);
    return changed ? 0 : ToErrno(changed.error());
  }
  OpenFile* Opened(NodeId node, int flags) {
    const auto file = vault_->Open(kPacs, node, flags);
    EXPECT_THAT(file, IsOk());
    return file ? *file : nullptr;
  }

  NodeId folder_node_ = 0, held_ = 0, free_ = 0;
  std::string bytes_, free_bytes_;
};

// What destroys, by its result for `image` under that name.
struct Attempt {
  const char* what;
  AuditAction action;
  std::function<int(const Caller&)> run;
};

TEST_F(VaultHolds, RefuseWhatDestroysForRootAndForTheOwner) {
  const uint32_t id = Hold();
  WriteFile(folder_node_, "text", "text");
  const auto attempts = [&](const std::string& name, NodeId image) {
    return std::vector<Attempt>{
        {"write", AuditAction::kWrite,
         [=, this](const Caller& c) { return Opens(c, image, O_WRONLY); }},
        {"read and write", AuditAction::kWrite,
         [=, this](const Caller& c) { return Opens(c, image, O_RDWR); }},
        {"truncate by opening", AuditAction::kWrite,
         [=, this](const Caller& c) { return Opens(c, image, O_RDONLY | O_TRUNC); }},
        {"create over", AuditAction::kWrite,
         [=, this](const Caller& c) {
           const auto made = vault_->Create(c, folder_node_, name, 0644, O_WRONLY | O_TRUNC);
           if (made) vault_->Release(made->file);
           return made ? 0 : ToErrno(made.error());
         }},
        {"cut", AuditAction::kWrite, [=, this](const Caller& c) { return SetSize(c, image, 10); }},
        {"grow", AuditAction::kWrite,
         [=, this](const Caller& c) { return SetSize(c, image, 100'000); }},
        {"exchange", AuditAction::kRename,
         [=, this](const Caller& c) {
           return ErrnoOf(
               vault_->Rename(c, folder_node_, name, folder_node_, "text", RENAME_EXCHANGE));
         }},
        {"exchange the other way", AuditAction::kRename,
         [=, this](const Caller& c) {
           return ErrnoOf(
               vault_->Rename(c, folder_node_, "text", folder_node_, name, RENAME_EXCHANGE));
         }},
        {"rename", AuditAction::kRename,
         [=, this](const Caller& c) {
           return ErrnoOf(vault_->Rename(c, folder_node_, name, kArchiveInode, "away", 0));
         }},
        {"replace", AuditAction::kRemove,
         [=, this](const Caller& c) {
           return ErrnoOf(vault_->Rename(c, folder_node_, "text", folder_node_, name, 0));
         }},
        {"remove", AuditAction::kRemove,
         [=, this](const Caller& c) { return ErrnoOf(vault_->Unlink(c, folder_node_, name)); }},
    };
  };
  size_t refused = 0;
  for (const Caller& caller : {kRootUser, kPacs}) {
    for (const Attempt& attempt : attempts("held", held_)) {
      EXPECT_EQ(attempt.run(caller), EPERM) << attempt.what << " as " << caller.uid;
      ExpectWhole();
      const auto records = Refusals();
      ASSERT_THAT(records, SizeIs(++refused)) << attempt.what;
      EXPECT_EQ(records.back().action, attempt.action) << attempt.what;
      EXPECT_EQ(records.back().uid, caller.uid);
      EXPECT_EQ(records.back().study, ImageSpec().study_uid);
      EXPECT_EQ(records.back().detail, "held (" + HoldIdText(id) + "): " + kReason);
    }
  }
  // A file that no hold is on takes all of it.
  for (const Attempt& attempt : attempts("free", free_)) {
    WriteFile(folder_node_, "text", "text");
    (void)vault_->Unlink(kRootUser, kArchiveInode, "away");
    free_ = WriteFile(folder_node_, "free", MakeImage(Other()));
    for (const Attempt& fresh : attempts("free", free_)) {
      if (std::string_view(fresh.what) != attempt.what) continue;
      EXPECT_EQ(fresh.run(kRootUser), 0) << attempt.what;
    }
  }
  EXPECT_THAT(Refusals(), SizeIs(refused));
  // And the held one, once it is no longer.
  Release();
  EXPECT_EQ(Opens(kPacs, held_, O_RDWR), 0);
  EXPECT_THAT(vault_->Unlink(kPacs, folder_node_, "held"), IsOk());
  EXPECT_EQ(Walk("/patients/Made Patient [MADE-1]"), 0u);
}

TEST_F(VaultHolds, RefuseBytesThroughWhatWasOpenBefore) {
  OpenFile* const file = Opened(held_, O_RDWR);
  OpenFile* const other = Opened(free_, O_RDWR);
  Hold();
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(ErrnoOf(vault_->Write(*file, 0, AsBytes("gone"), false)), EPERM);
  EXPECT_EQ(ErrnoOf(vault_->Write(*file, bytes_.size(), AsBytes("more"), false)), EPERM);
  EXPECT_EQ(ErrnoOf(vault_->Allocate(*file, kPunch, 0, 100)), EPERM);
  EXPECT_EQ(ErrnoOf(vault_->Allocate(*file, 0, 0, 1'000'000)), EPERM);
  EXPECT_THAT(vault_->Write(*other, 0, AsBytes("x"), false), IsOk());
  EXPECT_THAT(vault_->Flush(*file), IsOk());
  ExpectWhole();
  // Once for all pages that the kernel brings.
  const auto records = Refusals();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].uid, kPacs.uid);
  EXPECT_THAT(records[0].detail, HasSubstr(kReason));
  Release();
  EXPECT_THAT(vault_->Write(*file, 0, AsBytes("now"), false), IsOk());
  vault_->Release(file);
  vault_->Release(other);
}

// A header that names another study would take the image along.
TEST_F(VaultHolds, KeepAnImageWhereItIsThoughBytesOfBeforeSayAnother) {
  OpenFile* const file = Opened(held_, O_RDWR);
  ImageSpec changed;
  changed.study_uid = "2.25.9999";
  ASSERT_THAT(vault_->Write(*file, 0, MakeImage(changed), false), IsOk());
  Hold();
  ASSERT_THAT(vault_->Flush(*file), IsOk());
  vault_->Release(file);
  EXPECT_THAT(Names(Walk("/patients/Made Patient [MADE-1]")), SizeIs(1));
  EXPECT_EQ(Opens(kRootUser, held_, O_RDWR), EPERM);
  EXPECT_EQ(ErrnoOf(vault_->Unlink(kRootUser, folder_node_, "held")), EPERM);
}

TEST_F(VaultHolds, LetBeWhatDestroysNothing) {
  const NodeId study = Walk("/patients/Made Patient [MADE-1]/" +
                            *Names(Walk("/patients/Made Patient [MADE-1]")).begin());
  Hold();
  EXPECT_EQ(Opens(kPacs, held_, O_RDONLY), 0);
  EXPECT_THAT(vault_->Link(kPacs, held_, folder_node_, "second"), IsOk());
  EXPECT_EQ(ErrnoOf(vault_->Unlink(kPacs, folder_node_, "second")), EPERM) << "it is held, too";
  AttributeChange change;
  change.gid = 77;
  change.mode = 0700;
  EXPECT_THAT(vault_->SetAttributes(kRootUser, study, change, false), IsOk());
  EXPECT_THAT(vault_->SetXattr(kRootUser, study, kAclAccessXattr, AclForGroups({88}), 0), IsOk());
  EXPECT_THAT(vault_->SetXattr(kPacs, held_, "user.note", AsBytes("note"), 0), IsOk());
  AttributeChange times;
  times.mtime = 1;
  EXPECT_THAT(vault_->SetAttributes(kPacs, held_, times, false), IsOk());
  const NodeId empty = Folder(kArchiveInode, "empty");
  EXPECT_NE(empty, 0u);
  EXPECT_THAT(vault_->RemoveFolder(kPacs, kArchiveInode, "empty"), IsOk());
  EXPECT_THAT(vault_->Rename(kRootUser, kArchiveInode, "pacs", kArchiveInode, "moved", 0), IsOk());
  EXPECT_THAT(ReadFile(held_), IsOkAndHolds(bytes_));
  EXPECT_EQ(ErrnoOf(vault_->RemoveFolder(kRootUser, kArchiveInode, "moved")), ENOTEMPTY);
}

TEST_F(VaultHolds, TakeInWhatArrivesAndKeepIt) {
  Hold();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // than which the clock is finer
  ImageSpec spec;
  spec.sop_uid = "2.25.3009";
  spec.instance_number = "2";
  const ByteVector image = MakeImage(spec);
  ASSERT_OK_AND_ASSIGN(const Entry made,
                       vault_->Create(kPacs, folder_node_, ".new.tmp", 0644, O_RDWR));
  // Any close of a copy of the descriptor files it; who makes it goes on.
  const size_t half = image.size() - 100;
  ASSERT_THAT(vault_->Write(*made.file, 0, ByteSpan(image).first(half), false), IsOk());
  ASSERT_THAT(vault_->Flush(*made.file), IsOk());
  ASSERT_THAT(vault_->Write(*made.file, half, ByteSpan(image).subspan(half), false), IsOk());
  ASSERT_THAT(vault_->Flush(*made.file), IsOk());
  EXPECT_EQ(ErrnoOf(vault_->Unlink(kPacs, folder_node_, ".new.tmp")), EPERM);
  vault_->Release(made.file);
  const NodeId node = made.attributes.node;
  EXPECT_EQ(Opens(kPacs, node, O_RDWR), EPERM);
  EXPECT_EQ(SetSize(kPacs, node, 0), EPERM);
  // As rsync(1) does.
  EXPECT_THAT(vault_->Rename(kPacs, folder_node_, ".new.tmp", folder_node_, "new", 0), IsOk());
  EXPECT_EQ(ErrnoOf(vault_->Unlink(kRootUser, folder_node_, "new")), EPERM);
  EXPECT_THAT(ReadFile(node), IsOkAndHolds(std::string(AsText(image))));
  // Not what stood in the study when the hold was put, however young it is.
  EXPECT_EQ(ErrnoOf(vault_->Rename(kPacs, folder_node_, "held", folder_node_, "other", 0)), EPERM);
  // Nor for long.
  Vault::Options options;
  options.incoming_stay_nanos = 1;
  Reopen(options);
  EXPECT_EQ(ErrnoOf(vault_->Rename(kPacs, folder_node_, "new", folder_node_, "newer", 0)), EPERM);
}

// A hold is not a gap in it: one that is put while an image arrives stops who brings it.
TEST_F(VaultHolds, StopWhatStillArrivesForASecondHold) {
  Hold("first");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ImageSpec spec;
  spec.sop_uid = "2.25.3009";
  ASSERT_OK_AND_ASSIGN(const Entry made, vault_->Create(kPacs, folder_node_, "new", 0644, O_RDWR));
  ASSERT_THAT(vault_->Write(*made.file, 0, MakeImage(spec), false), IsOk());
  ASSERT_THAT(vault_->Flush(*made.file), IsOk());
  Hold("second");
  EXPECT_EQ(ErrnoOf(vault_->Write(*made.file, 0, AsBytes("x"), false)), EPERM);
  vault_->Release(made.file);
}

// The name in /incoming goes by itself: that is how an image comes to live by its view name.
TEST_F(VaultHolds, LetAnImageLeaveIncomingAndKeepItsViewName) {
  Hold();
  Vault::Options options;
  options.incoming_stay_nanos = 1'000'000'000;
  Reopen(options);
  ImageSpec spec;
  spec.sop_uid = "2.25.3009";
  spec.instance_number = "2";
  const NodeId node = WriteFile(kIncomingInode, "x", MakeImage(spec));
  EXPECT_EQ(ErrnoOf(vault_->Unlink(kRootUser, kIncomingInode, "x")), EPERM) << "the only name";
  for (int i = 0; i < 100 && Walk("/incoming/x") != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_EQ(Walk("/incoming/x"), 0u);
  EXPECT_EQ(vault_->GetAttributes(node)->nlink, 1u);
  const std::string patient = "/patients/Made Patient [MADE-1]";
  const std::string study = patient + "/" + *Names(Walk(patient)).begin();
  const std::string series = study + "/" + *Names(Walk(study)).begin();
  for (const std::string& name : Names(Walk(series)))
    EXPECT_NE(ErrnoOf(vault_->Unlink(kRootUser, Walk(series), name)), 0);
  EXPECT_THAT(Names(Walk(series)), SizeIs(2));
  const auto records = Refusals();
  EXPECT_TRUE(std::any_of(records.begin(), records.end(), [&](const AuditRecord& record) {
    return record.inode == node && record.action == AuditAction::kRemove;
  }));
}

TEST_F(VaultHolds, StayWhileOneIsThere) {
  const uint32_t first = Hold("Smith v. Hospital"), second = Hold("Doe v. Hospital");
  EXPECT_NE(first, second);
  EXPECT_THAT(*vault_->Holds(), SizeIs(2));
  EXPECT_EQ(vault_->GetStatus()->held_studies, 1u);
  EXPECT_THAT(vault_->RemoveHold(kClerk, ImageSpec().study_uid, {}, "settled"),
              FailsWith(Errc::kInvalidArgument));
  Release(first);
  EXPECT_THAT(vault_->RemoveHold(kClerk, ImageSpec().study_uid, first, "again"),
              FailsWith(Errc::kNotFound));
  EXPECT_EQ(Opens(kRootUser, held_, O_WRONLY), EPERM);
  EXPECT_THAT(Refusals().back().detail, HasSubstr("Doe"));
  Release();
  EXPECT_EQ(Opens(kRootUser, held_, O_WRONLY), 0);
  EXPECT_EQ(vault_->GetStatus()->held_studies, 0u);
}

TEST_F(VaultHolds, OutliveTheMountAndTheIndex) {
  const uint32_t kept = Hold("kept"), gone = Hold("gone");
  Release(gone);
  const auto expect = [&] {
    ASSERT_OK_AND_ASSIGN(const auto holds, vault_->Holds());
    ASSERT_THAT(holds, SizeIs(1));
    EXPECT_EQ(holds[0].id, kept);
    EXPECT_EQ(holds[0].reason, "kept");
    EXPECT_EQ(holds[0].user, "clerk");
    EXPECT_EQ(holds[0].uid, 7001u);
    EXPECT_EQ(holds[0].study_uid, ImageSpec().study_uid);
    EXPECT_GT(holds[0].since, 0);
    EXPECT_THAT(vault_->IsHeld(holds[0].study_identity), IsOkAndHolds(true));
    EXPECT_EQ(Opens(kRootUser, held_, O_WRONLY), EPERM);
    ExpectWhole();
  };
  expect();
  Reopen();
  expect();
  Reindex();
  expect();
  Release();
  Reindex();
  EXPECT_THAT(*vault_->Holds(), IsEmpty());
  EXPECT_EQ(Opens(kRootUser, held_, O_WRONLY), 0);
}

// A checkpoint says them again: of what was said before it, nothing counts.
TEST_F(VaultHolds, OutliveACheckpoint) {
  const uint32_t id = Hold();
  Vault::Options options;
  options.least_checkpoint_gain = 200'000;
  options.space_interval_nanos = 10'000'000;
  options.horizon_nanos = 0;
  options.segment_size = 1u << 20;
  options.spare_segments = 0;
  Reopen(options);
  const NodeId busy = WriteFile(kArchiveInode, "busy", std::string(100'000, 'a'));
  ASSERT_OK_AND_ASSIGN(OpenFile* const file, vault_->Open(kRootUser, busy, O_RDWR));
  uint64_t most = 0;
  bool shrank = false;
  for (int i = 0; i < 20'000 && !shrank; ++i) {
    const std::string page(4096, static_cast<char>('a' + i % 20));
    ASSERT_THAT(vault_->Write(*file, static_cast<uint64_t>(i % 24) * 4096, AsBytes(page), false),
                IsOk());
    ASSERT_THAT(vault_->Fsync(*file), IsOk());
    if (i % 100 != 0) continue;
    const uint64_t stale = vault_->GetStatus()->stale_bytes;
    shrank = stale < most / 2;
    most = std::max(most, stale);
  }
  vault_->Release(file);
  ASSERT_TRUE(shrank) << "no checkpoint was made";
  Reindex();
  ASSERT_OK_AND_ASSIGN(const auto holds, vault_->Holds());
  ASSERT_THAT(holds, SizeIs(1));
  EXPECT_EQ(holds[0].id, id);
  EXPECT_EQ(ErrnoOf(vault_->Unlink(kRootUser, folder_node_, "held")), EPERM);
}

TEST_F(VaultHolds, AreNamedByPathOrByUid) {
  const std::string patient = "/patients/Made Patient [MADE-1]";
  const std::string study = patient + "/" + *Names(Walk(patient)).begin();
  const std::string series = study + "/" + *Names(Walk(study)).begin();
  for (const std::string& path :
       {study, study + "/", series, series + "/" + *Names(Walk(series)).begin(),
        std::string("/archive/pacs/held"), ImageSpec().study_uid}) {
    ASSERT_OK_AND_ASSIGN(const auto put, vault_->AddHold(kClerk, path, kReason));
    ASSERT_THAT(put, SizeIs(1)) << path;
    EXPECT_EQ(put[0].study_uid, ImageSpec().study_uid) << path;
    EXPECT_THAT(vault_->RemoveHold(kClerk, path, {}, "settled"), IsOk()) << path;
  }
  EXPECT_THAT(vault_->AddHold(kClerk, patient, kReason), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(vault_->AddHold(kClerk, "/archive/pacs", kReason), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(vault_->AddHold(kClerk, "/archive/none", kReason), FailsWith(Errc::kNotFound));
  EXPECT_THAT(vault_->AddHold(kClerk, "1.2.3", kReason), FailsWith(Errc::kNotFound));
  EXPECT_THAT(vault_->AddHold(kClerk, "", kReason), FailsWith(Errc::kNotFound));
  for (const std::string& reason :
       {std::string(), std::string("  "), std::string(kMostReasonBytes + 1, 'x'),
        std::string("two\nlines"), std::string("\xff")})
    EXPECT_THAT(vault_->AddHold(kClerk, study, reason), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(*vault_->Holds(), IsEmpty());
}

// A study UID under two patients is two studies; an order names the UID.
TEST_F(VaultHolds, CoverEveryStudyThatClaimsTheUid) {
  ImageSpec stranger = Other();
  stranger.study_uid = ImageSpec().study_uid;
  WriteFile(folder_node_, "third", MakeImage(stranger));
  ASSERT_OK_AND_ASSIGN(const auto put, vault_->AddHold(kClerk, stranger.study_uid, kReason));
  ASSERT_THAT(put, SizeIs(2));
  EXPECT_EQ(put[0].id, put[1].id);
  EXPECT_EQ(vault_->GetStatus()->held_studies, 2u);
  EXPECT_EQ(ErrnoOf(vault_->Unlink(kRootUser, folder_node_, "third")), EPERM);
  EXPECT_EQ(ErrnoOf(vault_->Unlink(kRootUser, folder_node_, "held")), EPERM);
  EXPECT_THAT(vault_->Unlink(kRootUser, folder_node_, "free"), IsOk());
  Release();
  EXPECT_THAT(vault_->Unlink(kRootUser, folder_node_, "third"), IsOk());
}

TEST_F(VaultHolds, AreOnRecordThemselves) {
  const uint32_t id = Hold();
  Release();
  std::vector<AuditRecord> records;
  ASSERT_THAT(vault_->ReadAudit([&](const AuditRecord& record) {
    if (record.uid == kClerk.caller.uid) records.push_back(record);
    return true;
  }),
              IsOk());
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[0].action, AuditAction::kHold);
  EXPECT_EQ(records[0].study, ImageSpec().study_uid);
  EXPECT_EQ(records[0].detail, HoldIdText(id) + ": " + kReason);
  EXPECT_EQ(records[1].action, AuditAction::kRelease);
  EXPECT_EQ(records[1].detail, HoldIdText(id) + ": settled");
}

TEST_F(VaultHolds, AreNotPutOnAVaultThatIsReadOnly) {
  Vault::Options options;
  options.read_only = true;
  Reopen(options);
  EXPECT_FALSE(vault_->AddHold(kClerk, ImageSpec().study_uid, kReason));
}

// Nobody gets through while a hold is put.
TEST_F(VaultHolds, HoldFromTheMomentTheyArePut) {
  std::vector<OpenFile*> files;
  for (int i = 0; i < 4; ++i) files.push_back(Opened(held_, O_RDWR));
  std::vector<std::jthread> writers;
  for (OpenFile* const file : files) {
    writers.emplace_back([this, file](const std::stop_token& stop) {
      while (!stop.stop_requested()) (void)vault_->Write(*file, 300, AsBytes("writing"), false);
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Hold();
  const uint64_t version = vault_->GetAttributes(held_)->content_version;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(vault_->GetAttributes(held_)->content_version, version);
  writers.clear();
  for (OpenFile* const file : files) vault_->Release(file);
}

TEST(HoldId, IsWrittenAsItIsRead) {
  EXPECT_EQ(HoldIdText(0x1f), "0000001f");
  EXPECT_EQ(ParseHoldId(HoldIdText(0xfffffffe)), 0xfffffffeu);
  for (const char* wrong : {"", "0", "00000000", "x", "1f ", "-1", "1ffffffff"})
    EXPECT_EQ(ParseHoldId(wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace leadglass
