// SPDX-License-Identifier: Apache-2.0
#include "index/parser_worker.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "crypto/base/mutex.h"
#include "index/header_scan.h"
#include "index/parser_protocol.h"
#include "index/parser_zygote.h"

namespace leadglass {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Options = HeaderParserPool::Options;

// A worker's socket with a deadline: the other side may be hung or hostile.
class DeadlineSocket {
 public:
  DeadlineSocket(int socket, SteadyClock::time_point deadline)
      : socket_(socket), deadline_(deadline) {}

  bool Send(ByteSpan bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) {
        bytes = bytes.subspan(static_cast<size_t>(n));
      } else if (!Retry(n, POLLOUT)) {
        return false;
      }
    }
    return true;
  }

  bool Receive(MutableByteSpan into) {
    while (!into.empty()) {
      const ssize_t n = recv(socket_, into.data(), into.size(), MSG_DONTWAIT);
      if (n > 0) {
        into = into.subspan(static_cast<size_t>(n));
      } else if (n == 0 || !Retry(n, POLLIN)) {
        return false;
      }
    }
    return true;
  }

 private:
  bool Retry(ssize_t result, short events) {
    if (result < 0 && errno == EINTR) return true;
    if (result < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline_ - SteadyClock::now()).count();
    if (left <= 0) return false;
    pollfd wait{socket_, events, 0};
    const int ready = poll(&wait, 1, static_cast<int>(left));
    return ready > 0 || (ready < 0 && errno == EINTR);
  }

  int socket_;
  SteadyClock::time_point deadline_;
};

// One process, and what it has been used for.
struct Worker {
  Worker(ParserProcess p, uint32_t u) : process(std::move(p)), uid(u) {}
  ParserProcess process;
  uint32_t uid;
  int files = 0;
  SteadyClock::time_point started = SteadyClock::now();
};

class Pool : public HeaderParserPool {
 public:
  Pool(const Options& options, std::unique_ptr<ParserZygote> zygote)
      : options_(options), zygote_(std::move(zygote)) {}

  // Starts and drops one worker: whether this kernel can confine one is known before the mount is.
  Status Probe() {
    LG_ASSIGN_OR_RETURN(const auto worker, Spawn(0));
    (void)worker;
    return {};
  }

  Result<ParseOutcome> Parse(const ReadAt& read, uint64_t file_size, uint32_t uid) override;

  Counters counters() const override { return {parsed_.load(), started_.load(), lost_.load()}; }

 private:
  using WorkerPtr = std::unique_ptr<Worker>;

  // Waits until fewer than max_workers are busy.
  void BeginTurn() LG_EXCLUDES(mutex_);
  void EndTurn() LG_EXCLUDES(mutex_);
  Result<WorkerPtr> Spawn(uint32_t uid);
  // An idle worker of `uid`, or a fresh one.
  Result<WorkerPtr> Take(uint32_t uid) LG_EXCLUDES(mutex_);
  void GiveBack(WorkerPtr worker) LG_EXCLUDES(mutex_);
  bool WornOut(const Worker& worker) const;
  // Nothing when the worker died, hung or answered nonsense: it must not be used again.
  std::optional<HeaderResult> Ask(Worker& worker, ByteSpan prefix, uint64_t file_size,
                                  Readers readers) const;
  Result<HeaderResult> AskSomeone(ByteSpan prefix, uint64_t file_size, uint32_t uid);
  Result<ParseOutcome> ParseInTurn(ByteVector prefix, const ReadAt& read, uint64_t file_size,
                                   uint32_t uid);

  const Options options_;
  const std::unique_ptr<ParserZygote> zygote_;
  std::atomic<uint64_t> parsed_{0}, started_{0}, lost_{0};

  Mutex mutex_;  // never held while a process is started or asked
  CondVar turn_;
  int busy_ LG_GUARDED_BY(mutex_) = 0;
  std::vector<WorkerPtr> idle_ LG_GUARDED_BY(mutex_);  // longest idle first; one per uid
};

Result<std::unique_ptr<Worker>> Pool::Spawn(uint32_t uid) {
  LG_ASSIGN_OR_RETURN(ParserProcess process, zygote_->Spawn());
  started_.fetch_add(1);
  DeadlineSocket socket(process.socket(), SteadyClock::now() + options_.patience);
  uint8_t hello = 0;
  if (!socket.Receive(MutableByteSpan(&hello, 1))) {
    return Error(Errc::kUnavailable, "parser: a worker did not start in time");
  }
  if (hello != kWorkerReady) {
    return Error(Errc::kUnsupported,
                 "parser: the kernel does not let a worker be confined (seccomp, resource limits)");
  }
  return std::make_unique<Worker>(std::move(process), uid);
}

bool Pool::WornOut(const Worker& worker) const {
  return worker.files >= options_.files_per_worker ||
         SteadyClock::now() - worker.started >= options_.seconds_per_worker;
}

Result<Pool::WorkerPtr> Pool::Take(uint32_t uid) {
  {
    MutexLock lock(mutex_);
    const auto it = std::find_if(idle_.begin(), idle_.end(),
                                 [uid](const WorkerPtr& w) { return w->uid == uid; });
    if (it != idle_.end()) {
      WorkerPtr worker = std::move(*it);
      idle_.erase(it);
      if (!WornOut(*worker)) return worker;
    }
  }
  return Spawn(uid);
}

void Pool::GiveBack(WorkerPtr worker) {
  if (WornOut(*worker)) return;
  WorkerPtr evicted;  // killed after the lock is released
  MutexLock lock(mutex_);
  const bool have = std::any_of(idle_.begin(), idle_.end(),
                                [&](const WorkerPtr& w) { return w->uid == worker->uid; });
  if (have) {
    evicted = std::move(worker);
    return;
  }
  idle_.push_back(std::move(worker));
  if (idle_.size() > static_cast<size_t>(options_.max_idle_workers)) {
    evicted = std::move(idle_.front());
    idle_.erase(idle_.begin());
  }
}

std::optional<HeaderResult> Pool::Ask(Worker& worker, ByteSpan prefix, uint64_t file_size,
                                      Readers readers) const {
  DeadlineSocket socket(worker.process.socket(), SteadyClock::now() + options_.patience);
  const ParseRequest request{file_size, static_cast<uint32_t>(prefix.size()), readers};
  ByteVector question = request.Encode();  // one message: each wakes the worker up
  question.insert(question.end(), prefix.begin(), prefix.end());
  ByteVector length(4);
  if (!socket.Send(question) || !socket.Receive(length)) return std::nullopt;
  const auto size = LoadLe<uint32_t>(length.data());
  if (size > kMaxAnswerBytes) return std::nullopt;
  ByteVector body(size);
  if (!socket.Receive(body)) return std::nullopt;
  auto answer = DecodeAnswer(body);
  if (answer && std::holds_alternative<NeedMore>(*answer)) {
    const uint64_t more = std::get<NeedMore>(*answer).bytes;
    if (more <= prefix.size() || more > file_size) return std::nullopt;
  }
  ++worker.files;
  return answer;
}

// First as usual; if that worker is lost, once more in a fresh one and without GDCM, which is where
// crashes come from.
Result<HeaderResult> Pool::AskSomeone(ByteSpan prefix, uint64_t file_size, uint32_t uid) {
  for (const Readers readers : {Readers::kGdcmAndScan, Readers::kScanOnly}) {
    auto taken = readers == Readers::kGdcmAndScan ? Take(uid) : Spawn(uid);
    if (!taken) return std::move(taken).error();
    auto answer = Ask(**taken, prefix, file_size, readers);
    if (answer) {
      parsed_.fetch_add(1);
      GiveBack(std::move(taken).value());
      return *std::move(answer);
    }
    lost_.fetch_add(1);
  }
  return HeaderResult(Unparsed{UnparsedReason::kParserLimit});
}

// Reads on until `prefix` has `wanted` bytes. A file shorter than it was said to be ends there.
Status Extend(ByteVector& prefix, uint64_t wanted, const HeaderParserPool::ReadAt& read,
              uint64_t& file_size) {
  size_t at = prefix.size();
  prefix.resize(static_cast<size_t>(wanted));
  while (at < prefix.size()) {
    LG_ASSIGN_OR_RETURN(const size_t got, read(at, MutableByteSpan(prefix).subspan(at)));
    if (got == 0) break;
    at += std::min(got, prefix.size() - at);
  }
  if (at < prefix.size()) {
    prefix.resize(at);
    file_size = at;
  }
  return {};
}

Result<ParseOutcome> Pool::ParseInTurn(ByteVector prefix, const ReadAt& read, uint64_t file_size,
                                       uint32_t uid) {
  while (true) {
    LG_ASSIGN_OR_RETURN(HeaderResult answer, AskSomeone(prefix, file_size, uid));
    if (auto* facts = std::get_if<DicomFacts>(&answer)) return ParseOutcome(std::move(*facts));
    if (auto* unparsed = std::get_if<Unparsed>(&answer)) return ParseOutcome(*unparsed);
    LG_RETURN_IF_ERROR(Extend(prefix, std::get<NeedMore>(answer).bytes, read, file_size));
  }
}

void Pool::BeginTurn() {
  MutexLock lock(mutex_);
  while (busy_ >= options_.max_workers) turn_.Wait(mutex_);
  ++busy_;
}

void Pool::EndTurn() {
  MutexLock lock(mutex_);
  --busy_;
  turn_.NotifyOne();
}

Result<ParseOutcome> Pool::Parse(const ReadAt& read, uint64_t file_size, uint32_t uid) {
  struct Turn {
    explicit Turn(Pool& p) : pool(p) { pool.BeginTurn(); }
    ~Turn() { pool.EndTurn(); }
    Pool& pool;
  };
  ByteVector prefix;
  LG_RETURN_IF_ERROR(
      Extend(prefix, std::min<uint64_t>(file_size, kFirstHeaderBytes), read, file_size));
  if (file_size == 0) return ParseOutcome(Unparsed{UnparsedReason::kEmpty});
  // A PACS's database and logs: no process needs to be woken for what eight bytes tell.
  if (CannotBeDicom(prefix)) return ParseOutcome(Unparsed{UnparsedReason::kNotDicom});
  const Turn turn(*this);
  return ParseInTurn(std::move(prefix), read, file_size, uid);
}

}  // namespace

Result<std::unique_ptr<HeaderParserPool>> HeaderParserPool::Start(const Options& options) {
  LG_CHECK(options.max_workers > 0);
  LG_ASSIGN_OR_RETURN(auto zygote,
                      ParserZygote::Start({options.memory_bytes, options.before_parse_in_tests}));
  auto pool = std::make_unique<Pool>(options, std::move(zygote));
  LG_RETURN_IF_ERROR(pool->Probe());
  return std::unique_ptr<HeaderParserPool>(std::move(pool));
}

Result<ParseOutcome> HeaderParserPool::Parse(ByteSpan prefix, uint64_t file_size, uint32_t uid) {
  const auto read = [prefix](uint64_t offset, MutableByteSpan into) -> Result<size_t> {
    if (offset >= prefix.size()) return size_t{0};
    const ByteSpan from = prefix.subspan(static_cast<size_t>(offset));
    const size_t n = std::min(from.size(), into.size());
    std::copy_n(from.begin(), n, into.begin());
    return n;
  };
  return Parse(ReadAt(read), file_size, uid);
}

}  // namespace leadglass
