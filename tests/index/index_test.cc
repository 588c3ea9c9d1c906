// SPDX-License-Identifier: Apache-2.0
#include "index/index.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/index/index_fixture.h"

namespace leadglass {
namespace {

class IndexTest : public IndexFixture {
 protected:
  std::vector<Extent> ExtentsOf(InodeId inode) {
    auto extents = index_->Extents(inode, 0, ~uint64_t{0});
    EXPECT_THAT(extents, IsOk());
    return extents ? *extents : std::vector<Extent>{};
  }
  // Extents as text, such as "0+100 100+50h": offset, length, h for a hole.
  std::string Shape(InodeId inode) {
    std::string shape;
    for (const Extent& e : ExtentsOf(inode))
      shape += (shape.empty() ? "" : " ") + std::to_string(e.file_offset) + "+" +
               std::to_string(e.length) + (e.hole ? "h" : "");
    return shape;
  }
  std::vector<std::string> Listed(InodeId folder, uint64_t after = 0) {
    std::vector<std::string> names;
    EXPECT_THAT(index_->VisitNames(folder, after,
                                   [&](const NameRecord& r) {
                                     names.push_back(r.name);
                                     return true;
                                   }),
                IsOk());
    return names;
  }
  static Operation Session() { return PutSession{5, SampleUuid(3)}; }
};

TEST_F(IndexTest, IsEmptyAtFirst) {
  EXPECT_EQ(index_->head(), std::nullopt);
  EXPECT_EQ(index_->next_inode(), kFirstFreeInode);
  EXPECT_EQ(index_->next_session(), 1u);
  EXPECT_EQ(index_->next_cookie(), 16u);
  EXPECT_EQ(index_->counts().inodes, 0u);
  EXPECT_THAT(index_->GetInode(kRootInode), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(index_->GetName(kRootInode, "a"), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(index_->Orphans(), IsOkAndHolds(std::vector<InodeId>{}));
  EXPECT_TRUE(Listed(kRootInode).empty());
  EXPECT_TRUE(ExtentsOf(99).empty());
}

TEST_F(IndexTest, RemembersTheHeadOfTheNewestCommit) {
  Apply({PutInode{SampleInode(20)}});
  Apply({});
  const CommitInfo commit = SampleCommit(2);
  ASSERT_TRUE(index_->head().has_value());
  EXPECT_EQ(index_->head()->first, commit.head);
  EXPECT_EQ(index_->head()->second, commit.end);
}

TEST_F(IndexTest, ShowsWhatIsStagedAndKeepsItOnceItIsSettled) {
  Operations all = OneOfEach();
  std::get<PutName>(all[2]).record.flags = 0;  // no alias: listed
  ASSERT_THAT(index_->Stage(all), IsOk());
  EXPECT_THAT(index_->GetInode(99), IsOkAndHolds(SampleInode(99)));
  EXPECT_EQ(Listed(kArchiveInode), std::vector<std::string>{"image"});
  EXPECT_EQ(index_->head(), std::nullopt);
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  EXPECT_THAT(index_->GetInode(99), IsOkAndHolds(std::nullopt)) << "no commit has it";
  EXPECT_EQ(index_->next_inode(), kFirstFreeInode);

  ASSERT_THAT(index_->Stage(all), IsOk());
  const CommitInfo commit = SampleCommit(7);
  ASSERT_THAT(index_->Settle(commit), IsOk());
  ASSERT_THAT(index_->Stage({EraseName{kArchiveInode, "image"}}), IsOk());
  EXPECT_TRUE(Listed(kArchiveInode).empty());
  EXPECT_THAT(index_->GetName(kArchiveInode, "image"), IsOkAndHolds(std::nullopt));
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  ASSERT_TRUE(index_->head().has_value());
  EXPECT_EQ(index_->head()->first, commit.head);
  EXPECT_EQ(index_->head()->second, commit.end);
  EXPECT_THAT(index_->GetInode(99), IsOkAndHolds(SampleInode(99)));
  EXPECT_EQ(Listed(kArchiveInode), std::vector<std::string>{"image"}) << "no commit erased it";
}

TEST_F(IndexTest, GivesBackEveryRecordAsItWasPut) {
  const Operations all = OneOfEach();
  Apply(all);
  const auto check = [&] {
    EXPECT_THAT(index_->GetInode(99), IsOkAndHolds(SampleInode(99)));
    EXPECT_THAT(index_->GetName(kArchiveInode, "image"),
                IsOkAndHolds(std::get<PutName>(all[2]).record));
    EXPECT_THAT(index_->GetXattr(99, "user.note"), IsOkAndHolds(ByteVector(10, 0x20)));
    EXPECT_THAT(index_->GetXattr(99, "user.old"), IsOkAndHolds(std::nullopt));
    EXPECT_THAT(index_->XattrNames(99), IsOkAndHolds(std::vector<std::string>{"user.note"}));
    EXPECT_THAT(index_->GetFileKey(99, 2), IsOkAndHolds(std::get<PutFileKey>(all[8]).record));
    EXPECT_THAT(index_->GetFileKey(99, 1), IsOkAndHolds(std::nullopt));
    EXPECT_THAT(index_->GetStudyKey(SampleUuid(2), kDefaultGroup),
                IsOkAndHolds(std::get<PutStudyKey>(all[9]).record));
    EXPECT_THAT(index_->FindStudyKey("study"), IsOkAndHolds(SampleUuid(2)));
    EXPECT_THAT(index_->FindStudyKey(""), IsOkAndHolds(std::nullopt));
    EXPECT_THAT(index_->GetGroupKey(kDefaultGroup),
                IsOkAndHolds(std::get<PutGroupKey>(all[10]).record));
    EXPECT_THAT(index_->GetSession(5), IsOkAndHolds(SampleUuid(3)));
    EXPECT_THAT(index_->GetEntity(EntityKind::kStudy, "1.2.3"),
                IsOkAndHolds(std::get<PutEntity>(all[12]).record));
    EXPECT_THAT(index_->GetEntityOfFolder(50), IsOkAndHolds(std::get<PutEntity>(all[12]).record));
    EXPECT_THAT(index_->GetFiling(99), IsOkAndHolds(std::get<PutFiling>(all[14]).record));
    EXPECT_THAT(index_->Instances(51, "1.2.3.4"), IsOkAndHolds(std::vector<InodeId>{99}));
    EXPECT_EQ(index_->counts().inodes, 1u);
    EXPECT_EQ(index_->counts().filed, 1u);
    EXPECT_EQ(index_->next_session(), 6u);
    EXPECT_EQ(index_->next_cookie(), 18u);
    EXPECT_EQ(index_->next_inode(), 100u);
  };
  check();
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  check();
}

TEST_F(IndexTest, PutsTheSessionsIdIntoExtents) {
  Apply({Session(), PutInode{SampleInode(20)}, PutExtent{20, SampleExtent(0, 100)}});
  Extent expected = SampleExtent(0, 100);
  expected.record.write_id.session = SampleUuid(3);
  EXPECT_THAT(ExtentsOf(20), ::testing::ElementsAre(expected));
}

TEST_F(IndexTest, RefusesToReadAnExtentOfAnUnknownSession) {
  Apply({PutExtent{20, SampleExtent(0, 100)}});
  EXPECT_THAT(index_->Extents(20, 0, 100), FailsWith(Errc::kCorrupt));
}

TEST_F(IndexTest, FlushedIsThereAfterReopening) {
  Apply({PutInode{SampleInode(20)}, PutName{SampleName(kArchiveInode, "a", 20, 16)}});
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  EXPECT_EQ(index_->head()->first, SampleCommit(1).head);
  EXPECT_THAT(index_->GetInode(20), IsOkAndHolds(SampleInode(20)));
  EXPECT_EQ(index_->next_inode(), 21u);
}

TEST_F(IndexTest, WithoutFlushIsAsOfTheLastTable) {
  Apply({PutInode{SampleInode(20)}});
  ASSERT_THAT(index_->Flush(), IsOk());
  Apply({PutInode{SampleInode(21)}});
  Reopen();
  EXPECT_EQ(index_->head()->first, SampleCommit(1).head);
  EXPECT_THAT(index_->GetInode(21), IsOkAndHolds(std::nullopt));
  EXPECT_EQ(index_->counts().inodes, 1u);
}

TEST_F(IndexTest, OpensNoFileForALookupOnceTablesAreOpened) {
  constexpr InodeId kLeast = 100, kEnd = 6'000;
  options_.write_buffer_bytes = 64 << 10;  // LevelDB's least: several tables
  Reopen();
  for (InodeId inode = kLeast; inode < kEnd; ++inode) Apply({PutInode{SampleInode(inode)}});
  ASSERT_THAT(index_->Flush(), IsOk());
  const auto files_opened = [&] {
    fs_.FailFrom(UINT64_MAX, EIO, FaultFileSystem::Lasts::kForOneCall,
                 {FaultFileSystem::Call::kOpen});
    // Few enough for LevelDB not to compact a table because of them (its least are 100 seeks).
    for (InodeId inode = kLeast; inode < kEnd; inode += 97)
      EXPECT_THAT(index_->GetInode(inode), IsOkAndHolds(SampleInode(inode)));
    return fs_.calls();
  };
  // Compactions open files, too: they go on until there is nothing left to do.
  Reopen();
  std::vector<std::string> files;
  for (int same = 0; same < 20; ++same) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    auto now = *fs_.List(kFolder);
    if (now != files) same = 0;
    files = std::move(now);
  }
  Reopen();
  EXPECT_GT(files_opened(), 0u);  // so that the next one says something
  Reopen();
  index_->OpenTables([] { return true; });
  EXPECT_EQ(files_opened(), 0u);
}

TEST_F(IndexTest, OpensTablesOnlyAsLongAsItMay) {
  for (InodeId inode = 100; inode < 200; ++inode) Apply({PutInode{SampleInode(inode)}});
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  int asked = 0;
  index_->OpenTables([&] { return ++asked < 3; });
  EXPECT_EQ(asked, 3);
}

TEST_F(IndexTest, MakesTheLogDurableBeforeATable) {
  int calls = 0;
  options_.make_log_durable = [&] {
    ++calls;
    return Status();
  };
  Reopen();
  Apply({PutInode{SampleInode(20)}});
  EXPECT_EQ(calls, 0);
  ASSERT_THAT(index_->Flush(), IsOk());
  EXPECT_EQ(calls, 1);
  ASSERT_THAT(index_->Flush(), IsOk());
  EXPECT_EQ(calls, 1) << "nothing was new";
}

TEST_F(IndexTest, WritesNoTableWhenTheLogCannotBeMadeDurable) {
  options_.make_log_durable = [] { return Status(Error(Errc::kUnavailable, "poisoned")); };
  Reopen();
  Apply({PutInode{SampleInode(20)}});
  EXPECT_THAT(index_->Flush(), FailsWith(Errc::kUnavailable));
  EXPECT_THAT(index_->GetInode(20), IsOkAndHolds(SampleInode(20))) << "reads go on";
  options_.make_log_durable = nullptr;
  Reopen();
  EXPECT_EQ(index_->head(), std::nullopt);
}

TEST_F(IndexTest, KeepsOrphansInAListOfTheirOwn) {
  InodeRecord orphan = SampleInode(20);
  orphan.nlink = 0;
  Apply({PutInode{SampleInode(20)}, PutInode{SampleInode(21)}});
  EXPECT_THAT(index_->Orphans(), IsOkAndHolds(std::vector<InodeId>{}));
  Apply({PutInode{orphan}});
  EXPECT_THAT(index_->Orphans(), IsOkAndHolds(std::vector<InodeId>{20}));
  Apply({PutInode{SampleInode(20)}});
  EXPECT_THAT(index_->Orphans(), IsOkAndHolds(std::vector<InodeId>{}));
  Apply({PutInode{orphan}, EraseInode{20}});
  EXPECT_THAT(index_->Orphans(), IsOkAndHolds(std::vector<InodeId>{}));
  EXPECT_EQ(index_->counts().inodes, 1u);
}

TEST_F(IndexTest, EraseInodeTakesEverythingOfTheInodeAndNothingElse) {
  Operations all;
  for (const InodeId inode : {255u, 256u, 257u}) {
    all.push_back(PutInode{SampleInode(inode)});
    all.push_back(PutExtent{inode, SampleHole(0, 10)});
    all.push_back(PutExtent{inode, SampleHole(10, 10)});
    all.push_back(PutXattr{inode, "user.a", {1}});
    all.push_back(PutFileKey{{inode, 1, SampleUuid(1), {1}}});
    all.push_back(PutFiling{SampleFiling(inode, 51, "same")});
  }
  Apply(all);
  Apply({EraseInode{256}});
  EXPECT_THAT(index_->GetInode(256), IsOkAndHolds(std::nullopt));
  EXPECT_EQ(Shape(256), "");
  EXPECT_THAT(index_->XattrNames(256), IsOkAndHolds(std::vector<std::string>{}));
  EXPECT_THAT(index_->GetFileKey(256, 1), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(index_->GetFiling(256), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(index_->Instances(51, "same"), IsOkAndHolds(std::vector<InodeId>{255, 257}));
  for (const InodeId inode : {255u, 257u}) {
    EXPECT_EQ(Shape(inode), "0+10h 10+10h");
    EXPECT_THAT(index_->GetFileKey(inode, 1), IsOk());
  }
  EXPECT_EQ(index_->counts().inodes, 2u);
  EXPECT_EQ(index_->counts().filed, 2u);
}

TEST_F(IndexTest, ExtentsReplaceWhatTheyCover) {
  Apply({PutExtent{20, SampleHole(0, 100)}});
  Apply({PutExtent{20, SampleHole(40, 20)}});
  EXPECT_EQ(Shape(20), "0+40h 40+20h 60+40h");
  Apply({PutExtent{20, SampleHole(30, 40)}});
  EXPECT_EQ(Shape(20), "0+30h 30+40h 70+30h");
  Apply({PutExtent{20, SampleHole(0, 30)}, PutExtent{20, SampleHole(70, 30)}});
  EXPECT_EQ(Shape(20), "0+30h 30+40h 70+30h");
  Apply({PutExtent{20, SampleHole(0, 1000)}});
  EXPECT_EQ(Shape(20), "0+1000h");
  Apply({PutExtent{20, SampleHole(1000, 1)}, PutExtent{20, SampleHole(1001, 1)},
         PutExtent{20, SampleHole(999, 3)}});
  EXPECT_EQ(Shape(20), "0+999h 999+3h");
}

TEST_F(IndexTest, APartOfAnExtentStillNamesItsWholeRecord) {
  Apply(
      {Session(), PutExtent{20, SampleExtent(1000, 100, 1)}, PutExtent{20, SampleHole(1040, 20)}});
  const auto extents = ExtentsOf(20);
  ASSERT_EQ(extents.size(), 3u);
  for (const size_t i : {0u, 2u}) {
    EXPECT_EQ(extents[i].record.file_offset, 1000u);
    EXPECT_EQ(extents[i].record.length, 100u);
    EXPECT_EQ(extents[i].record.position, extents[0].record.position);
  }
  EXPECT_EQ(extents[2].file_offset, 1060u);
  EXPECT_EQ(extents[2].length, 40u);
}

TEST_F(IndexTest, CutExtentsDropsWhatLiesBehind) {
  Apply({PutExtent{20, SampleHole(0, 100)}, PutExtent{20, SampleHole(100, 100)}});
  Apply({CutExtents{20, 200}});
  EXPECT_EQ(Shape(20), "0+100h 100+100h");
  Apply({CutExtents{20, 150}});
  EXPECT_EQ(Shape(20), "0+100h 100+50h");
  Apply({CutExtents{20, 100}});
  EXPECT_EQ(Shape(20), "0+100h");
  Apply({PutExtent{20, SampleHole(100, 5)}, CutExtents{20, 0}});
  EXPECT_EQ(Shape(20), "");
}

TEST_F(IndexTest, GivesTheExtentsThatOverlapARange) {
  Apply({PutExtent{20, SampleHole(0, 10)}, PutExtent{20, SampleHole(10, 10)},
         PutExtent{20, SampleHole(20, 10)}, PutExtent{21, SampleHole(0, 10)}});
  const auto offsets = [&](uint64_t from, uint64_t to) {
    std::vector<uint64_t> found;
    const auto extents = index_->Extents(20, from, to);
    EXPECT_THAT(extents, IsOk());
    for (const Extent& e : *extents) found.push_back(e.file_offset);
    return found;
  };
  using V = std::vector<uint64_t>;
  EXPECT_EQ(offsets(0, 1), V({0}));
  EXPECT_EQ(offsets(9, 10), V({0}));
  EXPECT_EQ(offsets(9, 11), V({0, 10}));
  EXPECT_EQ(offsets(10, 20), V({10}));
  EXPECT_EQ(offsets(29, 1000), V({20}));
  EXPECT_EQ(offsets(30, 1000), V({}));
  EXPECT_EQ(offsets(5, 5), V({}));
}

TEST_F(IndexTest, FindsAnExtentByItsEnd) {
  Apply({Session(), PutExtent{20, SampleExtent(0, 10)}, PutExtent{20, SampleHole(10, 10)},
         PutExtent{21, SampleHole(0, 15)}});
  ASSERT_OK_AND_ASSIGN(const auto all, index_->Extents(20, 0, 20));
  ASSERT_THAT(all, ::testing::SizeIs(2));
  EXPECT_THAT(index_->ExtentEndingAt(20, 10), IsOkAndHolds(std::optional(all[0])));
  EXPECT_THAT(index_->ExtentEndingAt(20, 20), IsOkAndHolds(std::optional(all[1])));
  EXPECT_THAT(index_->ExtentEndingAt(20, 15), IsOkAndHolds(std::optional<Extent>()));
  EXPECT_THAT(index_->ExtentEndingAt(22, 10), IsOkAndHolds(std::optional<Extent>()));
}

TEST_F(IndexTest, ListsNamesInTheOrderOfTheirCookies) {
  Apply({PutName{SampleName(300, "zebra", 20, 16)}, PutName{SampleName(300, "ant", 21, 17)},
         PutName{SampleName(300, "mole", 22, 18)}, PutName{SampleName(301, "other", 23, 19)}});
  using V = std::vector<std::string>;
  EXPECT_EQ(Listed(300), V({"zebra", "ant", "mole"}));
  EXPECT_EQ(Listed(300, 16), V({"ant", "mole"}));
  EXPECT_EQ(Listed(300, 18), V({}));
  EXPECT_EQ(Listed(301), V({"other"}));
  EXPECT_EQ(Listed(302), V({}));
  int visited = 0;
  EXPECT_THAT(index_->VisitNames(300, 0, [&](const NameRecord&) { return ++visited < 2; }), IsOk());
  EXPECT_EQ(visited, 2);
}

TEST_F(IndexTest, MovesANameThatIsPutAgain) {
  Apply({PutName{SampleName(300, "a", 20, 16)}, PutName{SampleName(300, "b", 21, 17)}});
  Apply({PutName{SampleName(300, "a", 22, 18)}});
  EXPECT_EQ(Listed(300), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ((*index_->GetName(300, "a"))->inode, 22u);
  Apply({EraseName{300, "a"}, EraseName{300, "missing"}});
  EXPECT_EQ(Listed(300), (std::vector<std::string>{"b"}));
  EXPECT_THAT(index_->GetName(300, "a"), IsOkAndHolds(std::nullopt));
}

TEST_F(IndexTest, ACookieBelongsToTheLastNameThatTookIt) {
  Apply({PutName{SampleName(300, "a", 20, 16)}});
  Apply({PutName{SampleName(300, "b", 20, 16)}});
  EXPECT_EQ(Listed(300), (std::vector<std::string>{"b"}));
  EXPECT_THAT(index_->GetName(300, "a"), IsOkAndHolds(std::nullopt));
}

TEST_F(IndexTest, AliasesResolveAndAreNotListed) {
  NameRecord alias = SampleName(300, "old", 20, 17);
  alias.flags = kNameAlias;
  Apply({PutName{SampleName(300, "new", 20, 16)}, PutName{alias}});
  EXPECT_EQ(Listed(300), (std::vector<std::string>{"new"}));
  EXPECT_EQ((*index_->GetName(300, "old"))->inode, 20u);
  EXPECT_EQ(index_->AllNames(300)->size(), 2u);
}

TEST_F(IndexTest, FindsNamesThatAreBeginningsOfOthers) {
  const std::string odd("a\xff\0b", 4);
  Apply({PutName{SampleName(300, "a", 20, 16)}, PutName{SampleName(300, "ab", 21, 17)},
         PutName{SampleName(300, odd, 22, 18)}});
  EXPECT_EQ((*index_->GetName(300, "a"))->inode, 20u);
  EXPECT_EQ((*index_->GetName(300, "ab"))->inode, 21u);
  EXPECT_EQ((*index_->GetName(300, odd))->inode, 22u);
  EXPECT_THAT(index_->GetName(300, "abc"), IsOkAndHolds(std::nullopt));
}

TEST_F(IndexTest, KeepsInodesWithRoundNumbersApart) {
  // Prefixes that end in 0xff are where a range's end is easily got wrong.
  for (const InodeId folder : {InodeId{0xfe}, InodeId{0xff}, InodeId{0x100}, InodeId{0xffff}})
    Apply({PutName{SampleName(folder, "n" + std::to_string(folder), 20, folder)}});
  for (const InodeId folder : {InodeId{0xfe}, InodeId{0xff}, InodeId{0x100}, InodeId{0xffff}})
    EXPECT_EQ(Listed(folder), (std::vector<std::string>{"n" + std::to_string(folder)}));
}

TEST_F(IndexTest, AnEntityCanMoveAndBeErased) {
  Apply({PutEntity{SampleEntity(EntityKind::kPatient, "p", 50)},
         PutEntity{SampleEntity(EntityKind::kStudy, "p", 51)}});
  Apply({PutEntity{SampleEntity(EntityKind::kPatient, "p", 52)}});
  EXPECT_THAT(index_->GetEntityOfFolder(50), IsOkAndHolds(std::nullopt));
  EXPECT_EQ((*index_->GetEntityOfFolder(52))->kind, EntityKind::kPatient);
  Apply({EraseEntity{EntityKind::kPatient, "p"}});
  EXPECT_THAT(index_->GetEntity(EntityKind::kPatient, "p"), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(index_->GetEntityOfFolder(52), IsOkAndHolds(std::nullopt));
  EXPECT_EQ((*index_->GetEntityOfFolder(51))->kind, EntityKind::kStudy);
}

TEST_F(IndexTest, FilingFollowsItsState) {
  FilingRecord unparsed;
  unparsed.inode = 20;
  unparsed.state = FilingState::kUnparsed;
  unparsed.reason = "no header";
  Apply({PutFiling{unparsed}});
  const auto unfiled = [&] {
    std::vector<InodeId> found;
    EXPECT_THAT(index_->VisitUnfiled([&](const FilingRecord& r) {
      found.push_back(r.inode);
      return true;
    }),
                IsOk());
    return found;
  };
  EXPECT_EQ(unfiled(), std::vector<InodeId>{20});
  EXPECT_EQ(index_->counts().unfiled, 1u);
  Apply({PutFiling{SampleFiling(20, 51, "i")}});
  EXPECT_TRUE(unfiled().empty());
  EXPECT_EQ(index_->counts().unfiled, 0u);
  EXPECT_EQ(index_->counts().filed, 1u);
  Apply({PutFiling{SampleFiling(20, 52, "j")}});
  EXPECT_THAT(index_->Instances(51, "i"), IsOkAndHolds(std::vector<InodeId>{}));
  EXPECT_THAT(index_->Instances(52, "j"), IsOkAndHolds(std::vector<InodeId>{20}));
  Apply({EraseFiling{20}, EraseFiling{20}});
  EXPECT_THAT(index_->Instances(52, "j"), IsOkAndHolds(std::vector<InodeId>{}));
  EXPECT_EQ(index_->counts().filed, 0u);
}

TEST_F(IndexTest, VisitsInodesInOrderPastManyExtents) {
  Operations all;
  for (const InodeId inode : {20u, 21u, 300u}) {
    all.push_back(PutInode{SampleInode(inode)});
    for (uint64_t i = 0; i < 100; ++i) all.push_back(PutExtent{inode, SampleHole(i, 1)});
  }
  Apply(all);
  std::vector<InodeId> seen;
  EXPECT_THAT(index_->VisitInodes([&](const InodeRecord& r) {
    seen.push_back(r.inode);
    return true;
  }),
              IsOk());
  EXPECT_EQ(seen, (std::vector<InodeId>{20, 21, 300}));
}

TEST_F(IndexTest, RefusesASecondOpener) {
  EXPECT_THAT(TryOpen(), FailsWith(Errc::kUnavailable));
  EXPECT_THAT(Index::Destroy(fs_, kFolder), FailsWith(Errc::kUnavailable));
}

TEST_F(IndexTest, DestroyRemovesTheFolderAndAllInIt) {
  Apply({PutInode{SampleInode(20)}});
  ASSERT_THAT(index_->Flush(), IsOk());
  index_.reset();
  ASSERT_THAT(fs_.CreateFolder("/vault/index/odd"), IsOk());
  ASSERT_THAT(Index::Destroy(fs_, kFolder), IsOk());
  EXPECT_THAT(fs_.Exists(kFolder), IsOkAndHolds(false));
  EXPECT_THAT(Index::Destroy(fs_, kFolder), IsOk());
  Reopen();
  EXPECT_EQ(index_->head(), std::nullopt);
}

TEST_F(IndexTest, ServesReadersWhileItApplies) {
  Apply({PutInode{SampleInode(20)}, PutName{SampleName(300, "a", 20, 16)}});
  std::atomic<bool> stop{false};
  std::jthread reader([&] {
    while (!stop) {
      EXPECT_THAT(index_->GetInode(20), IsOkAndHolds(SampleInode(20)));
      EXPECT_THAT(index_->GetName(300, "a"), IsOk());
      EXPECT_THAT(index_->Extents(21, 0, 1 << 20), IsOk());
      index_->counts();
    }
  });
  for (uint64_t i = 0; i < 300; ++i) {
    Apply({PutSession{static_cast<uint32_t>(5 + i), SampleUuid(3)},
           PutExtent{21, SampleExtent(i * 100, 100)}});
    if (i % 50 == 0) {
      ASSERT_THAT(index_->Flush(), IsOk());
    }
  }
  stop = true;
}

}  // namespace
}  // namespace leadglass
