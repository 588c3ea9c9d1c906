// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <filesystem>

namespace leadglass {

void PrintMessage(const std::string& what) {
  std::fprintf(stderr, "leadglass: %s\n", what.c_str());
}

ExitCode Fail(const Error& error) {
  PrintMessage(ToString(error));
  return ExitCodeFor(error);
}

ExitCode FailToOpen(const Error& error) {
  if (error.code != Errc::kAccessDenied || error.posix_errno != 0) return Fail(error);
  PrintMessage(ToString(error));
  PrintMessage("if you put an older copy back on purpose: --accept-rollback");
  return ExitCode::kRollbackRefused;
}

void PrintRows(const Rows& rows) {
  size_t width = 0;
  for (const auto& [name, value] : rows) width = std::max(width, name.size());
  for (const auto& [name, value] : rows) {
    std::printf("%-*s  %s\n", static_cast<int>(width), name.c_str(), value.c_str());
  }
}

std::string HumanBytes(uint64_t bytes) {
  constexpr std::array kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string IsoTime(int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr) return "?";
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::string AbsolutePath(const std::string& path) {
  std::error_code ignored;
  std::string out = std::filesystem::absolute(path, ignored).lexically_normal().string();
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

Result<std::string> CanonicalPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path out = std::filesystem::canonical(path, error);
  if (error) return SystemError(error.value(), "no such file or folder, or not yours to read");
  return out.string();
}

Progress::Progress(std::string what) : what_(std::move(what)), terminal_(::isatty(2) == 1) {}

Progress::~Progress() {
  if (shown_any_ && terminal_) std::fputc('\n', stderr);
}

void Progress::Update(uint64_t done, uint64_t total) {
  const auto now = Clock::now();
  if (now - started_ < std::chrono::seconds(1)) return;
  const auto pause = terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10);
  if (shown_any_ && now - shown_ < pause) return;
  shown_ = now;
  shown_any_ = true;
  const std::string of = total > 0 ? " of " + std::to_string(total) : "";
  std::fprintf(stderr, "%sleadglass: %s: %llu%s%s", terminal_ ? "\r" : "", what_.c_str(),
               static_cast<unsigned long long>(done), of.c_str(), terminal_ ? "  " : "\n");
}

}  // namespace leadglass
