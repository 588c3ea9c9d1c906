// SPDX-License-Identifier: Apache-2.0
#pragma once

// ParserZygote: the process from which parser workers are forked, seen from the mount process.
// It must be forked early (index/parser_worker.h says why); from then on it only waits for requests
// on one socket, and ends when that socket does. It handles no file's bytes.
//
// Spawn() is thread-safe.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "crypto/base/mutex.h"
#include "crypto/base/result.h"
#include "crypto/base/unique_fd.h"

namespace leadglass {

// One worker. Killed (not asked) when this goes away.
class ParserProcess {
 public:
  ParserProcess(UniqueFd socket, UniqueFd pidfd)
      : socket_(std::move(socket)), pidfd_(std::move(pidfd)) {}
  ParserProcess(ParserProcess&&) = default;
  ParserProcess& operator=(ParserProcess&&) = delete;
  ~ParserProcess();

  int socket() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  UniqueFd pidfd_;  // a process id could be somebody else's by the time it is used
};

struct ParserZygoteOptions {
  uint64_t memory_bytes = 0;
  std::optional<std::pair<uid_t, gid_t>> run_as;  // if this is root's process; nullopt: nobody
  void (*before_parse)(int socket, const uint8_t* prefix, size_t size) = nullptr;
};

class ParserZygote {
 public:
  // kInternal when the process cannot be made.
  static Result<std::unique_ptr<ParserZygote>> Start(const ParserZygoteOptions& options);

  // Ends the zygote, killed. Workers that were handed out end with it.
  ~ParserZygote();

  // A new worker. Its first byte (parser_protocol.h) says whether it is safe to use.
  // kUnavailable when the zygote is gone, cannot fork, or does not answer within `patience` (it may
  // be stopped). Until it has answered after all, further calls fail at once.
  Result<ParserProcess> Spawn(std::chrono::milliseconds patience);

 private:
  ParserZygote(UniqueFd control, pid_t pid, UniqueFd pidfd)
      : pid_(pid), pidfd_(std::move(pidfd)), control_(std::move(control)) {}
  const pid_t pid_;
  const UniqueFd pidfd_;  // good in a process that was forked since, too
  Mutex mutex_;
  UniqueFd control_ LG_GUARDED_BY(mutex_);
  bool owes_answer_ LG_GUARDED_BY(mutex_) = false;  // to a call that has given up
};

}  // namespace leadglass
