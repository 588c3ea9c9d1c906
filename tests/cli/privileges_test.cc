// SPDX-License-Identifier: Apache-2.0
#include "cli/privileges.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <thread>

#include "crypto/base/unique_fd.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

// Runs `steps` in a process of its own, for what it does cannot be taken back. Gives the number of
// the first step that was false, from 1; 0: none was.
int FirstFalse(const std::vector<std::function<bool()>>& steps) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (size_t i = 0; i < steps.size(); ++i)
      if (!steps[i]()) ::_exit(static_cast<int>(i + 1));
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool Fails(long result, int error) { return result == -1 && errno == error; }

bool CannotRunPrograms() {
  char name[] = "/bin/true";
  char* const arguments[] = {name, nullptr};
  return Fails(::execv(name, arguments), EPERM);
}

TEST(Privileges, AConfinedProcessMakesNoneOfTheCallsThatAMountNeverMakes) {
  EXPECT_EQ(FirstFalse({
                [] { return ConfineProcess().has_value(); },
                CannotRunPrograms,
                [] { return Fails(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr), EPERM); },
                [] { return Fails(::mount("none", "/mnt", "tmpfs", 0, nullptr), EPERM); },
                [] { return Fails(::umount2("/nowhere", MNT_DETACH), EPERM); },
                [] { return Fails(::socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT); },
                [] { return Fails(::socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT); },
                [] { return Fails(::chroot("/"), EPERM); },
                [] { return Fails(::unshare(CLONE_NEWNS), EPERM); },
            }),
            0);
}

TEST(Privileges, AConfinedProcessStillDoesWhatAMountDoes) {
  EXPECT_EQ(FirstFalse({
                [] { return ConfineProcess().has_value(); },
                [] { return UniqueFd(::open("/proc/self/mountinfo", O_RDONLY)).valid(); },
                [] { return ::getpwnam("root") != nullptr; },
                [] { return UniqueFd(::socket(AF_UNIX, SOCK_DGRAM, 0)).valid(); },
                [] { return UniqueFd(::socket(AF_INET, SOCK_DGRAM, 0)).valid(); },
                [] {
                  bool ran = false;
                  std::jthread([&] { ran = true; }).join();
                  return ran;
                },
            }),
            0);
}

TEST(Privileges, ThreadsThatWereThereBeforeAreConfinedToo) {
  std::atomic<bool> confined{false}, refused{false};
  EXPECT_EQ(FirstFalse({[&] {
              std::jthread other([&] {
                while (!confined) std::this_thread::yield();
                refused = CannotRunPrograms();
              });
              const bool done = ConfineProcess().has_value();
              confined = true;
              other.join();
              return done && refused;
            }}),
            0);
}

class PrivilegesOfRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char pattern[] = "/tmp/leadglass-privileges-XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::string folder_;
};

TEST_F(PrivilegesOfRoot, AreGivenUpForThoseOfWhomTheFolderBelongsTo) {
  ASSERT_EQ(::chown(folder_.c_str(), 60'050, 60'051), 0);
  ASSERT_TRUE(AccountOf(folder_)->has_value());
  const Status refused = RefuseToActAsRoot(folder_);
  ASSERT_THAT(refused, FailsWith(Errc::kAccessDenied));
  EXPECT_THAT(refused.error().context, ::testing::HasSubstr("--reuid 60050 --regid 60051"));
  EXPECT_EQ(FirstFalse({
                [&] { return BecomeAccount(**AccountOf(folder_)).has_value(); },
                [] { return ::geteuid() == 60'050 && ::getegid() == 60'051; },
                [] { return ::getgroups(0, nullptr) == 0; },
                [] { return Fails(::seteuid(0), EPERM); },
                [] { return Fails(::open("/etc/shadow", O_RDONLY), EACCES); },
                [&] { return RefuseToActAsRoot(folder_).has_value(); },
            }),
            0);
}

TEST_F(PrivilegesOfRoot, AreGivenUpWhereTheFolderIsRootsToo) {
  EXPECT_THAT(RefuseToActAsRoot(folder_), IsOk());
  ASSERT_THAT(AccountOf(folder_), IsOk());
  ASSERT_TRUE(AccountOf(folder_)->has_value());
  EXPECT_EQ((*AccountOf(folder_))->uid, 0u);
  const std::string others = folder_ + "/others";
  ASSERT_TRUE(UniqueFd(::open(others.c_str(), O_CREAT | O_WRONLY, 0600)).valid());
  ASSERT_EQ(::chown(others.c_str(), 60'050, 60'051), 0);
  const std::string roots = folder_ + "/roots";
  EXPECT_EQ(FirstFalse({
                [&] { return BecomeAccount(**AccountOf(folder_)).has_value(); },
                [] { return ::geteuid() == 0; },
                [&] { return UniqueFd(::open(roots.c_str(), O_CREAT | O_WRONLY, 0600)).valid(); },
                [&] { return Fails(::open(others.c_str(), O_RDONLY), EACCES); },
                [&] { return Fails(::chown(roots.c_str(), 60'050, 0), EPERM); },
                [] { return Fails(::mount("none", "/mnt", "tmpfs", 0, nullptr), EPERM); },
                // Not the library's, which asks all threads: ThreadSanitizer has one that was there
                // before.
                [] { return Fails(::syscall(SYS_setuid, 60'050), EPERM); },
            }),
            0);
}

TEST_F(PrivilegesOfRoot, AreNotLookedForWhereNoFolderIs) {
  EXPECT_THAT(AccountOf(folder_ + "/none"), FailsWith(Errc::kNotFound));
}

}  // namespace
}  // namespace leadglass
