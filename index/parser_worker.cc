// SPDX-License-Identifier: Apache-2.0
#include "index/parser_worker.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iterator>
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

  std::shared_ptr<const Asked> AskAhead(ByteSpan prefix, uint64_t file_size, uint32_t uid) override
      LG_EXCLUDES(mutex_);
  Result<ParseOutcome> ParseAsked(const Asked& asked, const ReadAt& read, uint32_t uid) override;
  void Drop(const Asked& asked) override;
  void SetFurther(const FurtherElements& further) override LG_EXCLUDES(mutex_) {
    auto encoded = std::make_shared<const ByteVector>(EncodeFurther(further));
    MutexLock lock(mutex_);
    further_ = std::move(encoded);
  }

  Counters counters() const override {
    return {parsed_.load(), started_.load(), lost_.load(), ahead_.load()};
  }

 private:
  using WorkerPtr = std::unique_ptr<Worker>;
  using Further = std::shared_ptr<const ByteVector>;  // as it is sent
  // One file's bytes, as far as they are here.
  struct Question {
    ByteSpan prefix;
    uint64_t file_size = 0;
    ByteSpan further;
  };
  // The question that is out, if any.
  struct Out {
    std::shared_ptr<const Asked> asked;
    WorkerPtr worker;
    SteadyClock::time_point since;
  };
  struct Turn {
    explicit Turn(Pool& p) : pool(p) { pool.BeginTurn(); }
    ~Turn() { pool.EndTurn(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    Pool& pool;
  };

  // Waits until fewer than max_workers are busy.
  void BeginTurn() LG_EXCLUDES(mutex_);
  void EndTurn() LG_EXCLUDES(mutex_);
  Result<WorkerPtr> Spawn(uint32_t uid);
  // An idle worker of `uid`, or a fresh one.
  Result<WorkerPtr> Take(uint32_t uid) LG_EXCLUDES(mutex_);
  void GiveBack(WorkerPtr worker) LG_EXCLUDES(mutex_);
  bool WornOut(const Worker& worker) const;
  WorkerPtr TakeIdle(uint32_t uid) LG_REQUIRES(mutex_);
  // False, and nothing, when the worker died, hung or answered nonsense: it must not be used again.
  bool Send(Worker& worker, const Question& question, Readers readers) const;
  std::optional<HeaderResult> Receive(Worker& worker, size_t prefix_size, uint64_t file_size) const;
  Further further() const LG_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return further_;
  }
  // Counts the answer and gives the worker back, or counts the worker as lost.
  void Done(WorkerPtr worker, bool answered);
  // Of the question that is out; nothing where it is another one, or its worker was `lost`.
  std::optional<HeaderResult> Answer(const Asked& asked, bool& lost) LG_EXCLUDES(mutex_);
  Result<HeaderResult> AskSomeone(const Question& question, uint32_t uid, bool lost_one);
  // `lost_one`: a worker was lost on these bytes already.
  Result<ParseOutcome> ParseInTurn(ByteVector prefix, const ReadAt& read, uint64_t file_size,
                                   uint32_t uid, const Further& further, bool lost_one);

  const Options options_;
  const std::unique_ptr<ParserZygote> zygote_;
  std::atomic<uint64_t> parsed_{0}, started_{0}, lost_{0}, ahead_{0};

  mutable Mutex mutex_;  // never held while a process is started or asked
  CondVar turn_;
  int busy_ LG_GUARDED_BY(mutex_) = 0;
  std::vector<WorkerPtr> idle_ LG_GUARDED_BY(mutex_);  // longest idle first
  bool asking_ LG_GUARDED_BY(mutex_) = false;          // a question for `out_` is being sent
  std::optional<Out> out_ LG_GUARDED_BY(mutex_);
  uint64_t last_ticket_ LG_GUARDED_BY(mutex_) = 0;
  Further further_ LG_GUARDED_BY(mutex_) = std::make_shared<const ByteVector>();
};

Result<std::unique_ptr<Worker>> Pool::Spawn(uint32_t uid) {
  LG_ASSIGN_OR_RETURN(ParserProcess process, zygote_->Spawn(options_.patience));
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

// The one that was used last, so that those too many grow old; null: none.
Pool::WorkerPtr Pool::TakeIdle(uint32_t uid) {
  const auto it = std::find_if(idle_.rbegin(), idle_.rend(),
                               [uid](const WorkerPtr& w) { return w->uid == uid; });
  if (it == idle_.rend()) return nullptr;
  WorkerPtr worker = std::move(*it);
  idle_.erase(std::next(it).base());
  return worker;
}

Result<Pool::WorkerPtr> Pool::Take(uint32_t uid) {
  WorkerPtr worker;
  {
    MutexLock lock(mutex_);
    worker = TakeIdle(uid);
  }
  if (worker != nullptr && !WornOut(*worker)) return worker;
  return Spawn(uid);
}

void Pool::GiveBack(WorkerPtr worker) {
  if (WornOut(*worker)) return;
  WorkerPtr evicted;  // killed after the lock is released
  MutexLock lock(mutex_);
  const auto same = std::count_if(idle_.begin(), idle_.end(),
                                  [&](const WorkerPtr& w) { return w->uid == worker->uid; });
  if (same > options_.max_workers) {  // and one that is asked ahead
    evicted = std::move(worker);
    return;
  }
  idle_.push_back(std::move(worker));
  if (idle_.size() > static_cast<size_t>(options_.max_idle_workers)) {
    evicted = std::move(idle_.front());
    idle_.erase(idle_.begin());
  }
}

bool Pool::Send(Worker& worker, const Question& question, Readers readers) const {
  DeadlineSocket socket(worker.process.socket(), SteadyClock::now() + options_.patience);
  const ParseRequest request{question.file_size, static_cast<uint32_t>(question.prefix.size()),
                             readers, static_cast<uint16_t>(question.further.size())};
  ByteVector message = request.Encode();  // one message: each wakes the worker up
  for (const ByteSpan part : {question.further, question.prefix})
    message.insert(message.end(), part.begin(), part.end());
  return socket.Send(message);
}

std::optional<HeaderResult> Pool::Receive(Worker& worker, size_t prefix_size,
                                          uint64_t file_size) const {
  DeadlineSocket socket(worker.process.socket(), SteadyClock::now() + options_.patience);
  ByteVector length(4);
  if (!socket.Receive(length)) return std::nullopt;
  const auto size = LoadLe<uint32_t>(length.data());
  if (size > kMaxAnswerBytes) return std::nullopt;
  ByteVector body(size);
  if (!socket.Receive(body)) return std::nullopt;
  auto answer = DecodeAnswer(body);
  if (answer && std::holds_alternative<NeedMore>(*answer)) {
    const uint64_t more = std::get<NeedMore>(*answer).bytes;
    if (more <= prefix_size || more > file_size) return std::nullopt;
  }
  ++worker.files;
  return answer;
}

void Pool::Done(WorkerPtr worker, bool answered) {
  if (answered) {
    parsed_.fetch_add(1);
    GiveBack(std::move(worker));
  } else {
    lost_.fetch_add(1);
  }
}

// First with GDCM; if that worker is lost, once more in a fresh one and without it, which is where
// crashes come from.
Result<HeaderResult> Pool::AskSomeone(const Question& question, uint32_t uid, bool lost_one) {
  for (const Readers readers : {Readers::kGdcmAndScan, Readers::kScanOnly}) {
    if (lost_one && readers == Readers::kGdcmAndScan) continue;
    auto taken = readers == Readers::kGdcmAndScan ? Take(uid) : Spawn(uid);
    if (!taken) return std::move(taken).error();
    WorkerPtr worker = std::move(taken).value();
    auto answer = Send(*worker, question, readers)
                      ? Receive(*worker, question.prefix.size(), question.file_size)
                      : std::nullopt;
    Done(std::move(worker), answer.has_value());
    if (answer) return *std::move(answer);
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

// What an answer says that asks for no more bytes.
std::optional<ParseOutcome> Final(const HeaderResult& answer) {
  if (const auto* facts = std::get_if<DicomFacts>(&answer)) return ParseOutcome(*facts);
  if (const auto* unparsed = std::get_if<Unparsed>(&answer))
    return ParseOutcome(Unparsed{unparsed->reason});
  return std::nullopt;
}

Result<ParseOutcome> Pool::ParseInTurn(ByteVector prefix, const ReadAt& read, uint64_t file_size,
                                       uint32_t uid, const Further& further, bool lost_one) {
  while (true) {
    LG_ASSIGN_OR_RETURN(HeaderResult answer,
                        AskSomeone({prefix, file_size, *further}, uid, lost_one));
    if (auto outcome = Final(answer)) return *std::move(outcome);
    LG_RETURN_IF_ERROR(Extend(prefix, std::get<NeedMore>(answer).bytes, read, file_size));
    lost_one = false;
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
  ByteVector prefix;
  LG_RETURN_IF_ERROR(
      Extend(prefix, std::min<uint64_t>(file_size, kFirstHeaderBytes), read, file_size));
  if (file_size == 0) return ParseOutcome(Unparsed{UnparsedReason::kEmpty});
  // A PACS's database and logs: no process needs to be woken for what eight bytes tell.
  if (CannotBeDicom(prefix)) return ParseOutcome(Unparsed{UnparsedReason::kNotDicom});
  const Turn turn(*this);
  return ParseInTurn(std::move(prefix), read, file_size, uid, further(), false);
}

std::shared_ptr<const Pool::Asked> Pool::AskAhead(ByteSpan prefix, uint64_t file_size,
                                                  uint32_t uid) {
  if (prefix.empty() || CannotBeDicom(prefix)) return nullptr;
  std::shared_ptr<const Asked> forgotten;
  WorkerPtr worker;
  auto asked = std::make_shared<Asked>();
  {
    MutexLock lock(mutex_);
    if (asking_) return nullptr;
    if (!out_.has_value()) {
      worker = TakeIdle(uid);
      asking_ = worker != nullptr;
      asked->ticket = ++last_ticket_;
      asked->further = further_;
    } else if (SteadyClock::now() - out_->since > kAskedLong) {
      forgotten = out_->asked;
    }
  }
  if (forgotten != nullptr) Drop(*forgotten);
  if (worker == nullptr) return nullptr;
  const bool fit = !WornOut(*worker);
  const bool sent =
      fit && Send(*worker, {prefix, file_size, *asked->further}, Readers::kGdcmAndScan);
  if (fit && !sent) lost_.fetch_add(1);
  asked->prefix.assign(prefix.begin(), prefix.end());
  asked->file_size = file_size;
  MutexLock lock(mutex_);
  asking_ = false;
  if (!sent) return nullptr;
  out_ = Out{asked, std::move(worker), SteadyClock::now()};
  return asked;
}

void Pool::Drop(const Asked& asked) {
  bool lost = false;
  (void)Answer(asked, lost);
}

std::optional<HeaderResult> Pool::Answer(const Asked& asked, bool& lost) {
  WorkerPtr worker;
  {
    MutexLock lock(mutex_);
    if (!out_.has_value() || out_->asked->ticket != asked.ticket) return std::nullopt;
    worker = std::move(out_->worker);
    out_.reset();
  }
  auto answer = Receive(*worker, asked.prefix.size(), asked.file_size);
  if (answer) ahead_.fetch_add(1);
  lost = !answer.has_value();
  Done(std::move(worker), answer.has_value());
  return answer;
}

Result<ParseOutcome> Pool::ParseAsked(const Asked& asked, const ReadAt& read, uint32_t uid) {
  bool lost = false;
  std::optional<HeaderResult> answer = Answer(asked, lost);
  const Further wanted = further();
  if (wanted != asked.further) answer.reset();
  if (answer) {
    if (auto outcome = Final(*answer)) return *std::move(outcome);
  }
  ByteVector prefix = asked.prefix;
  uint64_t file_size = asked.file_size;
  if (answer)
    LG_RETURN_IF_ERROR(Extend(prefix, std::get<NeedMore>(*answer).bytes, read, file_size));
  const Turn turn(*this);
  return ParseInTurn(std::move(prefix), read, file_size, uid, wanted, lost);
}

}  // namespace

Result<std::unique_ptr<HeaderParserPool>> HeaderParserPool::Start(const Options& options) {
  LG_CHECK(options.max_workers > 0);
  LG_ASSIGN_OR_RETURN(auto zygote, ParserZygote::Start({options.memory_bytes, options.run_as,
                                                        options.before_parse_in_tests}));
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
