// SPDX-License-Identifier: Apache-2.0
//
// The log on a file system that fails and forgets: whatever call fails, whatever a power cut
// leaves, what Sync() acknowledged is there afterwards, and nothing is there by half.
#include <cerrno>

#include "tests/crypto/log/log_fixture.h"
#include "tests/support/fault_step.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;
using Tear = FaultFileSystem::Tear;

// What a run of the workload tried and what it was promised.
struct Attempt {
  std::vector<Written> written;  // commit i names written[i]; attempted in this order
  size_t acknowledged = 0;       // commits before a Sync() that was ok

  std::string Payload(size_t i) const { return "commit " + std::to_string(i); }
};

// One session: recovers, appends commits that each name one data record, syncs after every third.
// Records of all sizes; segments roll on the way, into `spares` that were prepared after each sync.
// Stops at the first error.
Status Session(FaultFileSystem& fs, bool create, size_t commits, Attempt& attempt, size_t spares) {
  std::unique_ptr<SealedLog> log;
  SealedLog::Options options = SmallSegments(24u << 10);
  options.spare_segments = spares;
  if (create) {
    LG_ASSIGN_OR_RETURN(
        log, SealedLog::Create(fs, kLogFolder, TestVaultId(), TestKeys(), std::move(options)));
  } else {
    LG_ASSIGN_OR_RETURN(log, OpenLog(fs, std::move(options)));
  }
  LG_ASSIGN_OR_RETURN(const Seen seen, RecoverAll(*log));
  // What was not recovered is not part of the log and will not be.
  attempt.written.resize(seen.payloads.size());
  attempt.acknowledged = seen.payloads.size();
  for (size_t i = 0; i < commits; ++i) {
    const uint32_t seed = static_cast<uint32_t>(attempt.written.size());
    LG_ASSIGN_OR_RETURN(Written one, Write(*log, seed, Pattern(100 + seed * 977 % 7000, seed)));
    attempt.written.push_back(std::move(one));
    const std::string payload = attempt.Payload(seed);
    if (Result<CommitInfo> info = log->AppendCommit(AsBytes(payload)); !info) return info.error();
    if (i % 3 != 2) continue;
    LG_RETURN_IF_ERROR(log->Sync());
    attempt.acknowledged = attempt.written.size();
    log->PrepareAhead();  // notices the appends
    while (log->PrepareAhead()) {
    }
  }
  LG_RETURN_IF_ERROR(log->Close());
  attempt.acknowledged = attempt.written.size();
  return {};
}

Status Workload(FaultFileSystem& fs, Attempt& attempt, size_t spares) {
  LG_RETURN_IF_ERROR(Session(fs, true, 10, attempt, spares));
  return Session(fs, false, 7, attempt, spares);
}

std::unique_ptr<FaultFileSystem> NewVaultFolder(uint64_t seed) {
  auto fs = std::make_unique<FaultFileSystem>(seed);
  EXPECT_THAT(fs->CreateFolder("/vault"), IsOk());
  EXPECT_THAT(fs->SyncFolder("/"), IsOk());
  return fs;
}

// Recovers and compares; then goes on writing, to see that the log is still one.
void ExpectWhole(FaultFileSystem& fs, Attempt attempt, const std::string& where) {
  SCOPED_TRACE(where);
  {
    auto opened = OpenLog(fs, SmallSegments(24u << 10));
    if (!opened && opened.error().code == Errc::kNotFound) {
      ASSERT_EQ(attempt.acknowledged, 0u);
      return;
    }
    ASSERT_OK_AND_ASSIGN(auto log, std::move(opened));
    ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
    ASSERT_GE(seen.payloads.size(), attempt.acknowledged);
    ASSERT_LE(seen.payloads.size(), attempt.written.size());
    for (size_t i = 0; i < seen.payloads.size(); ++i) {
      ASSERT_EQ(seen.payloads[i], attempt.Payload(i));
      ASSERT_THAT(Read(*log, attempt.written[i]), IsOkAndHolds(attempt.written[i].plain)) << i;
    }
  }
  ASSERT_THAT(Session(fs, false, 4, attempt, 1), IsOk());
  ASSERT_OK_AND_ASSIGN(auto log, OpenLog(fs, SmallSegments(24u << 10)));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  ASSERT_EQ(seen.payloads.size(), attempt.acknowledged);
  size_t damages = 0;
  ASSERT_THAT(log->Verify(
                  [&](const SealedLog::Damage& damage) {
                    // A sector of a header that never became durable; its other copy served.
                    if (damage.healed && damage.what == "segment header") return;
                    ++damages;
                    ADD_FAILURE() << damage.what << " " << ToString(damage.position);
                  },
                  [](uint64_t, uint64_t) {}, nullptr),
              IsOk());
  ASSERT_EQ(damages, 0u);
}

// With and without segments prepared ahead.
class LogFaultsAnywhere : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Spares, LogFaultsAnywhere, ::testing::Values(0, 2));

TEST_P(LogFaultsAnywhere, APowerCutAtAnyCallLosesNothingThatWasSynced) {
  const struct {
    Tear tear;
    const char* name;
    uint64_t rounds;
  } kTears[] = {{Tear::kLoseAll, "lose all", 1},
                {Tear::kPrefix, "prefix", 3},
                {Tear::kScatter, "scatter", 4},
                {Tear::kKeepAll, "keep all", 1}};
  for (const auto& tear : kTears) {
    for (uint64_t round = 0; round < tear.rounds; ++round) {
      for (uint64_t n = 1;; n += kFaultStep) {
        const uint64_t seed = n * 16 + round;
        auto fs = NewVaultFolder(seed);
        fs->FailFrom(n, EIO, Lasts::kForEver);
        Attempt attempt;
        const bool finished = Workload(*fs, attempt, GetParam()).has_value();
        fs->Crash(tear.tear);
        ExpectWhole(*fs, attempt,
                    std::string(tear.name) + ", call " + std::to_string(n) + ", seed " +
                        std::to_string(seed));
        if (HasFatalFailure() || finished) break;
      }
    }
  }
}

TEST_P(LogFaultsAnywhere, OneFailedCallLosesNothingThatWasSynced) {
  for (const int error : {EIO, ENOSPC}) {
    for (uint64_t n = 1;; n += kFaultStep) {
      auto fs = NewVaultFolder(n);
      fs->FailFrom(n, error, Lasts::kForOneCall);
      Attempt attempt;
      (void)Workload(*fs, attempt, GetParam()).has_value();
      const bool past_the_end = fs->faults() == 0;
      fs->Heal();
      ExpectWhole(*fs, attempt, "error " + std::to_string(error) + ", call " + std::to_string(n));
      if (HasFatalFailure() || past_the_end) break;
    }
  }
}

TEST_P(LogFaultsAnywhere, APowerCutDuringRecoveryAfterAPowerCut) {
  for (uint64_t first = 20; first < 140; first += 7 * kFaultStep) {
    for (uint64_t n = 1; n < 60; n += 3) {
      auto fs = NewVaultFolder(first * 1000 + n);
      fs->FailFrom(first, EIO, Lasts::kForEver);
      Attempt attempt;
      (void)Workload(*fs, attempt, GetParam()).has_value();
      fs->Crash(Tear::kScatter);
      fs->FailFrom(n, EIO, Lasts::kForEver);
      (void)Session(*fs, false, 5, attempt, GetParam()).has_value();
      fs->Crash(Tear::kScatter);
      ExpectWhole(*fs, attempt, "calls " + std::to_string(first) + " and " + std::to_string(n));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(LogFaults, AFailedWriteOrSyncMakesTheLogReadOnly) {
  for (const Call call : {Call::kWrite, Call::kSync, Call::kSyncFolder}) {
    FaultFileSystem fs;
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments()));
    ASSERT_OK_AND_ASSIGN(const Written kept, Write(*log, 1, Pattern(500, 1)));
    fs.FailFrom(1, EIO, Lasts::kForOneCall, {call});
    const Status first = [&]() -> Status {
      if (Result<CommitInfo> info = log->AppendCommit(AsBytes("x")); !info) return info.error();
      return log->Sync();
    }();
    EXPECT_THAT(first, FailsWith(Errc::kUnavailable));
    fs.Heal();
    EXPECT_TRUE(log->poisoned());
    EXPECT_THAT(log->AppendCommit(AsBytes("y")), FailsWith(Errc::kUnavailable));
    EXPECT_THAT(Write(*log, 1, Pattern(5, 1)), FailsWith(Errc::kUnavailable));
    EXPECT_THAT(log->Sync(), FailsWith(Errc::kUnavailable));
    EXPECT_THAT(log->Close(), FailsWith(Errc::kUnavailable));
    EXPECT_THAT(Read(*log, kept), IsOkAndHolds(kept.plain));
    EXPECT_EQ(log->durable_head().commit_number, 0u);
  }
}

TEST(LogFaults, AFullDiskFailsAppendsAndNothingElse) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(64u << 10)));
  fs.SetCapacity(300u << 10);
  std::vector<Written> written;
  Status status;
  while (status) {
    Result<Written> one = Write(*log, 1, Pattern(3000, static_cast<uint32_t>(written.size())));
    if (!one) {
      status = one.error();
      break;
    }
    written.push_back(std::move(*one));
    ASSERT_LT(written.size(), 1000u);
  }
  EXPECT_THAT(status, FailsWith(Errc::kNoSpace));
  EXPECT_GT(written.size(), 60u) << "most of the disk should have been used";
  EXPECT_FALSE(log->poisoned());
  for (const Written& one : written) EXPECT_THAT(Read(*log, one), IsOkAndHolds(one.plain));
  EXPECT_THAT(log->Sync(), IsOk());
  fs.SetCapacity(1u << 20);
  EXPECT_THAT(Write(*log, 1, Pattern(3000, 1)), IsOk());
  EXPECT_THAT(log->AppendCommit(AsBytes("after")), IsOk());
  EXPECT_THAT(log->Close(), IsOk());
  ASSERT_OK_AND_ASSIGN(log, OpenLog(fs, SmallSegments()));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_EQ(seen.payloads.size(), 1u);
}

TEST(LogFaults, RoomThatIsHeldIsThereWhenTheDiskIsFull) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(64u << 10)));
  const std::string payload(3000, 'x');
  ASSERT_THAT(log->HoldRoom(1000), IsOk());
  ASSERT_THAT(log->HoldRoom(payload.size()), IsOk());
  fs.SetCapacity(300u << 10);  // a few segments
  while (Write(*log, 1, Pattern(3000, 1))) {
  }
  while (Write(*log, 1, Pattern(1, 1))) {
  }
  EXPECT_THAT(log->HoldRoom(payload.size() + 20'000), FailsWith(Errc::kNoSpace));
  ASSERT_THAT(log->AppendCommit(AsBytes(payload)), IsOk());
  EXPECT_THAT(log->AppendCommit(AsBytes(payload)), FailsWith(Errc::kNoSpace)) << "held once";
  ASSERT_THAT(log->Close(), IsOk());
  ASSERT_OK_AND_ASSIGN(log, OpenLog(fs, SmallSegments(64u << 10)));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_EQ(seen.payloads, std::vector<std::string>{payload});
}

TEST(LogFaults, RoomThatIsHeldServesAlsoWhereAnotherSegmentWasToBegin) {
  FaultFileSystem fs;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(64u << 10)));
  ASSERT_OK_AND_ASSIGN(const Written first, Write(*log, 1, Pattern(40'000, 1)));
  ASSERT_THAT(log->AppendCommit(AsBytes("first")), IsOk());
  ASSERT_OK_AND_ASSIGN(const Written second, Write(*log, 1, Pattern(40'000, 2)));
  ASSERT_NE(first.record.position.segment, second.record.position.segment);
  ASSERT_THAT(log->HoldRoom(3000), IsOk());
  fs.SetCapacity(64u << 10);  // less than is taken
  log->SetBase(second.record.position.segment);
  ASSERT_THAT(log->AppendCommit(AsBytes(std::string(3000, 'x'))), IsOk());
  ASSERT_THAT(log->Sync(), IsOk());
  EXPECT_LT(log->base(), second.record.position.segment) << "no segment states it yet";
  fs.SetCapacity(1u << 20);
  ASSERT_THAT(log->AppendCommit(AsBytes("there is room again")), IsOk());
  ASSERT_THAT(log->Sync(), IsOk());
  EXPECT_EQ(log->base(), second.record.position.segment);
}

TEST(LogFaults, TheReserveServesCommitsThatFreeSpaceAndClose) {
  FaultFileSystem fs;
  fs.SetCapacity(2u << 20);
  SealedLog::Options options = SmallSegments(64u << 10);
  options.reserve_bytes = 512u << 10;
  ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, options));
  while (Write(*log, 1, Pattern(3000, 1))) {
  }
  ASSERT_OK_AND_ASSIGN(const SealedLog::SpaceUse full, log->Space());
  EXPECT_LT(full.writable_bytes, 8u << 10);
  const std::string payload(3000, 'x');
  Result<CommitInfo> ordinary = log->AppendCommit(AsBytes(payload));
  while (ordinary) ordinary = log->AppendCommit(AsBytes(payload));
  EXPECT_THAT(ordinary, FailsWith(Errc::kNoSpace));
  size_t freeing = 0;
  for (; freeing < 40; ++freeing)
    ASSERT_THAT(log->AppendCommit(AsBytes(payload), true), IsOk()) << freeing;
  EXPECT_THAT(log->Sync(), IsOk());
  EXPECT_THAT(log->Close(), IsOk());
  log.reset();
  ASSERT_OK_AND_ASSIGN(log, OpenLog(fs, options));
  ASSERT_OK_AND_ASSIGN(const Seen seen, RecoverAll(*log));
  EXPECT_GE(seen.payloads.size(), 40u);
  // Where there is room again, the reserve is filled again.
  fs.SetCapacity(8u << 20);
  ASSERT_THAT(log->Space(), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto reserve,
                       fs.Open(std::string(kLogFolder) + "/reserve", OpenMode::kRead));
  EXPECT_THAT(reserve->Size(), IsOkAndHolds(512u << 10));
}

}  // namespace
}  // namespace leadglass
