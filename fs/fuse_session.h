// SPDX-License-Identifier: Apache-2.0
#pragma once

// FuseSession: a vault mounted through FUSE. The seam between the kernel's protocol and everything
// else: no FUSE type is seen outside fs/fuse_*.
//
//   auto session = FuseSession::Mount(vault, "/mnt/images", options);
//   (*session)->Loop();      // until unmounted, or Stop() from another thread
//   (*session)->Unmount();   // then Vault::Close()
//
// One session a process at a time: libfuse's messages have one receiver.

#include <functional>
#include <memory>
#include <string>

#include "fs/fuse_mounts.h"
#include "fs/vault.h"

namespace leadglass {

struct FuseOptions {
  bool read_only = false;
  bool allow_other = false;  // others than who mounts may enter, under the modes of the files
  bool allow_dev = false;    // device files work (root only)
  bool allow_suid = false;   // set-user-id programs work (root only)
  bool no_exec = false;
  std::string source = "leadglass";  // shown by mount(8) beside the type fuse.leadglass
  // A connection that is mounted there already (fs/fuse_mounter.h), which the session owns from
  // then on; negative: the session mounts. The options above are then those of the mount.
  int device = -1;
  // Takes the mount away. Null: UnmountFuse(), as this process may.
  std::function<Status(Detach how)> unmount;
  // Called once, from a thread of the loop, when the kernel has opened the connection. May be null.
  std::function<void()> on_ready;
  // Faults (never ordinary POSIX outcomes), one line each, ids only. Thread-safe. May be null.
  std::function<void(const std::string&)> on_fault;
};

class FuseSession {
 public:
  // Mounts `vault` on the folder `mountpoint`, an absolute path. The vault must outlive the
  // session. Requests are answered once Loop() runs. Becomes the receiver of the vault's
  // invalidations.
  //   kNotFound, kAccessDenied, kInternal: not mounted; the message tells what libfuse said.
  static Result<std::unique_ptr<FuseSession>> Mount(Vault& vault, const std::string& mountpoint,
                                                    const FuseOptions& options);
  // Unmounts if that has not happened; errors are ignored.
  virtual ~FuseSession() = default;

  // Serves requests, in threads that come and go, until the mount is gone or Stop() is called.
  // The calling thread only waits. No request is being served any more on return.
  virtual Status Loop() = 0;
  // Makes Loop() return: unmounts, which writes back what the kernel holds dirty; if files are open
  // (busy), writes back, detaches, and ends the loop: who has files open gets ENOTCONN from then
  // on. From any thread but the loop's own; returns when Loop() has.
  virtual void Stop() = 0;
  // Takes the mount away if it is still there, and stops receiving invalidations. After Loop().
  virtual void Unmount() = 0;

  // Whether the kernel leaves clearing set-id bits to us: without it each write(2) costs a
  // GETXATTR.
  virtual bool handles_killpriv() const = 0;
};

}  // namespace leadglass
