// SPDX-License-Identifier: Apache-2.0
//
// Legal holds and emergency access on a disk that fails: what was answered holds after a power cut,
// and nobody is given what cannot be recorded.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "tests/fs/fault_disk.h"
#include "tests/support/make_dicom.h"

namespace leadglass {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;

constexpr Caller kGuest{6002, 5002, 0, 022};
const Person kChief{{7001, 7001, 0, 0}, "chief", {}, true};

class VaultOrdersFault : public ::testing::Test {
 protected:
  void SetUp() override {
    Open();
    auto made = vault_->Create(kRootUser, kArchiveInode, "image", 0644, O_RDWR);
    ASSERT_THAT(made, IsOk());
    ASSERT_THAT(vault_->Write(*made->file, 0, MakeImage(), false), IsOk());
    ASSERT_THAT(vault_->Flush(*made->file), IsOk());
    vault_->Release(made->file);
    image_ = made->attributes.node;
    ASSERT_THAT(vault_->SyncAll(), IsOk());
  }
  void Open() {
    vault_.reset();
    auto opened = disk_.Open();
    ASSERT_THAT(opened, IsOk());
    vault_ = *std::move(opened);
  }
  void CutPower() {
    disk_.fs.FailFrom(1, EIO, Lasts::kForEver);
    (void)vault_->Close();
    disk_.fs.Crash(FaultFileSystem::Tear::kLoseAll);
    Open();
  }
  static EmergencyOrder Order() {
    EmergencyOrder order;
    order.uid = kGuest.uid;
    order.patient_id = ImageSpec().patient_id;
    order.reason = "unconscious";
    order.nanos = kHourNanos;
    return order;
  }
  bool GuestReads() {
    const auto file = vault_->Open(kGuest, image_, O_RDONLY);
    if (file) vault_->Release(*file);
    return file.has_value();
  }
  bool RootRemoves() { return vault_->Unlink(kRootUser, kArchiveInode, "image").has_value(); }

  FaultDisk disk_{1};
  std::unique_ptr<Vault> vault_;
  NodeId image_ = 0;
};

TEST_F(VaultOrdersFault, AHoldThatWasAnsweredOutlivesAPowerCut) {
  const auto put = vault_->AddHold(kChief, ImageSpec().study_uid, "a court's order");
  ASSERT_THAT(put, IsOk());
  CutPower();
  EXPECT_THAT(*vault_->Holds(), SizeIs(1));
  EXPECT_FALSE(RootRemoves());
  ASSERT_THAT(vault_->RemoveHold(kChief, ImageSpec().study_uid, {}, "settled"), IsOk());
  CutPower();
  EXPECT_THAT(*vault_->Holds(), IsEmpty());
  EXPECT_TRUE(RootRemoves());
}

TEST_F(VaultOrdersFault, AHoldThatTheDiskDidNotTakeIsNotAnswered) {
  disk_.fs.FailFrom(1, EIO, Lasts::kForEver, {Call::kWrite, Call::kSync}, "/log");
  EXPECT_FALSE(vault_->AddHold(kChief, ImageSpec().study_uid, "a court's order"));
  CutPower();
  EXPECT_THAT(*vault_->Holds(), IsEmpty());
}

TEST_F(VaultOrdersFault, EmergencyAccessOutlivesAPowerCutAndSoDoesItsRecord) {
  ASSERT_THAT(vault_->BeginEmergency(kChief, Order()), IsOk());
  EXPECT_TRUE(GuestReads());
  CutPower();
  EXPECT_TRUE(GuestReads());
  size_t records = 0;
  ASSERT_THAT(vault_->ReadAudit([&](const AuditRecord& record) {
    if (record.action == AuditAction::kEmergency) ++records;
    return true;
  }),
              IsOk());
  EXPECT_EQ(records, 1u);
}

TEST_F(VaultOrdersFault, NobodyIsGivenWhatCannotBeRecorded) {
  ASSERT_FALSE(GuestReads());
  for (const int error : {ENOSPC, EIO}) {
    disk_.fs.FailFrom(1, error, Lasts::kForEver, {Call::kWrite, Call::kSync, Call::kAllocate},
                      "/audit");
    const auto given = vault_->BeginEmergency(kChief, Order());
    EXPECT_THAT(given, FailsWith(Errc::kUnavailable)) << error;
    EXPECT_FALSE(GuestReads()) << error;
    EXPECT_THAT(*vault_->Emergencies(), IsEmpty());
    disk_.fs.Heal();
  }
  // The trail is lost to this mount, and so are emergencies.
  EXPECT_THAT(vault_->BeginEmergency(kChief, Order()), FailsWith(Errc::kUnavailable));
}

// It says until when it is, and is over here whether the log takes that or not.
TEST_F(VaultOrdersFault, EmergencyAccessEndsThoughTheLogDoesNotTakeIt) {
  const auto given = vault_->BeginEmergency(kChief, Order());
  ASSERT_THAT(given, IsOk());
  disk_.fs.FailFrom(1, EIO, Lasts::kForEver, {Call::kWrite, Call::kSync}, "/log");
  EXPECT_FALSE(vault_->EndEmergency(kChief, given->front().id));
  EXPECT_FALSE(GuestReads());
  disk_.fs.Heal();
}

}  // namespace
}  // namespace leadglass
