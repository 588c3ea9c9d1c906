// SPDX-License-Identifier: Apache-2.0
// Reading what is left of a log that is damaged in every copy: all that opens in its place is
// handed out, in order, and what is missing is named.
#include <algorithm>
#include <optional>
#include <random>

#include "tests/crypto/log/log_fixture.h"

namespace leadglass {
namespace {

constexpr uint64_t kSegmentSize = 24u << 10;
constexpr uint64_t kCommits = 60;

SealedLog::Options Salvage() {
  SealedLog::Options options = SmallSegments(kSegmentSize);
  options.read_only = true;
  options.salvage = true;
  return options;
}

std::string Payload(uint64_t number) { return "payload of commit " + std::to_string(number); }

class LogSalvage : public ::testing::Test {
 protected:
  // Commits 1 to kCommits, a data record before each; several segments and two sessions.
  void SetUp() override {
    std::unique_ptr<SealedLog> log;
    ASSERT_OK_AND_ASSIGN(log, NewLog(fs_, SmallSegments(kSegmentSize)));
    for (uint64_t number = 1; number <= kCommits; ++number) {
      if (number == kCommits / 2) {
        ASSERT_THAT(log->Close(), IsOk());
        ASSERT_OK_AND_ASSIGN(log, OpenLog(fs_, SmallSegments(kSegmentSize)));
        ASSERT_THAT(RecoverAll(*log), IsOk());
      }
      ASSERT_OK_AND_ASSIGN(Written one,
                           Write(*log, number, Pattern(700, static_cast<uint32_t>(number))));
      written_.push_back(std::move(one));
      ASSERT_OK_AND_ASSIGN(const CommitInfo info, log->AppendCommit(AsBytes(Payload(number))));
      infos_.push_back(info);
      ASSERT_THAT(log->Sync(), IsOk());
    }
    ASSERT_THAT(log->Close(), IsOk());
    ASSERT_OK_AND_ASSIGN(const SegmentListing listing, ListSegments(fs_, kLogFolder));
    segments_ = listing.segments;
    ASSERT_GE(segments_.size(), 5u);
  }

  const CommitInfo& Commit(uint64_t number) const { return infos_.at(number - 1); }
  // A commit in the middle of a segment: neither its first nor its last.
  uint64_t CommitWithin(size_t segment) const {
    for (uint64_t number = 2; number < kCommits; ++number)
      if (Commit(number - 1).start.segment == segments_[segment] &&
          Commit(number).start.segment == segments_[segment] &&
          Commit(number + 1).start.segment == segments_[segment])
        return number;
    ADD_FAILURE() << "no such commit";
    return 1;
  }

  // Flips one bit `at` bytes into a commit's record, in every copy that any segment has of it.
  void FlipInAllCopies(const CommitInfo& commit, uint64_t at) {
    const ByteVector home = FileBytes(fs_, SegmentFile(commit.start.segment));
    const auto begin = home.begin() + static_cast<ptrdiff_t>(commit.start.offset);
    const ByteVector record(
        begin, begin + static_cast<ptrdiff_t>(commit.end.offset - commit.start.offset));
    int copies = 0;
    for (const SegmentId id : segments_) {
      const ByteVector bytes = FileBytes(fs_, SegmentFile(id));
      auto found = bytes.begin();
      while ((found = std::search(found, bytes.end(), record.begin(), record.end())) !=
             bytes.end()) {
        fs_.FlipBits(SegmentFile(id), static_cast<uint64_t>(found - bytes.begin()) + at);
        ++copies;
        ++found;
      }
    }
    ASSERT_EQ(copies, 2);
  }

  Result<Seen> Look(const SealedLog::Options& options) {
    LG_ASSIGN_OR_RETURN(const auto log, OpenLog(fs_, options));
    return RecoverAll(*log);
  }
  Result<Seen> LookStrictly() {
    SealedLog::Options options = SmallSegments(kSegmentSize);
    options.read_only = true;
    return Look(options);
  }

  // What is wrong with what was seen: a commit that never was, disorder, or one that is missing and
  // not named. Empty: nothing.
  std::string Wrong(const Seen& seen) const {
    std::set<uint64_t> read;
    uint64_t last = 0;
    for (size_t i = 0; i < seen.payloads.size(); ++i) {
      const uint64_t number = seen.infos[i].head.commit_number;
      if (number <= last || number > kCommits) return "out of order";
      if (seen.payloads[i] != Payload(number)) return "another payload";
      if (seen.infos[i].start != Commit(number).start) return "another place";
      read.insert(number);
      last = number;
    }
    for (uint64_t number = 1; number <= kCommits; ++number) {
      if (read.contains(number)) continue;
      const bool named = std::any_of(
          seen.report.lost.begin(), seen.report.lost.end(), [&](const LostStretch& lost) {
            return lost.after_commit < number &&
                   (lost.until_commit == 0 || number < lost.until_commit);
          });
      // The end of a log may look as a crash leaves it; only who remembers more can tell.
      const bool like_a_tear = number > last && Commit(number).start.segment == segments_.back();
      if (!named && !like_a_tear)
        return "commit " + std::to_string(number) + " is missing and not named";
    }
    return "";
  }

  FaultFileSystem fs_;
  std::vector<Written> written_;
  std::vector<CommitInfo> infos_;
  std::vector<SegmentId> segments_;
};

TEST_F(LogSalvage, OfASoundLogIsTheWholeLog) {
  ASSERT_OK_AND_ASSIGN(const Seen seen, Look(Salvage()));
  EXPECT_EQ(seen.payloads.size(), kCommits);
  EXPECT_TRUE(seen.report.lost.empty());
}

TEST_F(LogSalvage, IsForReadingOnly) {
  SealedLog::Options options = Salvage();
  options.read_only = false;
  EXPECT_THAT(OpenLog(fs_, options), FailsWith(Errc::kInvalidArgument));
}

TEST_F(LogSalvage, GoesPastACommitWhoseBodyIsDamagedInEveryCopy) {
  const uint64_t number = CommitWithin(1);
  FlipInAllCopies(Commit(number), 170);
  EXPECT_THAT(LookStrictly(), FailsWith(Errc::kCorrupt));
  ASSERT_OK_AND_ASSIGN(const Seen seen, Look(Salvage()));
  EXPECT_EQ(Wrong(seen), "");
  EXPECT_EQ(seen.payloads.size(), kCommits - 1);
  ASSERT_EQ(seen.report.lost.size(), 1u);
  EXPECT_EQ(seen.report.lost[0].from, Commit(number).start);
  EXPECT_EQ(seen.report.lost[0].after_commit, number - 1);
  EXPECT_EQ(seen.report.lost[0].until_commit, number + 1);
}

TEST_F(LogSalvage, GoesOnWithTheNextSegmentWhereAFrameIsDamagedInEveryCopy) {
  const uint64_t number = CommitWithin(1);
  FlipInAllCopies(Commit(number), 130);
  EXPECT_THAT(LookStrictly(), FailsWith(Errc::kCorrupt));
  ASSERT_OK_AND_ASSIGN(const Seen seen, Look(Salvage()));
  EXPECT_EQ(Wrong(seen), "");
  EXPECT_LT(seen.payloads.size(), kCommits);
  EXPECT_EQ(seen.payloads.back(), Payload(kCommits));
  ASSERT_EQ(seen.report.lost.size(), 1u);
  EXPECT_EQ(seen.report.lost[0].after_commit, number - 1);
  EXPECT_EQ(seen.infos[number - 1].start.segment, segments_[2]) << "commits of a later segment";
}

TEST_F(LogSalvage, GoesPastASegmentThatIsMissing) {
  ASSERT_THAT(fs_.Remove(SegmentFile(segments_[2])), IsOk());
  EXPECT_THAT(LookStrictly(), FailsWith(Errc::kCorrupt));
  ASSERT_OK_AND_ASSIGN(const Seen seen, Look(Salvage()));
  EXPECT_EQ(Wrong(seen), "");
  EXPECT_EQ(seen.payloads.front(), Payload(1));
  EXPECT_EQ(seen.payloads.back(), Payload(kCommits));
  for (const CommitInfo& info : seen.infos) EXPECT_NE(info.start.segment, segments_[2]);
}

TEST_F(LogSalvage, ReadsWhatIsBehindADamagedFirstCommitOfTheNewestSegment) {
  const auto first = std::find_if(infos_.begin(), infos_.end(), [&](const CommitInfo& info) {
    return info.start.segment == segments_.back();
  });
  ASSERT_NE(first, infos_.end());
  ASSERT_NE(first + 1, infos_.end()) << "the newest segment has one commit only";
  FlipInAllCopies(*first, 170);
  ASSERT_OK_AND_ASSIGN(const Seen seen, Look(Salvage()));
  EXPECT_EQ(Wrong(seen), "");
  EXPECT_EQ(seen.payloads.size(), kCommits - 1);
}

TEST_F(LogSalvage, OfALogWithoutItsNewestSegmentIsRefusedToWhoRemembersIt) {
  ASSERT_THAT(fs_.Remove(SegmentFile(segments_.back())), IsOk());
  SealedLog::Options options = Salvage();
  options.not_older_than = infos_.back().head;
  EXPECT_THAT(Look(options), FailsWith(Errc::kAccessDenied));
}

TEST_F(LogSalvage, KeepsTheDataOfTheCommitsItReads) {
  FlipInAllCopies(Commit(CommitWithin(1)), 130);
  ASSERT_OK_AND_ASSIGN(const auto log, OpenLog(fs_, Salvage()));
  ASSERT_THAT(RecoverAll(*log), IsOk());
  for (const Written& one : written_) EXPECT_THAT(Read(*log, one), IsOkAndHolds(one.plain));
}

// Whatever is destroyed: no error, no commit that never was, none missing that is not named.
// What one segment's commits turned out to be says nothing of the next one's at the same offsets.
TEST_F(LogSalvage, GoesPastTheLastSegmentAndTheFirstCommitOfTheOneBefore) {
  const SegmentId last = segments_.back();
  const SegmentId before = segments_.at(segments_.size() - 2);
  std::optional<uint64_t> first_in_last, first_before;
  for (const CommitInfo& commit : infos_) {
    const bool first = commit.start.segment == before && !first_before;
    if (first) first_before = commit.start.offset;
    if (commit.start.segment == last && !first_in_last) first_in_last = commit.start.offset;
    if (first || commit.start.segment == last) FlipInAllCopies(commit, 170);
  }
  ASSERT_EQ(first_in_last, first_before);
  ASSERT_OK_AND_ASSIGN(const Seen seen, Look(Salvage()));
  EXPECT_EQ(Wrong(seen), "");
  EXPECT_GT(seen.payloads.size(), kCommits / 2);
}

TEST_F(LogSalvage, ReadsTheRestWhateverIsZeroed) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::map<SegmentId, ByteVector> original;
  for (const SegmentId id : segments_) original[id] = FileBytes(fs_, SegmentFile(id));
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const uint64_t stretches = 1 + random() % 4;
    for (uint64_t i = 0; i < stretches; ++i) {
      const SegmentId id = segments_[random() % segments_.size()];
      ByteVector bytes = FileBytes(fs_, SegmentFile(id));
      const size_t at = random() % bytes.size();
      const size_t length = std::min<size_t>(bytes.size() - at, 1 + random() % 3000);
      std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at), length, uint8_t{0});
      Overwrite(fs_, SegmentFile(id), bytes);
    }
    const auto seen = Look(Salvage());
    ASSERT_THAT(seen, IsOk());
    ASSERT_EQ(Wrong(*seen), "");
    if (seen->infos.empty() || seen->infos.back().head != infos_.back().head) {
      SealedLog::Options remembering = Salvage();
      remembering.not_older_than = infos_.back().head;
      ASSERT_THAT(Look(remembering), FailsWith(Errc::kAccessDenied));
    }
    for (const auto& [id, bytes] : original) Overwrite(fs_, SegmentFile(id), bytes);
  }
}

}  // namespace
}  // namespace leadglass
