// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/staged_file.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

namespace leadglass {
namespace {

constexpr uint64_t kCachedWrite = 64u << 10;

uint64_t WholeBlocks(uint64_t offset) { return offset / StagedFile::kBlock * StagedFile::kBlock; }

uint64_t BlocksFor(uint64_t offset) { return WholeBlocks(offset + StagedFile::kBlock - 1); }

// Calls `part(piece number, offset in the piece, offset in the range, length)` for each piece that
// the range touches.
template <typename F>
void ForEachPiece(uint64_t from, uint64_t to, const F& part) {
  for (uint64_t at = from; at < to;) {
    const uint64_t n = std::min(to, (at / StagedFile::kPiece + 1) * StagedFile::kPiece) - at;
    part(at / StagedFile::kPiece, at % StagedFile::kPiece, at - from, n);
    at += n;
  }
}

}  // namespace

StagedFile::StagedFile(std::unique_ptr<File> file, uint64_t size, WriteBuffers& buffers,
                       Flushing flushing)
    : file_(std::move(file)), buffers_(buffers), size_(size) {
  if (flushing != Flushing::kInBackground) return;
  try {
    thread_ = std::jthread([this](const std::stop_token& stop) { FlushInBackground(stop); });
  } catch (const std::system_error&) {
    // No thread to be had: the same, slower.
  }
}

StagedFile::~StagedFile() {
  {
    MutexLock lock(mutex_);
    thread_.request_stop();
    wanted_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  MutexLock lock(mutex_);
  (void)FlushAll();
}

// Waits until there is room for the range in memory, and makes it.
Status StagedFile::Reserve(uint64_t offset, uint64_t end) {
  LG_CHECK(offset >= frontier_);
  // A range longer than the window goes in once all before it is in the file.
  while (!failed_ && end > flushed_ + kWindow && flushed_ < WholeBlocks(offset)) {
    if (flushing_ || WholeBlocks(frontier_) == flushed_) {
      changed_.Wait(mutex_);
    } else {
      LG_RETURN_IF_ERROR(Flush(WholeBlocks(frontier_)));
    }
  }
  if (failed_) return *failed_;
  for (uint64_t number = offset / kPiece; number * kPiece < end; ++number)
    if (Piece& piece = pieces_[number]; piece == nullptr) piece = buffers_.Take();
  return {};
}

// Those that the range touches; none for an empty one.
std::vector<StagedFile::Piece> StagedFile::PiecesOf(uint64_t from, uint64_t to) const {
  std::vector<Piece> pieces;
  if (from >= to) return pieces;
  for (uint64_t number = from / kPiece; number * kPiece < to; ++number)
    pieces.push_back(pieces_.at(number));
  return pieces;
}

Status StagedFile::WriteAt(uint64_t offset, ByteSpan data) {
  if (data.empty()) return {};
  const uint64_t end = offset + data.size();
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Reserve(offset, end));
  const std::vector<Piece> pieces = PiecesOf(offset, end);
  mutex_.Unlock();
  ForEachPiece(offset, end, [&](uint64_t number, uint64_t at, uint64_t done, uint64_t n) {
    std::memcpy(pieces[number - offset / kPiece].get() + at, data.data() + done, n);
  });
  mutex_.Lock();
  Arrived(offset, end);
  if (WantsFlush()) {
    if (!thread_.joinable()) return Flush(WholeBlocks(frontier_));
    wanted_.NotifyAll();
  }
  return failed_ ? Status(*failed_) : Status{};
}

void StagedFile::Arrived(uint64_t offset, uint64_t end) {
  ahead_.emplace(offset, end);
  while (!ahead_.empty() && ahead_.begin()->first == frontier_) {
    frontier_ = ahead_.begin()->second;
    ahead_.erase(ahead_.begin());
  }
  changed_.NotifyAll();
}

bool StagedFile::WantsFlush() const {
  return !flushing_ && !failed_ && WholeBlocks(frontier_) - flushed_ >= kFlushFrom;
}

void StagedFile::FlushInBackground(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    // An error is kept, and told to the next who writes or syncs.
    if (WantsFlush())
      (void)Flush(WholeBlocks(frontier_));
    else
      wanted_.Wait(mutex_);
  }
}

Status StagedFile::FlushAll() {
  const uint64_t to = frontier_;
  while (flushing_) changed_.Wait(mutex_);
  if (failed_) return *failed_;
  return in_file_ >= to ? Status{} : Flush(frontier_);
}

// Writes [flushed_, to), which nobody changes any more, without the lock.
Status StagedFile::Flush(uint64_t to) {
  flushing_ = true;
  const uint64_t from = flushed_;
  const uint64_t size = size_;
  std::vector<Piece> pieces = PiecesOf(from, to);
  mutex_.Unlock();
  const Status status = WriteOut(from, to, pieces, size);
  pieces.clear();
  mutex_.Lock();
  flushing_ = false;
  changed_.NotifyAll();
  wanted_.NotifyAll();
  if (!status) {
    if (!failed_) failed_ = status.error();
    return status;
  }
  flushed_ = WholeBlocks(to);
  in_file_ = to;
  while (!pieces_.empty() && (pieces_.begin()->first + 1) * kPiece <= flushed_)
    pieces_.erase(pieces_.begin());
  return {};
}

// The last block is filled up with zeros, where the file is long enough to have them there: bytes
// that others are writing into the piece are not looked at. Little is copied once more, so that
// one write does for all of it.
Status StagedFile::WriteOut(uint64_t from, uint64_t to, const std::vector<Piece>& pieces,
                            uint64_t size) {
  const uint64_t end = BlocksFor(to) <= size ? BlocksFor(to) : to;
  const uint64_t copied_from = to - from <= kFlushFrom ? from : WholeBlocks(to);
  Status status;
  ForEachPiece(from, copied_from, [&](uint64_t number, uint64_t at, uint64_t, uint64_t n) {
    if (status)
      status = file_->WriteDirect(number * kPiece + at,
                                  ByteSpan(pieces[number - from / kPiece].get() + at, n));
  });
  if (!status || copied_from == to) return status;
  const Piece copy = buffers_.Take();
  ForEachPiece(copied_from, to, [&](uint64_t number, uint64_t at, uint64_t done, uint64_t n) {
    std::memcpy(copy.get() + done, pieces[number - from / kPiece].get() + at, n);
  });
  std::memset(copy.get() + (to - copied_from), 0, end - to);
  const ByteSpan bytes(copy.get(), end - copied_from);
  // Through the page cache a few blocks and the sync after them are one request to the disk.
  return bytes.size() <= kCachedWrite ? file_->WriteAt(copied_from, bytes)
                                      : file_->WriteDirect(copied_from, bytes);
}

// What of the range is staged, in order. Bytes that have arrived do not change any more.
std::vector<StagedFile::Part> StagedFile::StagedIn(uint64_t offset, uint64_t end) {
  std::vector<Part> parts;
  const auto add = [&](uint64_t from, uint64_t to, const std::vector<Piece>& pieces) {
    ForEachPiece(from, to, [&](uint64_t number, uint64_t at, uint64_t, uint64_t n) {
      parts.push_back({number * kPiece + at, n, pieces[number - from / kPiece]});
    });
  };
  const uint64_t first = std::max(flushed_, offset), last = std::min(frontier_, end);
  add(first, last, PiecesOf(first, last));
  for (const auto& [begin, stop] : ahead_) {
    if (begin >= end) break;
    const uint64_t from = std::max(begin, offset), to = std::min(stop, end);
    add(from, to, PiecesOf(from, to));
  }
  return parts;
}

Result<size_t> StagedFile::ReadAt(uint64_t offset, MutableByteSpan out) {
  const uint64_t end = offset + out.size();
  std::vector<Part> parts;
  {
    MutexLock lock(mutex_);
    parts = StagedIn(offset, end);
  }
  uint64_t staged = 0;
  for (const Part& part : parts) staged += part.length;
  size_t got = out.size();
  if (staged < out.size()) {
    LG_ASSIGN_OR_RETURN(got, file_->ReadAt(offset, out));
  }
  for (const Part& part : parts) {
    std::memcpy(out.data() + (part.offset - offset), part.piece.get() + part.offset % kPiece,
                part.length);
    got = std::max(got, static_cast<size_t>(part.offset + part.length - offset));
  }
  return got;
}

Status StagedFile::Sync() {
  {
    MutexLock lock(mutex_);
    LG_RETURN_IF_ERROR(FlushAll());
  }
  const Status status = file_->Sync();
  if (status) return status;
  MutexLock lock(mutex_);
  if (!failed_) failed_ = status.error();
  return status;
}

Result<uint64_t> StagedFile::Size() { return file_->Size(); }

Result<uint64_t> StagedFile::AllocatedBytes() { return file_->AllocatedBytes(); }

Status StagedFile::Truncate(uint64_t size) {
  MutexLock lock(mutex_);
  LG_CHECK(size >= frontier_ && (ahead_.empty() || size >= ahead_.rbegin()->second));
  // A block that is being written may lengthen the file again.
  while (flushing_) changed_.Wait(mutex_);
  LG_RETURN_IF_ERROR(file_->Truncate(size));
  size_ = size;
  return {};
}

Status StagedFile::Allocate(uint64_t offset, uint64_t length) {
  LG_RETURN_IF_ERROR(file_->Allocate(offset, length));
  MutexLock lock(mutex_);
  size_ = std::max(size_, offset + length);
  return {};
}

Status StagedFile::PunchHole(uint64_t offset, uint64_t length) {
  return file_->PunchHole(offset, length);
}

Status StagedFile::TryLock() { return file_->TryLock(); }

}  // namespace leadglass
