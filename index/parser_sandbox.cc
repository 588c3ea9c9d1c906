// SPDX-License-Identifier: Apache-2.0
#include "index/parser_sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "crypto/base/unique_fd.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LG_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define LG_SANITIZED 1
#endif
#endif

namespace leadglass {
namespace {

constexpr uid_t kNobody = 65534;

#ifdef LG_SANITIZED
constexpr bool kSanitized = true;  // shadow memory is terabytes of address space
#else
constexpr bool kSanitized = false;
#endif

void DefaultSignals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &action, nullptr);
  // Dead workers are reaped by the kernel: the pool learns of a death from the socket.
  action.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

Status KeepOneDescriptor(int keep) {
  const int null = open("/dev/null", O_RDWR);  // lint: becomes 0, 1 and 2, which live for ever
  if (null < 0) return SystemError(errno, "parser: open /dev/null");
  for (int fd = 0; fd < 3; ++fd) {
    if (fd != keep && dup2(null, fd) < 0) return SystemError(errno, "parser: dup2");
  }
  if (keep != 3 && dup2(keep, 3) < 0) return SystemError(errno, "parser: dup2");
  if (close_range(4, ~0u, 0) != 0) return SystemError(errno, "parser: close_range");
  return {};
}

Status LeaveRoot(const std::optional<std::pair<uid_t, gid_t>>& run_as) {
  if (geteuid() != 0) return {};
  const auto [uid, gid] = run_as.value_or(std::pair<uid_t, gid_t>(kNobody, kNobody));
  if (setgroups(0, nullptr) != 0 || setresgid(gid, gid, gid) != 0 ||
      setresuid(uid, uid, uid) != 0) {
    return SystemError(errno, "parser: cannot give root up");
  }
  return {};
}

Status Limit(__rlimit_resource what, rlim_t value) {
  const rlimit limit{value, value};
  if (setrlimit(what, &limit) != 0) return SystemError(errno, "parser: setrlimit");
  return {};
}

uint64_t MappedBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0;
  statm >> pages;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

Status SetLimits(uint64_t address_space) {
  LG_RETURN_IF_ERROR(Limit(RLIMIT_CORE, 0));
  LG_RETURN_IF_ERROR(Limit(RLIMIT_FSIZE, 0));
  LG_RETURN_IF_ERROR(Limit(RLIMIT_CPU, kCpuSecondsPerWorker));
  if (!kSanitized) LG_RETURN_IF_ERROR(Limit(RLIMIT_AS, address_space));
  return Limit(RLIMIT_NOFILE, 0);
}

// Reading, answering, memory, ending, and the clock.
constexpr int kAllowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(setitimer),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getrandom),
};
// Libraries ask for these as a matter of habit and can live with a refusal. ICU and libstdc++ look
// for locale files; nothing is found.
constexpr int kRefused[] = {
    SCMP_SYS(open),    SCMP_SYS(openat),     SCMP_SYS(stat),  SCMP_SYS(fstat), SCMP_SYS(newfstatat),
    SCMP_SYS(access),  SCMP_SYS(readlink),   SCMP_SYS(lseek), SCMP_SYS(ioctl), SCMP_SYS(fcntl),
    SCMP_SYS(sysinfo), SCMP_SYS(readlinkat), SCMP_SYS(statx), SCMP_SYS(uname),
};

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};

// Memory may be mapped and protected, but never made executable.
int AddMemoryRules(scmp_filter_ctx filter) {
  constexpr scmp_arg_cmp kNotExecutable{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    const int result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &kNotExecutable);
    if (result != 0) return result;
  }
  return 0;
}

// libseccomp writes its programs to descriptors only.
Result<ByteVector> Exported(scmp_filter_ctx filter) {
  const UniqueFd file(memfd_create("filter", MFD_CLOEXEC));
  if (!file || seccomp_export_bpf(filter, file.get()) != 0) {
    return Error(Errc::kUnsupported, "parser: the seccomp filter cannot be made");
  }
  const off_t size = lseek(file.get(), 0, SEEK_END);
  ByteVector code(size > 0 ? static_cast<size_t>(size) : 0);
  if (pread(file.get(), code.data(), code.size(), 0) != static_cast<ssize_t>(code.size())) {
    return Error(Errc::kUnsupported, "parser: the seccomp filter cannot be read");
  }
  return code;
}

Status LoadFilter(const SandboxProgram& program) {
  std::vector<sock_filter> code(program.code.size() / sizeof(sock_filter));
  std::memcpy(code.data(), program.code.data(), code.size() * sizeof(sock_filter));
  const sock_fprog loaded{static_cast<unsigned short>(code.size()), code.data()};
  if (code.empty() || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &loaded, 0, 0) != 0) {
    return Error(Errc::kUnsupported, "parser: the kernel refuses the seccomp filter", errno);
  }
  return {};
}

void SetCpuTimer(int seconds) {
  const itimerval timer{{0, 0}, {seconds, 0}};
  setitimer(ITIMER_PROF, &timer, nullptr);  // SIGPROF ends the process
}

}  // namespace

Status ShedPrivileges(int keep, const std::optional<std::pair<uid_t, gid_t>>& run_as) {
  // Not a session of its own: Linux deals out the processors by sessions (sched(7), autogroup), and
  // one that is idle most of the time was seen to wait for half a second. Signals of a terminal's
  // keys go to its foreground process group, which this is none of.
  setpgid(0, 0);
  DefaultSignals();
  LG_RETURN_IF_ERROR(KeepOneDescriptor(keep));
  LG_RETURN_IF_ERROR(LeaveRoot(run_as));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return SystemError(errno, "parser: prctl");
  }
  return {};
}

Result<SandboxProgram> MakeSandboxProgram() {
  const std::unique_ptr<void, ReleaseFilter> filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (filter == nullptr) return Error(Errc::kUnsupported, "parser: no seccomp filter");
  int result = AddMemoryRules(filter.get());
  for (const int call : kAllowed) {
    if (result == 0) result = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  }
  for (const int call : kRefused) {
    if (result == 0) result = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EACCES), call, 0);
  }
  if (result != 0) return Error(Errc::kUnsupported, "parser: bad seccomp rule", -result);
  LG_ASSIGN_OR_RETURN(ByteVector code, Exported(filter.get()));
  return SandboxProgram{std::move(code), MappedBytes()};
}

Status EnterSandbox(const SandboxProgram& program, uint64_t memory_bytes) {
  LG_RETURN_IF_ERROR(SetLimits(program.mapped_bytes + memory_bytes));
  return LoadFilter(program);
}

CpuBudget::CpuBudget() { SetCpuTimer(kCpuSecondsPerFile); }
CpuBudget::~CpuBudget() { SetCpuTimer(0); }

}  // namespace leadglass
