// SPDX-License-Identifier: Apache-2.0
#pragma once

// FuseContext: what every request of one session can reach (Request::context()). The session owns
// it; libfuse hands it out as userdata from INIT on.
// Thread-safe: fields are constant once the first request is read, or guard themselves.

#include <atomic>
#include <string>

#include "crypto/base/mutex.h"
#include "fs/fuse_later.h"
#include "fs/fuse_node.h"
#include "fs/fuse_session.h"
#include "fs/vault.h"

struct fuse_session;

namespace leadglass {

struct FuseContext {
  FuseContext(Vault& v, const FuseOptions& o) : vault(v), options(o) {}

  // Tells options.on_fault of a fault, in the calling thread; `text` is one line and holds ids
  // only, no name, path or value. Of more than ten in a second (of the monotonic clock) the rest
  // are dropped, and the next one that is told is told with their number. Takes a leaf lock;
  // on_fault runs outside it, so two threads may be in it at once.
  void Report(const std::string& text);

  Vault& vault;  // outlives the session
  const FuseOptions options;
  // For notifications; not owned. Null until the session is made, gone when it unmounts: only for
  // those who serve a request, and for jobs of `later`.
  fuse_session* session = nullptr;

  // Each open of a file, from before its answer to its RELEASE (which may come after close(2)).
  OpenNodes open_views;    // view files: the only ones of which older versions are still served
  OpenNodes open_writers;  // for writing: the kernel may hold pages of them that we have not seen

  // Finished by Unmount(), while `session` is still there.
  LaterThread later;

  // Whether the kernel leaves clearing set-id bits at a write, truncation or chown (POSIX write(),
  // chown()) to us: FUSE_HANDLE_KILLPRIV_V2. Set once, by the answer to INIT (fs/fuse_wire.cc).
  std::atomic<bool> killpriv{false};
  // Whether the kernel caches what programs write, and stamps those files itself. Set once, by
  // INIT.
  std::atomic<bool> writeback_cache{false};
  // `unique` of the INIT request, 0 before that and once it was answered; and whether the kernel
  // offered killpriv with it.
  std::atomic<uint64_t> init_unique{0};
  std::atomic<bool> killpriv_offered{false};

 private:
  Mutex report_mutex_;
  int64_t report_second_ LG_GUARDED_BY(report_mutex_) = 0;
  uint64_t reported_ LG_GUARDED_BY(report_mutex_) = 0;
};

}  // namespace leadglass
