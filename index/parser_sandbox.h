// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a parser worker gives up before it sees the first byte of a file. One way: nothing here can
// be undone by the process. Linux only; single-threaded processes only.

#include <cstdint>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace leadglass {

// CPU seconds for one file, and for a worker's whole life.
inline constexpr int kCpuSecondsPerFile = 1;
inline constexpr int kCpuSecondsPerWorker = 30;

// For the zygote: standard streams become /dev/null, every other descriptor but `keep` (which
// becomes 3) is closed, signals get their defaults, the process begins a process group of its own
// in the session that it is in, stops being dumpable, and, if it was root, becomes `run_as`, or
// nobody. Fails when descriptors or root cannot be given up.
Status ShedPrivileges(int keep, const std::optional<std::pair<uid_t, gid_t>>& run_as);

// What workers need to confine themselves. Made once, before there are workers: making it takes
// longer than parsing a file.
struct SandboxProgram {
  ByteVector code;            // the seccomp filter, for the kernel
  uint64_t mapped_bytes = 0;  // address space of the process that made this
};
Result<SandboxProgram> MakeSandboxProgram();

// For a worker: resource limits (memory: `memory_bytes` on top of mapped_bytes) and the seccomp
// filter. kUnsupported when the kernel refuses; the process must then exit.
Status EnterSandbox(const SandboxProgram& program, uint64_t memory_bytes);

// Allows kCpuSecondsPerFile from now on; past them the kernel kills the process. Ends with the
// object.
class CpuBudget {
 public:
  CpuBudget();
  ~CpuBudget();
  CpuBudget(const CpuBudget&) = delete;
  CpuBudget& operator=(const CpuBudget&) = delete;
};

}  // namespace leadglass
