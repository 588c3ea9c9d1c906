// SPDX-License-Identifier: Apache-2.0
#include "cli/passphrase.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>

#include "crypto/base/unique_fd.h"

namespace leadglass {

namespace {

constexpr uint8_t kInterrupt = 3;  // Ctrl-C, Ctrl-D arrive as bytes while we ask
constexpr uint8_t kEndOfInput = 4;
constexpr uint8_t kBackspace = 8;
constexpr uint8_t kDelete = 127;

SecretBytes Shortened(const SecretBytes& room, size_t size) {
  SecretBytes out(size);
  const ByteSpan from = room.ExposeForOpenSsl().first(size);
  std::copy(from.begin(), from.end(), out.ExposeForOpenSsl().begin());
  return out;
}

// Byte by byte: what follows the line belongs to whoever reads next, and no buffer of stdio keeps a
// copy. `on_terminal` understands the keys that a terminal in this mode leaves to us.
Result<SecretBytes> ReadLine(int fd, bool on_terminal) {
  SecretBytes room(kMaxPassphrase);
  const MutableByteSpan bytes = room.ExposeForOpenSsl();
  size_t size = 0;
  SecretBytes one(1);
  uint8_t& byte = one.ExposeForOpenSsl()[0];
  for (;;) {
    const ssize_t got = ::read(fd, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, "read the passphrase");
    if (got == 0 || byte == '\n') break;
    if (on_terminal && byte == '\r') break;
    if (on_terminal && (byte == kInterrupt || byte == kEndOfInput)) {
      return Error(Errc::kInvalidArgument, "no passphrase was given");
    }
    if (on_terminal && (byte == kBackspace || byte == kDelete)) {
      if (size > 0) --size;
      continue;
    }
    if (size == bytes.size()) {
      return Error(Errc::kInvalidArgument, "the passphrase is longer than 1024 bytes");
    }
    bytes[size++] = byte;
  }
  if (size == 0) return Error(Errc::kInvalidArgument, "the passphrase is empty");
  return Shortened(room, size);
}

// Turns echo and the terminal's signals off; on again when it dies.
class QuietTerminal {
 public:
  explicit QuietTerminal(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
    active_ = ::tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  ~QuietTerminal() {
    if (active_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  bool active() const { return active_; }

 private:
  const int fd_;
  termios before_{};
  bool active_ = false;
};

void Say(int fd, const std::string& text) {
  const ssize_t ignored = ::write(fd, text.data(), text.size());
  static_cast<void>(ignored);
}

Result<SecretBytes> AskOnce(int terminal, const std::string& prompt) {
  const QuietTerminal quiet(terminal);
  if (!quiet.active()) {
    return Error(Errc::kInvalidArgument, "cannot turn the terminal's echo off: no passphrase read");
  }
  Say(terminal, prompt + ": ");
  Result<SecretBytes> line = ReadLine(terminal, true);
  Say(terminal, "\n");
  return line;
}

bool Same(const SecretBytes& a, const SecretBytes& b) {
  return a.size() == b.size() && internal::ConstantTimeEqual(a.ExposeForOpenSsl().data(),
                                                             b.ExposeForOpenSsl().data(), a.size());
}

}  // namespace

Result<SecretBytes> ReadPassphraseFile(const std::string& file) {
  if (file == "-") return ReadLine(STDIN_FILENO, false);
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return SystemError(errno, "open the passphrase file");
  return ReadLine(fd.get(), false);
}

Result<SecretBytes> AskPassphrase(const std::string& prompt, bool twice) {
  const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) {
    return Error(Errc::kInvalidArgument,
                 "there is no terminal to ask for the passphrase: give --passphrase-file");
  }
  for (int attempt = 0; attempt < 3; ++attempt) {
    LG_ASSIGN_OR_RETURN(SecretBytes first, AskOnce(terminal.get(), prompt));
    if (!twice) return first;
    LG_ASSIGN_OR_RETURN(const SecretBytes again, AskOnce(terminal.get(), prompt + ", again"));
    if (Same(first, again)) return first;
    Say(terminal.get(), "They differ.\n");
  }
  return Error(Errc::kInvalidArgument, "the two passphrases differ");
}

Result<SecretBytes> GetPassphrase(const std::string& file, const std::string& prompt, bool twice) {
  return file.empty() ? AskPassphrase(prompt, twice) : ReadPassphraseFile(file);
}

}  // namespace leadglass
