// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_request.h"

#include <sys/statvfs.h>

#include <ctime>

#include "fs/fuse_flags.h"

namespace leadglass {

namespace {

constexpr uint64_t kMaxReportsPerSecond = 10;
constexpr size_t kBlockSize = 4096;

timespec TimeSpec(int64_t nanos) {
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t seconds = nanos / kSecond;
  int64_t rest = nanos % kSecond;
  if (rest < 0) {  // before 1970: tv_nsec counts forward all the same
    rest += kSecond;
    --seconds;
  }
  timespec time{};
  time.tv_sec = seconds;
  time.tv_nsec = rest;
  return time;
}

// Outcomes that programs provoke every day are no faults, a full disk included: it is told to the
// writer.
bool IsFault(const Error& error) {
  return error.code == Errc::kCorrupt || error.code == Errc::kInternal ||
         error.code == Errc::kUnsupported;
}

}  // namespace

void FuseContext::Report(const std::string& text) {
  if (!options.on_fault) return;
  uint64_t suppressed = 0;
  {
    MutexLock lock(report_mutex_);
    const int64_t second = SystemClock().MonotonicNanos() / 1'000'000'000;
    if (second != report_second_) {
      suppressed = reported_ > kMaxReportsPerSecond ? reported_ - kMaxReportsPerSecond : 0;
      reported_ = 0;
      report_second_ = second;
    }
    if (++reported_ > kMaxReportsPerSecond) return;
  }
  if (suppressed > 0) options.on_fault("left out " + std::to_string(suppressed) + " faults before");
  options.on_fault(text);
}

struct stat StatOf(const Attributes& attributes) {
  struct stat out {};
  out.st_ino = attributes.inode;
  out.st_mode = attributes.mode;
  out.st_nlink = attributes.nlink;
  out.st_uid = attributes.uid;
  out.st_gid = attributes.gid;
  out.st_rdev = attributes.rdev;
  out.st_size = static_cast<off_t>(attributes.size);
  out.st_blocks = static_cast<blkcnt_t>(attributes.blocks);
  out.st_blksize = kBlockSize;
  out.st_atim = TimeSpec(attributes.atime);
  out.st_mtim = TimeSpec(attributes.mtime);
  out.st_ctim = TimeSpec(attributes.ctime);
  return out;
}

fuse_entry_param EntryOf(const Attributes& attributes) {
  const Timeouts timeouts = TimeoutsFor(attributes);
  fuse_entry_param out{};
  out.ino = KernelNodeOf(attributes);
  out.generation = kGeneration;
  out.attr = StatOf(attributes);
  out.attr_timeout = timeouts.attributes;
  out.entry_timeout = timeouts.entry;
  return out;
}

Caller Request::caller() const {
  const fuse_ctx* context = fuse_req_ctx(raw_);
  return Caller{context->uid, context->gid, context->pid, context->umask};
}

fuse_req_t Request::Take() {
  LG_CHECK(pending());
  return std::exchange(raw_, nullptr);
}

void Request::ReportFault(const Error& error) {
  if (IsFault(error)) context().Report(std::string(operation_) + ": " + ToString(error));
}

void Request::Errno(int error) { fuse_reply_err(Take(), error); }

void Request::Fail(const Error& error) {
  ReportFault(error);
  Errno(ToErrno(error));
}

void Request::Answer(const Status& status) {
  if (!status) return Fail(status.error());
  Errno(0);
}

void Request::None() { fuse_reply_none(Take()); }

void Request::Answer(const Result<Attributes>& entry) {
  if (!entry) return Fail(entry.error());
  const fuse_entry_param out = EntryOf(*entry);
  fuse_reply_entry(Take(), &out);
}

void Request::AnswerAttributes(const Result<Attributes>& attributes) {
  if (!attributes) return Fail(attributes.error());
  const struct stat out = StatOf(*attributes);
  fuse_reply_attr(Take(), &out, TimeoutsFor(*attributes).attributes);
}

bool Request::AnswerOpen(const fuse_file_info& info) {
  return fuse_reply_open(Take(), &info) != -ENOENT;
}

bool Request::AnswerCreate(const Attributes& attributes, const fuse_file_info& info) {
  const fuse_entry_param out = EntryOf(attributes);
  return fuse_reply_create(Take(), &out, &info) != -ENOENT;
}

void Request::AnswerBytes(ByteSpan bytes) {
  fuse_reply_buf(Take(), reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void Request::AnswerText(const Result<std::string>& text) {
  if (!text) return Fail(text.error());
  fuse_reply_readlink(Take(), text->c_str());
}

void Request::AnswerCount(size_t count) { fuse_reply_write(Take(), count); }

void Request::AnswerSpace(const Result<SpaceReport>& space) {
  if (!space) return Fail(space.error());
  struct statvfs out {};
  out.f_bsize = kBlockSize;
  out.f_frsize = kBlockSize;
  out.f_blocks = space->total_bytes / kBlockSize;
  out.f_bfree = space->available_bytes / kBlockSize;
  out.f_bavail = out.f_bfree;
  // Inodes are bounded by space alone: what a small file costs tells how many more there can be.
  out.f_ffree = space->available_bytes / kBlockSize;
  out.f_favail = out.f_ffree;
  out.f_files = space->inodes + out.f_ffree;
  out.f_namemax = 255;
  fuse_reply_statfs(Take(), &out);
}

void Request::AnswerXattr(ByteSpan value, size_t room) {
  if (room == 0) {
    fuse_reply_xattr(Take(), value.size());
  } else if (value.size() > room) {
    Errno(ERANGE);
  } else {
    AnswerBytes(value);
  }
}

void Request::AnswerOffset(const Result<uint64_t>& offset) {
  if (!offset) return Fail(offset.error());
  fuse_reply_lseek(Take(), static_cast<off_t>(*offset));
}

}  // namespace leadglass
