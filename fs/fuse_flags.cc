// SPDX-License-Identifier: Apache-2.0
#define FUSE_USE_VERSION 314
#include "fs/fuse_flags.h"

#include <fuse3/fuse_lowlevel.h>
#include <sys/stat.h>

namespace leadglass {

namespace {

constexpr double kLong = 3600;
constexpr double kShort = 1;

struct Flag {
  unsigned capability;
  bool wanted;
};

constexpr Flag kFlags[] = {
    // write(2) ends in the page cache: Orthanc's 129 small writes an image cost a quarter.
    {FUSE_CAP_WRITEBACK_CACHE, true},
    // Several reads of one file at once; without it four readers lose 55 %.
    {FUSE_CAP_ASYNC_READ, true},
    {FUSE_CAP_ASYNC_DIO, true},
    // Lookups and listings of one folder at once; the vault has its own locks.
    {FUSE_CAP_PARALLEL_DIROPS, true},
    // open(O_TRUNC) is one request, not two with a gap.
    {FUSE_CAP_ATOMIC_O_TRUNC, true},
    // ACLs are kept by the vault and enforced by the kernel.
    {FUSE_CAP_POSIX_ACL, true},
    // A folder's default ACL takes the umask's place, so we must be the ones to apply it.
    {FUSE_CAP_DONT_MASK, true},
    // A listing brings the attributes along, always: 1,000 files in 4 ms, against 25 with "auto".
    {FUSE_CAP_READDIRPLUS, true},
    {FUSE_CAP_READDIRPLUS_AUTO, false},
    // "." and ".." can be looked up, so NFS can serve the mount.
    {FUSE_CAP_EXPORT_SUPPORT, true},
    // A symlink never changes its target.
    {FUSE_CAP_CACHE_SYMLINKS, true},
    // Pages are dropped when the vault says so. Guessing from mtime would drop those of each file
    // that was just written.
    {FUSE_CAP_AUTO_INVAL_DATA, false},
    {FUSE_CAP_EXPLICIT_INVAL_DATA, true},
    // Locks stay in the kernel: nobody else has this vault open.
    {FUSE_CAP_POSIX_LOCKS, false},
    {FUSE_CAP_FLOCK_LOCKS, false},
    // Plaintext passes through memory in any case; splice gained nothing.
    {FUSE_CAP_SPLICE_READ, false},
    {FUSE_CAP_SPLICE_WRITE, false},
    {FUSE_CAP_SPLICE_MOVE, false},
    // Never: access is decided at open, and the vault must know what is open.
    {FUSE_CAP_NO_OPEN_SUPPORT, false},
    {FUSE_CAP_NO_OPENDIR_SUPPORT, false},
    // Version 1 would have us clear the bits without telling who may keep them. Version 2 is
    // negotiated in fuse_wire.cc: this libfuse has no name for it.
    {FUSE_CAP_HANDLE_KILLPRIV, false},
};

// libfuse splits at commas and takes backslash for an escape.
std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Timeouts TimeoutsFor(const Attributes& attributes) {
  if (!attributes.volatile_names) return {kLong, kLong};
  // The name is there for some and not for others: whoever uses it is looked at.
  if (attributes.per_caller) return {0, kShort};
  // What is listed below changes without the kernel's doing, and link count and times with it.
  if (S_ISDIR(attributes.mode)) return {kShort, kShort};
  // A name in a view may be gone a second early or late: nothing can be written through it.
  if (IsViewNode(attributes.node)) return {kShort, kShort};
  // /incoming: a new file of the same name must never be written into one that was filed.
  return {0, kLong};
}

void Negotiate(fuse_conn_info& connection) {
  for (const Flag& flag : kFlags) {
    if (flag.wanted) {
      connection.want |= connection.capable & flag.capability;
    } else {
      connection.want &= ~flag.capability;
    }
  }
  connection.max_write = kMaxWrite;
  connection.time_gran = 1;
}

std::string MountOptions(const FuseOptions& options) {
  // default_permissions: the kernel checks modes and ACLs. noatime: reading never writes.
  std::string text = "default_permissions,noatime,subtype=leadglass,fsname=";
  text += Escaped(options.source);
  if (options.read_only) text += ",ro";
  if (options.allow_other) text += ",allow_other";
  // Debian's libfuse mounts nodev,nosuid unless told otherwise; said here all the same.
  text += options.allow_dev ? ",dev" : ",nodev";
  text += options.allow_suid ? ",suid" : ",nosuid";
  if (options.no_exec) text += ",noexec";
  return text;
}

}  // namespace leadglass
