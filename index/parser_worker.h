// SPDX-License-Identifier: Apache-2.0
#pragma once

// HeaderParserPool: ParseHeader in processes that own nothing worth stealing.
//
// Start() forks a *zygote*, a copy of this process as it is then. So call it first thing: before
// other threads run (fork copies one thread; locks the others held would stay locked) and before
// any passphrase or key is in memory (the copy would hold it too). The zygote forks a worker when
// one is wanted. A worker has one socket and nothing else: no files, no network, no new privileges,
// no root (uid nobody when started by root), no core dump, 256 MiB of memory, 1 s of CPU a file,
// and a seccomp filter under which everything but reading, answering and allocating memory is
// death.
//
// A worker serves one writer's uid, at most `files_per_worker` files and `seconds_per_worker`
// seconds; then a fresh one takes its place: a worker that a hostile file took over cannot misfile
// another writer's patients, nor its own writer's for long. What it answers is decoded as hostile.
// A file on which a worker dies or hangs is tried once more in a fresh one and without GDCM: so no
// file is blamed for what an earlier one did, and an assertion inside GDCM loses no image. After
// that it is UnparsedReason::kParserLimit.
//
// Thread-safe. Parse() blocks its caller; up to `max_workers` run at once, others wait; and one
// more may read what was asked ahead.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <variant>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"
#include "index/dicom_facts.h"
#include "index/header_parser.h"

namespace leadglass {

using ParseOutcome = std::variant<DicomFacts, Unparsed>;

class HeaderParserPool {
 public:
  struct Options {
    int max_workers = 2;  // parsing at once
    // Kept warm, for each uid as many as can be busy; the longest idle goes first.
    int max_idle_workers = 6;
    int files_per_worker = 256;  // then it is replaced, which takes some 2 ms
    std::chrono::seconds seconds_per_worker{60};
    // Wall clock for one request, or for starting a worker; a backstop above the 1 s of CPU, which
    // a busy machine stretches.
    std::chrono::milliseconds patience{5000};
    // On top of what the zygote has mapped. Not enforced under sanitizers, which map terabytes.
    uint64_t memory_bytes = 256ull << 20;
    // Whom root's zygote and workers become: the account that this process will have become when it
    // kills one. nullopt: nobody.
    std::optional<std::pair<uid_t, gid_t>> run_as;
    // Runs in the worker before each parse, confined as a hostile file's code would be: tests only.
    void (*before_parse_in_tests)(int socket, const uint8_t* prefix, size_t size) = nullptr;
  };

  // Fills `into` from the file's byte `offset` on; returns how many bytes it got (short only at the
  // file's end).
  using ReadAt = std::function<Result<size_t>(uint64_t offset, MutableByteSpan into)>;

  // See above for when to call it. kInternal when the zygote cannot be forked or does not answer;
  // kUnsupported when the kernel refuses the seccomp filter: there is no unprotected mode.
  static Result<std::unique_ptr<HeaderParserPool>> Start(const Options& options);
  static Result<std::unique_ptr<HeaderParserPool>> Start() { return Start(Options()); }

  virtual ~HeaderParserPool() = default;

  // Parses the header of the file of `file_size` bytes that `read` reads, written by `uid`. Asks
  // `read` for the first kFirstHeaderBytes, and rarely for more. Errors: those of `read`,
  // unchanged; kUnavailable when no worker can be had (the zygote is gone: remount; or it is
  // stopped). Nothing the file holds is an error: that is an Unparsed. What cannot be DICOM by its
  // first bytes is told at once, and asks no worker.
  virtual Result<ParseOutcome> Parse(const ReadAt& read, uint64_t file_size, uint32_t uid) = 0;

  // The same over bytes in memory: `prefix` is the file's first bytes. A header that goes on past
  // `prefix` is kTruncated, unless it is the whole file.
  Result<ParseOutcome> Parse(ByteSpan prefix, uint64_t file_size, uint32_t uid);

  // What is read from now on besides the fixed set of elements; see FurtherElements for its order.
  // Calls that have begun may still read what was wanted before.
  virtual void SetFurther(const FurtherElements& further) = 0;

  // A question that is out: the file's first bytes and its size, and the further elements.
  struct Asked {
    uint64_t ticket = 0;
    ByteVector prefix;
    uint64_t file_size = 0;
    std::shared_ptr<const ByteVector> further;
  };
  // Asks about a file that is to be parsed in a moment, and does not wait for the answer: the
  // caller has the file's bytes at hand and other work to do. `prefix` is its first
  // kFirstHeaderBytes, or all of it. Null: nothing was asked, because no worker of `uid` is warm,
  // another question is out, or the bytes cannot be DICOM. Who asks calls ParseAsked() or Drop()
  // sooner or later; a question that is older than kAskedLong makes room for another one.
  virtual std::shared_ptr<const Asked> AskAhead(ByteSpan prefix, uint64_t file_size,
                                                uint32_t uid) = 0;
  // As Parse(), of a file that still is as it was when it was asked about; `read` is called for
  // bytes behind the prefix only. Waits for the answer; asks again where it has gone astray, or
  // SetFurther() was called since.
  virtual Result<ParseOutcome> ParseAsked(const Asked& asked, const ReadAt& read, uint32_t uid) = 0;
  // The answer is not wanted any more: the file has changed.
  virtual void Drop(const Asked& asked) = 0;
  static constexpr std::chrono::milliseconds kAskedLong{50};

  // For status and tests.
  struct Counters {
    uint64_t parsed = 0;           // requests answered by a worker
    uint64_t workers_started = 0;  // processes forked
    uint64_t workers_lost = 0;     // died, hung or answered nonsense
    uint64_t asked_ahead = 0;      // of `parsed`, asked by AskAhead()
  };
  virtual Counters counters() const = 0;
};

}  // namespace leadglass
