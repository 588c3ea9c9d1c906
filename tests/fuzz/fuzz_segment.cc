// SPDX-License-Identifier: Apache-2.0
//
// Recovery over two segment files with any content: it ends, with commits or an error. The input is
// a one-byte selector and the bytes; the selector says which of the two files they are, the other
// is a good one, and whether all CRCs are put right first, so that mutations reach what lies
// behind.
#include <utility>

#include "crypto/aead.h"
#include "crypto/base/memory_file_system.h"
#include "crypto/log/crc32c.h"
#include "crypto/log/frame.h"
#include "crypto/log/sealed_log.h"
#include "crypto/log/segment_header.h"
#include "crypto/log/segment_names.h"

namespace leadglass {

namespace {

LogKeys Keys() {
  LogKeys keys;
  keys.metadata.push_back({1, Key()});
  return keys;
}

// Two good segments.
DiskImage GoodLog() {
  MemoryFileSystem fs;
  SealedLog::Options options;
  options.segment_size = 64u << 10;
  for (const auto open : {SealedLog::Create, SealedLog::Open}) {
    auto log = open(fs, "/log", {}, Keys(), options);
    LG_CHECK(log.has_value());
    LG_CHECK((*log)->Recover({}, [](const CommitInfo&, ByteSpan) { return Status{}; }));
    const Key key;
    LG_CHECK((*log)->AppendData({key, 1}, 1, 0, AsBytes("some bytes"), 12));
    LG_CHECK((*log)->AppendCommit(AsBytes("a commit")));
    LG_CHECK((*log)->Close());
  }
  return fs.Image();
}

// Header blocks and frames get the CRC that fits them.
void PutCrcsRight(MutableByteSpan bytes) {
  for (const size_t at : {0u, 512u, 1024u})
    if (at + kHeaderBlockSize <= bytes.size())
      StoreLe<uint32_t>(bytes.data() + at + kHeaderBlockSize - 4,
                        Crc32c(bytes.subspan(at, kHeaderBlockSize - 4)));
  for (size_t at = kSegmentHeaderSize; at + kMaxFrameSize <= bytes.size(); at += kRecordAlignment) {
    if (std::memcmp(bytes.data() + at, "LGrc", 4) != 0) continue;
    const size_t size = bytes[at + 8] == 1 ? kDataFrameSize : kLongFrameSize;
    StoreLe<uint32_t>(bytes.data() + at + 4, Crc32c(bytes.subspan(at + 8, size - 8)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const DiskImage good = GoodLog();
  ByteVector bytes(data + 1, data + size);
  if ((data[0] & 2) != 0) PutCrcsRight(bytes);
  DiskImage image = good;
  image.files.at(SegmentPath("/log", {1, (data[0] & 1) + 1u})) = std::move(bytes);
  MemoryFileSystem fs(std::move(image));
  SealedLog::Options options;
  options.read_only = true;
  auto log = SealedLog::Open(fs, "/log", {}, Keys(), options);
  if (!log) return 0;
  const auto report = (*log)->Recover({}, [](const CommitInfo&, ByteSpan) { return Status{}; });
  if (!report) return 0;
  (void)(*log)
      ->Verify([](const SealedLog::Damage&) {}, [](uint64_t, uint64_t) {}, nullptr)
      .has_value();
  return 0;
}

}  // namespace leadglass
