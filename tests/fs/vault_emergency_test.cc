// SPDX-License-Identifier: Apache-2.0
//
// Emergency access: a user reads what his groups do not let him, for a while and on record, and
// nothing of it stays.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "fs/study_holds.h"
#include "index/posix_acl.h"
#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

constexpr int64_t kMinute = 60'000'000'000;
constexpr Caller kDoctor{6002, 5002, 0, 022};
constexpr Caller kStranger{6009, 5009, 0, 022};
const Person kOperator{{7001, 7001, 0, 0}, "clerk", {}, true};

// The machine's, moved.
class MovedClock final : public Clock {
 public:
  int64_t WallNanos() override { return SystemClock().WallNanos() + wall; }
  int64_t MonotonicNanos() override { return SystemClock().MonotonicNanos() + monotonic; }
  void Pass(int64_t nanos) { wall += nanos, monotonic += nanos; }
  std::atomic<int64_t> wall{0}, monotonic{0};
};

ImageSpec Of(const std::string& patient, const std::string& study) {
  ImageSpec spec;
  spec.patient_id = patient;
  spec.patient_name = "Name^" + patient;
  spec.study_uid = "2.25." + study;
  spec.series_uid = spec.study_uid + ".1";
  spec.sop_uid = spec.study_uid + ".1.1";
  spec.study_description = "Study " + study;
  return spec;
}

class VaultEmergency : public VaultTest {
 protected:
  void SetUp() override {
    VaultTest::SetUp();
    OpenAgain();
    AttributeChange open;
    open.mode = 0755;
    ASSERT_THAT(vault_->SetAttributes(kRootUser, kPatientsInode, open, false), IsOk());
    image_ = WriteFile(kArchiveInode, "a", MakeImage(Of("P1", "11")));
    WriteFile(kArchiveInode, "b", MakeImage(Of("P1", "12")));
    WriteFile(kArchiveInode, "c", MakeImage(Of("P2", "21")));
    ASSERT_OK_AND_ASSIGN(bytes_, ReadFile(image_));
    study_ = StudyOf("P1", "11");
  }
  void TearDown() override {
    if (vault_) {
      EXPECT_THAT(vault_->Close(), IsOk());
    }
    vault_.reset();  // before its clock
    VaultTest::TearDown();
  }
  void OpenAgain(Vault::Options options = {}) {
    if (vault_) {
      ASSERT_THAT(vault_->Close(), IsOk());
    }
    vault_.reset();
    auto opened = Vault::Open(PosixFileSystem(), folder_, *keys_, TestParser(), options, clock_);
    ASSERT_THAT(opened, IsOk());
    vault_ = *std::move(opened);
  }
  static std::string PatientName(const std::string& id) { return "Name " + id + " [" + id + "]"; }
  NodeId StudyOf(const std::string& patient, const std::string& study) {
    const NodeId folder = Walk("/patients/" + PatientName(patient));
    for (const std::string& name : Names(folder)) {
      if (name.find("Study " + study) != name.npos)
        return vault_->Lookup(kRootUser, folder, name)->node;
    }
    return 0;
  }
  static EmergencyOrder Order(const std::string& patient, int64_t nanos = 30 * kMinute) {
    EmergencyOrder order;
    order.uid = kDoctor.uid;
    order.user = "doctor";
    order.patient_id = patient;
    order.reason = "unconscious";
    order.nanos = nanos;
    return order;
  }
  static EmergencyOrder OrderOfStudy(const std::string& study) {
    EmergencyOrder order = Order("");
    order.study = study;
    return order;
  }
  uint32_t Begin(const EmergencyOrder& order) {
    const auto given = vault_->BeginEmergency(kOperator, order);
    EXPECT_THAT(given, IsOk());
    return given && !given->empty() ? given->front().id : 0;
  }
  std::vector<std::string> Listed(const Caller& caller, NodeId folder, size_t page = 1'000) {
    std::vector<std::string> names;
    uint64_t cookie = 2;
    for (bool more = true; more;) {
      size_t got = 0;
      EXPECT_THAT(vault_->List(caller, folder, cookie, false,
                               [&](const Vault::ListedEntry& entry) {
                                 names.emplace_back(entry.name);
                                 cookie = entry.cookie;
                                 return ++got < page;
                               }),
                  IsOk());
      more = got == page;
    }
    return names;
  }
  int Opens(const Caller& caller, NodeId node, int flags = O_RDONLY) {
    const auto file = vault_->Open(caller, node, flags);
    if (file) vault_->Release(*file);
    return file ? 0 : ToErrno(file.error());
  }
  // What the kernel finds by what it is told.
  bool KernelLets(const Caller& caller, NodeId node, uint32_t wanted) {
    const auto shown = vault_->GetAttributes(node);
    if (!shown) return false;
    const auto acl = vault_->GetXattr(kRootUser, node, kAclAccessXattr);
    // It looks at a list where the group has any bit (acl_permission_check() of Linux).
    const bool looks = acl && (shown->mode & 0070) != 0;
    return Permits(
        {shown->mode & 0777, shown->uid, shown->gid}, looks ? std::optional(*acl) : std::nullopt,
        caller.uid, [&](uint32_t gid) { return gid == caller.gid; }, wanted);
  }
  void ExpectOpen(const Caller& caller) {
    EXPECT_THAT(vault_->Lookup(caller, kPatientsInode, PatientName("P1")), IsOk());
    EXPECT_THAT(Listed(caller, kPatientsInode), ElementsAre(PatientName("P1")));
    EXPECT_THAT(vault_->OpenFolder(caller, study_), IsOk());
    EXPECT_EQ(Opens(caller, image_), 0);
    EXPECT_EQ(Opens(caller, image_ | kViewBit), 0);
    EXPECT_TRUE(KernelLets(caller, study_, kMayRead | kMaySearch));
    EXPECT_TRUE(KernelLets(caller, image_, kMayRead));
    EXPECT_TRUE(KernelLets(caller, image_ | kViewBit, kMayRead));
    EXPECT_EQ(Opens(caller, image_, O_RDWR), EACCES);
    EXPECT_FALSE(KernelLets(caller, image_, kMayWrite));
    EXPECT_FALSE(KernelLets(caller, image_, kMaySearch));
  }
  void ExpectClosed(const Caller& caller) {
    EXPECT_FALSE(vault_->Lookup(caller, kPatientsInode, PatientName("P1")));
    EXPECT_THAT(Listed(caller, kPatientsInode), IsEmpty());
    EXPECT_FALSE(vault_->OpenFolder(caller, study_));
    EXPECT_EQ(Opens(caller, image_ | kViewBit), EACCES);
    EXPECT_FALSE(KernelLets(caller, study_, kMaySearch));
    EXPECT_FALSE(KernelLets(caller, image_ | kViewBit, kMayRead));
  }
  std::vector<AuditRecord> Records(AuditAction action) {
    std::vector<AuditRecord> records;
    EXPECT_THAT(vault_->ReadAudit([&](const AuditRecord& record) {
      if (record.action == action) records.push_back(record);
      return true;
    }),
                IsOk());
    return records;
  }
  // And until it is on record, which follows the end.
  bool WaitUntilEnded() {
    const auto over = [&] {
      return vault_->Emergencies()->empty() && !Records(AuditAction::kEmergencyEnd).empty();
    };
    for (int i = 0; i < 200 && !over(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return over();
  }

  MovedClock clock_;
  NodeId image_ = 0, study_ = 0;
  std::string bytes_;
};

TEST_F(VaultEmergency, OpensAPatientToTheUserAndToNobodyElse) {
  ExpectClosed(kDoctor);
  const auto shown = vault_->GetAttributes(study_);
  const uint32_t id = Begin(Order("P1"));
  ExpectOpen(kDoctor);
  ExpectClosed(kStranger);
  EXPECT_THAT(Listed(kDoctor, Walk("/patients/" + PatientName("P1"))), SizeIs(2));
  EXPECT_THAT(*vault_->ListXattrs(study_), Contains(kAclAccessXattr));
  ASSERT_OK_AND_ASSIGN(const auto ended, vault_->EndEmergency(kOperator, id));
  EXPECT_THAT(ended, SizeIs(1));
  ExpectClosed(kDoctor);
  EXPECT_EQ(vault_->GetAttributes(study_)->mode, shown->mode);
  EXPECT_FALSE(vault_->GetXattr(kRootUser, study_, kAclAccessXattr));
  EXPECT_THAT(vault_->EndEmergency(kOperator, id), FailsWith(Errc::kNotFound));
}

TEST_F(VaultEmergency, OfAStudyOpensNoOther) {
  for (const std::string& study :
       {std::string("2.25.11"), "/patients/" + PatientName("P1") + "/" +
                                    *Names(Walk("/patients/" + PatientName("P1"))).begin()}) {
    const uint32_t id = Begin(OrderOfStudy(study));
    EXPECT_THAT(Listed(kDoctor, kPatientsInode), ElementsAre(PatientName("P1")));
    EXPECT_THAT(Listed(kDoctor, Walk("/patients/" + PatientName("P1"))), SizeIs(1)) << study;
    EXPECT_EQ(Opens(kDoctor, Walk("/archive/b") | kViewBit) == 0,
              Opens(kDoctor, image_ | kViewBit) != 0);
    EXPECT_THAT(vault_->EndEmergency(kOperator, id), IsOk());
  }
  Begin(OrderOfStudy("/patients/" + PatientName("P1")));
  EXPECT_THAT(Listed(kDoctor, Walk("/patients/" + PatientName("P1"))), SizeIs(2));
}

TEST_F(VaultEmergency, EndsByItselfAndWhatIsOpenStaysSo) {
  Begin(Order("P1", 10 * kMinute));
  clock_.Pass(9 * kMinute);
  ExpectOpen(kDoctor);
  ASSERT_OK_AND_ASSIGN(OpenFile* const file, vault_->Open(kDoctor, image_ | kViewBit, O_RDONLY));
  clock_.Pass(kMinute);
  // At once, whenever the vault gets around to ending it.
  EXPECT_EQ(Opens(kDoctor, image_ | kViewBit), EACCES);
  ExpectClosed(kDoctor);
  ByteVector some(100);
  EXPECT_THAT(vault_->Read(*file, 0, some), IsOkAndHolds(100u));
  vault_->Release(file);
  ASSERT_TRUE(WaitUntilEnded());
  ExpectClosed(kDoctor);
  const auto ends = Records(AuditAction::kEmergencyEnd);
  ASSERT_THAT(ends, SizeIs(1));
  EXPECT_THAT(ends[0].detail, HasSubstr("its time is over"));
}

TEST_F(VaultEmergency, IsNotProlongedByAClockThatWasSetBack) {
  Begin(Order("P1", 10 * kMinute));
  clock_.wall -= 60 * kMinute;
  ExpectOpen(kDoctor);
  clock_.Pass(10 * kMinute);
  EXPECT_EQ(Opens(kDoctor, image_ | kViewBit), EACCES);
  ASSERT_TRUE(WaitUntilEnded());
  Begin(Order("P1", 10 * kMinute));
  clock_.wall += 10 * kMinute;
  EXPECT_EQ(Opens(kDoctor, image_ | kViewBit), EACCES) << "nor by one that stood (suspended)";
}

TEST_F(VaultEmergency, IsOnRecordBeforeAndAfter) {
  const uint32_t id = Begin(Order("P1", 30 * kMinute));
  EXPECT_EQ(Opens(kDoctor, image_ | kViewBit), 0);
  ASSERT_THAT(vault_->EndEmergency(kOperator, id), IsOk());
  std::vector<AuditRecord> records;
  ASSERT_THAT(vault_->ReadAudit([&](const AuditRecord& record) {
    if (record.patient_id == "P1" && record.action != AuditAction::kStore &&
        record.action != AuditAction::kWrite && record.uid != 0)
      records.push_back(record);
    return true;
  }),
              IsOk());
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_EQ(records[0].action, AuditAction::kEmergency);
  EXPECT_EQ(records[0].uid, kOperator.caller.uid);
  EXPECT_EQ(records[0].error, 0u);
  EXPECT_THAT(records[0].detail, HasSubstr(HoldIdText(id) + ": doctor(6002) until 20"));
  EXPECT_THAT(records[0].detail, HasSubstr("unconscious"));
  const auto is = [&](AuditAction action) {
    return std::count_if(records.begin(), records.end(),
                         [&](const AuditRecord& record) { return record.action == action; });
  };
  EXPECT_EQ(is(AuditAction::kRead), 1) << "an ordinary read of the user's";
  EXPECT_EQ(is(AuditAction::kEmergencyEnd), 1);
}

TEST_F(VaultEmergency, OutlivesTheMountAndTheIndexButNotItsTime) {
  const uint32_t id = Begin(Order("P1", 30 * kMinute));
  Begin(Order("P2", 5 * kMinute));
  OpenAgain();
  EXPECT_THAT(*vault_->Emergencies(), SizeIs(2));
  clock_.Pass(6 * kMinute);
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  ASSERT_THAT(Vault::Reindex(PosixFileSystem(), folder_, *keys_, nullptr, clock_), IsOk());
  OpenAgain();
  ExpectOpen(kDoctor);
  for (int i = 0; i < 100 && vault_->Emergencies()->size() > 1; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_OK_AND_ASSIGN(const auto left, vault_->Emergencies());
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].id, id);
  EXPECT_EQ(left[0].user, "doctor");
  EXPECT_EQ(left[0].by_user, "clerk");
  EXPECT_EQ(left[0].reason, "unconscious");
  EXPECT_EQ(left[0].patient_id, "P1");
  EXPECT_THAT(Records(AuditAction::kEmergencyEnd), SizeIs(1));
  ASSERT_THAT(vault_->EndEmergency(kOperator, id), IsOk());
  OpenAgain();
  EXPECT_THAT(*vault_->Emergencies(), IsEmpty());
  ExpectClosed(kDoctor);
}

// Nothing is recorded there.
TEST_F(VaultEmergency, DoesNotCountWhereTheVaultIsReadOnly) {
  Begin(Order("P1"));
  Vault::Options options;
  options.read_only = true;
  OpenAgain(options);
  ExpectClosed(kDoctor);
  EXPECT_THAT(*vault_->Emergencies(), SizeIs(1));
  EXPECT_FALSE(vault_->BeginEmergency(kOperator, Order("P1")));
}

TEST_F(VaultEmergency, IsNeverWrittenIntoAStudy) {
  const ByteVector list = AclForGroups({88});
  ASSERT_THAT(vault_->SetXattr(kRootUser, study_, kAclAccessXattr, list, 0), IsOk());
  const uint32_t id = Begin(Order("P1"));
  ASSERT_OK_AND_ASSIGN(const ByteVector shown,
                       vault_->GetXattr(kRootUser, study_, kAclAccessXattr));
  EXPECT_THAT(AclText(shown), HasSubstr("u:6002:r-x"));
  EXPECT_THAT(AclText(shown), HasSubstr("g:88:r-x"));
  // A list or mode that somebody works out of what is shown would keep it.
  const Status set = vault_->SetXattr(kRootUser, study_, kAclAccessXattr, shown, 0);
  ASSERT_FALSE(set);
  EXPECT_EQ(ToErrno(set.error()), EBUSY);
  AttributeChange change;
  change.mode = 0770;
  const auto changed = vault_->SetAttributes(kRootUser, study_, change, false);
  ASSERT_FALSE(changed);
  EXPECT_EQ(ToErrno(changed.error()), EBUSY);
  AttributeChange group;
  group.gid = 99;
  EXPECT_THAT(vault_->SetAttributes(kRootUser, study_, group, false), IsOk());
  ASSERT_THAT(vault_->EndEmergency(kOperator, id), IsOk());
  EXPECT_THAT(vault_->GetXattr(kRootUser, study_, kAclAccessXattr), IsOkAndHolds(list));
  EXPECT_THAT(vault_->SetAttributes(kRootUser, study_, change, false), IsOk());
}

TEST_F(VaultEmergency, OfAPatientCoversStudiesThatCome) {
  Begin(Order("P1"));
  const NodeId late = WriteFile(kArchiveInode, "late", MakeImage(Of("P1", "13")));
  EXPECT_EQ(Opens(kDoctor, late | kViewBit), 0);
  EXPECT_THAT(Listed(kDoctor, Walk("/patients/" + PatientName("P1"))), SizeIs(3));
  // Also when the patient has gone meanwhile.
  for (const char* name : {"a", "b", "late"})
    ASSERT_THAT(vault_->Unlink(kRootUser, kArchiveInode, name), IsOk());
  ASSERT_EQ(Walk("/patients/" + PatientName("P1")), 0u);
  EXPECT_THAT(Listed(kDoctor, kPatientsInode), IsEmpty());
  const NodeId again = WriteFile(kArchiveInode, "again", MakeImage(Of("P1", "14")));
  EXPECT_EQ(Opens(kDoctor, again | kViewBit), 0);
  EXPECT_THAT(Listed(kDoctor, kPatientsInode), ElementsAre(PatientName("P1")));
}

TEST_F(VaultEmergency, StandsInTheListingAmongWhatTheUserSees) {
  std::vector<std::string> all;
  for (int i = 3; i < 9; ++i) {
    const std::string id = "P" + std::to_string(i);
    WriteFile(kArchiveInode, id, MakeImage(Of(id, std::to_string(i) + "1")));
    all.push_back(PatientName(id));
    if (i % 2 == 0) continue;
    AttributeChange change;
    change.gid = kDoctor.gid;
    ASSERT_THAT(
        vault_->SetAttributes(kRootUser, StudyOf(id, std::to_string(i) + "1"), change, false),
        IsOk());
  }
  const std::vector<std::string> own{all[0], all[2], all[4]};
  ASSERT_EQ(Listed(kDoctor, kPatientsInode), own);
  for (const char* id : {"P4", "P6", "P8", "P3"}) Begin(Order(id));
  for (const size_t page : {1u, 2u, 3u, 100u})
    EXPECT_EQ(Listed(kDoctor, kPatientsInode, page), all) << page;
  EXPECT_THAT(Listed(kStranger, kPatientsInode), IsEmpty());
}

TEST_F(VaultEmergency, TellsTheKernelWhenItBeginsAndEnds) {
  Mutex mutex;
  std::set<NodeId> told;
  vault_->SetInvalidator([&](NodeId node, bool) {
    MutexLock lock(mutex);
    told.insert(node);
  });
  const auto wait_for = [&](const std::set<NodeId>& wanted) {
    for (int i = 0; i < 200; ++i) {
      {
        MutexLock lock(mutex);
        if (std::includes(told.begin(), told.end(), wanted.begin(), wanted.end())) {
          told.clear();
          return true;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  };
  const std::set<NodeId> wanted{image_, InodeOf(Walk("/archive/b")), study_, StudyOf("P1", "12")};
  const uint32_t id = Begin(Order("P1"));
  EXPECT_TRUE(wait_for(wanted));
  ASSERT_THAT(vault_->EndEmergency(kOperator, id), IsOk());
  EXPECT_TRUE(wait_for(wanted));
  Begin(Order("P1", 2 * kMinute));
  EXPECT_TRUE(wait_for(wanted));
  clock_.Pass(2 * kMinute);
  EXPECT_TRUE(wait_for(wanted));
  vault_->SetInvalidator(nullptr);
}

TEST_F(VaultEmergency, IsForWhoOperatesTheVaultAndForGroupsThatAreNamed) {
  const Person doctor{kDoctor, "doctor", {5100}, false};
  EXPECT_THAT(vault_->BeginEmergency(doctor, Order("P1")), FailsWith(Errc::kAccessDenied));
  EXPECT_FALSE(vault_->MayTakeEmergency(doctor));
  ASSERT_THAT(vault_->SetConfiguration(kOperator,
                                       "[emergency]\ngroups = [\"clinicians\"]\nlongest = \"1h\"\n",
                                       {{"clinicians", 5100}}),
              IsOk());
  EXPECT_TRUE(vault_->MayTakeEmergency(doctor));
  EXPECT_FALSE(vault_->MayTakeEmergency({kStranger, "", {5101}, false}));
  EXPECT_THAT(vault_->BeginEmergency({kStranger, "", {5101}, false}, Order("P1")),
              FailsWith(Errc::kAccessDenied));
  EmergencyOrder order = Order("P1");
  order.uid = kStranger.uid;
  EXPECT_THAT(vault_->BeginEmergency(doctor, order), FailsWith(Errc::kAccessDenied)) << "others";
  EXPECT_THAT(vault_->BeginEmergency(doctor, OrderOfStudy("/patients/" + PatientName("P1"))),
              FailsWith(Errc::kInvalidArgument));
  const auto given = vault_->BeginEmergency(doctor, Order("P1"));
  ASSERT_THAT(given, IsOk());
  ExpectOpen(kDoctor);
  // Who ends it: who operates the vault, and who has it.
  const Person other{kStranger, "", {5100}, false};
  EXPECT_THAT(vault_->EndEmergency(other, given->front().id), FailsWith(Errc::kNotFound));
  EXPECT_THAT(vault_->EndEmergency(doctor, given->front().id), IsOk());
  ExpectClosed(kDoctor);
  // What was refused is on record.
  const auto records = Records(AuditAction::kEmergency);
  const auto refused = std::count_if(records.begin(), records.end(), [](const AuditRecord& record) {
    return record.error == EACCES && record.patient_id == "P1" && record.detail == "unconscious";
  });
  EXPECT_EQ(refused, 3);
}

TEST_F(VaultEmergency, IsGivenForATimeAndAReasonAndToAPatientThereIs) {
  EXPECT_THAT(vault_->BeginEmergency(kOperator, Order("P1", kMinute - 1)),
              FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(vault_->BeginEmergency(kOperator, Order("P1", 24 * 60 * kMinute + 1)),
              FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(vault_->BeginEmergency(kOperator, Order("nobody")), FailsWith(Errc::kNotFound));
  EXPECT_THAT(vault_->BeginEmergency(kOperator, OrderOfStudy("1.2.3")), FailsWith(Errc::kNotFound));
  EXPECT_THAT(vault_->BeginEmergency(kOperator, OrderOfStudy("")), FailsWith(Errc::kNotFound));
  EmergencyOrder silent = Order("P1");
  silent.reason = " ";
  EXPECT_THAT(vault_->BeginEmergency(kOperator, silent), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(*vault_->Emergencies(), IsEmpty());
  EXPECT_THAT(vault_->BeginEmergency(kOperator, Order("P1", 24 * 60 * kMinute)), IsOk());
  EXPECT_THAT(vault_->BeginEmergency(kOperator, Order("P2", kMinute)), IsOk());
}

// Numbers of different issuers are different people's.
TEST_F(VaultEmergency, AsksForTheIssuerWhereThereAreSeveral) {
  ImageSpec spec = Of("P1", "15");
  spec.issuer = "ELSEWHERE";
  const NodeId other = WriteFile(kArchiveInode, "other", MakeImage(spec));
  EXPECT_THAT(vault_->BeginEmergency(kOperator, Order("P1")), FailsWith(Errc::kInvalidArgument));
  EmergencyOrder order = Order("P1");
  order.issuer = "ELSEWHERE";
  Begin(order);
  EXPECT_EQ(Opens(kDoctor, other | kViewBit), 0);
  EXPECT_EQ(Opens(kDoctor, image_ | kViewBit), EACCES);
}

TEST_F(VaultEmergency, IsForRootTooWhereItIsHeldToItsGroups) {
  ASSERT_THAT(vault_->SetConfiguration(kOperator, "root = \"none\"\n", {}), IsOk());
  AttributeChange change;
  change.mode = 0050;
  change.gid = 77;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, study_, change, false), IsOk());
  EXPECT_EQ(Opens(kRootUser, image_), EACCES);
  EmergencyOrder order = Order("P1");
  order.uid = 0;
  Begin(order);
  EXPECT_EQ(Opens(kRootUser, image_), 0);
}

}  // namespace
}  // namespace leadglass
