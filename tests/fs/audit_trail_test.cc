// SPDX-License-Identifier: Apache-2.0
#include "fs/audit_trail.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "tests/support/fault_file_system.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kFolder[] = "/vault/audit";
constexpr int64_t kMinuteNanos = 60'000'000'000;

class SetClock final : public Clock {
 public:
  int64_t WallNanos() override { return now; }
  int64_t MonotonicNanos() override { return now; }
  int64_t now = 1'800'000'000 * int64_t{1'000'000'000} / kMinuteNanos * kMinuteNanos;
};

class AuditTrailTest : public ::testing::Test {
 protected:
  void SetUp() override {
    vault_id_.fill(7);
    ASSERT_THAT(fs_.CreateFolder("/vault"), IsOk());
    ASSERT_THAT(fs_.SyncFolder("/"), IsOk());
  }
  static LogKeys Keys() {
    std::array<uint8_t, 32> bytes{};
    bytes.fill(9);
    LogKeys keys;
    keys.metadata.push_back({1, Key::TakeFrom(bytes)});
    return keys;
  }
  Result<std::unique_ptr<AuditTrail>> TryOpen(bool accept_loss = false) {
    AuditTrail::Options options;
    options.quoted = quoted_;
    options.accept_loss = accept_loss;
    options.process_of = [](pid_t pid) {
      return ProcessFacts{pid, "program" + std::to_string(pid % 10), {5, 6}};
    };
    options.user_name = [](uid_t uid) { return uid == 1001 ? "alice" : ""; };
    options.group_name = [](gid_t gid) { return "group" + std::to_string(gid); };
    options.on_written = [this](std::span<const AuditRecord> records) {
      copied_.insert(copied_.end(), records.begin(), records.end());
    };
    return AuditTrail::Open(fs_, kFolder, vault_id_, Keys, std::move(options), clock_);
  }
  void Open(bool accept_loss = false) {
    trail_.reset();
    auto opened = TryOpen(accept_loss);
    ASSERT_THAT(opened, IsOk());
    trail_ = *std::move(opened);
  }
  void Flush(bool all = true) {
    ASSERT_THAT(trail_->Flush(all), IsOk());
    quoted_ = trail_->durable();
  }
  std::vector<AuditRecord> Read() {
    std::vector<AuditRecord> records;
    EXPECT_THAT(ReadAuditTrail(fs_, kFolder, vault_id_, Keys, quoted_,
                               [&](const AuditRecord& record) {
                                 records.push_back(record);
                                 return true;
                               }),
                IsOk());
    return records;
  }
  AuditProof Verify() {
    auto proof = VerifyAuditTrail(fs_, kFolder, vault_id_, Keys, quoted_);
    EXPECT_THAT(proof, IsOk());
    return proof ? *std::move(proof) : AuditProof();
  }
  std::string OnlySegment() {
    const auto names = fs_.List(std::string(kFolder) + "/00000001");
    EXPECT_THAT(*names, SizeIs(1));
    return std::string(kFolder) + "/00000001/" + names->front();
  }

  const Caller alice_{1001, 100, 41, 022};
  const Caller bob_{1002, 100, 52, 022};
  const AuditSubject chest_{70, "1.2.3", "P1", "H"}, head_{71, "1.2.4", "P1", "H"};
  FaultFileSystem fs_;
  SetClock clock_;
  Uuid vault_id_{};
  std::optional<QuoteAudit> quoted_;
  std::vector<AuditRecord> copied_;
  std::unique_ptr<AuditTrail> trail_;
};

TEST_F(AuditTrailTest, TellsWhoDidWhatWithWhichStudy) {
  Open();
  trail_->Note(alice_, AuditAction::kAccess, chest_, 0, "gid 7");
  Flush();
  AuditRecord expected;
  expected.from = expected.until = clock_.now;
  expected.action = AuditAction::kAccess;
  expected.uid = 1001;
  expected.gid = 100;
  expected.groups = {5, 6};
  expected.pid = 41;
  expected.program = "program1";
  expected.user = "alice";
  expected.group = "group100";
  expected.inode = 70;
  expected.study = "1.2.3";
  expected.patient_id = "P1";
  expected.issuer = "H";
  expected.detail = "gid 7";
  EXPECT_THAT(Read(), ElementsAre(expected));
}

TEST_F(AuditTrailTest, CountsOpeningsByMinuteCallerProgramAndStudy) {
  Open();
  for (int i = 0; i < 1000; ++i) trail_->Note(alice_, AuditAction::kRead, chest_, 0);
  clock_.now += 1'000'000'000;
  trail_->Note(alice_, AuditAction::kRead, chest_, 0);
  trail_->Note(alice_, AuditAction::kRead, head_, 0);                 // another study
  trail_->Note(alice_, AuditAction::kWrite, chest_, 0);               // another action
  trail_->Note(bob_, AuditAction::kRead, chest_, 0);                  // another user
  trail_->Note({1001, 100, 43, 022}, AuditAction::kRead, chest_, 0);  // another program
  Flush(false);
  EXPECT_THAT(Read(), IsEmpty()) << "the minute is not over";
  clock_.now += kMinuteNanos;
  trail_->Note(alice_, AuditAction::kRead, chest_, 0);
  Flush(false);
  const auto records = Read();
  ASSERT_THAT(records, SizeIs(5));
  uint64_t events = 0;
  for (const AuditRecord& record : records) events += record.count;
  EXPECT_EQ(events, 1005u);
  const auto most =
      std::max_element(records.begin(), records.end(),
                       [](const auto& a, const auto& b) { return a.count < b.count; });
  EXPECT_EQ(most->count, 1001u);
  EXPECT_EQ(most->until - most->from, 1'000'000'000);
  Flush();
  EXPECT_THAT(Read(), SizeIs(6));
}

TEST_F(AuditTrailTest, TellsEachRefusalAndEachRemovalByItself) {
  Open();
  for (int i = 0; i < 3; ++i) trail_->Note(bob_, AuditAction::kRead, chest_, EACCES);
  for (int i = 0; i < 2; ++i) trail_->Note(bob_, AuditAction::kRemove, chest_, 0);
  Flush(false);
  const auto records = Read();
  ASSERT_THAT(records, SizeIs(5));
  for (const AuditRecord& record : records) EXPECT_EQ(record.count, 1u);
  EXPECT_EQ(records[0].error, static_cast<uint32_t>(EACCES));
}

TEST_F(AuditTrailTest, GoesOnWhereItEnded) {
  for (int session = 1; session <= 4; ++session) {
    Open();
    trail_->Note(alice_, AuditAction::kRemove, chest_, 0);
    ASSERT_THAT(trail_->Close(), IsOk());
    quoted_ = trail_->durable();
    EXPECT_THAT(Read(), SizeIs(session));
  }
  const AuditProof proof = Verify();
  EXPECT_TRUE(proof.whole);
  EXPECT_THAT(proof.damage, IsEmpty());
  EXPECT_EQ(proof.records, 4u);
  EXPECT_EQ(proof.head, quoted_->head);
}

TEST_F(AuditTrailTest, ThatIsMissingIsNoticedAndBegunAgainOnlyWhereAccepted) {
  Open();
  trail_->Note(alice_, AuditAction::kRemove, chest_, 0);
  Flush();
  trail_.reset();
  ASSERT_THAT(fs_.Rename(kFolder, "/vault/elsewhere"), IsOk());
  const auto refused = TryOpen();
  EXPECT_THAT(refused, FailsWith(Errc::kCorrupt));
  EXPECT_THAT(ToString(refused.error()), HasSubstr("--accept-rollback"));
  EXPECT_FALSE(Verify().whole);
  Open(true);
  quoted_ = trail_->durable();
  const auto records = Read();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].action, AuditAction::kLostTrail);
  EXPECT_TRUE(Verify().whole);
}

// Whoever has an earlier copy of the trail, and puts it back, takes away what came later.
TEST_F(AuditTrailTest, OfAnEarlierMomentIsNoticedAndKeptAsideWhereAccepted) {
  Open();
  trail_->Note(alice_, AuditAction::kRemove, chest_, 0);
  ASSERT_THAT(trail_->Close(), IsOk());
  const std::string first = OnlySegment();
  const auto earlier = ReadWholeFile(fs_, first, 64u << 20);
  ASSERT_THAT(earlier, IsOk());
  quoted_ = trail_->durable();
  Open();
  trail_->Note(alice_, AuditAction::kRemove, head_, 0);
  ASSERT_THAT(trail_->Close(), IsOk());
  quoted_ = trail_->durable();
  trail_.reset();
  const auto names = fs_.List(std::string(kFolder) + "/00000001");
  ASSERT_THAT(*names, SizeIs(2));
  for (const std::string& name : *names)
    ASSERT_THAT(fs_.Remove(std::string(kFolder) + "/00000001/" + name), IsOk());
  ASSERT_THAT(ReplaceFile(fs_, first, *earlier), IsOk());
  EXPECT_FALSE(TryOpen());
  EXPECT_FALSE(Verify().whole);
  Open(true);
  quoted_ = trail_->durable();
  const auto records = Read();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_THAT(records[0].detail, HasSubstr("audit.lost-1"));
  EXPECT_THAT(fs_.Exists("/vault/audit.lost-1"), IsOkAndHolds(true));
}

TEST_F(AuditTrailTest, WithAnyChangedByteIsNotWhole) {
  Open();
  for (int i = 0; i < 3; ++i) {
    trail_->Note(alice_, AuditAction::kRemove, chest_, 0);
    Flush();
  }
  ASSERT_THAT(trail_->Close(), IsOk());
  trail_.reset();
  const std::string segment = OnlySegment();
  const auto bytes = ReadWholeFile(fs_, segment, 64u << 20);
  ASSERT_THAT(bytes, IsOk());
  ASSERT_TRUE(Verify().whole);
  int changed = 0;
  for (size_t at = 4096; at < bytes->size(); at += 7) {  // the records; headers have their own test
    fs_.FlipBits(segment, at, 0x10);
    const AuditProof proof = Verify();
    EXPECT_FALSE(proof.damage.empty()) << "byte " << at;
    EXPECT_TRUE(!proof.whole || proof.records == 3) << "byte " << at;
    fs_.FlipBits(segment, at, 0x10);
    ++changed;
    if (HasFailure()) return;
  }
  EXPECT_GT(changed, 100);
}

TEST_F(AuditTrailTest, KeepsWhatTheDiskHasNoRoomFor) {
  Open();
  trail_->Note(alice_, AuditAction::kRemove, chest_, 0);
  Flush();
  fs_.SetCapacity(fs_.UsedBytes());
  AuditSubject large = head_;
  uint64_t noted = 1;
  Result<bool> flushed = true;
  for (; flushed && noted < 100'000; ++noted) {
    trail_->Note(alice_, AuditAction::kRemove, large, 0, std::string(1000, 'x'));
    if (noted % 200 == 0) flushed = trail_->Flush(false);
  }
  ASSERT_THAT(flushed, FailsWith(Errc::kNoSpace));
  EXPECT_FALSE(trail_->failed());
  fs_.SetCapacity(fs_.UsedBytes() + (64u << 20));
  Flush(false);
  EXPECT_THAT(Read(), SizeIs(noted));
  EXPECT_EQ(copied_, Read());  // each once
}

TEST_F(AuditTrailTest, GivesWhatWasWrittenWithItsNames) {
  Open();
  trail_->Note(alice_, AuditAction::kRead, chest_, 0);
  trail_->Note(bob_, AuditAction::kRemove, head_, EACCES);
  Flush(false);
  EXPECT_THAT(copied_, SizeIs(1));  // what is counted waits for the minute's end
  Flush();
  EXPECT_EQ(copied_, Read());
  EXPECT_THAT(copied_, SizeIs(2));
  EXPECT_EQ(copied_.back().user, "alice");
}

TEST_F(AuditTrailTest, ThatCannotBeWrittenSaysSo) {
  Open();
  fs_.FailFrom(1, EIO, FaultFileSystem::Lasts::kForEver, {FaultFileSystem::Call::kSync});
  trail_->Note(alice_, AuditAction::kRemove, chest_, 0);
  EXPECT_FALSE(trail_->Flush(true));
  EXPECT_TRUE(trail_->failed());
  trail_->Note(alice_, AuditAction::kRemove, chest_, 0);
  EXPECT_FALSE(trail_->Flush(true));
}

TEST(AuditRecords, OfANewerVersionAreRefusedAndLongerOnesRead) {
  AuditRecord record;
  record.study = "1.2.3";
  ByteVector bytes = EncodeAuditRecords({&record, 1});
  ASSERT_OK_AND_ASSIGN(const auto back, DecodeAuditRecords(bytes));
  EXPECT_THAT(back, ElementsAre(record));
  // A later version's record has more at its end.
  ByteVector longer = bytes;
  longer.insert(longer.end(), {1, 2, 3});
  StoreLe(longer.data() + 1, static_cast<uint32_t>(longer.size() - 5));
  ASSERT_OK_AND_ASSIGN(const auto also, DecodeAuditRecords(longer));
  EXPECT_THAT(also, ElementsAre(record));
  bytes[0] = 2;
  EXPECT_THAT(DecodeAuditRecords(bytes), FailsWith(Errc::kUnsupported));
  bytes[0] = 1;
  bytes.pop_back();
  EXPECT_THAT(DecodeAuditRecords(bytes), FailsWith(Errc::kCorrupt));
}

}  // namespace
}  // namespace leadglass
