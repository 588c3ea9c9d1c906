// SPDX-License-Identifier: Apache-2.0
#pragma once

// ParserZygote: the process from which parser workers are forked, seen from the mount process.
// It must be forked early (index/parser_worker.h says why); from then on it only waits for requests
// on one socket, and ends when that socket does. It handles no file's bytes.
//
// Spawn() is thread-safe.

#include <sys/types.h>

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

  // Ends the zygote. Workers that were handed out end with it.
  ~ParserZygote();

  // A new worker. Its first byte (parser_protocol.h) says whether it is safe to use.
  // kUnavailable when the zygote is gone or cannot fork.
  Result<ParserProcess> Spawn();

 private:
  ParserZygote(UniqueFd control, pid_t pid) : control_(std::move(control)), pid_(pid) {}
  Mutex mutex_;
  UniqueFd control_ LG_GUARDED_BY(mutex_);
  const pid_t pid_;
};

}  // namespace leadglass
