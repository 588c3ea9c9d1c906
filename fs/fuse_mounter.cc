// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_mounter.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>

#include "fs/fuse_flags.h"
#include "fs/fuse_mounts.h"

namespace leadglass {

void RaiseReadAhead(const std::string& mountpoint) {
  const auto mounts = ListFuseMounts();
  if (!mounts) return;
  for (const FuseMount& mount : *mounts) {
    if (mount.mountpoint != mountpoint) continue;
    std::ofstream setting("/sys/class/bdi/" + mount.device + "/read_ahead_kb");
    setting << kReadAheadKib;
  }
}

Result<UniqueFd> MountFuseDevice(const std::string& mountpoint, const FuseOptions& options) {
  struct stat status {};
  if (::stat(mountpoint.c_str(), &status) != 0) return SystemError(errno, "mount: the mount point");
  UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device) return SystemError(errno, "mount: open /dev/fuse (is the module fuse loaded?)");
  unsigned long flags = MS_NOATIME;
  if (options.read_only) flags |= MS_RDONLY;
  if (!options.allow_dev) flags |= MS_NODEV;
  if (!options.allow_suid) flags |= MS_NOSUID;
  if (options.no_exec) flags |= MS_NOEXEC;
  // The kernel's names (fs/fuse/inode.c): rootmode is in octal.
  constexpr mode_t kFormat = S_IFMT;
  std::string octal;
  for (mode_t mode = status.st_mode & kFormat; mode != 0; mode >>= 3)
    octal.insert(octal.begin(), static_cast<char>('0' + (mode & 7)));
  std::string data = "fd=" + std::to_string(device.get()) + ",rootmode=" + octal +
                     ",user_id=0,group_id=0,default_permissions";
  if (options.allow_other) data += ",allow_other";
  if (::mount(options.source.c_str(), mountpoint.c_str(), "fuse.leadglass", flags, data.c_str()) !=
      0)
    return SystemError(errno, "mount");
  RaiseReadAhead(mountpoint);
  return device;
}

}  // namespace leadglass
