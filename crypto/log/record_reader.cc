// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/record_reader.h"

#include <algorithm>

#include "crypto/log/sealing.h"

namespace leadglass {
namespace {

// Chunks this near to the frame are read together with it.
constexpr uint64_t kReadWithFrame = 32u << 10;

Error Damaged(const DataRecord& record) {
  return Error(Errc::kCorrupt,
               ToString(record.position) + ": the data record is damaged or not the one asked for");
}

// Plain bytes `from` up to `to` of a record, and the chunks that hold them.
struct ChunkRange {
  uint32_t chunk_size;
  uint32_t length;  // plain bytes of the record
  uint32_t first;
  uint32_t last;

  uint64_t plain_start(uint32_t chunk) const { return uint64_t{chunk} * chunk_size; }
  uint64_t plain_end(uint32_t chunk) const {
    return std::min<uint64_t>(plain_start(chunk) + chunk_size, length);
  }
  // Offsets in the record's body.
  uint64_t sealed_start(uint32_t chunk) const { return uint64_t{chunk} * (chunk_size + kTagBytes); }
  uint64_t sealed_end(uint32_t chunk) const {
    return sealed_start(chunk) + (plain_end(chunk) - plain_start(chunk)) + kTagBytes;
  }
};

// Opens the chunks of `range` out of `sealed`, which begins at the first of them.
class ChunkOpener {
 public:
  ChunkOpener(const FileKeyRef& key, const Frame& frame, const ChunkRange& range, ByteSpan aad,
              ByteSpan sealed)
      : key_(key), frame_(frame), range_(range), aad_(aad), sealed_(sealed) {}

  // Whole chunks straight into `out`; the first and last through a buffer where only part of them
  // is wanted.
  Status Into(uint32_t skip, MutableByteSpan out) {
    uint32_t chunk = range_.first;
    size_t done = 0;
    while (done < out.size()) {
      const uint64_t at = skip + done;
      const bool whole = at == range_.plain_start(chunk);
      uint32_t run = chunk;  // chunks [chunk, run) are wanted whole
      while (whole && run <= range_.last && range_.plain_end(run) - skip <= out.size()) ++run;
      if (run > chunk) {
        const size_t n = static_cast<size_t>(range_.plain_end(run - 1) - at);
        LG_RETURN_IF_ERROR(Open(chunk, run - 1, out.subspan(done, n)));
        done += n;
        chunk = run;
        continue;
      }
      const size_t n =
          std::min<size_t>(out.size() - done, static_cast<size_t>(range_.plain_end(chunk) - at));
      LG_RETURN_IF_ERROR(OpenPart(chunk, at, out.subspan(done, n)));
      done += n;
      ++chunk;
    }
    return {};
  }

 private:
  Status Open(uint32_t first, uint32_t last, MutableByteSpan out) {
    const uint64_t base = range_.sealed_start(range_.first);
    const uint64_t start = range_.sealed_start(first) - base;
    const uint64_t end = range_.sealed_end(last) - base;
    return OpenStream(key_.key, frame_.stream_prefix, range_.chunk_size, range_.length, first, aad_,
                      sealed_.subspan(start, end - start), out);
  }

  Status OpenPart(uint32_t chunk, uint64_t at, MutableByteSpan out) {
    thread_local ByteVector plain;
    plain.resize(static_cast<size_t>(range_.plain_end(chunk) - range_.plain_start(chunk)));
    LG_RETURN_IF_ERROR(Open(chunk, chunk, plain));
    std::memcpy(out.data(), plain.data() + (at - range_.plain_start(chunk)), out.size());
    return {};
  }

  const FileKeyRef& key_;
  const Frame& frame_;
  const ChunkRange& range_;
  const ByteSpan aad_;
  const ByteSpan sealed_;
};

}  // namespace

Status RecordReader::Read(const FileKeyRef& key, uint64_t inode, const DataRecord& record,
                          uint32_t skip, MutableByteSpan out) {
  if (out.empty()) return {};
  Status status = ReadChunks(key, inode, record, skip, out);
  if (!status) std::memset(out.data(), 0, out.size());
  return status;
}

void RecordReader::StartReading(const DataRecord& record, uint32_t length) {
  const uint32_t wanted = std::min(length, record.length);
  if (wanted == 0 || record.chunk_log2 < kMinChunkLog2 || record.chunk_log2 > kMaxChunkLog2) return;
  const ChunkRange range{1u << record.chunk_log2, record.length, 0,
                         (wanted - 1) >> record.chunk_log2};
  // Where the file cannot be opened the read will say so.
  if (const auto file = files_.Get(record.position.segment))
    (*file)->StartReading(record.position.offset, kDataFrameSize + range.sealed_end(range.last));
}

Status RecordReader::ReadChunks(const FileKeyRef& key, uint64_t inode, const DataRecord& record,
                                uint32_t skip, MutableByteSpan out) {
  if (record.chunk_log2 < kMinChunkLog2 || record.chunk_log2 > kMaxChunkLog2 ||
      record.length > kMaxDataLength || skip > record.length || out.size() > record.length - skip)
    return Error(Errc::kInvalidArgument,
                 ToString(record.position) + ": a read outside of the record");
  const uint32_t chunk_size = 1u << record.chunk_log2;
  const ChunkRange range{chunk_size, record.length, skip >> record.chunk_log2,
                         static_cast<uint32_t>((skip + out.size() - 1) >> record.chunk_log2)};
  LG_ASSIGN_OR_RETURN(const auto file, files_.Get(record.position.segment));

  Frame frame;
  bool known = Lookup(record.position, frame);
  const uint64_t first_byte = kDataFrameSize + range.sealed_start(range.first);
  const bool with_frame = !known && first_byte <= kReadWithFrame;
  const uint64_t read_from = with_frame ? 0 : first_byte;
  // The disk is asked for both at once, not for one after the other.
  if (!known && !with_frame) file->StartReading(record.position.offset, kDataFrameSize);
  const uint64_t end = kDataFrameSize + range.sealed_end(range.last);
  thread_local ByteVector buffer;  // grows to the largest read, and goes with its thread
  if (buffer.size() < end - read_from) buffer.resize(static_cast<size_t>(end - read_from));
  const MutableByteSpan bytes = MutableByteSpan(buffer).first(static_cast<size_t>(end - read_from));
  LG_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(record.position.offset + read_from, bytes));
  if (got != bytes.size()) return Damaged(record);
  if (!known) {
    LG_ASSIGN_OR_RETURN(frame, FrameOf(*file, record, with_frame ? ByteSpan(bytes) : ByteSpan{}));
    Remember(record.position, frame);
  }
  if (!Describes(frame, record)) return Damaged(record);
  const ByteVector aad = DataAssociatedData(vault_id_, inode, key.generation, record);
  ChunkOpener opener(key, frame, range, aad,
                     bytes.subspan(static_cast<size_t>(first_byte - read_from)));
  const Status opened = opener.Into(skip, out);
  return opened || opened.error().code != Errc::kCorrupt ? opened : Damaged(record);
}

// The record's own frame, or else the footer's copy of it.
Result<Frame> RecordReader::FrameOf(File& file, const DataRecord& record, ByteSpan bytes) {
  const Result<Frame> own = OwnFrame(file, record, bytes);
  if (own && Describes(*own, record)) return *own;
  if (const std::optional<Frame> copy = copies_.Find(record); copy.has_value()) return *copy;
  return own ? Damaged(record) : own.error();
}

// From bytes that begin with the frame, or from the file where there are none.
Result<Frame> RecordReader::OwnFrame(File& file, const DataRecord& record, ByteSpan bytes) {
  std::array<uint8_t, kDataFrameSize> own{};
  if (bytes.empty()) {
    LG_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(record.position.offset, own));
    if (got != own.size()) return Damaged(record);
    bytes = own;
  }
  const Result<Frame> frame = DecodeFrame(bytes);
  if (!frame) return Damaged(record);
  return *frame;
}

namespace {

size_t SlotOf(const Position& position, size_t slots) {
  // Records lie on multiples of 16; neighbours get different slots.
  const uint64_t mixed =
      (position.segment.number * 0x9E3779B97F4A7C15u + position.offset / 16) * 0xD6E8FEB86659FD93u;
  return static_cast<size_t>(mixed >> 40) % slots;
}

}  // namespace

bool RecordReader::Lookup(const Position& position, Frame& frame) {
  MutexLock lock(mutex_);
  const Cached& cached = cache_[SlotOf(position, kCachedFrames)];
  if (cached.position != position) return false;
  frame = cached.frame;
  return true;
}

void RecordReader::Remember(const Position& position, const Frame& frame) {
  MutexLock lock(mutex_);
  cache_[SlotOf(position, kCachedFrames)] = {position, frame};
}

}  // namespace leadglass
