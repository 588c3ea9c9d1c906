// SPDX-License-Identifier: Apache-2.0
// The FUSE layer on a real mount, above a vault in memory.

#include "fs/fuse_session.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "crypto/base/unique_fd.h"
#include "fs/fuse_mounts.h"
#include "tests/fs/fuse_memory_vault.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

namespace stdfs = std::filesystem;
using ::testing::UnorderedElementsAre;

class FuseMountTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/fuse here";
    std::string pattern = stdfs::temp_directory_path() / "leadglass-fuse-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    mountpoint_ = pattern;
    stdfs::permissions(mountpoint_, stdfs::perms(0755));
    FuseOptions options;
    options.allow_other = ::geteuid() == 0;
    options.allow_suid = options.allow_other;
    options.source = "/a vault, with a comma";
    options.on_fault = [this](const std::string& text) {
      MutexLock lock(mutex_);
      faults_.push_back(text);
    };
    options.on_ready = [this] { ready_.count_down(); };
    auto session = FuseSession::Mount(vault_, mountpoint_, options);
    ASSERT_TRUE(session.has_value()) << ToString(session.error());
    session_ = std::move(*session);
    loop_ = std::jthread([this] { loop_status_ = session_->Loop(); });
    ready_.wait();
    // What was negotiated is known once the kernel has the answer to INIT: after its first request.
    struct stat status {};
    ASSERT_EQ(::stat(mountpoint_.c_str(), &status), 0);
  }

  void TearDown() override {
    if (session_) {
      session_->Stop();
      loop_.join();
      session_->Unmount();
      session_.reset();
    }
    if (mountpoint_.empty()) return;
    EXPECT_EQ(::rmdir(mountpoint_.c_str()), 0) << "left-over mount";
  }

  std::string Archive(const std::string& name) const { return mountpoint_ + "/archive/" + name; }
  std::string View(const std::string& name) const { return mountpoint_ + "/patients/" + name; }
  static void WriteFile(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<std::string> faults() {
    MutexLock lock(mutex_);
    return faults_;
  }

  MemoryVault vault_;
  std::string mountpoint_;
  std::unique_ptr<FuseSession> session_;
  std::jthread loop_;
  Status loop_status_;
  std::latch ready_{1};
  Mutex mutex_;
  std::vector<std::string> faults_ LG_GUARDED_BY(mutex_);
};

TEST_F(FuseMountTest, IsListedAsAMountOfLeadglassWithItsSource) {
  const auto mounts = ListFuseMounts();
  ASSERT_THAT(mounts, IsOk());
  bool found = false;
  for (const FuseMount& mount : *mounts) {
    if (mount.mountpoint == mountpoint_) found = mount.source == "/a vault, with a comma";
  }
  EXPECT_TRUE(found);
}

TEST_F(FuseMountTest, GivesBackWhatWasWritten) {
  std::string bytes(300'000, 'x');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
  WriteFile(Archive("a"), bytes);
  EXPECT_EQ(ReadFile(Archive("a")), bytes);
  EXPECT_EQ(stdfs::file_size(Archive("a")), bytes.size());
}

TEST_F(FuseMountTest, SmallWritesAskForNoExtendedAttribute) {
  if (!session_->handles_killpriv()) GTEST_SKIP() << "this kernel has no KILLPRIV_V2";
  const UniqueFd fd(::open(Archive("ct").c_str(), O_CREAT | O_WRONLY, 0644));
  ASSERT_TRUE(fd);
  vault_.ResetCounts();
  const std::string page(4096, 'p');
  for (int i = 0; i < 129; ++i) ASSERT_EQ(::write(fd.get(), page.data(), page.size()), 4096);
  ASSERT_EQ(::fdatasync(fd.get()), 0);
  EXPECT_LE(vault_.counts().get_xattrs, 1u) << "the kernel asks once a file, not at each write";
  EXPECT_LE(vault_.counts().writes, 4u) << "small writes reach us as few large ones";
}

TEST_F(FuseMountTest, AFileReadAtOnceIsAskedForAtOnce) {
  struct stat status {};
  ASSERT_EQ(::stat(mountpoint_.c_str(), &status), 0);
  const std::string setting = "/sys/class/bdi/" + std::to_string(major(status.st_dev)) + ":" +
                              std::to_string(minor(status.st_dev)) + "/read_ahead_kb";
  if (::access(setting.c_str(), W_OK) != 0) GTEST_SKIP() << "only root can have more read ahead";
  const std::string bytes(512 * 1024, 'b');
  WriteFile(Archive("ct"), bytes);
  const UniqueFd fd(::open(Archive("ct").c_str(), O_RDONLY));
  ASSERT_TRUE(fd);
  ASSERT_EQ(::fsync(fd.get()), 0);
  ASSERT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  vault_.ResetCounts();
  std::string read(bytes.size(), 0);
  ASSERT_EQ(::read(fd.get(), read.data(), read.size()), static_cast<ssize_t>(read.size()));
  EXPECT_EQ(read, bytes);
  EXPECT_LE(vault_.counts().reads, 2u) << "each waits for the disk, one after the other";
}

TEST_F(FuseMountTest, ListingBringsTheAttributesAlong) {
  for (int i = 0; i < 50; ++i) WriteFile(Archive("f" + std::to_string(i)), "x");
  // Another folder of the same kernel inodes: nothing of its names is known yet.
  vault_.ResetCounts();
  uint64_t total = 0;
  for (const auto& entry : stdfs::directory_iterator(mountpoint_ + "/patients")) {
    total += entry.file_size();
  }
  EXPECT_EQ(total, 50u);
  EXPECT_LE(vault_.counts().lookups + vault_.counts().get_attributes, 5u);
}

TEST_F(FuseMountTest, CachedListingFollowsChanges) {
  const auto names = [this] {
    std::vector<std::string> out;
    for (const auto& entry : stdfs::directory_iterator(mountpoint_ + "/archive")) {
      out.push_back(entry.path().filename());
    }
    return out;
  };
  WriteFile(Archive("a"), "1");
  WriteFile(Archive("b"), "2");
  EXPECT_THAT(names(), UnorderedElementsAre("a", "b"));
  vault_.ResetCounts();
  EXPECT_THAT(names(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(vault_.counts().lists, 0u) << "a warm listing is the kernel's";
  stdfs::remove(Archive("a"));
  EXPECT_THAT(names(), UnorderedElementsAre("b"));
  stdfs::rename(Archive("b"), Archive("c"));
  EXPECT_THAT(names(), UnorderedElementsAre("c"));
}

TEST_F(FuseMountTest, ViewShowsAFileThatGrewAfterItWasLookedAt) {
  WriteFile(Archive("img"), "short");
  EXPECT_EQ(ReadFile(View("img")), "short");
  WriteFile(Archive("img"), "and now it is much longer");
  EXPECT_EQ(ReadFile(View("img")), "and now it is much longer");
  EXPECT_EQ(stdfs::file_size(View("img")), 25u);
}

TEST_F(FuseMountTest, ViewShowsBytesThatWereReplacedInPlace) {
  WriteFile(Archive("img"), "aaaa");
  EXPECT_EQ(ReadFile(View("img")), "aaaa");
  const UniqueFd fd(::open(Archive("img").c_str(), O_RDWR));
  ASSERT_EQ(::pwrite(fd.get(), "bbbb", 4, 0), 4);
  ASSERT_EQ(::fsync(fd.get()), 0);
  EXPECT_EQ(ReadFile(View("img")), "bbbb");
}

TEST_F(FuseMountTest, OpenViewFileSeesBytesThatWereReplacedInPlace) {
  WriteFile(Archive("img"), "aaaa");
  const UniqueFd view(::open(View("img").c_str(), O_RDONLY));
  char got[4];
  ASSERT_EQ(::pread(view.get(), got, 4, 0), 4);
  vault_.Overwrite("img", "bbbb");
  ASSERT_EQ(::pread(view.get(), got, 4, 0), 4);
  EXPECT_EQ(std::string(got, 4), "bbbb");
  struct stat status {};
  EXPECT_EQ(::fstat(view.get(), &status), 0) << "an older version that is open can be asked";
}

TEST_F(FuseMountTest, BothNamesOfAFileHaveOneInodeNumber) {
  WriteFile(Archive("img"), "aaaa");
  struct stat archive {};
  struct stat view {};
  ASSERT_EQ(::stat(Archive("img").c_str(), &archive), 0);
  ASSERT_EQ(::stat(View("img").c_str(), &view), 0);
  EXPECT_EQ(archive.st_ino, view.st_ino);
}

TEST_F(FuseMountTest, ViewRefusesWriters) {
  WriteFile(Archive("img"), "aaaa");
  EXPECT_EQ(::open(View("img").c_str(), O_WRONLY), -1);
  EXPECT_EQ(errno, EROFS);
}

TEST_F(FuseMountTest, WarmReadIsServedByTheKernel) {
  WriteFile(Archive("img"), std::string(100'000, 'x'));
  ReadFile(View("img"));
  vault_.ResetCounts();
  ReadFile(View("img"));
  EXPECT_EQ(vault_.counts().reads, 0u);
}

TEST_F(FuseMountTest, CorruptBytesAreAnInputErrorAndAreReportedByIds) {
  WriteFile(Archive("img"), "aaaa");
  vault_.FailReads(Error(Errc::kCorrupt, "segment 3 offset 4096: the tag does not fit"));
  const UniqueFd fd(::open(View("img").c_str(), O_RDONLY));
  char got[4];
  EXPECT_EQ(::read(fd.get(), got, 4), -1);
  EXPECT_EQ(errno, EIO);
  ASSERT_FALSE(faults().empty());
  EXPECT_EQ(faults()[0], "read: corrupt: segment 3 offset 4096: the tag does not fit");
}

TEST_F(FuseMountTest, OrdinaryRefusalsAreNotReported) {
  EXPECT_EQ(::open(Archive("missing").c_str(), O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_TRUE(faults().empty());
}

TEST_F(FuseMountTest, SelinuxIsNotAskedOfTheVault) {
  WriteFile(Archive("a"), "x");
  vault_.ResetCounts();
  EXPECT_EQ(::getxattr(Archive("a").c_str(), "security.selinux", nullptr, 0), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(vault_.counts().get_xattrs, 0u);
}

TEST_F(FuseMountTest, ExtendedAttributesTellTheirSizeAndRefuseShortBuffers) {
  WriteFile(Archive("a"), "x");
  ASSERT_EQ(::setxattr(Archive("a").c_str(), "user.k", "value", 5, 0), 0);
  ASSERT_EQ(::setxattr(Archive("a").c_str(), "user.l", "w", 1, 0), 0);
  char buffer[64];
  EXPECT_EQ(::getxattr(Archive("a").c_str(), "user.k", nullptr, 0), 5);
  EXPECT_EQ(::getxattr(Archive("a").c_str(), "user.k", buffer, 3), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(::getxattr(Archive("a").c_str(), "user.k", buffer, 64), 5);
  EXPECT_EQ(::listxattr(Archive("a").c_str(), buffer, 64), 14);
  EXPECT_EQ(std::string(buffer, 14), std::string("user.k\0user.l\0", 14));
  EXPECT_EQ(::removexattr(Archive("a").c_str(), "user.k"), 0);
  EXPECT_EQ(::getxattr(Archive("a").c_str(), "user.k", buffer, 64), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(FuseMountTest, TimesKeepNanosecondsBeforeAndAfter1970) {
  WriteFile(Archive("a"), "x");
  const timespec times[2] = {{-5, 999'999'999}, {1'700'000'000, 123'456'789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, Archive("a").c_str(), times, 0), 0);
  struct stat status {};
  ASSERT_EQ(::stat(Archive("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_atim.tv_sec, -5);
  EXPECT_EQ(status.st_atim.tv_nsec, 999'999'999);
  EXPECT_EQ(status.st_mtim.tv_sec, 1'700'000'000);
  EXPECT_EQ(status.st_mtim.tv_nsec, 123'456'789);
}

// The kernel keeps the times of what it caches, and tells of them only where they changed by its
// clock, which ticks every few milliseconds: most of these happen within one tick.
TEST_F(FuseMountTest, ModificationTimeThatProgramsSawIsTheFiles) {
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    const std::string name = "f" + std::to_string(i);
    ASSERT_EQ(::close(::open(Archive(name).c_str(), O_CREAT | O_WRONLY, 0644)), 0);
    const UniqueFd fd(::open(Archive(name).c_str(), O_WRONLY | O_TRUNC));
    ASSERT_EQ(::ftruncate(fd.get(), 5 << 20), 0);
    ASSERT_EQ(::pwrite(fd.get(), "end", 3, 4'000'000), 3);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_EQ(::fsync(fd.get()), 0);  // only now do the bytes reach us
    struct stat seen {};
    ASSERT_EQ(::fstat(fd.get(), &seen), 0);
    ASSERT_OK_AND_ASSIGN(const Attributes kept, vault_.Lookup(Caller{}, kArchiveInode, name));
    EXPECT_EQ(kept.mtime, seen.st_mtim.tv_sec * int64_t{1'000'000'000} + seen.st_mtim.tv_nsec);
  }
}

TEST_F(FuseMountTest, SharedMappingReachesTheFile) {
  WriteFile(Archive("db"), std::string(8192, 'a'));
  const UniqueFd fd(::open(Archive("db").c_str(), O_RDWR));
  void* const map = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  std::memcpy(static_cast<char*>(map) + 4000, "mapped", 6);
  EXPECT_EQ(::msync(map, 8192, MS_SYNC), 0);
  ::munmap(map, 8192);
  EXPECT_EQ(ReadFile(View("db")).substr(4000, 6), "mapped");
}

TEST_F(FuseMountTest, SeekDataSeesBytesThatOnlyTheKernelHolds) {
  const UniqueFd fd(::open(Archive("sparse").c_str(), O_CREAT | O_RDWR, 0644));
  ASSERT_EQ(::ftruncate(fd.get(), 1 << 20), 0);
  ASSERT_EQ(::pwrite(fd.get(), "data", 4, 65536), 4);  // dirty in the page cache
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_DATA), 65536);
  EXPECT_EQ(::lseek(fd.get(), 65536, SEEK_HOLE), 65536 + 4096);
}

TEST_F(FuseMountTest, EveryOpenIsReleased) {
  for (int i = 0; i < 20; ++i) WriteFile(Archive("f" + std::to_string(i)), "x");
  for (int i = 0; i < 20; ++i) ReadFile(View("f" + std::to_string(i)));
  // The kernel sends the last RELEASE some time after close(2).
  for (int i = 0; i < 500 && vault_.counts().releases < 40; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  session_->Stop();
  loop_.join();
  EXPECT_EQ(vault_.counts().opens, vault_.counts().releases);
  EXPECT_EQ(vault_.counts().opens, 40u);
  loop_ = std::jthread([] {});
}

TEST_F(FuseMountTest, StopEndsTheLoopThoughAFileIsOpen) {
  const UniqueFd fd(::open(Archive("open").c_str(), O_CREAT | O_WRONLY, 0644));
  ASSERT_EQ(::write(fd.get(), "dirty", 5), 5);
  session_->Stop();
  loop_.join();
  loop_ = std::jthread([] {});
  session_->Unmount();
  // Whether the page cache takes it or not, who goes on is told.
  EXPECT_TRUE(::write(fd.get(), "x", 1) == -1 || ::fsync(fd.get()) == -1);
  EXPECT_EQ(vault_.counts().writes, 1u) << "what the kernel held was written back first";
}

TEST_F(FuseMountTest, UnmountingFromOutsideEndsTheLoop) {
  ASSERT_THAT(UnmountFuse(mountpoint_, Detach::kNow), IsOk());
  loop_.join();
  EXPECT_TRUE(loop_status_.has_value());
  loop_ = std::jthread([] {});
}

TEST_F(FuseMountTest, SetIdBitsGoAtAWriteByOthersAndStayAtRoots) {
  if (::geteuid() != 0) GTEST_SKIP() << "acts as two users";
  if (!session_->handles_killpriv()) GTEST_SKIP() << "this kernel has no KILLPRIV_V2";
  WriteFile(Archive("tool"), "x");
  const auto set = [&] { return ::chmod(Archive("tool").c_str(), 06777); };
  const auto mode = [&] {
    struct stat status {};
    EXPECT_EQ(::stat(Archive("tool").c_str(), &status), 0);
    return status.st_mode & 07777;
  };
  const auto as_nobody = [&](int flags) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
      const int fd = ::open(Archive("tool").c_str(), flags);
      ::_exit(fd >= 0 && ((flags & O_TRUNC) != 0 || ::write(fd, "y", 1) == 1) ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  };
  ASSERT_EQ(set(), 0);
  {
    const UniqueFd fd(::open(Archive("tool").c_str(), O_WRONLY));
    ASSERT_EQ(::write(fd.get(), "z", 1), 1);
  }
  EXPECT_EQ(mode(), 06777u) << "root may keep them";
  EXPECT_EQ(as_nobody(O_WRONLY), 0);
  EXPECT_EQ(mode(), 0777u);
  ASSERT_EQ(set(), 0);
  EXPECT_EQ(as_nobody(O_WRONLY | O_TRUNC), 0);
  EXPECT_EQ(mode(), 0777u);
}

TEST(FuseMounts, ParsesEscapedNamesAndSkipsOthers) {
  const auto mounts = ParseMountInfo(
      "36 35 98:0 / /mnt rw - ext4 /dev/sda1 rw\n"
      "40 35 0:52 / /mnt/a\\040b rw,noatime shared:1 master:2 - fuse.leadglass /srv/v\\134w "
      "rw,user_id=1000,group_id=100\n"
      "broken line\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].mountpoint, "/mnt/a b");
  EXPECT_EQ(mounts[0].source, "/srv/v\\w");
  EXPECT_EQ(mounts[0].device, "0:52");
  EXPECT_EQ(mounts[0].owner, 1000u);
}

TEST(FuseMounts, RefusesToUnmountWhatIsNotMounted) {
  std::string pattern = stdfs::temp_directory_path() / "leadglass-nomount-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  EXPECT_FALSE(UnmountFuse(pattern, Detach::kNow).has_value());
  ::rmdir(pattern.c_str());
}

}  // namespace
}  // namespace leadglass
