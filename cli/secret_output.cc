// SPDX-License-Identifier: Apache-2.0
#include "cli/secret_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace leadglass {

SecretOutput SecretOutput::ToStandardOutput() { return {UniqueFd(), std::string()}; }

Result<SecretOutput> SecretOutput::NewFile(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file && errno == EEXIST)
    return Error(Errc::kExists,
                 "there is a file of that name, and a secret is written over nothing: move it away "
                 "or name another");
  if (!file) return SystemError(errno, "make the file for the secret");
  return SecretOutput(std::move(file), path);
}

int SecretOutput::fd() const { return file_ ? file_.get() : STDOUT_FILENO; }

bool SecretOutput::is_terminal() const { return ::isatty(fd()) == 1; }

void SecretOutput::Text(std::string_view text) { Secret(AsBytes(text)); }

void SecretOutput::Secret(ByteSpan bytes) {
  while (status_ && !bytes.empty()) {
    const ssize_t written = ::write(fd(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      status_ = SystemError(errno, "write the secret");
      return;
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

Status SecretOutput::Finish() {
  if (!file_) return status_;
  if (status_ && ::fsync(file_.get()) != 0) status_ = SystemError(errno, "sync the secret's file");
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  const UniqueFd parent(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (status_ && (!parent || ::fsync(parent.get()) != 0))
    status_ = SystemError(errno, "sync the folder of the secret's file");
  if (!status_) ::unlink(path_.c_str());
  return status_;
}

}  // namespace leadglass
