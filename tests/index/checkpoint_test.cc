// SPDX-License-Identifier: Apache-2.0

// A checkpoint says everything: an index that is given the commits from the base on holds what the
// one holds that was given all. And the index tells which records of the log are needed.

#include <algorithm>
#include <map>
#include <random>

#include "tests/index/index_fixture.h"
#include "tests/index/index_model.h"

namespace leadglass {
namespace {

constexpr const char* kFreshFolder = "/vault/fresh";

class CheckpointTest : public IndexFixture {
 protected:
  // As in a vault: a study's key keeps its study, and an entity has a folder to itself.
  void Grow(std::mt19937_64& random, size_t count) {
    Operations batch = RandomOperations(random, count, fresh_cookie_);
    for (Operation& operation : batch) {
      if (auto* const key = std::get_if<PutStudyKey>(&operation))
        key->record.study_identity = "study of " + ToHex(key->record.study_key_id);
      if (auto* const entity = std::get_if<PutEntity>(&operation))
        entity->record.folder = 100'000 +
                                std::hash<std::string>()(entity->record.identity) % 1'000'000 * 4 +
                                static_cast<uint64_t>(entity->record.kind);
    }
    Commit(batch);
  }
  void Commit(const Operations& batch) {
    Apply(batch);
    log_.push_back(batch);
  }
  // Gives the number of the first commit of it, from 1. Other commits come in between.
  size_t MakeCheckpoint(std::mt19937_64& random, size_t piece_bytes, SegmentId base) {
    const size_t first = log_.size() + 1;
    std::string next;
    do {
      const auto plan = index_->PlanRestate(next, piece_bytes);
      EXPECT_THAT(plan, IsOk());
      if (!plan) return first;
      // What is looked for may change before it is said.
      for (uint64_t more = random() % 3; more > 0; --more) Grow(random, random() % 8);
      auto piece = index_->Restate(*plan, piece_bytes);
      EXPECT_THAT(piece, IsOk());
      if (!piece) return first;
      empty_pieces_ += piece->operations.empty() ? 1 : 0;
      // The index that is asked holds it all.
      Apply({});
      log_.push_back(std::move(piece->operations));
      next = piece->next;
      for (uint64_t more = random() % 3; more > 0; --more) Grow(random, random() % 8);
    } while (!next.empty());
    Commit({Checkpoint{base, index_->next_inode(), index_->next_session(), index_->next_cookie(),
                       1'000}});
    return first;
  }
  // An index that was told the commits from number `first` on.
  std::unique_ptr<Index> IndexSince(size_t first) {
    EXPECT_THAT(Index::Destroy(fs_, kFreshFolder), IsOk());
    auto fresh = Index::Open(fs_, kFreshFolder, key_, vault_id_, options_);
    EXPECT_THAT(fresh, IsOk());
    for (size_t n = first; n <= log_.size(); ++n)
      EXPECT_THAT((*fresh)->Apply(log_[n - 1], SampleCommit(n)), IsOk());
    return *std::move(fresh);
  }
  void ExpectTheSame(const Index& fresh) {
    EXPECT_EQ(Difference(DumpIndex(fresh), DumpIndex(*index_), false), "");
    EXPECT_EQ(fresh.next_inode(), index_->next_inode());
    EXPECT_EQ(fresh.next_cookie(), index_->next_cookie());
    EXPECT_EQ(fresh.next_session(), index_->next_session());
    EXPECT_EQ(fresh.counts().inodes, index_->counts().inodes);
    EXPECT_EQ(fresh.counts().filed, index_->counts().filed);
    EXPECT_EQ(fresh.counts().unfiled, index_->counts().unfiled);
    EXPECT_EQ(fresh.checkpoint().base, index_->checkpoint().base);
  }
  // How often each record is told of.
  static std::map<Position, int> Needed(const Index& index) {
    std::map<Position, int> needed;
    EXPECT_THAT(index.VisitRecords([&](const RecordSpace& record) {
      ++needed[record.position];
      return true;
    }),
                IsOk());
    return needed;
  }

  std::vector<Operations> log_;
  int empty_pieces_ = 0;  // of the checkpoints made
  uint64_t fresh_cookie_ = 16;
};

TEST_F(CheckpointTest, GivesTheSameIndexFromAnyBaseBeforeIt) {
  for (const uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 11u, 12u}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 12; ++i) Grow(random, random() % 60);
    const size_t first = MakeCheckpoint(random, 1 + random() % 3'000, {1, seed + 1});
    ExpectTheSame(*IndexSince(first));
    ExpectTheSame(*IndexSince(first - random() % 6));
    for (int i = 0; i < 6; ++i) Grow(random, random() % 60);
    ExpectTheSame(*IndexSince(first));
    if (HasFailure()) return;
  }
}

// An extent is kept under its end: what is left of one whose end is overwritten between two pieces
// has another key, before that of the piece to come.
TEST_F(CheckpointTest, MissesNothingOfAnExtentThatIsSplitBetweenTwoPieces) {
  Commit({PutSession{5, SampleUuid(1)}, PutInode{SampleInode(20)},
          PutExtent{20, SampleExtent(0, 100, 1)}, PutExtent{20, SampleExtent(100, 100, 2)}});
  const size_t first = log_.size() + 1;
  std::string next;
  do {
    // At every place of the checkpoint another part is overwritten.
    const auto overwrite = [&] {
      const uint64_t at = 195 - log_.size() * 5;
      Commit({PutExtent{20, SampleExtent(at, 3, at)}});
    };
    ASSERT_OK_AND_ASSIGN(const RestatePlan plan, index_->PlanRestate(next, 1));
    overwrite();
    ASSERT_OK_AND_ASSIGN(Restated piece, index_->Restate(plan, 1));
    Apply({});
    log_.push_back(std::move(piece.operations));
    next = std::move(piece.next);
    overwrite();
  } while (!next.empty());
  ExpectTheSame(*IndexSince(first));
  ASSERT_OK_AND_ASSIGN(const auto extents, IndexSince(first)->Extents(20, 0, 200));
  EXPECT_EQ(extents, index_->Extents(20, 0, 200).value());
}

// Where the names of a folder have been said there may be nothing more to say for long.
TEST_F(CheckpointTest, APieceWalksOverAFewMebibytesAtMost) {
  constexpr InodeId kFirst = 100, kCount = 60;
  const auto name_in = [](InodeId folder, InodeId inode) {
    return PutName{{folder, std::to_string(inode), inode, S_IFREG, 0, 1'000 + inode}};
  };
  Operations batch{PutInode{SampleInode(20)}};
  for (InodeId inode = kFirst; inode < kFirst + kCount; ++inode) {
    batch.emplace_back(PutInode{SampleInode(inode)});
    batch.emplace_back(PutXattr{inode, "user.large", ByteVector(65'536, 7)});
    batch.emplace_back(name_in(20, inode));
  }
  batch.emplace_back(PutInode{SampleInode(kFirst + kCount)});
  batch.emplace_back(name_in(kFirst + kCount, 20));
  Commit(batch);
  std::mt19937_64 random(11);
  const size_t first = MakeCheckpoint(random, size_t{1} << 30, {1, 2});
  EXPECT_GT(empty_pieces_, 0);
  ExpectTheSame(*IndexSince(first));
}

TEST_F(CheckpointTest, GivesTheSameIndexWhenASuffixIsReplayed) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 12; ++i) Grow(random, 40);
  const size_t first = MakeCheckpoint(random, 500, {1, 9});
  const auto fresh = IndexSince(first);
  for (size_t again = first; again < log_.size(); again += 7) {
    for (size_t n = again; n <= log_.size(); ++n)
      ASSERT_THAT(fresh->Apply(log_[n - 1], SampleCommit(n)), IsOk());
    ExpectTheSame(*fresh);
  }
}

TEST_F(CheckpointTest, KeepsNumbersThatWereGivenToWhatIsGone) {
  Commit({PutInode{SampleInode(500)}, EraseInode{500}});
  std::mt19937_64 random(8);
  const size_t first = log_.size() + 1;
  Commit({PutSession{1, SampleUuid(1)}, PutInode{SampleInode(20)}});
  (void)MakeCheckpoint(random, 1'000'000, {1, 2});
  EXPECT_EQ(IndexSince(first)->next_inode(), index_->next_inode());
  EXPECT_GT(index_->next_inode(), 500u);
}

// The key of a study that is in use stays in use, whichever of two comes first by its id.
TEST_F(CheckpointTest, KeepsWhichOfTwoKeysOfAStudyIsInUse) {
  for (const bool first_in_use : {false, true}) {
    StudyKeyRecord one;
    one.study_key_id = SampleUuid(first_in_use ? 1 : 3);
    one.study_identity = first_in_use ? "study" : "other study";
    one.group = 7;
    StudyKeyRecord two = one;
    two.study_key_id = SampleUuid(2);
    two.group = 8;
    Commit({PutSession{1, SampleUuid(1)}, PutStudyKey{two}, PutStudyKey{one}});
    std::mt19937_64 random(9);
    const size_t first = MakeCheckpoint(random, 1'000'000, {1, 2});
    EXPECT_EQ(IndexSince(first)->FindStudyKey(one.study_identity).value(), one.study_key_id);
  }
}

TEST_F(CheckpointTest, IsOfPiecesOfTheSizeAskedFor) {
  Operations batch{PutSession{1, SampleUuid(1)}};
  for (InodeId inode = 100; inode < 3'100; ++inode) batch.push_back(PutInode{SampleInode(inode)});
  Commit(batch);
  std::string next;
  size_t pieces = 0;
  size_t said = 0;
  do {
    ASSERT_OK_AND_ASSIGN(const RestatePlan plan, index_->PlanRestate(next, 10'000));
    const auto piece = index_->Restate(plan, 10'000);
    ASSERT_THAT(piece, IsOk());
    EXPECT_LT(EncodeOperations(piece->operations).size(), 64u << 10);
    said += piece->operations.size();
    next = piece->next;
    ++pieces;
  } while (!next.empty());
  EXPECT_EQ(said, batch.size());
  EXPECT_GT(pieces, 10u);
}

// What a checkpoint would give back: counted since the last one.
TEST_F(CheckpointTest, TellsAboutHowMuchIsStale) {
  Commit({PutSession{5, SampleUuid(1)}, PutInode{SampleInode(20)}});
  for (uint64_t i = 0; i < 100; ++i) {
    Extent page = SampleExtent(0, 4096, i);
    page.record.position.offset = 4096 + i * 5'000;
    Commit({PutExtent{20, page}});
  }
  const uint64_t commits = 2 * 500 * index_->head()->first.commit_number;
  EXPECT_GT(index_->checkpoint().stale_bytes, commits + 99 * 4096);
  EXPECT_LT(index_->checkpoint().stale_bytes, commits + 99 * 5'000);
  Commit({Checkpoint{{1, 2}, 21, 6, 17, 77}});
  EXPECT_EQ(index_->checkpoint().stale_bytes, 1'000u);
  EXPECT_EQ(index_->checkpoint().restated_bytes, 77u);
  EXPECT_EQ(index_->checkpoint().base, (SegmentId{1, 2}));
  EXPECT_EQ(index_->checkpoint().cleared, SegmentId());
  Commit({Cleared{{1, 2}}});
  EXPECT_EQ(index_->checkpoint().cleared, (SegmentId{1, 2}));
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  EXPECT_EQ(index_->checkpoint().restated_bytes, 77u);
  EXPECT_EQ(index_->checkpoint().cleared, (SegmentId{1, 2}));
}

TEST_F(CheckpointTest, TellsWhichRecordsAreNeeded) {
  int64_t now = 1'000;
  options_.wall_clock = [&now] { return now; };
  Reopen();
  const auto record = [](uint64_t offset, uint32_t length, uint64_t segment) {
    Extent extent = SampleExtent(offset, length, offset + segment);
    extent.record.position = {{1, segment}, 4096 + offset};
    return extent;
  };
  const Extent big = record(0, 100'000, 1);
  const Extent small = record(200'000, 1'000, 1);
  const Extent split = record(300'000, 1'000, 1);
  const Extent in_split = record(300'400, 100, 2);
  Commit({PutSession{5, SampleUuid(1)}, PutInode{SampleInode(20)}, PutExtent{20, big},
          PutExtent{20, small}, PutExtent{20, split}, PutExtent{20, in_split}});
  const Position at_big = big.record.position;
  const Position at_small = small.record.position;
  const Position at_split = split.record.position;
  const Position at_in_split = in_split.record.position;
  using Expected = std::map<Position, int>;
  EXPECT_EQ(Needed(*index_),
            (Expected{{at_big, 1}, {at_small, 1}, {at_split, 2}, {at_in_split, 1}}));
  // Before the checkpoint: a small one is forgotten, a large one stays until it is punched.
  Commit({PutExtent{20, SampleHole(300'400, 100)}});
  Commit({PutExtent{20, SampleHole(0, 100'000)}});
  EXPECT_EQ(Needed(*index_), (Expected{{at_big, 1}, {at_small, 1}, {at_split, 2}}));
  Commit({Checkpoint{{1, 3}, 21, 6, 17, 77}});
  // After it: what lies before the base stays until the next one; a part is not the whole.
  const Extent behind = record(400'000, 1'000, 5);
  Commit({PutExtent{20, behind}});
  Commit({CutExtents{20, 200'000}});
  EXPECT_EQ(Needed(*index_), (Expected{{at_big, 1}, {at_small, 1}, {at_split, 1}}));
  Commit({Punch{{SpaceOf(big.record)}}});
  EXPECT_EQ(Needed(*index_), (Expected{{at_small, 1}, {at_split, 1}}));
  Commit({Checkpoint{{1, 6}, 21, 6, 17, 77}});
  EXPECT_EQ(Needed(*index_), Expected());
}

}  // namespace
}  // namespace leadglass
