// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_mounts.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

namespace leadglass {

namespace {

// mountinfo writes blank, tab, newline and backslash as three octal digits.
std::string Unescaped(const std::string& text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      const int code = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "rw,user_id=1000,group_id=1000,..."; 0 where it is not told.
uint32_t Owner(const std::string& options) {
  constexpr std::string_view kKey = "user_id=";
  const size_t at = options.find(kKey);
  if (at == std::string::npos) return 0;
  return static_cast<uint32_t>(std::strtoul(options.c_str() + at + kKey.size(), nullptr, 10));
}

// Runs fusermount3, its messages dropped: the exit status is all that it tells reliably.
Status RunFusermount(const std::string& mountpoint, Detach how) {
  std::string program = "fusermount3";
  std::string flags = how == Detach::kLazily ? "-uz" : "-u";
  std::string quiet = "-q";
  std::string end = "--";
  std::string target = mountpoint;
  std::array<char*, 6> arguments = {program.data(), flags.data(),  quiet.data(),
                                    end.data(),     target.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return SystemError(error, "run fusermount3 (install the package fuse3)");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return SystemError(errno, "wait for fusermount3");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Error(Errc::kUnavailable, "unmount: files are open there, or it is not your mount");
}

}  // namespace

std::vector<FuseMount> ParseMountInfo(const std::string& text) {
  std::vector<FuseMount> mounts;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    // 36 35 0:52 / /mnt rw,noatime shared:1 - fuse.leadglass /srv/vault rw,...
    std::istringstream fields(line);
    std::string id, parent, device, root, mountpoint, field;
    fields >> id >> parent >> device >> root >> mountpoint;
    while (fields >> field && field != "-") {
    }
    std::string type, source, options;
    fields >> type >> source >> options;
    if (type == "fuse.leadglass") {
      mounts.push_back({Unescaped(source), Unescaped(mountpoint), device, Owner(options)});
    }
  }
  return mounts;
}

Result<std::vector<FuseMount>> ListFuseMounts() {
  std::ifstream file("/proc/self/mountinfo");
  if (!file) return Error(Errc::kInternal, "cannot read /proc/self/mountinfo: is /proc mounted?");
  std::ostringstream text;
  text << file.rdbuf();
  return ParseMountInfo(text.str());
}

Result<FuseMount> MountAt(const std::string& mountpoint) {
  LG_ASSIGN_OR_RETURN(const auto mounts, ListFuseMounts());
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount)
    if (mount->mountpoint == mountpoint) return *mount;
  return Error(Errc::kNotFound, "no leadglass filesystem is mounted there");
}

bool IsDeadMount(const std::string& mountpoint) {
  // Not stat: the kernel would answer it from its cache.
  struct statfs space {};
  return ::statfs(mountpoint.c_str(), &space) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

Status UnmountFuse(const std::string& mountpoint, Detach how) {
  const int flags = UMOUNT_NOFOLLOW | (how == Detach::kLazily ? MNT_DETACH : 0);
  if (::umount2(mountpoint.c_str(), flags) == 0) return {};
  switch (errno) {
    case EPERM: return RunFusermount(mountpoint, how);
    case EBUSY: return Error(Errc::kUnavailable, "unmount: files are open there", EBUSY);
    case EINVAL: return Error(Errc::kInvalidArgument, "unmount: nothing is mounted there", EINVAL);
    default: return SystemError(errno, "unmount");
  }
}

}  // namespace leadglass
