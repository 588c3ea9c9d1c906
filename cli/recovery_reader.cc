// SPDX-License-Identifier: Apache-2.0
#include "cli/recovery_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "crypto/base/unique_fd.h"

namespace leadglass {

namespace {

// A line of a sheet's QR code has 160 bytes; of a longer line the rest is no code.
constexpr size_t kMaxLine = 512;
constexpr size_t kMaxCode = 1024;
// What the groups of a code have, in characters, before the next line begins something else.
constexpr size_t kCodeCharacters = kRecoveryCodeSize - kRecoveryGroups;

bool IsBlank(uint8_t c) { return c == ' ' || c == '\t' || c == '\r'; }

size_t CharactersIn(ByteSpan text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](uint8_t c) { return !IsBlank(c) && c != '-' && c != '\n'; }));
}

ByteSpan Trimmed(ByteSpan line) {
  while (!line.empty() && IsBlank(line.front())) line = line.subspan(1);
  while (!line.empty() && IsBlank(line.back())) line = line.first(line.size() - 1);
  return line;
}

// L and 1 are the same, as everywhere in a code.
bool BeginsCode(ByteSpan line) {
  constexpr std::string_view kPrefix = "LGR1";
  if (line.size() < kPrefix.size()) return false;
  for (size_t i = 0; i < kPrefix.size(); ++i) {
    const int c = std::toupper(line[i]);
    const bool one = c == '1' || c == 'L' || c == 'I';
    const bool wants_one = kPrefix[i] == '1' || kPrefix[i] == 'L';
    if (wants_one ? !one : c != kPrefix[i]) return false;
  }
  return true;
}

// Puts codes together from the lines of one file.
class CodeCollector {
 public:
  Status Line(ByteSpan untrimmed) {
    const ByteSpan line = Trimmed(untrimmed);
    if (BeginsCode(line)) {
      LG_RETURN_IF_ERROR(End());
      collecting_ = true;
    }
    if (!collecting_) return {};
    if (line.empty()) return End();
    const MutableByteSpan room = code_.ExposeForOpenSsl();
    const ByteSpan part = line.first(std::min(line.size(), room.size() - size_ - 1));
    std::copy(part.begin(), part.end(), room.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += part.size();
    room[size_++] = '\n';
    const bool whole = CharactersIn(room.first(size_)) >= kCodeCharacters || size_ == room.size();
    return whole ? End() : Status();
  }
  // The code that is being collected ends here, if there is one.
  Status End() {
    if (!collecting_) return {};
    collecting_ = false;
    const ByteSpan text = code_.ExposeForOpenSsl().first(size_);
    Result<RecoveryCode> code = DecodeRecoveryCode(text);
    internal::Wipe(code_.ExposeForOpenSsl().data(), size_);
    size_ = 0;
    if (!code && codes_.empty()) return code.error();
    if (!code)
      return Error(code.error().code, "after " + std::to_string(codes_.size()) +
                                          " that are right: " + code.error().context);
    codes_.push_back(std::move(*code));
    return {};
  }
  std::vector<RecoveryCode> Take() { return std::move(codes_); }

 private:
  SecretBytes code_{kMaxCode};
  size_t size_ = 0;
  bool collecting_ = false;
  std::vector<RecoveryCode> codes_;
};

Result<std::vector<RecoveryCode>> ReadFrom(int fd) {
  CodeCollector collector;
  SecretBytes chunk(4096);
  SecretBytes line_room(kMaxLine);
  const MutableByteSpan line = line_room.ExposeForOpenSsl();
  size_t size = 0;
  for (;;) {
    const MutableByteSpan room = chunk.ExposeForOpenSsl();
    const ssize_t got = ::read(fd, room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, "read the recovery codes");
    if (got == 0) break;
    for (const uint8_t c : room.first(static_cast<size_t>(got))) {
      if (c == '\n') {
        LG_RETURN_IF_ERROR(collector.Line(line.first(size)));
        size = 0;
      } else if (size < line.size()) {
        line[size++] = c;
      }
    }
  }
  LG_RETURN_IF_ERROR(collector.Line(line.first(size)));
  LG_RETURN_IF_ERROR(collector.End());
  return collector.Take();
}

}  // namespace

Result<std::vector<RecoveryCode>> ReadRecoveryCodes(const std::string& file) {
  if (file == "-") return ReadFrom(STDIN_FILENO);
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return SystemError(errno, "open the file with recovery codes");
  return ReadFrom(fd.get());
}

}  // namespace leadglass
