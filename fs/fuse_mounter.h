// SPDX-License-Identifier: Apache-2.0
#pragma once

// Mounting with mount(2) itself, for a process that has CAP_SYS_ADMIN and hands the connection to
// one that has not: what libfuse does when it runs as root, in two halves.

#include <string>

#include "crypto/base/result.h"
#include "crypto/base/unique_fd.h"
#include "fs/fuse_session.h"

namespace leadglass {

// Mounts on the folder `mountpoint`, an absolute path, as root's mount, and gives the connection,
// which FuseOptions::device takes. Until somebody serves it, whoever enters the mount waits.
//   kNotFound, kAccessDenied, kUnavailable, kInternal: not mounted; with the errno.
Result<UniqueFd> MountFuseDevice(const std::string& mountpoint, const FuseOptions& options);

// Has the kernel read further ahead in the files below `mountpoint` than it does of itself. To be
// called before INIT is answered, which may make it less, never more (fs/fuse_wire.h). Best effort:
// needs root and sysfs.
void RaiseReadAhead(const std::string& mountpoint);

}  // namespace leadglass
