// SPDX-License-Identifier: Apache-2.0

// The index against a model in maps: random batches, reopening, and the log replayed again from
// random earlier points, as recovery may do.

#include "tests/index/index_model.h"
#include "tests/index/index_fixture.h"

namespace leadglass {
namespace {

class IndexModelTest : public IndexFixture {
 protected:
  void ExpectAsModel() { EXPECT_EQ(Difference(DumpIndex(*index_), model_.Dump(), false), ""); }
  void Grow(std::mt19937_64& random, size_t operations) {
    batches_.push_back(RandomOperations(random, operations, fresh_cookie_));
    Apply(batches_.back());
    model_.Apply(batches_.back());
  }
  // Applies commits number `first`.. again, as they were.
  void Replay(uint64_t first) {
    for (uint64_t n = first; n <= batches_.size(); ++n)
      ASSERT_THAT(index_->Apply(batches_[n - 1], SampleCommit(n)), IsOk());
  }

  IndexModel model_;
  std::vector<Operations> batches_;
  uint64_t fresh_cookie_ = 16;
};

TEST_F(IndexModelTest, HoldsWhatTheModelHoldsAfterEveryBatch) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    for (int batch = 0; batch < 60; ++batch) {
      Grow(random, 1 + random() % 60);
      ExpectAsModel();
      if (HasFailure()) return;
    }
  }
}

TEST_F(IndexModelTest, HoldsTheSameAfterFlushingAndReopening) {
  std::mt19937_64 random(4);
  for (int batch = 0; batch < 60; ++batch) {
    Grow(random, 30);
    if (random() % 3 == 0) {
      ASSERT_THAT(index_->Flush(), IsOk());
    }
    if (random() % 5 == 0) {
      Reopen();
      const uint64_t applied = index_->head() ? index_->head()->first.commit_number : 0;
      Replay(applied + 1);
    }
    ExpectAsModel();
    if (HasFailure()) return;
  }
}

TEST_F(IndexModelTest, HoldsTheSameWhenAnySuffixIsReplayed) {
  std::mt19937_64 random(5);
  for (int batch = 0; batch < 60; ++batch) {
    Grow(random, 30);
    Replay(1 + random() % batches_.size());
    ExpectAsModel();
    if (HasFailure()) return;
  }
}

// Batches are seen at once, and one commit has several of them. Those of none are lost with the
// process, and with no other.
TEST_F(IndexModelTest, HoldsWhatWasStagedAndOnlyWhatWasSettledAfterReopening) {
  std::mt19937_64 random(7);
  Operations staged;
  for (int batch = 0; batch < 120; ++batch) {
    const Operations operations = RandomOperations(random, 1 + random() % 30, fresh_cookie_);
    ASSERT_THAT(index_->Stage(operations), IsOk());
    model_.Apply(operations);
    staged.insert(staged.end(), operations.begin(), operations.end());
    ExpectAsModel();
    if (random() % 4 == 0) {
      const auto head = index_->head();
      EXPECT_EQ(head ? head->first.commit_number : 0, commits_) << "what is staged is no commit";
      ASSERT_THAT(index_->Settle(SampleCommit(++commits_)), IsOk());
      batches_.push_back(std::exchange(staged, {}));
      ExpectAsModel();
    }
    if (random() % 4 == 0) {
      ASSERT_THAT(index_->Flush(), IsOk());
    }
    if (random() % 6 == 0) {
      Reopen();
      Replay(index_->head() ? index_->head()->first.commit_number + 1 : 1);
      ASSERT_THAT(index_->Stage(staged), IsOk());
      ExpectAsModel();
    }
    if (HasFailure()) return;
  }
}

TEST_F(IndexModelTest, HoldsTheSameWithTablesOfManyBatches) {
  options_.write_buffer_bytes = 64 << 10;  // LevelDB's least: tables and compactions happen
  Reopen();
  std::mt19937_64 random(6);
  for (int batch = 0; batch < 150; ++batch) Grow(random, 60);
  ExpectAsModel();
}

}  // namespace
}  // namespace leadglass
