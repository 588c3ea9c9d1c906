// SPDX-License-Identifier: Apache-2.0
#pragma once

// AuditTrail: the record of what was done with a vault, a sealed log of its own (class `audit`)
// with a key and a chain of its own, in the vault's folder `audit`. Commits of the vault's log
// quote its durable head, so a trail that was cut, replaced or removed is noticed at the next
// mount. Nothing of it is ever punched.
//
// What happens by the thousand is told once for each minute, caller, program, study and action,
// with a count: IsCounted(). Everything else stands by itself, and whatever was refused.
//
// Nobody who works with the vault waits for the trail, but where it is far behind. What was noted
// is durable within about one second, an opening within a minute more; Close() writes all.
//
// Threads: all methods from any thread. Flush() looks names up, which may wait for a directory
// service, and does so without a lock.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "crypto/base/clock.h"
#include "crypto/base/file.h"
#include "crypto/base/mutex.h"
#include "crypto/log/sealed_log.h"
#include "fs/audit_record.h"
#include "fs/credentials.h"
#include "index/operations.h"

namespace leadglass {

// Gives VaultKeys::audit_keys(), as often as the trail is opened.
using AuditKeys = std::function<LogKeys()>;

// What an event is about.
struct AuditSubject {
  uint64_t inode = kNoInode;
  std::string study;
  std::string patient_id;
  std::string issuer;
};

class AuditTrail {
 public:
  struct Options {
    std::optional<QuoteAudit> quoted;  // the newest that the vault's log has
    // A trail that is missing, damaged or older than that is put aside (audit.lost-1, ...) where it
    // does not open, a new one or a new epoch begun, and that noted. Without it Open() fails.
    bool accept_loss = false;
    // Is given what was written, in order, once it is durable; by one thread at a time, which must
    // not be kept waiting and must not call back. Null: nobody is.
    std::function<void(std::span<const AuditRecord>)> on_written;
    // Facts about a calling thread. Null: ProcessFactsOf().
    std::function<ProcessFacts(pid_t)> process_of;
    // The name of a user or of a group; empty: none. Null: getpwuid_r(3), getgrgid_r(3).
    std::function<std::string(uid_t)> user_name;
    std::function<std::string(gid_t)> group_name;
  };

  // Opens the trail in `folder`, or begins one where nothing is quoted. For writing; the vault's
  // lock is the trail's, too. `fs` and `clock` outlive it.
  // Reads what was written after the quote.
  //   kCorrupt: it is missing or damaged. kAccessDenied: it is older than what is quoted, or not
  //     the one that is quoted.
  static Result<std::unique_ptr<AuditTrail>> Open(FileSystem& fs, const std::string& folder,
                                                  const Uuid& vault_id, const AuditKeys& keys,
                                                  Options options, Clock& clock);
  ~AuditTrail();

  // One event. `error` is 0 where it was done, else the errno(3) that the caller was told.
  void Note(const Caller& caller, AuditAction action, const AuditSubject& subject, int error,
            std::string detail = {});
  // Writes what is due (`all`: everything) and makes it durable. Gives whether it wrote anything.
  // kNoSpace: what was not written waits, up to a hundred thousand events. After another error the
  // trail is poisoned, as a log: later calls fail, and Note() drops what it is given.
  Result<bool> Flush(bool all);
  // The newest that is durable, for a commit of the vault's log to quote; nullopt: nothing is.
  std::optional<QuoteAudit> durable() const;
  bool failed() const { return failed_; }
  Status Close();

 private:
  struct Opening {
    uint32_t uid, gid;
    AuditAction action;
    std::string subject;  // patient and study
    std::string program;
    auto operator<=>(const Opening&) const = default;
  };
  struct Known {
    ProcessFacts facts;
    uint32_t uid = 0;
  };

  AuditTrail(std::unique_ptr<SealedLog> log, Options options, Clock& clock);
  const ProcessFacts& FactsOf(const Caller& caller) LG_REQUIRES(mutex_);
  void EndMinute(int64_t now) LG_REQUIRES(mutex_);
  Status Append(std::vector<AuditRecord>& records, size_t& written) LG_REQUIRES(flush_mutex_);

  const std::unique_ptr<SealedLog> log_;
  const Options options_;
  Clock& clock_;

  Mutex flush_mutex_;  // before mutex_: one writer at a time, in order
  std::unordered_map<uint32_t, std::string> users_ LG_GUARDED_BY(flush_mutex_);
  std::unordered_map<uint32_t, std::string> groups_ LG_GUARDED_BY(flush_mutex_);

  mutable Mutex mutex_;
  std::optional<QuoteAudit> durable_ LG_GUARDED_BY(mutex_);
  int64_t minute_ LG_GUARDED_BY(mutex_) = 0;  // of the openings that are counted
  std::map<Opening, AuditRecord> openings_ LG_GUARDED_BY(mutex_);
  std::unordered_map<pid_t, Known> processes_ LG_GUARDED_BY(mutex_);  // of this minute
  std::vector<AuditRecord> due_ LG_GUARDED_BY(mutex_);
  uint64_t dropped_ LG_GUARDED_BY(mutex_) = 0;
  std::atomic<bool> failed_{false};
};

// Hands every record of a vault's trail to `visitor`, oldest first, until it returns false. Opens
// it read-only, also while it is written to: what is not durable yet may be missing.
//   kNotFound: there is none. kCorrupt: it is damaged or missing. kAccessDenied: it is older than
//     `quoted`, or another one.
Status ReadAuditTrail(FileSystem& fs, const std::string& folder, const Uuid& vault_id,
                      const AuditKeys& keys, const std::optional<QuoteAudit>& quoted,
                      const std::function<bool(const AuditRecord&)>& visitor);

// Reads and authenticates all of it: every commit in its place on the chain, the quoted one among
// them, and every second copy. What is wrong is in the answer; errors are for what keeps it from
// being read at all (kNotFound: there is none).
Result<AuditProof> VerifyAuditTrail(FileSystem& fs, const std::string& folder, const Uuid& vault_id,
                                    const AuditKeys& keys, const std::optional<QuoteAudit>& quoted);

}  // namespace leadglass
