// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

// A chunk is the least that a read fetches and opens. What comes in one record, as nearly every
// image does, is read from its beginning to its end: 16 KiB cost the processor least. Of what is
// larger (multi-frame images, databases, archives) pages are read at random (docs/performance.md).
constexpr uint8_t kChunkLog2OfWhole = 14;
constexpr uint8_t kChunkLog2OfPart = 12;
// Of a file that is opened: what the kernel asks for when a program reads a page.
constexpr uint64_t kReadAtOpen = 16u << 10;
// A commit states all pending extents of a file; this many fit one with room to spare.
constexpr size_t kPendingLimit = 2000;
constexpr uint64_t kMaxFileSize = uint64_t{1} << 60;

uint8_t ChunkLog2Of(uint64_t offset, size_t length) {
  return offset == 0 && length < kMaxDataLength ? kChunkLog2OfWhole : kChunkLog2OfPart;
}

// A group is locked, or a study was shredded.
bool IsKeyError(const Error& error) {
  return error.code == Errc::kLocked || error.posix_errno == EKEYREVOKED;
}

}  // namespace

Status VaultImpl::EnsureFileKey(InodeState& state) {
  if (state.record.key_generation != 0) {
    const auto key = KeyOf(state, state.record.key_generation);
    if (key) return {};
    // A file that is written from its beginning needs nothing of what it was: no modality that
    // sends an image again is refused because a group is locked.
    if (key.error().code != Errc::kLocked || state.record.allocated != 0) return key.error();
  }
  ++state.record.key_generation;
  state.keys.insert_or_assign(state.record.key_generation, NewKey());
  state.key_pending = true;
  return {};
}

Result<const Key*> VaultImpl::KeyOf(InodeState& state, uint32_t generation) {
  auto found = state.keys.find(generation);
  if (found == state.keys.end()) {
    LG_ASSIGN_OR_RETURN(Key key, key_store_->FileKey(state.id, generation));
    found = state.keys.emplace(generation, std::move(key)).first;
  }
  return &found->second;
}

Status VaultImpl::LoadKeys(InodeState& state, const std::vector<Extent>& parts) {
  for (const Extent& part : parts) {
    if (part.hole) continue;
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const Key* key, KeyOf(state, part.key_generation));
  }
  return {};
}

Status VaultImpl::ReadExtents(const InodeState& state, const std::vector<Extent>& parts,
                              MutableByteSpan out) {
  for (const Extent& part : parts) {
    const MutableByteSpan into = out.first(part.length);
    out = out.subspan(part.length);
    if (part.hole) {
      std::fill(into.begin(), into.end(), uint8_t{0});
      continue;
    }
    const FileKeyRef key{state.keys.at(part.key_generation), part.key_generation};
    const auto skip = static_cast<uint32_t>(part.file_offset - part.record.file_offset);
    LG_RETURN_IF_ERROR(log_->ReadData(key, state.id, part.record, skip, into));
  }
  return {};
}

Result<size_t> VaultImpl::ReadContent(const InodePtr& state, uint64_t offset, MutableByteSpan out) {
  const auto have_keys = [&](const std::vector<Extent>& parts) {
    return std::all_of(parts.begin(), parts.end(), [&](const Extent& part) {
      return part.hole || state->keys.contains(part.key_generation);
    });
  };
  {
    ReaderLock lock(state->mutex);
    if ((state->record.flags & kInodeShredded) != 0) return PosixError(EKEYREVOKED);
    if (offset >= state->content.size()) return size_t{0};
    const size_t length = std::min<uint64_t>(out.size(), state->content.size() - offset);
    LG_ASSIGN_OR_RETURN(const auto parts, state->content.Resolve(*index_, offset, offset + length));
    if (have_keys(parts)) {
      LG_RETURN_IF_ERROR(ReadExtents(*state, parts, out.first(length)));
      return length;
    }
  }
  // First read of the file: its keys are added under the exclusive lock.
  WriterLock lock(state->mutex);
  if ((state->record.flags & kInodeShredded) != 0) return PosixError(EKEYREVOKED);
  if (offset >= state->content.size()) return size_t{0};
  const size_t length = std::min<uint64_t>(out.size(), state->content.size() - offset);
  LG_ASSIGN_OR_RETURN(const auto parts, state->content.Resolve(*index_, offset, offset + length));
  LG_RETURN_IF_ERROR(LoadKeys(*state, parts));
  LG_RETURN_IF_ERROR(ReadExtents(*state, parts, out.first(length)));
  return length;
}

Status VaultImpl::AppendBytes(InodeState& state, uint64_t offset, ByteSpan data) {
  LG_RETURN_IF_ERROR(EnsureFileKey(state));
  LG_ASSIGN_OR_RETURN(const Key* key, KeyOf(state, state.record.key_generation));
  while (!data.empty()) {
    const ByteSpan piece = data.first(std::min<size_t>(data.size(), kMaxDataLength));
    LG_ASSIGN_OR_RETURN(const uint64_t replaced,
                        state.content.DataBytes(*index_, offset, offset + piece.size()));
    Extent extent;
    extent.file_offset = offset;
    extent.length = piece.size();
    extent.session = session_number();
    extent.key_generation = state.record.key_generation;
    LG_ASSIGN_OR_RETURN(extent.record,
                        log_->AppendData(FileKeyRef{*key, extent.key_generation}, state.id, offset,
                                         piece, ChunkLog2Of(offset, piece.size())));
    state.content.Put(extent);
    state.record.allocated += piece.size() - replaced;
    state.record.size = state.content.size();
    offset += piece.size();
    data = data.subspan(piece.size());
  }
  return {};
}

Status VaultImpl::PutHole(InodeState& state, uint64_t from, uint64_t to) {
  if (from >= to) return {};
  LG_ASSIGN_OR_RETURN(const uint64_t replaced, state.content.DataBytes(*index_, from, to));
  Extent hole;
  hole.file_offset = from;
  hole.length = to - from;
  hole.hole = true;
  state.content.Put(hole);
  state.record.allocated -= replaced;
  state.record.size = state.content.size();
  return {};
}

Status VaultImpl::TruncateContent(InodeState& state, uint64_t size) {
  if (size > kMaxFileSize) return PosixError(EFBIG);
  if ((state.record.flags & kInodeShredded) != 0) {
    if (size != 0) return PosixError(EKEYREVOKED);
    state.record.flags &= ~uint32_t{kInodeShredded};
    state.content.Truncate(0);
    state.record.size = 0;
    return {};
  }
  LG_ASSIGN_OR_RETURN(const uint64_t cut,
                      state.content.DataBytes(*index_, size, state.content.size()));
  state.content.Truncate(size);
  state.record.allocated -= cut;
  state.record.size = size;
  if (size == 0) state.record.flags &= ~uint32_t{kInodeIncomplete};
  return {};
}

void VaultImpl::BytesChanged(const InodePtr& state, bool kill_suidgid, Times times) {
  if (times == Times::kVault) state->record.mtime = state->record.ctime = clock_.WallNanos();
  if (kill_suidgid) {
    state->record.mode &= ~uint32_t{S_ISUID};
    if ((state->record.mode & S_IXGRP) != 0) state->record.mode &= ~uint32_t{S_ISGID};
  }
  state->content_version = ++content_versions_;
  state->attributes_dirty = true;
  MarkDirty(state);
}

void VaultImpl::MarkDirty(const InodePtr& state) {
  if (state->in_dirty_list || state->erased) return;
  state->in_dirty_list = true;
  state->dirty_since = clock_.MonotonicNanos();
  MutexLock lock(dirty_mutex_);
  dirty_.insert(state);
}

VaultImpl::Action VaultImpl::OpeningOf(int flags) {
  // Linux opens a program that it executes with this bit, which no header gives to programs.
  constexpr int kOpenToExecute = 040;
  const int access = flags & O_ACCMODE;
  if (access == O_RDWR || (access == O_RDONLY && (flags & O_TRUNC) != 0)) return Action::kReadWrite;
  if (access == O_WRONLY) return Action::kWrite;
  return (flags & kOpenToExecute) != 0 ? Action::kExecute : Action::kRead;
}

Result<OpenFile*> VaultImpl::Open(const Caller& caller, NodeId node, int flags, Times times) {
  LG_RETURN_IF_ERROR(Authorise(caller, node, OpeningOf(flags)));
  auto file = OpenAuthorised(node, flags, times);
  if (file) {
    if (OpeningOf(flags) == Action::kRead) StartReading((*file)->state);
    NoteOpening(caller, **file, OpeningOf(flags));
  } else if (IsKeyError(file.error())) {
    if (const auto record = CurrentRecord(InodeOf(node)))
      Audit(caller, AuditActionOf(OpeningOf(flags)), *record, ToErrno(file.error()));
  }
  return file;
}

// What is opened to be read is read from its beginning, as a rule. The disk is asked for that while
// the answer is on its way to the program, and its first read on the way back.
void VaultImpl::StartReading(const InodePtr& state) {
  ReaderLock lock(state->mutex);
  // Whose key is at hand was read or written a while ago: the kernel has its pages, and will not
  // ask.
  if (!state->keys.empty()) return;
  const uint64_t length = std::min<uint64_t>(state->content.size(), kReadAtOpen);
  const auto parts = state->content.Resolve(*index_, 0, length);
  // Whatever is wrong is told by the read. Where the beginning was overwritten in pieces, that of
  // the first one will do.
  if (!parts || parts->empty() || parts->front().hole) return;
  const Extent& first = parts->front();
  if (first.file_offset == first.record.file_offset)
    log_->StartReading(first.record, static_cast<uint32_t>(first.length));
}

void VaultImpl::NoteOpening(const Caller& caller, OpenFile& file, Action action) {
  if (!audit_) return;
  InodeRecord record;
  {
    WriterLock lock(file.state->mutex);
    if (action == Action::kWrite || action == Action::kReadWrite) file.state->writer = caller;
    record.inode = file.state->id;
    record.study = file.state->record.study;
  }
  Audit(caller, AuditActionOf(action), record, 0);
}

Result<OpenFile*> VaultImpl::OpenAuthorised(NodeId node, int flags, Times times) {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
  LG_ASSIGN_OR_RETURN(InodePtr state, inodes_->Get(InodeOf(node)));
  if ((flags & (O_TRUNC | kTruncatesNext)) == 0) LG_RETURN_IF_ERROR(KeysAtHand(state));
  auto file = std::make_unique<OpenFile>();
  file->node = node;
  file->flags = flags;
  file->direct_io = writes && nearly_full_;
  file->times = file->direct_io ? Times::kVault : times;
  if ((flags & O_TRUNC) != 0) {
    WriterLock lock(state->mutex);
    if (S_ISREG(state->record.mode) && state->content.size() > 0) {
      // A hold may have come since Authorise() looked.
      LG_ASSIGN_OR_RETURN(const auto held, HoldOnBytes(*state));
      if (held) return PosixError(EPERM);
      LG_RETURN_IF_ERROR(TruncateContent(*state, 0));
      BytesChanged(state, true, file->times);
      file->wrote = true;
    }
  }
  if (writes) {
    WriterLock lock(state->mutex);
    file->arrives = state->record.study == kNoInode;
    if (file->arrives) ++state->arriving;
  }
  state->open_count.fetch_add(1);
  if (writes) state->writer_count.fetch_add(1);
  file->state = std::move(state);
  return file.release();
}

Result<Entry> VaultImpl::Create(const Caller& caller, NodeId parent, std::string_view name,
                                mode_t mode, int flags, Times times) {
  InodePtr state;
  {
    MutexLock lock(names_mutex_);
    auto made = MakeInode(caller, parent, name, {S_IFREG | (mode & 07777), 0, {}});
    if (made) state = *std::move(made);
    if (!made && (ToErrno(made.error()) != EEXIST || (flags & O_EXCL) != 0)) return made.error();
  }
  NodeId node = state ? state->id : 0;
  if (!state) {
    // Somebody else made it meanwhile: open(O_CREAT) without O_EXCL opens that one.
    LG_ASSIGN_OR_RETURN(const Attributes existing, Lookup(caller, parent, name));
    if (S_ISDIR(existing.mode)) return PosixError(EISDIR);
    node = existing.node;
    LG_RETURN_IF_ERROR(Authorise(caller, node, OpeningOf(flags)));
  }
  // Who made it has it open whatever mode he gave it (open(2)).
  LG_ASSIGN_OR_RETURN(OpenFile* const file,
                      OpenAuthorised(node, state ? flags & ~O_TRUNC : flags, times));
  NoteOpening(caller, *file, Action::kWrite);
  InodeRecord record;
  {
    ReaderLock lock(file->state->mutex);
    record = file->state->record;
  }
  auto attributes = AttributesOf(node, std::move(record));
  if (!attributes) {
    Release(file);
    return std::move(attributes).error();
  }
  return Entry{*std::move(attributes), file};
}

Result<size_t> VaultImpl::Read(OpenFile& file, uint64_t offset, MutableByteSpan out) {
  if (key_store_->any_locked()) LG_RETURN_IF_ERROR(KeysAtHand(file.state));
  return ReadContent(file.state, offset, out);
}

Status VaultImpl::Write(OpenFile& file, uint64_t offset, ByteSpan data, bool kill_suidgid) {
  LG_RETURN_IF_ERROR(NodeAllows(file.node, Action::kWrite));
  if (data.empty()) return {};
  if (offset > kMaxFileSize || data.size() > kMaxFileSize - offset) return PosixError(EFBIG);
  size_t pending = 0;
  std::optional<HoldRecord> held;
  {
    WriterLock lock(file.state->mutex);
    LG_ASSIGN_OR_RETURN(held, HoldOnBytes(*file.state));
    if (!held) LG_RETURN_IF_ERROR(WriteLocked(file, offset, data, kill_suidgid));
    pending = file.state->content.pending_count();
  }
  if (held) return RefuseHeldWrite(file, *held);
  return pending > kPendingLimit ? CommitInode(file.state) : Status();
}

Status VaultImpl::WriteLocked(OpenFile& file, uint64_t offset, ByteSpan data, bool kill_suidgid) {
  InodeState& state = *file.state;
  if ((state.record.flags & kInodeShredded) != 0) return PosixError(EKEYREVOKED);
  file.wrote = true;
  // The parser reads while the bytes are sealed: most files are closed with their first write.
  std::shared_ptr<const HeaderParserPool::Asked> asked;
  if (parser_ != nullptr && offset == 0 && state.content.size() == 0) {
    asked = parser_->AskAhead(data.first(std::min(data.size(), kFirstHeaderBytes)), data.size(),
                              state.record.uid);
  }
  const Status written = AppendBytes(state, offset, data);
  if (!written) state.record.flags |= kInodeIncomplete;
  BytesChanged(file.state, kill_suidgid, file.times);
  if (asked != nullptr) {
    state.asked = std::move(asked);
    state.asked_version = state.content_version;
  }
  return written;
}

Status VaultImpl::Flush(OpenFile& file) {
  bool changed = false;
  {
    ReaderLock lock(file.state->mutex);
    if (!S_ISREG(file.state->record.mode)) return {};
    changed = file.state->content_version != file.state->filed_version;
  }
  if (changed) LG_RETURN_IF_ERROR(FileAndCommit(file.state, true));
  return options_.durable_close && file.wrote ? Fsync(file) : Status();
}

Status VaultImpl::Fsync(OpenFile& file) {
  LG_RETURN_IF_ERROR(CommitInode(file.state));
  return SyncLog();
}

void VaultImpl::Release(OpenFile* file) {
  const std::unique_ptr<OpenFile> owned(file);
  const InodePtr& state = owned->state;
  // Pages written through a mapping after the last close come here without a FLUSH. A failure
  // leaves the file on the dirty list, where it is tried again.
  (void)Flush(*owned);
  bool erase = false;
  if ((owned->flags & O_ACCMODE) != O_RDONLY || (owned->flags & O_TRUNC) != 0)
    state->writer_count.fetch_sub(1);
  ForgetFileKeysIfLocked(state);
  {
    WriterLock lock(state->mutex);
    state->last_close = clock_.WallNanos();
    if (owned->arrives) --state->arriving;
    const bool last = state->open_count.fetch_sub(1) == 1;
    erase = last && state->forgotten && state->record.nlink == 0;
  }
  if (erase) (void)EraseOrphan(state);  // else swept at the next mount
}

Status VaultImpl::Allocate(OpenFile& file, int mode, uint64_t offset, uint64_t length) {
  LG_RETURN_IF_ERROR(NodeAllows(file.node, Action::kWrite));
  constexpr int kKnown = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  if ((mode & ~kKnown) != 0) return PosixError(EOPNOTSUPP);
  if (length == 0) return PosixError(EINVAL);
  if (offset > kMaxFileSize || length > kMaxFileSize - offset) return PosixError(EFBIG);
  const bool zero = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  if (!zero) {
    LG_ASSIGN_OR_RETURN(const uint64_t room, log_->WritableBytes());
    if (room < length) return PosixError(ENOSPC);
  }
  std::optional<HoldRecord> held;
  {
    WriterLock lock(file.state->mutex);
    if (!S_ISREG(file.state->record.mode)) return PosixError(ENODEV);
    LG_ASSIGN_OR_RETURN(held, HoldOnBytes(*file.state));
    if (!held) return AllocateLocked(file, mode, offset, length);
  }
  return RefuseHeldWrite(file, *held);
}

Status VaultImpl::AllocateLocked(OpenFile& file, int mode, uint64_t offset, uint64_t length) {
  const bool keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const bool zero = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  if ((file.state->record.flags & kInodeShredded) != 0) return PosixError(EKEYREVOKED);
  const uint64_t size = file.state->content.size();
  const uint64_t end = offset + length;
  if (zero) LG_RETURN_IF_ERROR(PutHole(*file.state, std::min(offset, size), std::min(end, size)));
  if (!keep_size && end > size) LG_RETURN_IF_ERROR(TruncateContent(*file.state, end));
  if (zero || (!keep_size && end > size)) {
    file.wrote = true;
    BytesChanged(file.state, true, file.times);
  }
  return {};
}

Result<uint64_t> VaultImpl::Seek(OpenFile& file, uint64_t offset, int whence) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return PosixError(EINVAL);
  ReaderLock lock(file.state->mutex);
  if ((file.state->record.flags & kInodeShredded) != 0) return PosixError(EKEYREVOKED);
  const uint64_t size = file.state->content.size();
  if (offset >= size) return PosixError(ENXIO);
  LG_ASSIGN_OR_RETURN(const auto parts, file.state->content.Resolve(*index_, offset, size));
  for (const Extent& part : parts)
    if (part.hole == (whence == SEEK_HOLE)) return part.file_offset;
  if (whence == SEEK_HOLE) return size;
  return PosixError(ENXIO);
}

}  // namespace leadglass
