// SPDX-License-Identifier: Apache-2.0
//
// The keyless half of the log: frames, headers, footers, names, chain.
#include "crypto/log/chain.h"
#include "crypto/log/crc32c.h"
#include "crypto/log/footer.h"
#include "crypto/log/frame.h"
#include "crypto/log/segment_names.h"
#include "tests/crypto/log/log_fixture.h"

namespace leadglass {
namespace {

Frame CommitFrame() {
  Frame frame;
  frame.kind = RecordKind::kCommit;
  frame.chunk_log2 = kCommitChunkLog2;
  frame.plain_length = 100;
  frame.record_length = static_cast<uint32_t>(RecordLength(frame.kind, 100, frame.chunk_log2));
  frame.sequence = 7;
  frame.key_epoch = 2;
  frame.body_crc = 0x12345678;
  frame.body_digest.fill(3);
  frame.stream_prefix.fill(4);
  frame.commit_number = 5;
  frame.durable = {{1, 2}, 4096};
  frame.chain.fill(6);
  return frame;
}

Frame DataFrame(uint64_t sequence, uint32_t length = 10) {
  Frame frame;
  frame.chunk_log2 = 12;
  frame.plain_length = length;
  frame.record_length = static_cast<uint32_t>(RecordLength(frame.kind, length, 12));
  frame.sequence = sequence;
  return frame;
}

TEST(Crc32c, MatchesThePublishedValues) {
  // RFC 3720, B.4.
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xE3069283u);
  EXPECT_EQ(Crc32c(ByteVector(32, 0)), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(ByteVector(32, 0xff)), 0x62A8AB43u);
  EXPECT_EQ(ExtendCrc32c(Crc32c(AsBytes("12345")), AsBytes("6789")), 0xE3069283u);
  EXPECT_EQ(Crc32c({}), 0u);
}

TEST(Hasher, MatchesThePublishedValues) {
  // FIPS 180-2, B.1.
  EXPECT_EQ(ToHex(HashOf({AsBytes("a"), AsBytes("bc")})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher hasher;
  hasher.Update(AsBytes("ab"));
  (void)hasher.Peek();
  hasher.Update(AsBytes("c"));
  EXPECT_EQ(hasher.Finish(), HashOf({AsBytes("abc")}));
  hasher.Update(AsBytes("abc"));
  EXPECT_EQ(hasher.Peek(), HashOf({AsBytes("abc")}));
}

TEST(Frame, GivesBackEveryField) {
  for (const Frame& frame : {CommitFrame(), DataFrame(9)})
    EXPECT_THAT(DecodeFrame(EncodeFrame(frame).span()), IsOkAndHolds(frame));
}

TEST(Frame, RefusesEveryFlippedBitAndEveryLength) {
  for (const Frame& frame : {CommitFrame(), DataFrame(9)}) {
    const EncodedFrame encoded = EncodeFrame(frame);
    for (size_t bit = 0; bit < encoded.used * 8; ++bit) {
      ByteVector bytes(encoded.span().begin(), encoded.span().end());
      bytes[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
      ASSERT_THAT(DecodeFrame(bytes), FailsWith(Errc::kCorrupt)) << bit;
    }
    for (size_t length = 0; length < encoded.used; ++length)
      ASSERT_THAT(DecodeFrame(encoded.span().first(length)), FailsWith(Errc::kCorrupt)) << length;
  }
}

TEST(Frame, RefusesFieldsThatContradictThoughTheCrcFits) {
  Frame frame = DataFrame(1);
  frame.record_length += 16;
  EXPECT_THAT(DecodeFrame(EncodeFrame(frame).span()), FailsWith(Errc::kCorrupt));
  frame = DataFrame(1);
  frame.chunk_log2 = 11;
  EXPECT_THAT(DecodeFrame(EncodeFrame(frame).span()), FailsWith(Errc::kCorrupt));
  frame = DataFrame(1);
  frame.plain_length = 0;
  EXPECT_THAT(DecodeFrame(EncodeFrame(frame).span()), FailsWith(Errc::kCorrupt));
  frame = DataFrame(1, kMaxSealedPlain + 1);
  EXPECT_THAT(DecodeFrame(EncodeFrame(frame).span()), FailsWith(Errc::kCorrupt));
}

// docs/format.md, "Worked sizes".
TEST(Frame, TakesTheRoomThatTheFormatPageSays) {
  EXPECT_EQ(RecordLength(RecordKind::kData, 1, 14), 128u);
  EXPECT_EQ(RecordLength(RecordKind::kData, 4096, 12), 4208u);
  EXPECT_EQ(RecordLength(RecordKind::kData, 300'000, 14), 300'400u);
  EXPECT_EQ(RecordLength(RecordKind::kData, 1u << 20, 14), 1'049'696u);
  EXPECT_EQ(RecordLength(RecordKind::kCommit, 100, kCommitChunkLog2), 288u);
}

SegmentHeader SomeHeader() {
  SegmentHeader header;
  header.vault_id = TestVaultId();
  header.id = {2, 9};
  header.session.fill(1);
  header.first_sequence = 77;
  header.previous = {1, 8};
  header.previous_length = 5000;
  header.previous_head = {1, 33, {}};
  header.previous_head.chain.fill(2);
  header.link.fill(3);
  header.parent = header.previous_head;
  header.durable = {{1, 7}, 123};
  header.compatible = 1ull << 63;
  return header;
}

TEST(SegmentHeader, GivesBackEveryFieldFromEitherCopy) {
  const HeaderBlock block = EncodeHeaderBlock(SomeHeader());
  ByteVector bytes = EncodeSegmentHeader(block, &block);
  for (const size_t damage : {size_t{4000}, size_t{100}, size_t{1100}}) {
    ByteVector damaged = bytes;
    damaged[damage] ^= 1;
    ASSERT_OK_AND_ASSIGN(const DecodedSegmentHeader decoded, DecodeSegmentHeader(damaged));
    EXPECT_EQ(decoded.header, SomeHeader());
    EXPECT_EQ(decoded.block, block);
    EXPECT_EQ(decoded.first_copy_damaged, damage == 100);
    EXPECT_EQ(decoded.second_copy_damaged, damage == 1100);
    EXPECT_THAT(PreviousBlockIn(damaged), IsOkAndHolds(block));
  }
  bytes[100] ^= 1;
  bytes[1100] ^= 1;
  EXPECT_THAT(DecodeSegmentHeader(bytes), FailsWith(Errc::kCorrupt));
}

TEST(SegmentHeader, RefusesANewerFormatAndUnknownIncompatibleFeatures) {
  SegmentHeader newer = SomeHeader();
  newer.format_major = 2;
  EXPECT_THAT(DecodeSegmentHeader(EncodeSegmentHeader(EncodeHeaderBlock(newer), nullptr)),
              FailsWith(Errc::kUnsupported));
  newer = SomeHeader();
  newer.incompatible = kKnownIncompatible + 1;
  EXPECT_THAT(DecodeSegmentHeader(EncodeSegmentHeader(EncodeHeaderBlock(newer), nullptr)),
              FailsWith(Errc::kUnsupported));
  newer = SomeHeader();
  newer.format_minor = 9;
  EXPECT_THAT(DecodeSegmentHeader(EncodeSegmentHeader(EncodeHeaderBlock(newer), nullptr)), IsOk());
}

TEST(Footer, GivesBackFramesAndWholeCommits) {
  const HeaderBlock block = EncodeHeaderBlock(SomeHeader());
  FooterBuilder builder({2, 9}, block);
  const Frame data = DataFrame(1);
  Frame commit = CommitFrame();
  commit.sequence = 2;
  ByteVector record(commit.record_length, 0xab);
  std::memcpy(record.data(), EncodeFrame(commit).span().data(), commit.size());
  builder.Add(kSegmentHeaderSize, data);
  builder.AddCommit(kSegmentHeaderSize + data.record_length, record);
  const uint64_t covered = kSegmentHeaderSize + data.record_length + commit.record_length;
  const uint64_t expected_size = builder.RecordSize();
  Frame frame;
  frame.sequence = 3;
  const ByteVector bytes = builder.Build(RecordKind::kFooter, covered, covered, frame);
  EXPECT_EQ(bytes.size(), expected_size);
  EXPECT_THAT(DecodeFrame(bytes), IsOkAndHolds(frame));
  EXPECT_TRUE(BodyMatches(bytes, frame, true));
  EXPECT_EQ(FooterOffsetFrom(ByteSpan(bytes).last(kFooterTrailerSize)), covered);
  ASSERT_OK_AND_ASSIGN(const Footer footer,
                       DecodeFooter(ByteSpan(bytes).subspan(frame.size(), frame.plain_length)));
  EXPECT_EQ(footer.segment, (SegmentId{2, 9}));
  EXPECT_EQ(footer.block, block);
  ASSERT_EQ(footer.entries.size(), 2u);
  EXPECT_EQ(footer.entries[0].frame, data);
  EXPECT_EQ(footer.entries[1].frame, commit);
  EXPECT_EQ(footer.entries[1].commit, record);
}

TEST(Chain, DependsOnEveryFrameAndOnTheirOrder) {
  Digest base{};
  const auto running = [&](std::initializer_list<uint64_t> sequences) {
    Chain chain(base);
    for (const uint64_t sequence : sequences) chain.Absorb(DataFrame(sequence));
    return chain.Running();
  };
  const Digest both = running({1, 2});
  EXPECT_NE(both, running({2, 1}));
  EXPECT_NE(both, running({1}));
  base[0] = 1;
  EXPECT_NE(both, running({1, 2}));
  Frame commit = CommitFrame();
  const Digest after = ChainAfterCommit(both, commit);
  commit.chain.fill(9);
  EXPECT_EQ(after, ChainAfterCommit(both, commit)) << "its own value is no part of it";
  commit.durable.offset += 1;
  EXPECT_NE(after, ChainAfterCommit(both, commit));
}

TEST(SegmentNames, AreHexadecimalOfFixedWidth) {
  EXPECT_EQ(SegmentPath("log", {10, 255}), "log/0000000a/00000000000000ff.seg");
  EXPECT_EQ(ParseEpochName("0000000a"), 10u);
  EXPECT_EQ(ParseSegmentName("00000000000000ff.seg"), 255u);
  for (const char* name : {"", "a", "0000000A", "0000000g", "reserve", "000000000a"})
    EXPECT_EQ(ParseEpochName(name), std::nullopt) << name;
  for (const char* name : {"", ".seg", "ff.seg", "00000000000000ff", "00000000000000FF.seg"})
    EXPECT_EQ(ParseSegmentName(name), std::nullopt) << name;
}

}  // namespace
}  // namespace leadglass
