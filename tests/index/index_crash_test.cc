// SPDX-License-Identifier: Apache-2.0

// Power cuts, dead processes and failing calls at every place: what the index holds afterwards is a
// commit's worth exactly, at least the last one that was flushed, and never one that the log could
// have lost.

#include <cerrno>
#include <map>

#include "tests/index/index_fixture.h"
#include "tests/index/index_model.h"
#include "tests/support/fault_step.h"

namespace leadglass {
namespace {

using Tear = FaultFileSystem::Tear;

// One index on one disk, with the log beside it reduced to a number: what of it is durable.
struct Machine {
  static constexpr const char* kFolder = "/vault/index";
  static constexpr uint64_t kCommits = 14;

  explicit Machine(uint64_t seed) : fs(seed) {
    LG_CHECK(fs.CreateFolder("/vault").has_value() && fs.SyncFolder("/").has_value());
    options.write_buffer_bytes = 64 << 10;
    options.make_log_durable = [this] {
      durable_commit = applied_commit.load();
      return Status();
    };
  }

  Result<std::unique_ptr<Index>> Open() { return Index::Open(fs, kFolder, key, vault_id, options); }

  // Opens, applies, flushes now and then, reopens in the middle; stops at the first error.
  Status Work() {
    std::mt19937_64 random(7);
    uint64_t fresh_cookie = 16;
    IndexModel model;
    dumps.assign(1, model.Dump());
    LG_ASSIGN_OR_RETURN(auto index, Open());
    for (uint64_t n = 1; n <= kCommits; ++n) {
      const Operations batch = RandomOperations(random, 12, fresh_cookie);
      model.Apply(batch);
      dumps.push_back(model.Dump());
      applied_commit = n;
      LG_RETURN_IF_ERROR(index->Apply(batch, SampleCommit(n)));
      if (n % 2 != 0) continue;
      LG_RETURN_IF_ERROR(index->Flush());
      flushed_commit = n;
      if (n != 8) continue;
      index.reset();
      LG_ASSIGN_OR_RETURN(index, Open());
    }
    return {};
  }

  // What is found afterwards, on a disk that works.
  void CheckAfter(const std::string& what) {
    auto index = Open();
    if (!index) {
      EXPECT_EQ(index.error().code, Errc::kCorrupt) << what;
      EXPECT_EQ(flushed_commit, 0u) << what << ": a flushed index was lost";
      EXPECT_THAT(Index::Destroy(fs, kFolder), IsOk()) << what;
      EXPECT_THAT(Open(), IsOk()) << what;
      return;
    }
    const auto head = (*index)->head();
    const uint64_t commit = head ? head->first.commit_number : 0;
    EXPECT_GE(commit, flushed_commit) << what;
    EXPECT_LE(commit, durable_commit) << what << ": ahead of the durable log";
    ASSERT_LT(commit, dumps.size()) << what;
    EXPECT_EQ(Difference(DumpIndex(**index), dumps[commit], false), "") << what;
  }

  FaultFileSystem fs;
  Key key;
  Uuid vault_id = SampleUuid(0x40);
  Index::Options options;
  std::vector<IndexDump> dumps;  // by commit number
  std::atomic<uint64_t> applied_commit{0};
  std::atomic<uint64_t> durable_commit{0};
  uint64_t flushed_commit = 0;
};

class IndexCrash : public ::testing::TestWithParam<Tear> {};

TEST_P(IndexCrash, LeavesAFlushedCommitOrALaterOne) {
  uint64_t cuts = 0;
  for (uint64_t n = 1;; n += kFaultStep) {
    Machine machine(n);
    machine.fs.FailFrom(n, EIO, FaultFileSystem::Lasts::kForEver);
    (void)machine.Work();
    const bool all_tried = machine.fs.faults() == 0;
    machine.fs.Crash(GetParam());
    machine.CheckAfter("cut at call " + std::to_string(n));
    if (all_tried || HasFailure()) break;
    ++cuts;
  }
  EXPECT_GT(cuts, 50u / kFaultStep);
}

INSTANTIATE_TEST_SUITE_P(Tears, IndexCrash,
                         ::testing::Values(Tear::kLoseAll, Tear::kPrefix, Tear::kScatter,
                                           Tear::kKeepAll),
                         [](const auto& param_info) {
                           switch (param_info.param) {
                             case Tear::kLoseAll: return "LoseAll";
                             case Tear::kPrefix: return "Prefix";
                             case Tear::kScatter: return "Scatter";
                             case Tear::kKeepAll: return "KeepAll";
                           }
                           return "Other";
                         });

TEST(IndexFault, OfOneCallIsReportedOrHarmless) {
  for (const int error : {EIO, ENOSPC}) {
    for (uint64_t n = 1;; n += kFaultStep) {
      Machine machine(n);
      machine.fs.FailFrom(n, error, FaultFileSystem::Lasts::kForOneCall);
      (void)machine.Work();
      const bool all_tried = machine.fs.faults() == 0;
      machine.fs.Heal();
      machine.CheckAfter("errno " + std::to_string(error) + " at call " + std::to_string(n));
      if (all_tried || ::testing::Test::HasFailure()) break;
    }
  }
}

TEST(IndexFault, OfAFullDiskKeepsItsCode) {
  Machine machine(1);
  auto index = machine.Open();
  ASSERT_THAT(index, IsOk());
  machine.dumps = {IndexModel().Dump()};
  machine.fs.SetCapacity(machine.fs.UsedBytes());
  std::mt19937_64 random(7);
  uint64_t fresh_cookie = 16;
  const Operations batch = RandomOperations(random, 200, fresh_cookie);
  machine.applied_commit = 1;
  ASSERT_THAT((*index)->Apply(batch, SampleCommit(1)), IsOk());
  EXPECT_THAT((*index)->Flush(), FailsWith(Errc::kNoSpace));
  EXPECT_THAT((*index)->Apply({}, SampleCommit(2)), FailsWith(Errc::kNoSpace));
  EXPECT_EQ((*index)->head()->first.commit_number, 1u) << "lookups go on";
  index->reset();
  EXPECT_THAT(machine.Open(), FailsWith(Errc::kNoSpace)) << "with the disk still full";
  machine.fs.SetCapacity(~uint64_t{0});
  machine.CheckAfter("with room again");
}

}  // namespace
}  // namespace leadglass
