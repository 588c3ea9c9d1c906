// SPDX-License-Identifier: Apache-2.0
#include "index/operations.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/index/sample_operations.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

constexpr size_t kOperationFrame = 7;  // type, flags, length

ByteVector Raw(uint16_t type, uint8_t flags, const ByteVector& body) {
  ByteWriter out;
  out.U16(type);
  out.U8(flags);
  out.Bytes32(body);
  return out.Take();
}

ByteVector BodyOf(const Operation& operation) {
  ByteVector bytes = EncodeOperations({operation});
  bytes.erase(bytes.begin(), bytes.begin() + kOperationFrame);
  return bytes;
}

// Equality by what is encoded: Operation has no operator==.
void ExpectSame(const Operations& a, const Operations& b) {
  EXPECT_EQ(EncodeOperations(a), EncodeOperations(b));
}

TEST(Operations, OfEveryTypeComeBackAsTheyWere) {
  const Operations all = OneOfEach();
  ASSERT_EQ(all.size(), std::variant_size_v<AnyOperation>);
  ASSERT_OK_AND_ASSIGN(const Operations back, DecodeOperations(EncodeOperations(all)));
  ASSERT_EQ(back.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].index(), i);
    EXPECT_EQ(back[i].index(), i);
  }
  EXPECT_EQ(std::get<PutInode>(back[0]).record, std::get<PutInode>(all[0]).record);
  EXPECT_EQ(std::get<PutName>(back[2]).record, std::get<PutName>(all[2]).record);
  EXPECT_EQ(std::get<PutExtent>(back[4]).extent, std::get<PutExtent>(all[4]).extent);
  EXPECT_EQ(std::get<PutXattr>(back[6]).value, std::get<PutXattr>(all[6]).value);
  EXPECT_EQ(std::get<PutFileKey>(back[8]).record, std::get<PutFileKey>(all[8]).record);
  EXPECT_EQ(std::get<PutStudyKey>(back[9]).record, std::get<PutStudyKey>(all[9]).record);
  EXPECT_EQ(std::get<PutGroupKey>(back[10]).record, std::get<PutGroupKey>(all[10]).record);
  EXPECT_EQ(std::get<PutEntity>(back[12]).record, std::get<PutEntity>(all[12]).record);
  EXPECT_EQ(std::get<PutFiling>(back[14]).record, std::get<PutFiling>(all[14]).record);
  EXPECT_EQ(std::get<PutConfiguration>(back[19]), std::get<PutConfiguration>(all[19]));
  EXPECT_EQ(std::get<QuoteAudit>(back[20]), std::get<QuoteAudit>(all[20]));
  EXPECT_EQ(std::get<PutHold>(back[21]).record, std::get<PutHold>(all[21]).record);
  EXPECT_EQ(std::get<EraseHold>(back[22]).id, std::get<EraseHold>(all[22]).id);
  EXPECT_EQ(std::get<PutEmergency>(back[23]).record, std::get<PutEmergency>(all[23]).record);
  EXPECT_EQ(std::get<PutRenewals>(back[26]), std::get<PutRenewals>(all[26]));
  EXPECT_EQ(std::get<PutShred>(back[27]), std::get<PutShred>(all[27]));
  ExpectSame(back, all);
}

TEST(Operations, HaveTheTypeNumbersOfTheFormatAndAreCriticalButForWhatGivesRoomBack) {
  const Operations all = OneOfEach();
  for (size_t i = 0; i < all.size(); ++i) {
    const ByteVector bytes = EncodeOperations({all[i]});
    EXPECT_EQ(LoadLe<uint16_t>(bytes.data()), i + 1);
    const bool gives_room_back =
        std::holds_alternative<Punch>(all[i]) || std::holds_alternative<Cleared>(all[i]);
    EXPECT_EQ(bytes[2], gives_room_back ? 0 : 1);
    EXPECT_EQ(LoadLe<uint32_t>(bytes.data() + 3), bytes.size() - kOperationFrame);
  }
}

TEST(Operations, OfAHoleCarryNoRecord) {
  const Operation hole = PutExtent{7, SampleHole(4096, uint64_t{1} << 40)};
  EXPECT_EQ(BodyOf(hole).size(), 8u + 8 + 8 + 1);
  ASSERT_OK_AND_ASSIGN(const Operations back, DecodeOperations(EncodeOperations({hole})));
  EXPECT_EQ(std::get<PutExtent>(back[0]).extent, SampleHole(4096, uint64_t{1} << 40));
}

TEST(Operations, OfAnExtentCarryTheSessionsNumberOnly) {
  Extent extent = SampleExtent(0, 100);
  extent.record.write_id.session = SampleUuid(9);
  ASSERT_OK_AND_ASSIGN(const Operations back,
                       DecodeOperations(EncodeOperations({PutExtent{7, extent}})));
  extent.record.write_id.session = Uuid{};
  EXPECT_EQ(std::get<PutExtent>(back[0]).extent, extent);
}

TEST(Operations, MayBeNone) {
  ASSERT_OK_AND_ASSIGN(const Operations none, DecodeOperations({}));
  EXPECT_TRUE(none.empty());
}

TEST(Operations, OfUnknownTypeStopAReaderOnlyWhenCritical) {
  const ByteVector known = EncodeOperations({EraseInode{7}});
  constexpr uint16_t kNext = std::variant_size_v<AnyOperation> + 1;
  for (const uint16_t type : std::initializer_list<uint16_t>{0, kNext, kNext + 1, 0xffff}) {
    ByteVector optional = Raw(type, 0, {1, 2, 3});
    optional.insert(optional.end(), known.begin(), known.end());
    ASSERT_OK_AND_ASSIGN(const Operations read, DecodeOperations(optional));
    ExpectSame(read, {EraseInode{7}});
    EXPECT_THAT(DecodeOperations(Raw(type, 1, {1, 2, 3})), FailsWith(Errc::kUnsupported));
  }
  EXPECT_THAT(DecodeOperations(Raw(2, 3, BodyOf(EraseInode{7}))), FailsWith(Errc::kUnsupported));
}

TEST(Operations, OfAHoldHaveAnIdAndAReason) {
  HoldRecord hold{"study", 1, "", "because", 0, "", 0};
  EXPECT_THAT(CheckOperations({PutHold{hold}}), IsOk());
  hold.id = 0;
  EXPECT_THAT(CheckOperations({PutHold{hold}}), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(CheckOperations({EraseHold{"study", 0}}), FailsWith(Errc::kInvalidArgument));
  hold.id = 1;
  for (const size_t length : {size_t{0}, OperationLimits::kWhy + 1}) {
    hold.reason.assign(length, 'x');
    EXPECT_THAT(CheckOperations({PutHold{hold}}), FailsWith(Errc::kInvalidArgument));
  }
}

TEST(Operations, OfAnEmergencyHaveAnIdAReasonAndAPatientOrStudy) {
  EmergencyRecord grant;
  grant.id = 1;
  grant.reason = "because";
  EXPECT_THAT(CheckOperations({PutEmergency{grant}}), IsOk());
  EmergencyRecord wrong = grant;
  wrong.id = 0;
  EXPECT_THAT(CheckOperations({PutEmergency{wrong}}), FailsWith(Errc::kInvalidArgument));
  wrong = grant;
  wrong.reason.clear();
  EXPECT_THAT(CheckOperations({PutEmergency{wrong}}), FailsWith(Errc::kInvalidArgument));
  wrong = grant;
  wrong.kind = EntityKind::kSeries;
  EXPECT_THAT(CheckOperations({PutEmergency{wrong}}), FailsWith(Errc::kInvalidArgument));
  EXPECT_THAT(CheckOperations({EraseEmergency{"patient", 0}}), FailsWith(Errc::kInvalidArgument));
}

TEST(Operations, MayGrowAtTheirEnd) {
  const Operations all = OneOfEach();
  for (size_t i = 0; i < all.size(); ++i) {
    ByteVector body = BodyOf(all[i]);
    body.insert(body.end(), {9, 9, 9});
    ASSERT_OK_AND_ASSIGN(const Operations read,
                         DecodeOperations(Raw(static_cast<uint16_t>(i + 1), 1, body)));
    ExpectSame(read, {all[i]});
  }
}

// Bytes at the end of a body that the first version of format 1 did not write; 0: it wrote all.
size_t AppendedBytes(const Operation& operation) {
  if (std::holds_alternative<PutInode>(operation)) return 8;
  if (std::holds_alternative<PutEntity>(operation)) return 12;
  return 0;
}

TEST(Operations, AsOlderVersionsWroteThemHaveDefaultsForWhatWasAppended) {
  const auto read = [](const Operation& operation) {
    ByteVector body = BodyOf(operation);
    body.resize(body.size() - AppendedBytes(operation));
    return DecodeOperations(Raw(static_cast<uint16_t>(operation.index() + 1), 1, body));
  };
  InodeRecord inode = SampleInode(99);
  ASSERT_OK_AND_ASSIGN(const Operations inodes, read(PutInode{inode}));
  inode.study = kNoInode;
  EXPECT_EQ(std::get<PutInode>(inodes.at(0)).record, inode);
  EntityRecord entity = SampleEntity(EntityKind::kStudy, "1.2.3", 50);
  ASSERT_OK_AND_ASSIGN(const Operations entities, read(PutEntity{entity}));
  entity.rule = kNoRule;
  entity.rules_version = entity.flags = 0;
  EXPECT_EQ(std::get<PutEntity>(entities.at(0)).record, entity);
}

TEST(Operations, CutShortAnywhereAreCorrupt) {
  const Operations all = OneOfEach();
  for (size_t i = 0; i < all.size(); ++i) {
    const ByteVector whole = EncodeOperations({all[i]});
    for (size_t keep = 1; keep < whole.size(); ++keep)
      EXPECT_THAT(DecodeOperations(ByteSpan(whole).first(keep)), FailsWith(Errc::kCorrupt));
    const ByteVector body = BodyOf(all[i]);
    for (size_t keep = 0; keep < body.size(); ++keep) {
      if (keep == body.size() - AppendedBytes(all[i])) continue;  // as an older version wrote it
      const ByteVector cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(keep));
      EXPECT_THAT(DecodeOperations(Raw(static_cast<uint16_t>(i + 1), 1, cut)),
                  FailsWith(Errc::kCorrupt))
          << "type " << i + 1 << " with " << keep << " bytes";
    }
  }
}

TEST(Operations, BeyondALimitAreNotWritten) {
  const auto text = [](size_t n) { return std::string(n, 'x'); };
  Extent beyond_record = SampleExtent(4096, 100);
  beyond_record.length = 101;
  Extent before_record = SampleExtent(4096, 100);
  before_record.file_offset = 4095;
  Extent wraps_round = SampleHole(~uint64_t{0} - 1, 10);
  Extent big_record = SampleExtent(0, kMaxDataLength + 1);
  Extent odd_chunk = SampleExtent(0, 100);
  odd_chunk.record.chunk_log2 = 21;
  InodeRecord link = SampleInode(9);
  link.symlink_target = text(OperationLimits::kSymlinkTarget + 1);
  FilingRecord reason = SampleFiling(9, 1, "i");
  reason.reason = text(OperationLimits::kReason + 1);
  FilingRecord facts = SampleFiling(9, 1, "i");
  facts.facts.resize(OperationLimits::kFacts + 1);
  FilingRecord state = SampleFiling(9, 1, "i");
  state.state = static_cast<FilingState>(5);
  EntityRecord kind = SampleEntity(EntityKind::kStudy, "i", 9);
  kind.kind = static_cast<EntityKind>(0);
  EntityRecord names = SampleEntity(EntityKind::kStudy, "i", 9);
  names.names.assign(OperationLimits::kEntityNames + 1, "n");
  EntityRecord unnamed = SampleEntity(EntityKind::kStudy, "i", 9);
  unnamed.names = {""};
  const Operations bad = {
      PutInode{InodeRecord{}},
      PutInode{link},
      PutName{SampleName(1, "", 9, 16)},
      PutName{SampleName(1, text(256), 9, 16)},
      EraseName{1, ""},
      PutExtent{9, SampleHole(0, 0)},
      PutExtent{9, beyond_record},
      PutExtent{9, before_record},
      PutExtent{9, wraps_round},
      PutExtent{9, big_record},
      PutExtent{9, odd_chunk},
      PutExtent{0, SampleExtent(0, 100)},
      PutXattr{9, text(256), {}},
      PutXattr{9, "", {}},
      PutXattr{9, "user.a", ByteVector(OperationLimits::kXattrValue + 1)},
      PutFileKey{{9, 1, {}, ByteVector(OperationLimits::kWrap + 1)}},
      PutSession{0, SampleUuid(1)},
      PutEntity{SampleEntity(EntityKind::kStudy, text(OperationLimits::kIdentity + 1), 9)},
      PutEntity{kind},
      PutEntity{names},
      PutEntity{unnamed},
      PutFiling{reason},
      PutFiling{facts},
      PutFiling{state},
  };
  for (size_t i = 0; i < bad.size(); ++i)
    EXPECT_THAT(CheckOperations({bad[i]}), FailsWith(Errc::kInvalidArgument)) << "case " << i;
  EXPECT_THAT(CheckOperations(OneOfEach()), IsOk());
}

TEST(Operations, BeyondALimitAreNotRead) {
  const auto long_name = [](size_t length) {
    ByteWriter body;
    body.U64(kArchiveInode);
    body.U32(static_cast<uint32_t>(length));
    body.Zeros(length);
    return Raw(4, 1, body.Take());
  };
  EXPECT_THAT(DecodeOperations(long_name(255)), IsOk());
  EXPECT_THAT(DecodeOperations(long_name(256)), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(DecodeOperations(long_name(0)), FailsWith(Errc::kCorrupt));

  const ByteVector extent = BodyOf(PutExtent{9, SampleExtent(4096, 100)});
  const auto with = [&](size_t at, uint8_t value) {
    ByteVector changed = extent;
    changed[at] = value;
    return DecodeOperations(Raw(5, 1, changed));
  };
  EXPECT_THAT(with(16, 100), IsOk());
  EXPECT_THAT(with(16, 101), FailsWith(Errc::kCorrupt));  // longer than its record
  EXPECT_THAT(with(16, 0), FailsWith(Errc::kCorrupt));    // of no bytes
  EXPECT_THAT(with(24, 2), FailsWith(Errc::kCorrupt));    // neither hole nor data
  EXPECT_THAT(with(0, 0), FailsWith(Errc::kCorrupt));     // of no inode
  const ByteVector entity = BodyOf(EraseEntity{EntityKind::kSeries, "1"});
  for (const uint8_t kind : std::initializer_list<uint8_t>{0, 4, 255}) {
    ByteVector changed = entity;
    changed[0] = kind;
    EXPECT_THAT(DecodeOperations(Raw(14, 1, changed)), FailsWith(Errc::kCorrupt));
  }
}

TEST(Operations, AtTheirLimitsAreAccepted) {
  const auto text = [](size_t n) { return std::string(n, 'x'); };
  InodeRecord link = SampleInode(9);
  link.symlink_target = text(OperationLimits::kSymlinkTarget);
  FilingRecord filing = SampleFiling(9, 1, text(OperationLimits::kIdentity));
  filing.facts.resize(OperationLimits::kFacts);
  filing.reason = text(OperationLimits::kReason);
  filing.view_name = text(255);
  const Operations big = {PutInode{link}, PutName{SampleName(1, text(255), 9, 16)},
                          PutExtent{9, SampleExtent(0, kMaxDataLength)},
                          PutXattr{9, text(255), ByteVector(OperationLimits::kXattrValue)},
                          PutFiling{filing}};
  EXPECT_THAT(CheckOperations(big), IsOk());
  ASSERT_OK_AND_ASSIGN(const Operations back, DecodeOperations(EncodeOperations(big)));
  ExpectSame(back, big);
}

TEST(Operations, WithAnyLengthFieldAnEnormousNumberAreCorrupt) {
  // Every aligned place of every body, so that each length is hit wherever it stands.
  const Operations all = OneOfEach();
  for (size_t i = 0; i < all.size(); ++i) {
    const ByteVector body = BodyOf(all[i]);
    for (size_t at = 0; at + 4 <= body.size(); ++at) {
      ByteVector changed = body;
      StoreLe<uint32_t>(changed.data() + at, 0xffffffffu);
      const auto read = DecodeOperations(Raw(static_cast<uint16_t>(i + 1), 1, changed));
      if (!read) {
        EXPECT_EQ(read.error().code, Errc::kCorrupt);
      }
    }
  }
}

TEST(Operations, FromRandomDamageAreAnAnswerNeverACrash) {
  const uint32_t seed = 20251125;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const ByteVector good = EncodeOperations(OneOfEach());
  for (int round = 0; round < 20'000; ++round) {
    ByteVector bytes = good;
    for (unsigned n = 1 + random() % 4; n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    const auto read = DecodeOperations(bytes);
    if (read) {
      EXPECT_THAT(CheckOperations(*read), IsOk());
    }
  }
}

TEST(OperationsDeathTest, ThatBreakALimitAreNeverEncoded) {
  EXPECT_DEATH(EncodeOperations({PutName{SampleName(1, "", 9, 16)}}), "check failed");
}

}  // namespace
}  // namespace leadglass
