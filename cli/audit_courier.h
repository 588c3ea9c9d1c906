// SPDX-License-Identifier: Apache-2.0
#pragma once

// AuditCourier: takes copies of the audit trail's records to the systemd journal and to syslog.
// Who hands them over never waits: a thread delivers. What cannot be delivered, or comes faster
// than it can be, is dropped and said in the daemon's log, with how many; the trail has it.
//
// A journal entry has the fields LEADGLASS_ACTION, _RESULT, _VAULT, _UID, _USER, _PID, _PROGRAM,
// _STUDY, _PATIENT_ID, _COUNT and _DETAIL, as `leadglass audit --json` has them, and says the same
// in its MESSAGE as `leadglass audit`.

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <thread>

#include "crypto/base/mutex.h"
#include "crypto/base/unique_fd.h"
#include "fs/audit_copies.h"
#include "fs/audit_record.h"

namespace leadglass {

class AuditCourier {
 public:
  // `complain` is told in one sentence when copies begin to get lost, and when they arrive again.
  AuditCourier(std::string vault_id, std::function<void(const std::string&)> complain);
  // Delivers what waits, for up to two seconds; a name server that does not answer may keep it
  // longer.
  ~AuditCourier();
  AuditCourier(const AuditCourier&) = delete;
  AuditCourier& operator=(const AuditCourier&) = delete;

  // From any thread; in the order of the calls.
  void Take(const AuditCopies& where, std::span<const AuditRecord> records);
  // The same as Vault::Options::on_audit wants it. The courier outlives the vault.
  std::function<void(const AuditCopies&, std::span<const AuditRecord>)> Taking() {
    return [this](const AuditCopies& where, std::span<const AuditRecord> records) {
      Take(where, records);
    };
  }

 private:
  struct Parcel {
    AuditCopies where;
    AuditRecord record;
  };

  void Run();
  // What keeps the parcel from arriving; empty: nothing.
  std::string Deliver(const Parcel& parcel);
  std::string ToUdp(const AuditCopies& where, const std::string& message);
  void Account(const std::string& trouble, uint64_t lost);

  const std::string vault_id_;
  const std::string host_;
  const std::function<void(const std::string&)> complain_;

  Mutex mutex_;
  CondVar arrived_;
  std::deque<Parcel> waiting_ LG_GUARDED_BY(mutex_);
  uint64_t dropped_ LG_GUARDED_BY(mutex_) = 0;  // not told yet
  bool ending_ LG_GUARDED_BY(mutex_) = false;

  // Of the thread that delivers.
  uint64_t lost_ = 0;  // since copies last arrived
  UniqueFd udp_;       // to udp_to_
  std::string udp_to_;
  int64_t next_look_up_ = 0;  // of the host, in nanoseconds of the monotonic clock
  std::jthread thread_;       // last: it uses the others
};

}  // namespace leadglass
