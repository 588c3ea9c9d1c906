// SPDX-License-Identifier: Apache-2.0
#pragma once

// A small sealed log on the file system in memory, and a reader that tells what of it can be seen.

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "crypto/aead.h"
#include "crypto/log/sealed_log.h"
#include "crypto/log/segment_names.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/matchers.h"

namespace leadglass {

inline constexpr char kLogFolder[] = "/vault/log";

inline Uuid TestVaultId() {
  Uuid id{};
  id.fill(0x5a);
  return id;
}

inline Key TestKey(uint8_t fill) {
  std::array<uint8_t, 32> bytes{};
  bytes.fill(fill);
  return Key::TakeFrom(bytes);
}

inline LogKeys TestKeys(uint32_t epochs = 1) {
  LogKeys keys;
  for (uint32_t epoch = 1; epoch <= epochs; ++epoch)
    keys.metadata.push_back({epoch, TestKey(static_cast<uint8_t>(epoch))});
  return keys;
}

// Bytes that tell which ones they are.
inline ByteVector Pattern(size_t size, uint32_t seed) {
  ByteVector bytes(size);
  uint32_t state = seed * 2654435761u + 1;
  for (uint8_t& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

// A data record and what it holds.
struct Written {
  uint64_t inode = 0;
  DataRecord record;
  ByteVector plain;
};

// What recovery hands out: the commits' payloads, in order.
struct Seen {
  RecoveryReport report;
  std::vector<CommitInfo> infos;
  std::vector<std::string> payloads;
};

inline const Key& FileKey() {
  static const Key key = TestKey(0x77);
  return key;
}

inline SealedLog::Options SmallSegments(uint64_t size = 64u << 10) {
  SealedLog::Options options;
  options.segment_size = size;
  return options;
}

inline Result<std::unique_ptr<SealedLog>> OpenLog(FileSystem& fs, SealedLog::Options options,
                                                  uint32_t key_epochs = 1) {
  return SealedLog::Open(fs, kLogFolder, TestVaultId(), TestKeys(key_epochs), std::move(options));
}

inline Result<Seen> RecoverAll(SealedLog& log,
                               const std::optional<std::pair<Head, Position>>& from = {}) {
  Seen seen;
  LG_ASSIGN_OR_RETURN(seen.report,
                      log.Recover(from, [&](const CommitInfo& info, ByteSpan payload) -> Status {
                        seen.infos.push_back(info);
                        seen.payloads.emplace_back(AsText(payload));
                        return {};
                      }));
  return seen;
}

// A new log in `fs`, recovered and ready for appends.
inline Result<std::unique_ptr<SealedLog>> NewLog(FileSystem& fs, SealedLog::Options options) {
  LG_RETURN_IF_ERROR(fs.CreateFolder("/vault"));
  LG_RETURN_IF_ERROR(fs.SyncFolder("/"));
  LG_ASSIGN_OR_RETURN(
      auto log, SealedLog::Create(fs, kLogFolder, TestVaultId(), TestKeys(), std::move(options)));
  if (Result<Seen> seen = RecoverAll(*log); !seen) return seen.error();
  return log;
}

inline Result<Written> Write(SealedLog& log, uint64_t inode, ByteVector plain,
                             uint8_t chunk_log2 = 12) {
  LG_ASSIGN_OR_RETURN(const DataRecord record,
                      log.AppendData({FileKey(), 1}, inode, 0, plain, chunk_log2));
  return Written{inode, record, std::move(plain)};
}

inline Result<ByteVector> Read(SealedLog& log, const Written& written) {
  ByteVector out(written.plain.size());
  LG_RETURN_IF_ERROR(log.ReadData({FileKey(), 1}, written.inode, written.record, 0, out));
  return out;
}

inline ByteVector FileBytes(FileSystem& fs, const std::string& path) {
  Result<ByteVector> bytes = ReadWholeFile(fs, path, 1u << 30);
  EXPECT_TRUE(bytes.has_value());
  return bytes ? std::move(*bytes) : ByteVector();
}

inline std::string SegmentFile(SegmentId id) { return SegmentPath(kLogFolder, id); }

// Replaces a file's bytes as an attacker would: durably, and shorter or longer if need be.
inline void Overwrite(FileSystem& fs, const std::string& path, ByteSpan bytes) {
  ASSERT_OK_AND_ASSIGN(const auto file, fs.Open(path, OpenMode::kCreate));
  ASSERT_THAT(file->Truncate(bytes.size()), IsOk());
  ASSERT_THAT(file->WriteAt(0, bytes), IsOk());
  ASSERT_THAT(file->Sync(), IsOk());
}

}  // namespace leadglass
