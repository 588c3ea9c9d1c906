// SPDX-License-Identifier: Apache-2.0
#pragma once

// FuseContext: what every request of one session can reach.
// Thread-safe: fields are constant after mounting, or say how they are guarded.

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

  // Tells of a fault, in ids only; at most ten a second, the rest are counted.
  void Report(const std::string& text);

  Vault& vault;
  const FuseOptions options;
  fuse_session* session = nullptr;

  OpenNodes open_views;    // view files that are open
  OpenNodes open_writers;  // files that are open for writing: the kernel may hold pages of them

  LaterThread later;

  // Whether the kernel leaves set-id bits to us, and the INIT request that offered it.
  std::atomic<bool> killpriv{false};
  std::atomic<uint64_t> init_unique{0};

 private:
  Mutex report_mutex_;
  int64_t report_second_ LG_GUARDED_BY(report_mutex_) = 0;
  uint64_t reported_ LG_GUARDED_BY(report_mutex_) = 0;
};

}  // namespace leadglass
