// SPDX-License-Identifier: Apache-2.0
//
// Whom studies are open to, as the index keeps it: it follows from the folders' records and access
// lists that are stored, in whatever order they came, and comes back from the log.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "index/posix_acl.h"
#include "tests/index/index_fixture.h"

namespace leadglass {
namespace {

class ViewersTest : public IndexFixture {
 protected:
  static constexpr InodeId kPatients = 4, kStudies = 10;  // so many of each
  static InodeId Patient(InodeId i) { return 100 + i; }
  static InodeId Study(InodeId i) { return 200 + i; }

  static InodeRecord StudyFolder(std::mt19937_64& random) {
    const auto below = [&](uint64_t limit) { return static_cast<uint32_t>(random() % limit); };
    InodeRecord record;
    record.inode = Study(below(kStudies));
    record.parent = Patient(below(kPatients));
    record.flags = kInodeViewFolder;
    record.mode = S_IFDIR | below(01000);
    record.uid = below(3);
    record.gid = 50 + below(4);
    record.nlink = below(8) == 0 ? 0 : 1;
    if (below(8) == 0) record.study = Study(99);  // a series, after all
    return record;
  }
  static ByteVector SomeList(std::mt19937_64& random) {
    ByteWriter out;
    out.U32(2);
    const auto entry = [&](uint16_t tag, uint32_t id) {
      out.U16(tag);
      out.U16(static_cast<uint16_t>(random() % 8));
      out.U32(id);
    };
    entry(1, 0xffffffff);
    entry(2, static_cast<uint32_t>(random() % 3));
    entry(4, 0xffffffff);
    entry(8, static_cast<uint32_t>(50 + random() % 4));
    entry(16, 0xffffffff);
    entry(32, 0xffffffff);
    return out.Take();
  }
  static Operation SomeOperation(std::mt19937_64& random) {
    const InodeId study = Study(random() % kStudies);
    const std::string list(kAclAccessXattr);
    switch (random() % 6) {
      case 0: return PutXattr{study, list, SomeList(random)};
      case 1: return EraseXattr{study, list};
      case 2: return EraseInode{study};
      default: return PutInode{StudyFolder(random)};
    }
  }

  using Open = std::map<Viewer, std::set<std::pair<InodeId, InodeId>>>;  // patient, study
  // By definition.
  Open Expected() {
    Open open;
    for (InodeId i = 0; i < kStudies; ++i) {
      const auto record = *index_->GetInode(Study(i));
      if (!record || record->nlink == 0 || record->study != kNoInode) continue;
      const auto acl = *index_->GetXattr(Study(i), kAclAccessXattr);
      for (const Viewer& viewer : ViewersOf({record->mode & 0777, record->uid, record->gid}, acl))
        open[viewer].insert({record->parent, Study(i)});
    }
    return open;
  }
  // By patient, and by viewer.
  void Compare() {
    const Open expected = Expected();
    Open found;
    for (InodeId i = 0; i < kPatients; ++i) {
      ASSERT_THAT(index_->VisitViewers(Patient(i),
                                       [&](const Viewer& viewer, InodeId study) {
                                         found[viewer].insert({Patient(i), study});
                                         return true;
                                       }),
                  IsOk());
    }
    EXPECT_EQ(found, expected);
    std::vector<Viewer> all;
    std::set<InodeId> of_all;
    for (const auto& [viewer, studies] : expected) {
      std::set<InodeId> of_one;
      for (const auto& [patient, study] : studies) of_one.insert(patient);
      EXPECT_EQ(PatientsOf({viewer}), std::vector<InodeId>(of_one.begin(), of_one.end()));
      all.push_back(viewer);
      of_all.insert(of_one.begin(), of_one.end());
    }
    EXPECT_EQ(PatientsOf(all), std::vector<InodeId>(of_all.begin(), of_all.end()));
  }
  std::vector<InodeId> PatientsOf(const std::vector<Viewer>& viewers, InodeId after = 0) {
    std::vector<InodeId> patients;
    EXPECT_THAT(index_->VisitPatientsOf(viewers, after,
                                        [&](InodeId patient) {
                                          patients.push_back(patient);
                                          return true;
                                        }),
                IsOk());
    return patients;
  }
};

TEST_F(ViewersTest, FollowFromRecordsAndListsInWhateverOrderTheyCame) {
  std::mt19937_64 random(20261128);
  std::vector<Operations> commits;
  for (int round = 0; round < 300; ++round) {
    Operations operations;
    for (uint64_t i = 1 + random() % 4; i > 0; --i) operations.push_back(SomeOperation(random));
    Apply(operations);
    commits.push_back(std::move(operations));
    Compare();
    if (HasFailure()) return;
  }
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  Compare();
  // A log may be replayed over what it led to.
  for (size_t i = commits.size() - 20; i < commits.size(); ++i) Apply(commits[i]);
  Compare();
}

// More patients than are looked up at a time, and viewers that see different ones.
TEST_F(ViewersTest, ListPatientsInPiecesOfAnyLength) {
  constexpr InodeId kMany = 1500;
  Operations operations;
  for (InodeId i = 0; i < kMany; ++i) {
    for (InodeId study = 0; study < 1 + i % 3; ++study) {
      InodeRecord record;
      record.inode = 10'000 + i * 4 + 1 + study;
      record.parent = 10'000 + i * 4;
      record.flags = kInodeViewFolder;
      record.mode = S_IFDIR | 0050;
      record.gid = i % 2 == 0 ? 50 : i % 100 == 1 ? 51 : 52;
      record.nlink = 1;
      operations.emplace_back(PutInode{record});
    }
  }
  Apply(operations);
  const Viewer half{Viewer::Kind::kGroup, 50}, few{Viewer::Kind::kGroup, 51},
      nobody{Viewer::Kind::kGroup, 49};
  EXPECT_EQ(PatientsOf({half}).size(), kMany / 2);
  EXPECT_EQ(PatientsOf({nobody}).size(), 0u);
  const std::vector<InodeId> both = PatientsOf({nobody, half, few});
  EXPECT_EQ(both.size(), kMany / 2 + kMany / 100);
  EXPECT_TRUE(std::is_sorted(both.begin(), both.end()));
  for (const size_t at : {size_t{0}, size_t{1}, size_t{255}, size_t{256}, both.size() - 1}) {
    EXPECT_EQ(PatientsOf({half, few}, both[at]),
              std::vector<InodeId>(both.begin() + static_cast<long>(at) + 1, both.end()));
  }
}

}  // namespace
}  // namespace leadglass
