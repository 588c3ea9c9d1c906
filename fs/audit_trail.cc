// SPDX-License-Identifier: Apache-2.0
#include "fs/audit_trail.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <span>

namespace leadglass {
namespace {

constexpr int64_t kMinute = 60'000'000'000;
// Small: most vaults write some thousand records a day, and each session begins a segment.
constexpr uint64_t kSegmentSize = 4u << 20;
constexpr uint64_t kReserve = 1u << 20;
constexpr size_t kCommitBytes = 256u << 10;
// Who notes more than so many events that wait writes them himself.
constexpr size_t kManyDue = 10'000;
// More than so many do not wait for room on a full disk.
constexpr size_t kMostDue = 100'000;

SealedLog::Options LogOptions(const std::optional<QuoteAudit>& quoted) {
  SealedLog::Options options;
  options.segment_class = SegmentClass::kAudit;
  options.segment_size = kSegmentSize;
  options.reserve_bytes = kReserve;
  if (quoted) options.not_older_than = quoted->head;
  return options;
}

template <typename Entry, typename Id>
std::string NameBy(int (*look_up)(Id, Entry*, char*, size_t, Entry**), Id id, char* Entry::*name) {
  std::vector<char> room(16u << 10);
  Entry entry{};
  Entry* found = nullptr;
  while (look_up(id, &entry, room.data(), room.size(), &found) == ERANGE && room.size() < 1u << 20)
    room.resize(room.size() * 4);
  return found == nullptr ? std::string() : std::string(found->*name);
}

AuditTrail::Options WithDefaults(AuditTrail::Options options) {
  if (!options.process_of) options.process_of = ProcessFactsOf;
  if (!options.user_name)
    options.user_name = [](uid_t uid) { return NameBy(::getpwuid_r, uid, &passwd::pw_name); };
  if (!options.group_name)
    options.group_name = [](gid_t gid) { return NameBy(::getgrgid_r, gid, &group::gr_name); };
  return options;
}

Result<std::unique_ptr<SealedLog>> OpenLog(FileSystem& fs, const std::string& folder,
                                           const Uuid& vault_id, const AuditKeys& keys,
                                           SealedLog::Options options,
                                           const std::optional<QuoteAudit>& from,
                                           const SealedLog::CommitVisitor& visitor) {
  LG_ASSIGN_OR_RETURN(auto log, SealedLog::Open(fs, folder, vault_id, keys(), std::move(options)));
  std::optional<std::pair<Head, Position>> point;
  if (from) point.emplace(from->head, from->end);
  const auto report = log->Recover(point, visitor);
  if (report) return log;
  if (point && report.error().code == Errc::kNotFound)
    return Error(Errc::kAccessDenied,
                 "it is not the one, or older than the one, that the vault's log quotes");
  return report.error();
}

Error Lost(const Error& why) {
  return Error(why.code,
               "the audit trail: " + why.context +
                   ". Somebody damaged, removed or replaced it, or the disk did: bring the vault's "
                   "folder `audit` back from a copy, or go on without what is lost by mounting "
                   "once with --accept-rollback, which is noted in the trail",
               why.posix_errno);
}

// The name under which a trail that does not open is kept.
Result<std::string> PutAside(FileSystem& fs, const std::string& folder) {
  for (int n = 1;; ++n) {
    const std::string aside = folder + ".lost-" + std::to_string(n);
    LG_ASSIGN_OR_RETURN(const bool taken, fs.Exists(aside));
    if (taken) continue;
    LG_RETURN_IF_ERROR(fs.Rename(folder, aside));
    return aside;
  }
}

}  // namespace

Result<std::unique_ptr<AuditTrail>> AuditTrail::Open(FileSystem& fs, const std::string& folder,
                                                     const Uuid& vault_id, const AuditKeys& keys,
                                                     Options options, Clock& clock) {
  std::optional<QuoteAudit> newest = options.quoted;
  const auto note_newest = [&](const CommitInfo& commit, ByteSpan) {
    newest = {commit.head, commit.end};
    return Status();
  };
  LG_ASSIGN_OR_RETURN(const bool there, fs.Exists(folder));
  std::string lost;
  std::unique_ptr<SealedLog> log;
  if (there) {
    auto opened = OpenLog(fs, folder, vault_id, keys, LogOptions(options.quoted), options.quoted,
                          note_newest);
    if (opened) {
      log = *std::move(opened);
    } else {
      if (!options.accept_loss) return Lost(opened.error());
      LG_ASSIGN_OR_RETURN(const std::string aside, PutAside(fs, folder));
      lost = ToString(opened.error()) + "; what there was of it is kept as " +
             aside.substr(aside.rfind('/') + 1);
    }
  } else if (options.quoted) {
    const Error missing(Errc::kCorrupt, "it is missing, and the vault's log quotes it");
    if (!options.accept_loss) return Lost(missing);
    lost = missing.context;
  }
  if (log == nullptr) {
    newest.reset();
    LG_ASSIGN_OR_RETURN(log, SealedLog::Create(fs, folder, vault_id, keys(), LogOptions({})));
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const RecoveryReport report,
                        log->Recover(std::nullopt, note_newest));
  }
  std::unique_ptr<AuditTrail> trail(
      new AuditTrail(std::move(log), WithDefaults(std::move(options)), clock));
  {
    MutexLock lock(trail->mutex_);
    trail->durable_ = newest;  // Recover() made it so
  }
  if (!lost.empty()) {
    trail->Note(Caller{}, AuditAction::kLostTrail, {}, 0, lost);
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const bool wrote, trail->Flush(true));
  }
  return trail;
}

AuditTrail::AuditTrail(std::unique_ptr<SealedLog> log, Options options, Clock& clock)
    : log_(std::move(log)), options_(std::move(options)), clock_(clock) {}

AuditTrail::~AuditTrail() { (void)Close(); }

const ProcessFacts& AuditTrail::FactsOf(const Caller& caller) {
  const auto found = processes_.find(caller.pid);
  if (found != processes_.end() && found->second.uid == caller.uid) return found->second.facts;
  Known known{options_.process_of(caller.pid), caller.uid};
  return processes_.insert_or_assign(caller.pid, std::move(known)).first->second.facts;
}

void AuditTrail::Note(const Caller& caller, AuditAction action, const AuditSubject& subject,
                      int error, std::string detail) {
  if (failed_) return;
  const int64_t now = clock_.WallNanos();
  bool too_many = false;
  {
    MutexLock lock(mutex_);
    if (now / kMinute != minute_) EndMinute(now);
    const ProcessFacts& process = FactsOf(caller);
    const bool is_counted = error == 0 && IsCounted(action);
    AuditRecord* counted = nullptr;
    if (is_counted) {
      const std::string what = subject.patient_id + '\0' + subject.issuer + '\0' + subject.study;
      const auto [at, is_new] =
          openings_.try_emplace({caller.uid, caller.gid, action, what, process.program});
      counted = &at->second;
      if (!is_new) {
        counted->until = now;
        ++counted->count;
        return;
      }
    } else if (due_.size() < kMostDue) {
      counted = &due_.emplace_back();
    } else {
      ++dropped_;
      return;
    }
    AuditRecord& record = *counted;
    record.from = record.until = now;
    record.action = action;
    record.error = static_cast<uint32_t>(error);
    record.uid = caller.uid;
    record.gid = caller.gid;
    record.groups.assign(process.groups.begin(), process.groups.end());
    record.pid = static_cast<uint32_t>(std::max<pid_t>(process.pid, 0));
    record.program = process.program;
    // One image of many says nothing.
    record.inode = is_counted ? kNoInode : subject.inode;
    record.study = subject.study;
    record.patient_id = subject.patient_id;
    record.issuer = subject.issuer;
    record.detail = std::move(detail);
    too_many = due_.size() >= kManyDue;
  }
  if (too_many) (void)Flush(false);
}

void AuditTrail::EndMinute(int64_t now) {
  for (auto& [opening, record] : openings_) due_.push_back(std::move(record));
  openings_.clear();
  processes_.clear();
  minute_ = now / kMinute;
}

Result<bool> AuditTrail::Flush(bool all) {
  MutexLock flush(flush_mutex_);
  if (failed_) return Error(Errc::kUnavailable, "the audit trail could not be written", EROFS);
  std::vector<AuditRecord> records;
  {
    const int64_t now = clock_.WallNanos();
    MutexLock lock(mutex_);
    if (all || now / kMinute != minute_) EndMinute(now);
    records.swap(due_);
    if (dropped_ > 0) {
      AuditRecord& told = records.emplace_back();
      told.from = told.until = now;
      told.count = dropped_;
      told.action = AuditAction::kLostTrail;
      told.detail = "the disk was full: so many events were not recorded";
    }
  }
  if (records.empty()) return false;
  size_t written = 0;
  Status appended = Append(records, written);
  written = std::min(written, records.size());
  if (options_.on_written && written > 0) options_.on_written({records.data(), written});
  MutexLock lock(mutex_);
  if (!appended && appended.error().code != Errc::kNoSpace) {
    failed_ = true;
    return std::move(appended).error();
  }
  if (appended) {
    dropped_ = 0;
    return true;
  }
  // They wait for room; the line about those that could not wait is made again.
  if (dropped_ > 0) records.pop_back();
  due_.insert(due_.begin(), std::make_move_iterator(records.begin() + static_cast<long>(written)),
              std::make_move_iterator(records.end()));
  return std::move(appended).error();
}

// Tells how many were written, in order, whatever happened.
Status AuditTrail::Append(std::vector<AuditRecord>& records, size_t& written) {
  const auto name = [](std::unordered_map<uint32_t, std::string>& known, uint32_t id,
                       const auto& look_up) {
    const auto found = known.find(id);
    return found != known.end() ? found->second : known.emplace(id, look_up(id)).first->second;
  };
  // Names may change, and a trail is long: they are asked for again each time.
  users_.clear();
  groups_.clear();
  for (AuditRecord& record : records) {
    record.user = name(users_, record.uid, options_.user_name);
    record.group = name(groups_, record.gid, options_.group_name);
  }
  QuoteAudit newest;
  while (written < records.size()) {
    size_t end = written;
    for (size_t bytes = 0; end < records.size() && bytes < kCommitBytes; ++end) {
      const AuditRecord& record = records[end];
      bytes += 256 + record.groups.size() * sizeof(uint32_t) + record.study.size() +
               record.patient_id.size() + record.issuer.size() + record.detail.size();
    }
    const std::span<const AuditRecord> batch(records.data() + written, end - written);
    LG_ASSIGN_OR_RETURN(const CommitInfo commit,
                        log_->AppendCommit(EncodeAuditRecords(batch), true));
    newest = {commit.head, commit.end};
    written = end;
  }
  LG_RETURN_IF_ERROR(log_->Sync());
  MutexLock lock(mutex_);
  durable_ = newest;
  return {};
}

std::optional<QuoteAudit> AuditTrail::durable() const {
  MutexLock lock(mutex_);
  return durable_;
}

Status AuditTrail::Close() {
  Status flushed;
  if (!failed_) {
    if (const auto wrote = Flush(true); !wrote) flushed = wrote.error();
  }
  const Status closed = log_->Close();
  return flushed ? closed : flushed;
}

Status ReadAuditTrail(FileSystem& fs, const std::string& folder, const Uuid& vault_id,
                      const AuditKeys& keys, const std::optional<QuoteAudit>& quoted,
                      const std::function<bool(const AuditRecord&)>& visitor) {
  LG_ASSIGN_OR_RETURN(const bool there, fs.Exists(folder));
  if (!there) {
    if (quoted)
      return Error(Errc::kCorrupt, "the audit trail is missing, and the vault's log quotes it");
    return Error(Errc::kNotFound, "the vault has no audit trail yet");
  }
  SealedLog::Options options = LogOptions(quoted);
  options.read_only = true;
  bool go_on = true;
  const auto visit = [&](const CommitInfo&, ByteSpan payload) -> Status {
    if (!go_on) return {};
    LG_ASSIGN_OR_RETURN(const std::vector<AuditRecord> records, DecodeAuditRecords(payload));
    for (const AuditRecord& record : records) go_on = go_on && visitor(record);
    return {};
  };
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const auto log,
                      OpenLog(fs, folder, vault_id, keys, options, {}, visit));
  return {};
}

Result<AuditProof> VerifyAuditTrail(FileSystem& fs, const std::string& folder, const Uuid& vault_id,
                                    const AuditKeys& keys,
                                    const std::optional<QuoteAudit>& quoted) {
  AuditProof proof;
  const auto count = [&](const AuditRecord& record) {
    ++proof.records;
    proof.first = proof.first == 0 ? record.from : std::min(proof.first, record.from);
    proof.last = std::max(proof.last, record.until);
    return true;
  };
  const Status read = ReadAuditTrail(fs, folder, vault_id, keys, quoted, count);
  if (!read && read.error().code != Errc::kCorrupt && read.error().code != Errc::kAccessDenied)
    return read.error();
  if (!read) {
    proof.damage.push_back(read.error().context);
    proof.whole = false;
    return proof;
  }
  bool has_quoted = !quoted;
  const auto visit = [&](const CommitInfo& commit, ByteSpan) {
    ++proof.commits;
    proof.head = commit.head;
    has_quoted = has_quoted || commit.head == quoted->head;
    return Status();
  };
  SealedLog::Options options = LogOptions(quoted);
  options.read_only = true;
  const auto ignore = [](const CommitInfo&, ByteSpan) { return Status(); };
  LG_ASSIGN_OR_RETURN(const auto log, OpenLog(fs, folder, vault_id, keys, options, {}, ignore));
  LG_RETURN_IF_ERROR(log->Verify(
      [&](const SealedLog::Damage& damage) {
        proof.damage.push_back(damage.what + " at " + ToString(damage.position) +
                               (damage.healed ? ": damaged, its second copy serves" : ": damaged"));
        proof.whole = proof.whole && damage.healed;
      },
      [](uint64_t, uint64_t) {}, visit));
  if (!has_quoted) {
    proof.damage.emplace_back("the commit that the vault's log quotes is not in it");
    proof.whole = false;
  }
  return proof;
}

}  // namespace leadglass
