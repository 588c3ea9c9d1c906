// SPDX-License-Identifier: Apache-2.0
#pragma once

// Owners of libfuse's objects: each is given back once.

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse3/fuse_lowlevel.h>

#include <memory>

namespace leadglass {

struct FuseSessionDeleter {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
using FuseSessionPtr = std::unique_ptr<fuse_session, FuseSessionDeleter>;

struct FuseLoopConfigDeleter {
  void operator()(fuse_loop_config* config) const { fuse_loop_cfg_destroy(config); }
};
using FuseLoopConfigPtr = std::unique_ptr<fuse_loop_config, FuseLoopConfigDeleter>;

}  // namespace leadglass
