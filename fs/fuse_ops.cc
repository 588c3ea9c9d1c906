// SPDX-License-Identifier: Apache-2.0
// MakeOps: the whole list of FUSE operations, present and absent.

#include "fs/fuse_flags.h"
#include "fs/fuse_request.h"

namespace leadglass {

namespace {

void OpInit(void* userdata, fuse_conn_info* connection) {
  Negotiate(*connection);
  auto& context = *static_cast<FuseContext*>(userdata);
  context.writeback_cache = (connection->want & FUSE_CAP_WRITEBACK_CACHE) != 0;
  if (context.options.on_ready) context.options.on_ready();
}

}  // namespace

fuse_lowlevel_ops MakeOps() {
  fuse_lowlevel_ops ops{};
  ops.init = OpInit;
  AddDirOps(ops);
  AddAttrOps(ops);
  AddFileOps(ops);
  AddXattrOps(ops);

  // Absent, so that the kernel does it itself:
  //   access           default_permissions: it is never asked
  //   getlk setlk flock  the kernel's own locks: nobody else has this vault open
  //   copy_file_range  falls back to read and write through the page cache
  //   poll             files are always ready
  //   releasedir       opendir holds nothing
  // Absent, because it has no meaning here:
  //   bmap             there is no block device
  //   ioctl            ENOTTY, as for any file without special powers
  //   destroy          sent to block-device mounts only; the owner closes the vault after the loop
  //   retrieve_reply   pages are never asked back
  // Absent, because nothing is gained: write_buf (no splice).
  return ops;
}

}  // namespace leadglass
