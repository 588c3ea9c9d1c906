// SPDX-License-Identifier: Apache-2.0

// What the index says is dead space: never a byte that a file has, and all that a file lost.

#include "index/dead_space.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/index/index_fixture.h"

namespace leadglass {
namespace {

constexpr uint32_t kImage = 100'000;  // bytes: punching its record gives something back
constexpr SegmentId kBehindAll{1, 1'000'000};

class DeadSpaceTest : public IndexFixture {
 protected:
  void SetUp() override {
    options_.wall_clock = [this] { return now_; };
    IndexFixture::SetUp();
    Apply({PutSession{5, SampleUuid(1)}});
  }

  // A record of its own for `length` bytes at `offset` of a file.
  Extent NewExtent(uint64_t offset, uint32_t length) {
    Extent extent = SampleExtent(offset, length, ++counter_);
    extent.record.position = {{1, 1 + counter_ / 10}, 4096 + (counter_ % 10) * (2u << 20)};
    return extent;
  }
  std::set<Position> Dead(int64_t before = INT64_MAX, SegmentId below = kBehindAll,
                          size_t limit = 1'000'000) const {
    const auto dead = index_->DeadRecords(0, before, below, limit);
    EXPECT_THAT(dead, IsOk());
    return dead ? PositionsOf(*dead) : std::set<Position>();
  }
  static std::set<Position> PositionsOf(const DeadBatch& batch) {
    std::set<Position> positions;
    for (const RecordSpace& record : batch.records) positions.insert(record.position);
    return positions;
  }
  static std::set<Position> Of(std::initializer_list<Extent> extents) {
    std::set<Position> positions;
    for (const Extent& extent : extents) positions.insert(extent.record.position);
    return positions;
  }

  int64_t now_ = 1'000;
  uint64_t counter_ = 0;
};

TEST_F(DeadSpaceTest, ARecordDiesWithTheLastOfItsBytes) {
  const Extent image = NewExtent(0, kImage);
  const Extent middle = NewExtent(40'000, 20'000);
  const Extent head = NewExtent(0, 45'000);
  Apply({PutInode{SampleInode(20)}, PutExtent{20, image}});
  EXPECT_EQ(Dead(), Of({}));
  Apply({PutExtent{20, middle}});
  EXPECT_EQ(Dead(), Of({}));
  EXPECT_EQ(index_->counts().dead_bytes, 0u);
  Apply({PutExtent{20, head}});
  EXPECT_EQ(Dead(), Of({}));
  Apply({CutExtents{20, 60'000}});
  EXPECT_EQ(Dead(), Of({image}));
  EXPECT_EQ(index_->counts().dead_bytes, PunchableRange(SpaceOf(image.record)).length);
  Apply({EraseInode{20}});
  EXPECT_EQ(Dead(), Of({image, middle, head}));
}

TEST_F(DeadSpaceTest, AHoleTakesARecordsPlaceToo) {
  const Extent image = NewExtent(0, kImage);
  Apply({PutInode{SampleInode(20)}, PutExtent{20, image}});
  Apply({PutExtent{20, SampleHole(0, kImage)}});
  EXPECT_EQ(Dead(), Of({image}));
}

TEST_F(DeadSpaceTest, WhatOneCommitPutsAndTakesIsDeadToo) {
  const Extent image = NewExtent(0, kImage);
  Apply({PutInode{SampleInode(20)}, PutExtent{20, image}, EraseInode{20}});
  EXPECT_EQ(Dead(), Of({image}));
}

TEST_F(DeadSpaceTest, RecordsTooSmallToGiveABlockBackAreLeftOut) {
  Apply({PutInode{SampleInode(20)}, PutExtent{20, NewExtent(0, 1000)}, EraseInode{20}});
  EXPECT_EQ(Dead(), Of({}));
  EXPECT_EQ(index_->counts().dead_bytes, 0u);
}

TEST_F(DeadSpaceTest, TellsByTimeAndBySegment) {
  const Extent first = NewExtent(0, kImage);
  counter_ += 10;
  const Extent second = NewExtent(kImage, kImage);
  Apply({PutInode{SampleInode(20)}, PutExtent{20, first}, PutExtent{20, second}});
  now_ = 2'000;
  Apply({CutExtents{20, kImage}});
  now_ = 3'000;
  Apply({CutExtents{20, 0}});
  EXPECT_EQ(Dead(1'999), Of({}));
  EXPECT_EQ(Dead(2'000), Of({second}));
  EXPECT_EQ(Dead(3'000), Of({first, second}));
  EXPECT_EQ(Dead(3'000, kBehindAll, 1), Of({second}));
  EXPECT_EQ(Dead(3'000, second.record.position.segment), Of({first}));
  EXPECT_EQ(Dead(3'000, first.record.position.segment), Of({}));
  EXPECT_EQ(Dead(-1), Of({}));
}

// Upkeep goes on from where the batch before ended, and misses nothing by it but what a clock that
// was set back dated earlier.
TEST_F(DeadSpaceTest, GoesOnFromWhereTheBatchBeforeEnded) {
  std::vector<Extent> extents;
  for (uint32_t i = 0; i < 5; ++i) extents.push_back(NewExtent(i * kImage, kImage));
  counter_ += 10;
  extents.push_back(NewExtent(5 * kImage, kImage));  // of a later segment
  Apply({PutInode{SampleInode(20)}});
  for (const Extent& extent : extents) Apply({PutExtent{20, extent}});
  for (uint32_t i = 6; i-- > 0;) {  // the last dies first
    now_ += 1'000;
    Apply({CutExtents{20, i * kImage}});
  }
  const SegmentId below = extents.back().record.position.segment;
  const auto punch = [&](const DeadBatch& batch) { Apply({Punch{batch.records}}); };

  const auto first = index_->DeadRecords(0, INT64_MAX, below, 2);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(PositionsOf(*first), Of({extents[4], extents[3]}));
  EXPECT_TRUE(first->more);
  punch(*first);
  // The later segment may be given next time.
  const auto second = index_->DeadRecords(first->next, INT64_MAX, kBehindAll, 2);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(PositionsOf(*second), Of({extents[5], extents[2]}));
  punch(*second);
  const auto third = index_->DeadRecords(second->next, INT64_MAX, kBehindAll, 2);
  ASSERT_THAT(third, IsOk());
  EXPECT_EQ(PositionsOf(*third), Of({extents[1], extents[0]}));
  EXPECT_FALSE(third->more);
  punch(*third);

  now_ = 1'500;
  const Extent early = NewExtent(0, kImage);
  Apply({PutExtent{20, early}, CutExtents{20, 0}});
  const auto fourth = index_->DeadRecords(third->next, INT64_MAX, kBehindAll, 2);
  ASSERT_THAT(fourth, IsOk());
  EXPECT_EQ(PositionsOf(*fourth), Of({}));
  EXPECT_EQ(fourth->next, third->next);
  EXPECT_EQ(Dead(), Of({early}));
}

TEST_F(DeadSpaceTest, WhatIsPunchedIsForgottenButForTheNewestPunch) {
  const Extent first = NewExtent(0, kImage);
  const Extent second = NewExtent(kImage, kImage);
  Apply({PutInode{SampleInode(20)}, PutExtent{20, first}, PutExtent{20, second}, EraseInode{20}});
  EXPECT_THAT(index_->LastPunch(), IsOkAndHolds(::testing::IsEmpty()));
  Apply({Punch{{SpaceOf(first.record)}}});
  EXPECT_EQ(Dead(), Of({second}));
  EXPECT_THAT(index_->LastPunch(), IsOkAndHolds(::testing::ElementsAre(SpaceOf(first.record))));
  Apply({Punch{{SpaceOf(second.record)}}});
  EXPECT_EQ(Dead(), Of({}));
  EXPECT_EQ(index_->counts().dead_bytes, 0u);
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  EXPECT_THAT(index_->LastPunch(), IsOkAndHolds(::testing::ElementsAre(SpaceOf(second.record))));
  EXPECT_EQ(Dead(), Of({}));
}

TEST_F(DeadSpaceTest, TheBooksAreKeptAcrossReopening) {
  const Extent image = NewExtent(0, kImage);
  const Extent half = NewExtent(0, kImage / 2);
  Apply({PutInode{SampleInode(20)}, PutExtent{20, image}, PutExtent{20, half}});
  ASSERT_THAT(index_->Flush(), IsOk());
  Reopen();
  Apply({CutExtents{20, kImage / 2}});
  EXPECT_EQ(Dead(), Of({image}));
}

// Random writes, cuts and deletions, with punches in between, against the plain answer: a record
// that was put is dead when no extent of the index has it.
TEST_F(DeadSpaceTest, IsWhatNoExtentHas) {
  for (const uint64_t seed : {1u, 2u, 3u, 4u}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::map<Position, RecordSpace> put;
    std::set<Position> punched;
    std::set<InodeId> there;
    std::vector<Operations> batches;
    const uint64_t before = commits_;
    for (int batch = 0; batch < 150; ++batch) {
      Operations operations;
      for (size_t i = 0; i <= random() % 4; ++i) {
        const InodeId inode = 20 + random() % 3;
        const uint64_t offset = random() % 40 * 10'000;
        if (there.insert(inode).second) operations.push_back(PutInode{SampleInode(inode)});
        switch (random() % 8) {
          case 0:
            operations.push_back(EraseInode{inode});
            there.erase(inode);
            break;
          case 1: operations.push_back(CutExtents{inode, offset}); break;
          case 2: operations.push_back(PutExtent{inode, SampleHole(offset, 15'000)}); break;
          default: {
            const Extent extent =
                NewExtent(offset, static_cast<uint32_t>(20'000 + random() % 10 * 10'000));
            put[extent.record.position] = SpaceOf(extent.record);
            operations.push_back(PutExtent{inode, extent});
          }
        }
      }
      if (batch % 20 == 19) {
        Punch punch;
        for (const Position& position : Dead()) {
          punch.records.push_back(put.at(position));
          punched.insert(position);
        }
        operations.push_back(punch);
      }
      Apply(operations);
      batches.push_back(std::move(operations));
      std::set<Position> live;
      for (InodeId inode = 20; inode < 23; ++inode) {
        ASSERT_OK_AND_ASSIGN(const auto extents, index_->Extents(inode, 0, UINT64_MAX));
        for (const Extent& extent : extents)
          if (!extent.hole) live.insert(extent.record.position);
      }
      std::set<Position> expected;
      for (const auto& [position, space] : put)
        if (!live.contains(position) && !punched.contains(position)) expected.insert(position);
      ASSERT_EQ(Dead(), expected);
      uint64_t bytes = 0;
      for (const Position& position : expected) bytes += PunchableRange(put.at(position)).length;
      ASSERT_EQ(index_->counts().dead_bytes, bytes);
    }
    // The newest batch again, as it was: nothing that lives is called dead.
    ASSERT_THAT(index_->Apply(batches.back(), SampleCommit(before + batches.size())), IsOk());
    std::set<Position> live;
    for (InodeId inode = 20; inode < 23; ++inode) {
      ASSERT_OK_AND_ASSIGN(const auto extents, index_->Extents(inode, 0, UINT64_MAX));
      for (const Extent& extent : extents)
        if (!extent.hole) live.insert(extent.record.position);
    }
    for (const Position& position : Dead()) EXPECT_FALSE(live.contains(position));
    Apply({EraseInode{20}, EraseInode{21}, EraseInode{22}});
    Punch rest;
    for (const Position& position : Dead()) rest.records.push_back(put.at(position));
    Apply({rest});
  }
}

}  // namespace
}  // namespace leadglass
