// SPDX-License-Identifier: Apache-2.0
// Attributes and space.

#include <sys/stat.h>

#include "fs/fuse_request.h"
#include "fs/fuse_wire.h"

namespace leadglass {

namespace {

// An older version of a view file that nobody has open: the caller is to look it up again
// (fs/fuse_node.h).
bool IsStale(const Request& request, KernelNode node, const Attributes& attributes) {
  return node != KernelNodeOf(attributes) && !request.context().open_views.Contains(node);
}

void OpGetattr(fuse_req_t raw, fuse_ino_t ino, fuse_file_info*) {
  Serve(raw, "getattr", [&](Request& request) {
    const Result<Attributes> attributes = request.vault().GetAttributes(VaultNodeOf(ino));
    if (attributes && IsStale(request, ino, *attributes)) return request.Errno(ESTALE);
    request.AnswerAttributes(attributes);
  });
}

int64_t Nanos(const timespec& time) { return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec; }

AttributeChange ChangeOf(const struct stat& wanted, int to_set) {
  AttributeChange change;
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) change.mode = wanted.st_mode;
  if ((to_set & FUSE_SET_ATTR_UID) != 0) change.uid = wanted.st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) change.gid = wanted.st_gid;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) change.size = static_cast<uint64_t>(wanted.st_size);
  const int64_t now = SystemClock().WallNanos();
  if ((to_set & FUSE_SET_ATTR_ATIME) != 0) change.atime = Nanos(wanted.st_atim);
  if ((to_set & FUSE_SET_ATTR_MTIME) != 0) change.mtime = Nanos(wanted.st_mtim);
  if ((to_set & FUSE_SET_ATTR_ATIME_NOW) != 0) change.atime = now;
  if ((to_set & FUSE_SET_ATTR_MTIME_NOW) != 0) change.mtime = now;
  // With the write-back cache the kernel keeps the times of files and tells us so.
  if ((to_set & FUSE_SET_ATTR_CTIME) != 0) change.ctime = Nanos(wanted.st_ctim);
  return change;
}

void OpSetattr(fuse_req_t raw, fuse_ino_t ino, struct stat* wanted, int to_set, fuse_file_info*) {
  Serve(raw, "setattr", [&](Request& request) {
    request.AnswerAttributes(request.vault().SetAttributes(
        request.caller(), VaultNodeOf(ino), ChangeOf(*wanted, to_set), CurrentRequestKillsSetId()));
  });
}

void OpStatfs(fuse_req_t raw, fuse_ino_t) {
  Serve(raw, "statfs", [](Request& request) { request.AnswerSpace(request.vault().Space()); });
}

}  // namespace

void AddAttrOps(fuse_lowlevel_ops& ops) {
  ops.getattr = OpGetattr;
  ops.setattr = OpSetattr;
  ops.statfs = OpStatfs;
}

}  // namespace leadglass
