// SPDX-License-Identifier: Apache-2.0
//
// docs/format.md shows the bytes of a tiny segment: they are made here and compared.
// LEADGLASS_UPDATE_DOCS=1 rewrites the page.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "crypto/log/footer.h"
#include "crypto/log/frame.h"
#include "crypto/log/segment_header.h"
#include "tests/crypto/log/log_fixture.h"
#include "tests/support/source_folder.h"

namespace leadglass {
namespace {

constexpr char kBegin[] = "<!-- dump: made by format_doc_test -->\n```\n";
constexpr char kEnd[] = "```\n";

// Lines of 16 bytes; runs of equal lines are shown as one and a star, as hexdump(1) does.
std::string Dump(ByteSpan bytes, uint64_t first_offset) {
  std::string out;
  ByteSpan previous;
  bool starred = false;
  for (size_t at = 0; at < bytes.size(); at += 16) {
    const ByteSpan line = bytes.subspan(at, std::min<size_t>(16, bytes.size() - at));
    if (std::equal(line.begin(), line.end(), previous.begin(), previous.end())) {
      if (!starred) out += "*\n";
      starred = true;
      continue;
    }
    starred = false;
    previous = line;
    out += fmt::format("{:08x} ", first_offset + at);
    for (const uint8_t byte : line) out += fmt::format(" {:02x}", byte);
    out += "\n";
  }
  return out;
}

// A segment with one data record whose 10 "sealed" bytes are made up, so that the dump is stable.
std::string TinySegment() {
  SegmentHeader header;
  header.vault_id = TestVaultId();
  header.id = {1, 1};
  header.session.fill(0x11);
  std::string out = Dump(EncodeSegmentHeader(EncodeHeaderBlock(header), nullptr), 0);
  Frame frame;
  frame.chunk_log2 = 14;
  frame.plain_length = 10;
  frame.record_length = static_cast<uint32_t>(RecordLength(frame.kind, 10, 14));
  frame.sequence = 1;
  frame.stream_prefix.fill(0x22);
  ByteVector record(frame.record_length);
  std::fill_n(record.begin() + kDataFrameSize, 10, uint8_t{0xcc});              // ciphertext
  std::fill_n(record.begin() + kDataFrameSize + 10, kTagBytes, uint8_t{0xdd});  // tag
  DescribeBody(record, frame);
  std::memcpy(record.data(), EncodeFrame(frame).span().data(), kDataFrameSize);
  return out + Dump(record, kSegmentHeaderSize);
}

TEST(FormatPage, ShowsTheBytesOfATinySegment) {
  const std::string path = SourceFolder() + "/docs/format.md";
  std::ifstream in(path);
  ASSERT_TRUE(in) << path;
  std::stringstream text;
  text << in.rdbuf();
  std::string page = text.str();
  const size_t begin = page.find(kBegin);
  ASSERT_NE(begin, std::string::npos);
  const size_t from = begin + sizeof(kBegin) - 1;
  const size_t end = page.find(kEnd, from);
  ASSERT_NE(end, std::string::npos);
  if (std::getenv("LEADGLASS_UPDATE_DOCS") != nullptr) {
    page.replace(from, end - from, TinySegment());
    std::ofstream(path) << page;
    return;
  }
  EXPECT_EQ(page.substr(from, end - from), TinySegment());
}

// The table "Worked sizes": what files of 0, 1 and 300,000 bytes add to a log.
TEST(FormatPage, GivesTheSizesThatALogReallyHas) {
  const struct {
    size_t size;
    uint64_t data_bytes;
  } kFiles[] = {{0, 0}, {1, 128}, {300'000, 300'400}};
  for (const auto& file : kFiles) {
    FaultFileSystem fs;
    ASSERT_OK_AND_ASSIGN(auto log, NewLog(fs, SmallSegments(1u << 20)));
    if (file.size > 0) {
      ASSERT_THAT(Write(*log, 1, Pattern(file.size, 1), 14), IsOk());
    }
    ASSERT_OK_AND_ASSIGN(const CommitInfo commit, log->AppendCommit(ByteVector(200)));
    EXPECT_EQ(commit.start.offset, kSegmentHeaderSize + file.data_bytes);
    EXPECT_EQ(commit.end.offset - commit.start.offset, 384u);
    ASSERT_THAT(log->Close(), IsOk());
    const uint64_t footer = 720 + (file.size > 0 ? 112 : 0) + 16 + 384;
    EXPECT_EQ(FileBytes(fs, SegmentFile({1, 1})).size(),
              kSegmentHeaderSize + file.data_bytes + 384 + footer);
  }
}

}  // namespace
}  // namespace leadglass
