// SPDX-License-Identifier: Apache-2.0
#pragma once

// What commands print: errors and progress on standard error, data on standard output, for people
// or as JSON.

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cli/exit_codes.h"
#include "crypto/base/result.h"

namespace leadglass {

// "leadglass: <what>" on standard error.
void PrintMessage(const std::string& what);
// Prints the error and gives its exit code.
ExitCode Fail(const Error& error);
// The same for an error of Vault::Open(), where "denied" without an errno means an older vault.
ExitCode FailToOpen(const Error& error);

// Lines of "name  value", the values aligned.
using Rows = std::vector<std::pair<std::string, std::string>>;
void PrintRows(const Rows& rows);

std::string HumanBytes(uint64_t bytes);             // "1.5 GiB"
std::string IsoTime(int64_t unix_seconds);          // "2026-11-25T08:00:00Z"
std::string AbsolutePath(const std::string& path);  // without resolving links or looking
// With links resolved. kNotFound: it does not exist.
Result<std::string> CanonicalPath(const std::string& path);

// One line on standard error that is rewritten on a terminal, and repeated every ten seconds
// elsewhere. Nothing appears within the first second.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `total` 0: not known.
  void Update(uint64_t done, uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;
  const std::string what_;
  const bool terminal_;
  const Clock::time_point started_ = Clock::now();
  Clock::time_point shown_ = started_;
  bool shown_any_ = false;
};

}  // namespace leadglass
