// SPDX-License-Identifier: Apache-2.0
#pragma once

// What libfuse 3.14 does not expose of the FUSE protocol, taken from the bytes as they pass.
//
// FUSE_HANDLE_KILLPRIV_V2: the kernel leaves clearing set-user-id, set-group-id and capabilities at
// a write to us. Without it, a server that has extended attributes is asked for
// security.capability before every write(2): 128 GETXATTR for 512 KiB in pieces of 4. The bit is
// set in the INIT reply on its way out, if the kernel offered it; otherwise we quietly do without.
//
// The readahead of the mount: with the INIT reply the kernel takes the lesser of what the mount has
// then (RaiseReadAhead()) and what the reply says, and libfuse never says more than the 128 KiB
// that the kernel began with.
//
// Whether a request may keep the bits (its caller has CAP_FSETID) is a flag in the request that
// libfuse drops; it is read here and kept for the thread, which serves what it read next.

#include <sys/types.h>
#include <sys/uio.h>

namespace leadglass {

// The request that this thread read last wants set-id bits cleared: WRITE, SETATTR with a size,
// OPEN and CREATE with O_TRUNC.
bool CurrentRequestKillsSetId();

// For fuse_session_custom_io; `userdata` is the FuseContext. Not noexcept: libfuse cancels threads
// that wait in read(2), which unwinds the stack.
ssize_t WireRead(int fd, void* buffer, size_t size, void* userdata);
ssize_t WireWritev(int fd, iovec* parts, int count, void* userdata);

}  // namespace leadglass
