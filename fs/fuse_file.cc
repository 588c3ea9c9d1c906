// SPDX-License-Identifier: Apache-2.0
// Open files: their bytes, durability, holes.

#include <fcntl.h>

#include <memory>

#include "fs/fuse_request.h"
#include "fs/fuse_wire.h"

namespace leadglass {

namespace {

OpenFile& FileOf(const fuse_file_info* info) {
  return *reinterpret_cast<OpenFile*>(static_cast<uintptr_t>(info->fh));
}

// With the write-back cache the kernel places appended bytes itself. (It also reads through any
// handle, to fill a page that is written in part; the vault lets it.)
int VaultFlags(int flags) { return flags & ~O_APPEND; }

bool Writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

// The kernel stamps a file when a program writes to its cache, and tells us before FLUSH, FSYNC and
// RELEASE: where the stamp is another than the file has. Within one tick of its clock it is not,
// and a time of our own at the WRITE that comes later would differ from what programs have seen.
Times TimesOf(const FuseContext& context) {
  return context.writeback_cache ? Times::kCaller : Times::kVault;
}

// Opens; with O_TRUNC by a caller who may not keep set-id bits, in two steps, because only a change
// of size says whether it keeps them.
Result<OpenFile*> OpenNode(FuseContext& context, const Caller& caller, NodeId node, int flags) {
  Vault& vault = context.vault;
  const bool truncate_apart = (flags & O_TRUNC) != 0 && CurrentRequestKillsSetId();
  LG_ASSIGN_OR_RETURN(
      OpenFile* const file,
      vault.Open(caller, node, truncate_apart ? (flags & ~O_TRUNC) | kTruncatesNext : flags,
                 TimesOf(context)));
  if (!truncate_apart) return file;
  AttributeChange empty;
  empty.size = 0;
  if (const auto now = vault.GetAttributes(node); now && file->times == Times::kCaller) {
    empty.mtime = now->mtime;
    empty.ctime = now->ctime;
  }
  if (const auto changed = vault.SetAttributes(caller, node, empty, true); !changed) {
    vault.Release(file);
    return changed.error();
  }
  return file;
}

// An older version of a view file is gone for who opens it now (fs/fuse_node.h).
Status RequireCurrent(Vault& vault, KernelNode node) {
  if (!IsViewNode(node)) return {};
  LG_ASSIGN_OR_RETURN(const Attributes now, vault.GetAttributes(VaultNodeOf(node)));
  if (KernelNodeOf(now) != node) return PosixError(ESTALE);
  return {};
}

// Notes that `file` is open as `node`, and tells the kernel how to treat it.
void Begin(FuseContext& context, KernelNode node, OpenFile& file, fuse_file_info& info) {
  info.fh = reinterpret_cast<uintptr_t>(&file);
  // Pages stay from one open to the next: the vault says when they are stale.
  info.keep_cache = file.direct_io ? 0 : 1;
  info.direct_io = file.direct_io ? 1 : 0;
  if (IsViewNode(node)) context.open_views.Add(node);
  if (Writes(info.flags)) context.open_writers.Add(node);
}

void End(FuseContext& context, KernelNode node, const fuse_file_info& info) {
  if (IsViewNode(node)) context.open_views.Remove(node);
  if (Writes(info.flags)) context.open_writers.Remove(node);
  context.vault.Release(&FileOf(&info));
}

void OpOpen(fuse_req_t raw, fuse_ino_t ino, fuse_file_info* info) {
  Serve(raw, "open", [&](Request& request) {
    FuseContext& context = request.context();
    const Status current = RequireCurrent(context.vault, ino);
    if (!current) return request.Fail(current.error());
    const Result<OpenFile*> file =
        OpenNode(context, request.caller(), VaultNodeOf(ino), VaultFlags(info->flags));
    if (!file) return request.Fail(file.error());
    Begin(context, ino, **file, *info);
    if (!request.AnswerOpen(*info)) End(context, ino, *info);
  });
}

void OpCreate(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode,
              fuse_file_info* info) {
  Serve(raw, "create", [&](Request& request) {
    FuseContext& context = request.context();
    const Result<Entry> entry =
        context.vault.Create(request.caller(), VaultNodeOf(parent), name, mode,
                             VaultFlags(info->flags), TimesOf(context));
    if (!entry) return request.Fail(entry.error());
    const KernelNode node = KernelNodeOf(entry->attributes);
    Begin(context, node, *entry->file, *info);
    if (!request.AnswerCreate(entry->attributes, *info)) End(context, node, *info);
  });
}

void OpRead(fuse_req_t raw, fuse_ino_t, size_t size, off_t offset, fuse_file_info* info) {
  Serve(raw, "read", [&](Request& request) {
    thread_local ByteVector buffer;  // grows to the largest read, 1 MiB, and goes with its thread
    if (buffer.size() < size) buffer.resize(size);
    const MutableByteSpan room(buffer.data(), size);
    const auto got = request.vault().Read(FileOf(info), static_cast<uint64_t>(offset), room);
    if (!got) return request.Fail(got.error());
    request.AnswerBytes(room.first(*got));
  });
}

void OpWrite(fuse_req_t raw, fuse_ino_t, const char* data, size_t size, off_t offset,
             fuse_file_info* info) {
  Serve(raw, "write", [&](Request& request) {
    const Status written =
        request.vault().Write(FileOf(info), static_cast<uint64_t>(offset),
                              AsBytes(std::string_view(data, size)), CurrentRequestKillsSetId());
    if (!written) return request.Fail(written.error());
    request.AnswerCount(size);
  });
}

void OpFlush(fuse_req_t raw, fuse_ino_t, fuse_file_info* info) {
  Serve(raw, "flush",
        [&](Request& request) { request.Answer(request.vault().Flush(FileOf(info))); });
}

void OpFsync(fuse_req_t raw, fuse_ino_t, int, fuse_file_info* info) {
  Serve(raw, "fsync",
        [&](Request& request) { request.Answer(request.vault().Fsync(FileOf(info))); });
}

// With the write-back cache the kernel never again believes our size of a file that it knows; where
// bytes beyond its end were refused, it has a wrong one. It is made to forget the file: the next
// lookup brings another (tests/mount/hold_test.sh).
void ForgetFile(FuseContext& context, KernelNode node) {
  context.later.Run([&context, node] {
    (void)context.vault.VisitNamesOf(node, [&](NodeId folder, const std::string& name) {
      fuse_lowlevel_notify_inval_entry(context.session, folder, name.c_str(), name.size());
    });
  });
}

void OpRelease(fuse_req_t raw, fuse_ino_t ino, fuse_file_info* info) {
  Serve(raw, "release", [&](Request& request) {
    FuseContext& context = request.context();
    const bool refused = FileOf(info).refusal_told;
    End(context, ino, *info);
    request.Errno(0);
    if (refused) ForgetFile(context, ino);
  });
}

void OpFallocate(fuse_req_t raw, fuse_ino_t, int mode, off_t offset, off_t length,
                 fuse_file_info* info) {
  Serve(raw, "fallocate", [&](Request& request) {
    request.Answer(request.vault().Allocate(FileOf(info), mode, static_cast<uint64_t>(offset),
                                            static_cast<uint64_t>(length)));
  });
}

// SEEK_DATA and SEEK_HOLE are asked of us although the kernel may hold pages of the file that we
// have not seen (the test SeekDataSeesBytesThatOnlyTheKernelHolds). Invalidating them makes it
// write them back first.
void OpLseek(fuse_req_t raw, fuse_ino_t ino, off_t offset, int whence, fuse_file_info* info) {
  Serve(raw, "lseek", [&](Request& request) {
    FuseContext& context = request.context();
    OpenFile& file = FileOf(info);
    const auto from = static_cast<uint64_t>(offset);
    if (!context.open_writers.Contains(ino)) {
      return request.AnswerOffset(context.vault.Seek(file, from, whence));
    }
    const auto held = std::make_shared<Request>(std::move(request));
    context.later.Run([&context, &file, held, ino, from, whence] {
      fuse_lowlevel_notify_inval_inode(context.session, ino, 0, 0);
      held->AnswerOffset(context.vault.Seek(file, from, whence));
    });
  });
}

}  // namespace

void AddFileOps(fuse_lowlevel_ops& ops) {
  ops.open = OpOpen;
  ops.create = OpCreate;
  ops.read = OpRead;
  ops.write = OpWrite;
  ops.flush = OpFlush;
  ops.fsync = OpFsync;
  ops.release = OpRelease;
  ops.fallocate = OpFallocate;
  ops.lseek = OpLseek;
}

}  // namespace leadglass
