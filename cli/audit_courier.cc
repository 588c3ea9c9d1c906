// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_courier.h"

#include <netdb.h>
#include <sys/socket.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "cli/audit_access.h"
#include "cli/audit_message.h"
#include "crypto/base/clock.h"

namespace leadglass {

namespace {

constexpr size_t kMostWaiting = 20'000;  // some 10 MB
constexpr int64_t kSecondNanos = 1'000'000'000;
constexpr int64_t kLookUpPause = 10 * kSecondNanos;
constexpr int64_t kEndWithin = 2 * kSecondNanos;

std::string NameOfHost() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

int64_t Now() { return SystemClock().MonotonicNanos(); }

std::string Reason(int error) {
  const char* const text = ::strerrordesc_np(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}

// Both say nothing when nobody listens.
std::string IfAbsent(const char* socket, const char* what) {
  if (::access(socket, W_OK) == 0) return {};
  return std::string(what) + " cannot be reached (" + socket + ": " + Reason(errno) + ")";
}

std::string ToJournal(const AuditRecord& record, const std::string& vault_id) {
  if (std::string absent = IfAbsent("/run/systemd/journal/socket", "the journal"); !absent.empty())
    return absent;
  const Json json = ToJson(record);
  std::vector<std::string> fields = {
      "MESSAGE=" + AuditLine(json),
      "PRIORITY=" + std::to_string(record.error == 0 ? LOG_INFO : LOG_NOTICE),
      "SYSLOG_IDENTIFIER=leadglass-audit",
      "SYSLOG_FACILITY=" + std::to_string(LOG_AUTHPRIV >> 3),
      "LEADGLASS_VAULT=" + vault_id,
  };
  for (const auto& [member, field] : {std::pair{"action", "ACTION"},
                                      {"result", "RESULT"},
                                      {"uid", "UID"},
                                      {"user", "USER"},
                                      {"pid", "PID"},
                                      {"program", "PROGRAM"},
                                      {"study", "STUDY"},
                                      {"patient_id", "PATIENT_ID"},
                                      {"count", "COUNT"},
                                      {"detail", "DETAIL"}}) {
    const Json& value = json.at(member);
    fields.push_back("LEADGLASS_" + std::string(field) + "=" +
                     (value.is_string() ? value.get<std::string>() : JsonLine(value)));
  }
  std::vector<iovec> parts;
  for (std::string& field : fields) parts.push_back({field.data(), field.size()});
  const int result = ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
  return result == 0 ? std::string() : "the journal refuses entries (" + Reason(-result) + ")";
}

std::string ToSyslog(const std::string& message) {
  if (std::string absent = IfAbsent("/dev/log", "syslog"); !absent.empty()) return absent;
  ::syslog(LOG_AUTHPRIV | LOG_NOTICE, "%s", message.c_str());
  return {};
}

// A socket that sends to host and port; invalid: it is not known or not to be reached.
UniqueFd ConnectedTo(const AuditCopies& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found) != 0)
    return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    UniqueFd socket(::socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (socket && ::connect(socket.get(), one->ai_addr, one->ai_addrlen) == 0) return socket;
  }
  return {};
}

}  // namespace

AuditCourier::AuditCourier(std::string vault_id, std::function<void(const std::string&)> complain)
    : vault_id_(std::move(vault_id)), host_(NameOfHost()), complain_(std::move(complain)) {
  thread_ = std::jthread([this] { Run(); });
}

AuditCourier::~AuditCourier() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
  }
  arrived_.NotifyAll();
}

void AuditCourier::Take(const AuditCopies& where, std::span<const AuditRecord> records) {
  {
    MutexLock lock(mutex_);
    for (const AuditRecord& record : records) {
      if (waiting_.size() < kMostWaiting) {
        waiting_.push_back({where, record});
      } else {
        ++dropped_;
      }
    }
  }
  arrived_.NotifyAll();
}

void AuditCourier::Run() {
  int64_t ends = 0;
  for (;;) {
    Parcel parcel;
    uint64_t dropped = 0;
    {
      MutexLock lock(mutex_);
      while (waiting_.empty() && !ending_) arrived_.Wait(mutex_);
      if (ending_ && ends == 0) ends = Now() + kEndWithin;
      if (waiting_.empty() || (ends != 0 && Now() > ends)) break;
      parcel = std::move(waiting_.front());
      waiting_.pop_front();
      dropped = std::exchange(dropped_, 0);
    }
    const std::string trouble = Deliver(parcel);
    Account(trouble, dropped + (trouble.empty() ? 0 : 1));
  }
  MutexLock lock(mutex_);
  const uint64_t left = waiting_.size() + dropped_ + lost_;
  if (left > 0)
    complain_(std::to_string(left) +
              " copies of audit records were not delivered; the trail in "
              "the vault has them");
}

std::string AuditCourier::Deliver(const Parcel& parcel) {
  std::string trouble;
  const auto add = [&](const std::string& one) {
    if (!one.empty()) trouble += (trouble.empty() ? "" : "; ") + one;
  };
  if (parcel.where.journal) add(ToJournal(parcel.record, vault_id_));
  if (parcel.where.syslog == AuditCopies::Syslog::kNone) return trouble;
  const AuditSource source{parcel.where.source_id.empty() ? host_ : parcel.where.source_id,
                           parcel.where.site_id, host_, vault_id_,
                           static_cast<uint32_t>(::getpid())};
  const std::string message = AuditMessage(parcel.record, source);
  add(parcel.where.syslog == AuditCopies::Syslog::kLocal
          ? ToSyslog(message)
          : ToUdp(parcel.where, SyslogFrame(message, source, SystemClock().WallNanos())));
  return trouble;
}

std::string AuditCourier::ToUdp(const AuditCopies& where, const std::string& message) {
  const std::string to = where.host + " port " + std::to_string(where.port);
  if (udp_to_ != to) {
    udp_.Reset();
    udp_to_ = to;
    next_look_up_ = 0;
  }
  if (!udp_ && Now() >= next_look_up_) {
    udp_ = ConnectedTo(where);
    next_look_up_ = Now() + kLookUpPause;
  }
  if (!udp_) return "the syslog host " + to + " is not known or cannot be reached";
  // One that was told before that nobody listens there says so at the next, which was not sent.
  for (int tries = 0; tries < 2; ++tries) {
    if (::send(udp_.get(), message.data(), message.size(), MSG_NOSIGNAL) >= 0) return {};
    if (errno != ECONNREFUSED) break;
  }
  const int error = errno;
  udp_.Reset();
  return "the syslog host " + to + " does not take messages (" + Reason(error) + ")";
}

void AuditCourier::Account(const std::string& trouble, uint64_t lost) {
  if (lost == 0) {
    if (lost_ > 0)
      complain_("copies of audit records arrive again; " + std::to_string(lost_) +
                " were lost, which the trail in the vault has");
    lost_ = 0;
    return;
  }
  if (lost_ == 0)
    complain_("copies of audit records get lost, the trail in the vault has them: " +
              (trouble.empty() ? "they come faster than they can be delivered" : trouble));
  lost_ += lost;
}

}  // namespace leadglass
