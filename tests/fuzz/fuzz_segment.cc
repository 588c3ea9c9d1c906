// SPDX-License-Identifier: Apache-2.0
//
// Recovery over two segment files with any content: it ends, with commits or an error. The input is
// a one-byte selector and the bytes; the selector says which of the two files they are, the other
// is a good one, and whether all CRCs are put right first, so that mutations reach what lies
// behind.
#include <map>
#include <memory>

#include "crypto/aead.h"
#include "crypto/log/crc32c.h"
#include "crypto/log/frame.h"
#include "crypto/log/sealed_log.h"
#include "crypto/log/segment_header.h"
#include "crypto/log/segment_names.h"

namespace leadglass {

namespace {

using Files = std::map<std::string, ByteVector>;

class MemoryFile final : public File {
 public:
  explicit MemoryFile(ByteVector& bytes) : bytes_(bytes) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteSpan out) override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t n = std::min<size_t>(out.size(), bytes_.size() - static_cast<size_t>(offset));
    std::memcpy(out.data(), bytes_.data() + offset, n);
    return n;
  }
  Status WriteAt(uint64_t offset, ByteSpan data) override {
    if (bytes_.size() < offset + data.size())
      bytes_.resize(static_cast<size_t>(offset) + data.size());
    std::memcpy(bytes_.data() + offset, data.data(), data.size());
    return {};
  }
  Status Sync() override { return {}; }
  void StartWriteback(uint64_t, uint64_t) override {}
  Result<uint64_t> Size() override { return uint64_t{bytes_.size()}; }
  Status Truncate(uint64_t size) override {
    bytes_.resize(static_cast<size_t>(size));
    return {};
  }
  Status Allocate(uint64_t, uint64_t) override { return {}; }
  Status PunchHole(uint64_t, uint64_t) override { return {}; }
  Status TryLock() override { return {}; }

 private:
  ByteVector& bytes_;
};

// Just enough of a file system for one log of one epoch.
class MemoryFileSystem final : public FileSystem {
 public:
  Files files;
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode == OpenMode::kRead && !files.contains(path))
      return Error(Errc::kNotFound, "no such file");
    return std::unique_ptr<File>(std::make_unique<MemoryFile>(files[path]));
  }
  Status CreateFolder(const std::string&) override { return {}; }
  Result<std::vector<std::string>> List(const std::string& path) override {
    if (path == "log") return std::vector<std::string>{"00000001"};
    std::vector<std::string> names;
    for (const auto& [name, bytes] : files)
      if (name.starts_with(path + "/")) names.push_back(name.substr(path.size() + 1));
    return names;
  }
  Result<bool> Exists(const std::string& path) override { return files.contains(path); }
  Status Rename(const std::string&, const std::string&) override { return {}; }
  Status Link(const std::string&, const std::string&) override { return {}; }
  Status Remove(const std::string&) override { return {}; }
  Status RemoveFolder(const std::string&) override { return {}; }
  Status SyncFolder(const std::string&) override { return {}; }
  Result<SpaceInfo> Space(const std::string&) override {
    return SpaceInfo{1u << 30, 1u << 30, 1u << 30};
  }
};

LogKeys Keys() {
  LogKeys keys;
  keys.metadata.push_back({1, Key()});
  return keys;
}

// Two good segments.
Files GoodLog() {
  MemoryFileSystem fs;
  for (int session = 0; session < 2; ++session) {
    auto log = SealedLog::Open(fs, "log", {}, Keys(), {});
    LG_CHECK(log.has_value());
    LG_CHECK((*log)->Recover({}, [](const CommitInfo&, ByteSpan) { return Status{}; }));
    const Key key;
    LG_CHECK((*log)->AppendData({key, 1}, 1, 0, AsBytes("some bytes"), 12));
    LG_CHECK((*log)->AppendCommit(AsBytes("a commit")));
    LG_CHECK((*log)->Close());
  }
  return std::move(fs.files);
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
  static const Files good = GoodLog();
  MemoryFileSystem fs;
  fs.files = good;
  ByteVector bytes(data + 1, data + size);
  if ((data[0] & 2) != 0) PutCrcsRight(bytes);
  fs.files[SegmentPath("log", {1, (data[0] & 1) + 1u})] = bytes;
  SealedLog::Options options;
  options.read_only = true;
  auto log = SealedLog::Open(fs, "log", {}, Keys(), options);
  if (!log) return 0;
  const auto report = (*log)->Recover({}, [](const CommitInfo&, ByteSpan) { return Status{}; });
  if (!report) return 0;
  (void)(*log)->Verify([](const SealedLog::Damage&) {}, [](uint64_t, uint64_t) {}).has_value();
  return 0;
}

}  // namespace leadglass
