// SPDX-License-Identifier: Apache-2.0
#include "cli/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "cli/users.h"
#include "crypto/base/secret.h"

namespace leadglass {

namespace {

// A list of what is refused, not of what is allowed: names of users and groups come from whatever
// modules nsswitch.conf names, and what those do is the machine's business. What is here by name
// but unknown to the machine's libseccomp is left out.
constexpr const char* kNever[] = {
    // running a program, and looking into others
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
    "process_madvise", "perf_event_open", "userfaultfd", "uselib", "fanotify_init",
    // the mount table and the tree that this process sees
    "mount", "umount2", "umount", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr", "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at",
    // code for the kernel, and its keys
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf",
    "keyctl", "add_key", "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register",
    // other accounts
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
    "setfsgid", "capset",
    // the machine itself
    "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog", "sethostname",
    "setdomainname", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "iopl", "ioperm",
    "modify_ldt", "vhangup", "personality", "nfsservctl", "lookup_dcookie"};
// Local sockets, those of name services over the network and the kernel's lists of addresses.
constexpr int kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

struct ReleaseFilter {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};

// 0, or a negative errno.
int Refuse(scmp_filter_ctx filter, const char* call) {
  const int number = ::seccomp_syscall_resolve_name(call);
  if (number == __NR_SCMP_ERROR) return 0;
  return ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
}

// Every family but the known ones: a rule for each gap between them.
int RefuseOtherSockets(scmp_filter_ctx filter) {
  const int socket = ::seccomp_syscall_resolve_name("socket");
  int result = 0;
  for (int family = 0; family < AF_MAX && result == 0; ++family) {
    bool known = false;
    for (const int one : kFamilies) known |= one == family;
    if (known) continue;
    const scmp_arg_cmp is{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0};
    result = ::seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), socket, 1, &is);
  }
  return result;
}

}  // namespace

Result<std::optional<Account>> AccountOf(const std::string& folder) {
  if (::geteuid() != 0) return std::optional<Account>();
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return SystemError(errno, "the vault's folder");
  return std::optional(Account{status.st_uid, status.st_gid});
}

Status RefuseToActAsRoot(const std::string& folder) {
  LG_ASSIGN_OR_RETURN(const auto account, AccountOf(folder));
  if (!account || account->uid == 0) return {};
  const std::string name = NameOfUser(account->uid);
  const std::string who = name.empty() ? "#" + std::to_string(account->uid) : name;
  return Error(Errc::kAccessDenied,
               "the vault belongs to the user " + who +
                   ", and root would leave files in it that are closed to him: run this as him, "
                   "such as with `setpriv --reuid " +
                   std::to_string(account->uid) + " --regid " + std::to_string(account->gid) +
                   " --clear-groups leadglass ...`",
               EPERM);
}

Status BecomeAccount(const Account& account) {
  // Without the capability, locking memory for keys is limited to what stands here.
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  (void)::setrlimit(RLIMIT_MEMLOCK, &all);
  // root's own groups stay: in a user namespace none of them may be given up (user_namespaces(7)).
  const bool is_root = account.uid == 0;
  if ((!is_root && ::setgroups(0, nullptr) != 0) ||
      ::setresgid(account.gid, account.gid, account.gid) != 0 ||
      ::setresuid(account.uid, account.uid, account.uid) != 0)
    return SystemError(errno, "become the user whom the vault belongs to");
  // The parser's processes are nobody's, and one that hangs has to be ended.
  if (is_root) LG_RETURN_IF_ERROR(KeepCapabilities({CAP_KILL}));
  if (::geteuid() != account.uid || (!is_root && ::setuid(0) == 0))
    return Error(Errc::kInternal, "root could not be given up");
  return ForbidCoreDumps();  // a change of account may allow them again
}

Status KeepCapabilities(std::initializer_list<uint32_t> capabilities) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (const uint32_t one : capabilities) data[one / 32].effective |= 1u << one % 32;
  for (auto& half : data) half.permitted = half.effective;
  if (::syscall(SYS_capset, &header, data.data()) != 0) return SystemError(errno, "capset");
  return {};
}

Status ConfineProcess() {
  const std::unique_ptr<void, ReleaseFilter> filter(::seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) return Error(Errc::kUnsupported, "no seccomp filter can be made");
  // All threads, and no_new_privs, without which who is not root may set no filter.
  int result = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  if (result == 0) result = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 1);
  for (const char* call : kNever)
    if (result == 0) result = Refuse(filter.get(), call);
  if (result == 0) result = RefuseOtherSockets(filter.get());
  if (result == 0) result = ::seccomp_load(filter.get());
  if (result != 0)
    return Error(Errc::kUnsupported, "the kernel does not take the seccomp filter", -result);
  return {};
}

}  // namespace leadglass
