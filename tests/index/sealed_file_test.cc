// SPDX-License-Identifier: Apache-2.0
#include "index/sealed_file.h"

#include <gtest/gtest.h>

#include "tests/index/sample_operations.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

constexpr size_t kFrame = SealedFileWriter::kFramePlain;
constexpr const char* kPath = "/000005.ldb";

ByteVector Pattern(size_t size) {
  ByteVector bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 31 + (i >> 8));
  return bytes;
}

class SealedFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<SealedFileWriter> Create(SealedFileKind kind) {
    auto writer = SealedFileWriter::Create(context_, kPath, kind, id_);
    EXPECT_THAT(writer, IsOk());
    return std::move(*writer);
  }
  void WriteTable(ByteSpan plain, size_t piece) {
    const auto writer = Create(SealedFileKind::kTable);
    for (size_t at = 0; at < plain.size(); at += piece)
      ASSERT_THAT(writer->Append(plain.subspan(at, std::min(piece, plain.size() - at))), IsOk());
    ASSERT_THAT(writer->Sync(), IsOk());
    EXPECT_EQ(writer->plain_size(), plain.size());
  }
  Result<std::unique_ptr<SealedTable>> OpenTable(uint64_t size) {
    return SealedTable::Open(context_, kPath, id_, size);
  }
  uint64_t CipherSize() { return ReadWholeFile(fs_, kPath, 1 << 26)->size(); }

  FaultFileSystem fs_;
  SealedFileContext context_{fs_, Key(), SampleUuid(1), SampleUuid(2)};
  Uuid id_ = SampleUuid(3);
};

TEST_F(SealedFileTest, ATableReadsAsItWasWrittenWhateverThePieces) {
  for (const size_t size :
       {size_t{0}, size_t{1}, kFrame - 1, kFrame, kFrame + 1, 3 * kFrame, 3 * kFrame + 17}) {
    const ByteVector plain = Pattern(size);
    for (const size_t piece : {size_t{1000}, kFrame, size_t{100'000}}) {
      WriteTable(plain, piece);
      const auto table = OpenTable(size);
      ASSERT_THAT(table, IsOk());
      for (const uint64_t from : {uint64_t{0}, uint64_t{size / 2}, uint64_t{kFrame - 1},
                                  uint64_t{kFrame}, uint64_t{size}}) {
        ByteVector out(kFrame + 100);
        const auto got = (*table)->Read(from, out);
        ASSERT_THAT(got, IsOk());
        const size_t expected = from >= size ? 0 : std::min<size_t>(out.size(), size - from);
        ASSERT_EQ(*got, expected);
        EXPECT_TRUE(
            std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(expected),
                       plain.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(from, size))));
      }
    }
  }
}

TEST_F(SealedFileTest, ATableHasTheSizeThatTheFormatSays) {
  WriteTable(Pattern(0), 1);
  EXPECT_EQ(CipherSize(), 48u + 40);
  WriteTable(Pattern(kFrame), 1000);
  EXPECT_EQ(CipherSize(), 48u + kFrame + 40);
  WriteTable(Pattern(kFrame + 1), 1000);
  EXPECT_EQ(CipherSize(), 48u + kFrame + 1 + 80);
}

TEST_F(SealedFileTest, AFinishedTableTakesNoMore) {
  const auto writer = Create(SealedFileKind::kTable);
  ASSERT_THAT(writer->Append(Pattern(10)), IsOk());
  ASSERT_THAT(writer->Sync(), IsOk());
  EXPECT_THAT(writer->Append(Pattern(10)), FailsWith(Errc::kInternal));
}

TEST_F(SealedFileTest, ATableIsRefusedUnderAnotherIdSizeVaultOrIncarnation) {
  WriteTable(Pattern(100), 100);
  EXPECT_THAT(OpenTable(99), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(OpenTable(101), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(SealedTable::Open(context_, kPath, SampleUuid(9), 100), FailsWith(Errc::kCorrupt));
  context_.incarnation = SampleUuid(9);
  EXPECT_THAT(OpenTable(100), FailsWith(Errc::kCorrupt));
  context_.incarnation = SampleUuid(2);
  context_.vault_id = SampleUuid(9);
  const auto table = OpenTable(100);
  ASSERT_THAT(table, IsOk());
  ByteVector out(100);
  EXPECT_THAT((*table)->Read(0, out), FailsWith(Errc::kCorrupt));
}

TEST_F(SealedFileTest, FramesOfATableCannotChangePlaces) {
  WriteTable(Pattern(3 * kFrame), 1000);
  ByteVector bytes = *ReadWholeFile(fs_, kPath, 1 << 26);
  const auto frame = bytes.begin() + 48;
  std::swap_ranges(frame, frame + kFrame + 40, frame + kFrame + 40);
  const auto file = fs_.Open(kPath, OpenMode::kReadWrite);
  ASSERT_THAT((*file)->WriteAt(0, bytes), IsOk());
  const auto table = OpenTable(3 * kFrame);
  ASSERT_THAT(table, IsOk());
  ByteVector out(10);
  EXPECT_THAT((*table)->Read(0, out), FailsWith(Errc::kCorrupt));
  EXPECT_THAT((*table)->Read(kFrame, out), FailsWith(Errc::kCorrupt));
  EXPECT_THAT((*table)->Read(2 * kFrame, out), IsOkAndHolds(10u));
}

TEST_F(SealedFileTest, ATableCutAtAFrameIsNoShorterTable) {
  // Even where the registry were to say so: the last frame of the rest does not say it is the last.
  WriteTable(Pattern(2 * kFrame), 1000);
  ASSERT_THAT((*fs_.Open(kPath, OpenMode::kReadWrite))->Truncate(48 + kFrame + 40), IsOk());
  const auto table = OpenTable(kFrame);
  ASSERT_THAT(table, IsOk());
  ByteVector out(10);
  EXPECT_THAT((*table)->Read(0, out), FailsWith(Errc::kCorrupt));
}

TEST_F(SealedFileTest, AJournalReadsUpToItsLastSync) {
  const auto writer = Create(SealedFileKind::kJournal);
  ByteVector expected;
  for (const size_t size : {size_t{1}, size_t{100}, size_t{200'000}}) {
    const ByteVector piece = Pattern(size);
    ASSERT_THAT(writer->Append(piece), IsOk());
    ASSERT_THAT(writer->Sync(), IsOk());
    expected.insert(expected.end(), piece.begin(), piece.end());
    EXPECT_THAT(ReadJournal(context_, kPath, id_, expected.size()), IsOkAndHolds(expected));
  }
  ASSERT_THAT(writer->Append(Pattern(5)), IsOk());
  EXPECT_THAT(ReadJournal(context_, kPath, id_, expected.size()), IsOkAndHolds(expected));
}

TEST_F(SealedFileTest, AJournalsTornEndIsItsEndAndNoMore) {
  const auto writer = Create(SealedFileKind::kJournal);
  ASSERT_THAT(writer->Append(Pattern(100)), IsOk());
  ASSERT_THAT(writer->Sync(), IsOk());
  const uint64_t first = CipherSize();
  ASSERT_THAT(writer->Append(Pattern(50)), IsOk());
  ASSERT_THAT(writer->Sync(), IsOk());
  const uint64_t second = CipherSize();
  for (uint64_t keep = second - 1;; --keep) {
    ASSERT_THAT((*fs_.Open(kPath, OpenMode::kReadWrite))->Truncate(keep), IsOk());
    if (keep < first) break;
    EXPECT_THAT(ReadJournal(context_, kPath, id_, 100), IsOkAndHolds(Pattern(100))) << keep;
    EXPECT_THAT(ReadJournal(context_, kPath, id_, 150), FailsWith(Errc::kCorrupt)) << keep;
  }
  EXPECT_THAT(ReadJournal(context_, kPath, id_, 100), FailsWith(Errc::kCorrupt));
}

TEST_F(SealedFileTest, AJournalIsNoTableAndTheOtherWayRound) {
  WriteTable(Pattern(100), 100);
  EXPECT_THAT(ReadJournal(context_, kPath, id_, 0), FailsWith(Errc::kCorrupt));
  ASSERT_THAT(Create(SealedFileKind::kJournal)->Sync(), IsOk());
  EXPECT_THAT(OpenTable(0), FailsWith(Errc::kCorrupt));
}

}  // namespace
}  // namespace leadglass
