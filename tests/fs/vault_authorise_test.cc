// SPDX-License-Identifier: Apache-2.0
//
// What each caller sees and opens, compared with a model: for studies with owners, groups, modes
// and access lists by chance, and callers in groups by chance.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <random>
#include <thread>

#include "fs/credentials.h"
#include "index/posix_acl.h"
#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

constexpr uint32_t kNobody = 0xffffffff;

// acl(5) in its own words.
struct Model {
  uint32_t gid = 0, mode = 0;                  // of a study's folder; root owns it
  std::map<uint32_t, uint32_t> users, groups;  // named in its list
  uint32_t mask = 7;                           // of its list
  bool has_list = false;

  uint32_t OwningGroup() const { return has_list ? owning_group : mode >> 3 & 7; }
  uint32_t owning_group = 0;

  bool Gives(const Caller& caller, const std::set<gid_t>& gids, uint32_t wanted) const {
    const auto has = [&](uint32_t bits) { return (bits & wanted) == wanted; };
    if (caller.uid == 0) return has(mode >> 6 & 7);
    if (const auto named = users.find(caller.uid); named != users.end())
      return has(named->second & mask);
    bool matched = false, given = false;
    if (gids.count(gid) > 0) matched = true, given = has(OwningGroup() & mask);
    for (const auto& [group, bits] : groups)
      if (gids.count(group) > 0) matched = true, given = given || has(bits & mask);
    return matched ? given : has(mode & 7);
  }
  bool Shows(const Caller& caller, const std::set<gid_t>& gids) const {
    return Gives(caller, gids, 4) || Gives(caller, gids, 1);
  }
  ByteVector List() const {
    ByteWriter out;
    out.U32(2);
    const auto entry = [&](uint16_t tag, uint32_t bits, uint32_t id) {
      out.U16(tag);
      out.U16(static_cast<uint16_t>(bits));
      out.U32(id);
    };
    entry(1, mode >> 6 & 7, kNobody);
    for (const auto& [uid, bits] : users) entry(2, bits, uid);
    entry(4, owning_group, kNobody);
    for (const auto& [group, bits] : groups) entry(8, bits, group);
    entry(16, mask, kNobody);
    entry(32, mode & 7, kNobody);
    return out.Take();
  }
};

class VaultAuthorise : public VaultTest {
 protected:
  struct Study {
    std::string patient, name;  // of the folders
    NodeId patient_node = 0, node = 0, series = 0, image = 0;
    Model model;
  };

  void SetUp() override {
    VaultTest::SetUp();
    options_.groups_of = [this](pid_t pid) {
      ++asked_for_groups_;
      const auto found = groups_.find(pid);
      return found == groups_.end()
                 ? std::vector<gid_t>()
                 : std::vector<gid_t>(found->second.begin(), found->second.end());
    };
    Reopen(options_);
  }
  // Two patients in three have several studies.
  void MakeStudies(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      ImageSpec spec;
      spec.patient_id = "P" + std::to_string(i * 2 / 3);
      spec.patient_name = "Patient^No" + std::to_string(i * 2 / 3);
      spec.study_uid = "1.2.3." + std::to_string(i + 1);
      spec.series_uid = spec.study_uid + ".1";
      spec.sop_uid = spec.study_uid + ".1.1";
      Study study;
      study.image = WriteFile(kArchiveInode, "image" + std::to_string(i), MakeImage(spec));
      ASSERT_NE(study.image, 0u);
      studies_.push_back(study);
    }
    std::map<NodeId, Study*> by_image;
    for (Study& study : studies_) by_image[InodeOf(study.image)] = &study;
    for (const std::string& path : Tree(kPatientsInode)) {
      if (std::count(path.begin(), path.end(), '/') != 3 || path.ends_with('/')) continue;
      const size_t first = path.find('/'), second = path.find('/', first + 1),
                   third = path.find('/', second + 1);
      Study& study = *by_image.at(InodeOf(Walk("/patients/" + path)));
      study.patient = path.substr(0, first);
      study.name = path.substr(first + 1, second - first - 1);
      study.patient_node = Walk("/patients/" + path.substr(0, first));
      study.node = Walk("/patients/" + path.substr(0, second));
      study.series = Walk("/patients/" + path.substr(0, third));
    }
  }
  void GiveAccess(Study& study, std::mt19937_64& random) {
    const auto below = [&](uint64_t limit) { return static_cast<uint32_t>(random() % limit); };
    Model model;
    constexpr uint32_t kModes[] = {0750, 0750, 0700, 0755, 0710, 0740, 0770, 0070, 0005};
    model.gid = 5000 + below(6);
    model.mode = kModes[below(std::size(kModes))];
    model.owning_group = model.mode >> 3 & 7;
    if (below(2) == 0) {
      model.has_list = true;
      for (uint32_t i = below(3); i > 0; --i) model.users[6000 + below(3)] = below(8);
      for (uint32_t i = below(3); i > 0; --i) model.groups[5000 + below(6)] = below(8);
      model.owning_group = below(8);
      model.mask = below(8);
    }
    AttributeChange change;
    change.gid = model.gid;
    change.mode = model.mode;
    (void)vault_->RemoveXattr(kRootUser, study.node, kAclAccessXattr);
    ASSERT_THAT(vault_->SetAttributes(kRootUser, study.node, change, false), IsOk());
    if (model.has_list) {
      ASSERT_THAT(vault_->SetXattr(kRootUser, study.node, kAclAccessXattr, model.List(), 0),
                  IsOk());
    }
    study.model = model;
  }
  Caller SomeCaller(std::mt19937_64& random) {
    Caller caller{static_cast<uid_t>(6000 + random() % 4), static_cast<gid_t>(5000 + random() % 7),
                  next_pid_++, 022};
    auto& gids = groups_[caller.pid];
    for (uint64_t i = random() % 4; i > 0; --i)
      gids.insert(static_cast<gid_t>(5000 + random() % 6));
    return caller;
  }
  std::set<gid_t> GidsOf(const Caller& caller) {
    std::set<gid_t> gids = groups_[caller.pid];
    gids.insert(caller.gid);
    return gids;
  }
  std::set<std::string> NamesFor(const Caller& caller, NodeId folder) {
    std::vector<std::string> names;
    EXPECT_THAT(vault_->List(caller, folder, 2, false,
                             [&](const Vault::ListedEntry& entry) {
                               names.emplace_back(entry.name);
                               return true;
                             }),
                IsOk());
    std::set<std::string> each(names.begin(), names.end());
    EXPECT_EQ(each.size(), names.size()) << "a name was listed twice";
    return each;
  }
  bool Opens(const Caller& caller, NodeId node, int flags) {
    const auto file = vault_->Open(caller, node, flags);
    if (file) {
      vault_->Release(*file);
    } else {
      EXPECT_EQ(ToErrno(file.error()), EACCES);
    }
    return file.has_value();
  }
  // Everything that the caller may try, against the model.
  void Compare(const Caller& caller) {
    const std::set<gid_t> gids = GidsOf(caller);
    std::set<std::string> patients;
    for (const Study& study : studies_)
      if (study.model.Shows(caller, gids)) patients.insert(study.patient);
    EXPECT_EQ(NamesFor(caller, kPatientsInode), patients);
    for (const Study& study : studies_) {
      const bool patient_shows = patients.count(study.patient) > 0;
      const bool shows = study.model.Shows(caller, gids);
      const bool lists = study.model.Gives(caller, gids, 4);
      const auto patient = vault_->Lookup(caller, kPatientsInode, study.patient);
      EXPECT_EQ(patient.has_value(), patient_shows) << study.patient;
      if (!patient) {
        EXPECT_EQ(ToErrno(patient.error()), ENOENT);
      }
      std::set<std::string> shown;
      for (const Study& other : studies_)
        if (other.patient == study.patient && other.model.Shows(caller, gids))
          shown.insert(other.name);
      EXPECT_EQ(NamesFor(caller, study.patient_node), shown);
      const auto found = vault_->Lookup(caller, study.patient_node, study.name);
      EXPECT_EQ(found.has_value(), shows);
      if (!found) {
        EXPECT_EQ(ToErrno(found.error()), ENOENT);
      }
      EXPECT_EQ(vault_->OpenFolder(caller, study.node).has_value(), lists);
      EXPECT_EQ(vault_->OpenFolder(caller, study.series).has_value(), lists);
      for (const NodeId image : {study.image, study.image | kViewBit}) {
        EXPECT_EQ(Opens(caller, image, O_RDONLY), lists);
        EXPECT_EQ(vault_->GetXattr(caller, image, "user.dicom.PatientID").has_value(), lists);
      }
      EXPECT_EQ(Opens(caller, study.image, O_WRONLY), study.model.Gives(caller, gids, 2));
      EXPECT_EQ(Opens(caller, study.image, O_RDWR), study.model.Gives(caller, gids, 6));
    }
  }

  Vault::Options options_;
  std::map<pid_t, std::set<gid_t>> groups_;
  pid_t next_pid_ = 100;
  int asked_for_groups_ = 0;
  std::vector<Study> studies_;
};

TEST_F(VaultAuthorise, DecidesAsTheModelDoes) {
  std::mt19937_64 random(20261128);
  MakeStudies(12);
  for (int round = 0; round < 12; ++round) {
    for (Study& study : studies_) GiveAccess(study, random);
    if (round == 6) Reopen(options_);
    for (int i = 0; i < 6; ++i) {
      const Caller caller = SomeCaller(random);
      SCOPED_TRACE("round " + std::to_string(round) + ", uid " + std::to_string(caller.uid));
      Compare(caller);
      if (HasFailure()) return;
    }
  }
}

TEST_F(VaultAuthorise, RootIsNotSpecialWhereTheConfigurationSaysSo) {
  std::mt19937_64 random(7);
  MakeStudies(4);
  for (Study& study : studies_) GiveAccess(study, random);
  for (Study& study : studies_) {
    AttributeChange change;
    change.mode = 0070;
    change.gid = 5000;
    (void)vault_->RemoveXattr(kRootUser, study.node, kAclAccessXattr);
    ASSERT_THAT(vault_->SetAttributes(kRootUser, study.node, change, false), IsOk());
    change = {};
    change.uid = 6000;
    ASSERT_THAT(vault_->SetAttributes(kRootUser, study.image, change, false), IsOk());
  }
  EXPECT_EQ(NamesFor(kRootUser, kPatientsInode).size(), 3u);
  EXPECT_TRUE(Opens(kRootUser, studies_[0].image, O_RDONLY));
  ASSERT_THAT(vault_->SetConfiguration(kOperator, "root = \"none\"\n", {}), IsOk());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(NamesFor(kRootUser, kPatientsInode), IsEmpty());
    EXPECT_THAT(vault_->Lookup(kRootUser, kPatientsInode, studies_[0].patient),
                FailsWithErrno(ENOENT));
    EXPECT_FALSE(Opens(kRootUser, studies_[0].image, O_RDONLY));
    EXPECT_FALSE(Opens(kRootUser, studies_[0].image | kViewBit, O_RDONLY));
    EXPECT_THAT(vault_->GetXattr(kRootUser, studies_[0].image, "user.dicom.PatientName"),
                FailsWithErrno(EACCES));
    Reopen(options_);  // it is in the vault
  }
  // He goes on operating it: names in the archive, owners, modes, deletion.
  EXPECT_EQ(Names(kArchiveInode).size(), 4u);
  AttributeChange change;
  change.uid = 0;
  EXPECT_THAT(vault_->SetAttributes(kRootUser, studies_[0].image, change, false), IsOk());
  EXPECT_FALSE(Opens(kRootUser, studies_[0].image, O_RDONLY)) << "because he made it his own";
  const NodeId own = WriteFile(kArchiveInode, "notes", "no image");
  EXPECT_TRUE(Opens(kRootUser, own, O_RDONLY));
  EXPECT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "image1"), IsOk());
}

TEST_F(VaultAuthorise, AsksForSupplementaryGroupsOnlyWhereTheyMatter) {
  std::mt19937_64 random(3);
  MakeStudies(1);
  AttributeChange change;
  change.gid = 5000;
  change.mode = 0750;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, studies_[0].node, change, false), IsOk());
  EXPECT_TRUE(Opens({6000, 5000, 1, 022}, studies_[0].image, O_RDONLY));
  EXPECT_EQ(asked_for_groups_, 0);
  groups_[2] = {5000};
  EXPECT_TRUE(Opens({6000, 5001, 2, 022}, studies_[0].image, O_RDONLY));
  EXPECT_EQ(asked_for_groups_, 1);
  // Who is gone, or in another PID namespace, has his primary group alone.
  EXPECT_FALSE(Opens({6000, 5001, 0, 022}, studies_[0].image, O_RDONLY));
}

TEST_F(VaultAuthorise, AUserInFiveHundredGroupsSeesWhatEachOpens) {
  MakeStudies(9);
  uint32_t gid = 10'000;
  for (Study& study : studies_) {
    AttributeChange change;
    change.gid = gid += 50;
    change.mode = 0750;
    ASSERT_THAT(vault_->SetAttributes(kRootUser, study.node, change, false), IsOk());
  }
  const Caller caller{6000, 6000, 77, 022};
  for (gid_t member = 10'000; member < 10'500; ++member) groups_[77].insert(member);
  EXPECT_EQ(NamesFor(caller, kPatientsInode), Names(kPatientsInode));
  groups_[77] = {10'450};
  EXPECT_THAT(NamesFor(caller, kPatientsInode), ElementsAre(studies_[8].patient));
  groups_[77].clear();
  EXPECT_THAT(NamesFor(caller, kPatientsInode), IsEmpty());
}

// More than a listing request holds, read in pieces of every length, with patients that come and
// go.
TEST_F(VaultAuthorise, AListingInPiecesMissesNobody) {
  constexpr size_t kStudies = 40;
  MakeStudies(kStudies);
  std::set<std::string> mine;
  for (size_t i = 0; i < kStudies; ++i) {
    AttributeChange change;
    change.gid = 5000 + static_cast<uint32_t>(i % 2);
    change.mode = 0750;
    ASSERT_THAT(vault_->SetAttributes(kRootUser, studies_[i].node, change, false), IsOk());
    if (i % 2 == 0) mine.insert(studies_[i].patient);
  }
  const Caller caller{6000, 5000, 1, 022};
  for (size_t piece = 1; piece <= mine.size(); ++piece) {
    std::vector<std::string> names;
    for (uint64_t cookie = 0, before = 1; cookie != before;) {
      before = cookie;
      size_t taken = 0;
      ASSERT_THAT(vault_->List(caller, kPatientsInode, cookie, true,
                               [&](const Vault::ListedEntry& entry) {
                                 if (taken == piece) return false;
                                 ++taken;
                                 cookie = entry.cookie;
                                 if (entry.name != "." && entry.name != "..")
                                   names.emplace_back(entry.name);
                                 return true;
                               }),
                  IsOk());
    }
    EXPECT_EQ(names.size(), mine.size());
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), mine) << piece << " at a time";
  }
  // The last study that he sees goes, and the patient with it, for him alone.
  AttributeChange change;
  change.gid = 5001;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, studies_[0].node, change, false), IsOk());
  EXPECT_THAT(NamesFor(caller, kPatientsInode), ::testing::SizeIs(mine.size() - 1));
  EXPECT_THAT(Names(kPatientsInode), IsSupersetOf(mine));
}

TEST(SupplementaryGroups, AreThoseOfTheThread) {
  std::vector<gid_t> mine(static_cast<size_t>(::getgroups(0, nullptr)));
  mine.resize(static_cast<size_t>(::getgroups(static_cast<int>(mine.size()), mine.data())));
  EXPECT_THAT(SupplementaryGroups(::getpid()), ::testing::UnorderedElementsAreArray(mine));
  pid_t thread = 0;
  std::vector<gid_t> seen;
  std::jthread([&] {
    thread = ::gettid();
    seen = SupplementaryGroups(thread);
  }).join();
  EXPECT_THAT(seen, ::testing::UnorderedElementsAreArray(mine));
  const ProcessFacts facts = ProcessFactsOf(::gettid());
  EXPECT_EQ(facts.pid, ::getpid());
  EXPECT_EQ(facts.program, "fs_test");
  EXPECT_EQ(ProcessFactsOf(0).pid, 0);
  EXPECT_THAT(SupplementaryGroups(thread), IsEmpty()) << "it has ended";
  EXPECT_THAT(SupplementaryGroups(0), IsEmpty());
}

}  // namespace
}  // namespace leadglass
