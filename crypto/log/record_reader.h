// SPDX-License-Identifier: Apache-2.0
#pragma once

// RecordReader: random reads of data records: as a rule one pread of the chunks that are wanted,
// decrypted straight into the caller's bytes. A cache of frames spares the second pread where a
// record is read piece by piece. Where a record's own frame is damaged, the footer's copy serves.
//
// Thread safety: Read() may be called from any thread.

#include "crypto/base/mutex.h"
#include "crypto/log/frame.h"
#include "crypto/log/frame_copies.h"
#include "crypto/log/sealed_log.h"
#include "crypto/log/segment_files.h"

namespace leadglass {

class RecordReader {
 public:
  // `files` outlives the object.
  RecordReader(SegmentFiles& files, const Uuid& vault_id)
      : files_(files), copies_(files), vault_id_(vault_id) {}

  // Contract: SealedLog::ReadData().
  Status Read(const FileKeyRef& key, uint64_t inode, const DataRecord& record, uint32_t skip,
              MutableByteSpan out);
  // Contract: SealedLog::StartReading().
  void StartReading(const DataRecord& record, uint32_t length);

 private:
  static constexpr size_t kCachedFrames = 256;
  struct Cached {
    Position position;
    Frame frame;
  };

  Status ReadChunks(const FileKeyRef& key, uint64_t inode, const DataRecord& record, uint32_t skip,
                    MutableByteSpan out);
  Result<Frame> FrameOf(File& file, const DataRecord& record, ByteSpan bytes);
  static Result<Frame> OwnFrame(File& file, const DataRecord& record, ByteSpan bytes);
  bool Lookup(const Position& position, Frame& frame);
  void Remember(const Position& position, const Frame& frame);

  SegmentFiles& files_;
  FrameCopies copies_;
  const Uuid vault_id_;
  Mutex mutex_;
  std::array<Cached, kCachedFrames> cache_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
