// SPDX-License-Identifier: Apache-2.0
#include "cli/mount_daemon.h"

#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "cli/audit_access.h"
#include "cli/audit_courier.h"
#include "cli/configuration_access.h"
#include "cli/control_socket.h"
#include "cli/emergency_orders.h"
#include "cli/group_access.h"
#include "cli/heap_trimmer.h"
#include "cli/hold_access.h"
#include "cli/logging.h"
#include "cli/mount_keeper.h"
#include "cli/output.h"
#include "cli/privileges.h"
#include "cli/remembered_head.h"
#include "cli/status_report.h"
#include "cli/users.h"
#include "cli/vault_access.h"
#include "fs/fuse_session.h"
#include "index/parser_worker.h"

namespace leadglass {

namespace {

constexpr std::chrono::seconds kTrimPeriod{30};

sigset_t EndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

// Ends the session when a signal says so.
std::jthread WatchSignals(FuseSession& session) {
  return std::jthread([&session](const std::stop_token& stop) {
    const sigset_t signals = EndingSignals();
    const timespec pause = {0, 200'000'000};
    while (!stop.stop_requested()) {
      if (::sigtimedwait(&signals, nullptr, &pause) < 0) continue;
      LogInfo("told to end: unmounting");
      session.Stop();
      return;
    }
  });
}

// Remembers the durable head about every second while it moves.
class HeadKeeper {
 public:
  HeadKeeper(Vault& vault, HeadMemory& remembered) : vault_(vault), remembered_(remembered) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
  ~HeadKeeper() {
    thread_.request_stop();
    thread_.join();
    KeepNow();
  }
  HeadKeeper(const HeadKeeper&) = delete;
  HeadKeeper& operator=(const HeadKeeper&) = delete;

 private:
  void Run(const std::stop_token& stop) {
    for (int tick = 0; !stop.stop_requested(); ++tick) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (tick % 10 == 9) KeepNow();
    }
  }
  void KeepNow() {
    const auto status = vault_.GetStatus();
    if (!status) return;
    const Status saved = remembered_.SaveIfNewer(status->durable_head);
    if (!saved && !complained_) {
      LogWarning("cannot remember the newest head: " + ToString(saved.error()));
    }
    complained_ = !saved.has_value();
  }

  Vault& vault_;
  HeadMemory& remembered_;
  bool complained_ = false;
  std::jthread thread_;
};

Vault::Options VaultOptions(const MountPlan& plan, const std::optional<Head>& remembered,
                            Progress& progress, AuditCourier& courier) {
  Vault::Options options;
  options.read_only = plan.options.read_only;
  options.durable_close = plan.options.durable_close;
  options.not_older_than = remembered;
  options.accept_rollback = plan.options.accept_rollback;
  options.salvage = plan.options.salvage;
  if (plan.options.horizon)
    options.horizon_nanos = std::chrono::nanoseconds(*plan.options.horizon).count();
  options.on_audit = courier.Taking();
  options.opened_by = Caller{plan.mounter_uid, plan.mounter_gid, ::getpid(), 0};
  options.progress = [&progress](uint64_t commits) { progress.Update(commits, 0); };
  return options;
}

Status RepairCopies(VaultKeys& keys, bool read_only) {
  const VaultInfo& info = keys.info();
  if (!info.vault_file_copy_damaged && !info.keyring_copy_damaged) return {};
  PrintMessage(read_only ? "one copy of the vault file or keyring is damaged; the other serves"
                         : "one copy of the vault file or keyring is damaged; rewriting it");
  return read_only ? Status() : keys.RepairCopies();
}

// A socket of this mount's: of the keeper's making where there is one, which removes it, too.
Result<BoundSocket> SocketOf(const MountPlan& plan, MountKeeper* keeper, ControlDoor door) {
  if (keeper == nullptr) {
    LG_ASSIGN_OR_RETURN(const FuseMount mount, MountAt(plan.mountpoint));
    return BindControlSocket(mount, door);
  }
  BoundSocket socket;
  LG_ASSIGN_OR_RETURN(socket.listener, keeper->Listen(door));
  return socket;
}

// Without it only `status MOUNTPOINT` fails, so its absence stops nothing.
std::unique_ptr<ControlServer> StartControl(const MountPlan& plan, const VaultKeys& keys,
                                            Vault& vault, MountKeeper* keeper) {
  const auto answer_to = [&](const std::string& question, const ControlPeer& peer) -> std::string {
    if (auto answer = AnswerConfiguration(vault, question, peer)) return *std::move(answer);
    if (auto answer = AnswerAudit(vault, question)) return *std::move(answer);
    if (auto answer = AnswerGroup(vault, question, peer)) return *std::move(answer);
    if (auto answer = AnswerHold(vault, question, peer)) return *std::move(answer);
    if (auto answer = AnswerEmergency(vault, question, peer)) return *std::move(answer);
    if (question != "status") return "{}";
    // Read again: a keyring may have been exported since.
    const auto info = VaultKeys::Inspect(PosixFileSystem(), plan.folder);
    return MountReport(vault, info ? *info : keys.info(), plan.folder, plan.mountpoint);
  };
  auto socket = SocketOf(plan, keeper, ControlDoor::kOperators);
  if (!socket) {
    LogWarning("no control socket: " + ToString(socket.error()));
    return nullptr;
  }
  return std::make_unique<ControlServer>(*std::move(socket), answer_to, IsOperator);
}

// Without it only who operates the vault gives emergency access.
std::unique_ptr<ControlServer> StartEmergencyDoor(const MountPlan& plan, Vault& vault,
                                                  MountKeeper* keeper) {
  // Into a user's own mount others may not enter, or find no such socket.
  if (keeper == nullptr) return nullptr;
  auto socket = SocketOf(plan, keeper, ControlDoor::kEmergency);
  if (!socket) {
    LogWarning("no emergency socket: " + ToString(socket.error()));
    return nullptr;
  }
  return std::make_unique<ControlServer>(
      *std::move(socket),
      [&](const std::string& question, const ControlPeer& peer) {
        return AnswerEmergency(vault, question, peer).value_or("{}");
      },
      [&](const ControlPeer& peer) { return vault.MayTakeEmergency(PersonOf(peer)); });
}

FuseOptions SessionOptions(const MountPlan& plan, const std::function<void()>& on_ready) {
  FuseOptions options = FuseOptionsOf(plan.options, plan.folder);
  options.on_ready = [on_ready] {
    on_ready();
    ::sd_notify(0, "READY=1");
    LogInfo("mounted");
  };
  options.on_fault = [](const std::string& text) { LogError(text); };
  return options;
}

// From an open vault to the end of the mount.
ExitCode Serve(const MountPlan& plan, const VaultKeys& keys, Vault& vault, HeadMemory& remembered,
               MountKeeper* keeper, const std::function<void()>& on_ready) {
  FuseOptions options = SessionOptions(plan, on_ready);
  if (keeper != nullptr) {
    auto device = keeper->Mount();
    if (!device) return Fail(device.error());
    options.device = device->Release();
    options.unmount = [keeper](Detach how) { return keeper->Unmount(how); };
  }
  const auto session = FuseSession::Mount(vault, plan.mountpoint, options);
  if (!session) return Fail(session.error());
  Status looped;
  {
    const HeadKeeper heads(vault, remembered);
    const HeapTrimmer trimmer(kTrimPeriod);
    const auto control = StartControl(plan, keys, vault, keeper);
    const auto emergency = StartEmergencyDoor(plan, vault, keeper);
    const std::jthread signals = WatchSignals(**session);
    // A user's own mount goes away through fusermount3, which is a program, and a set-user-id one.
    if (keeper != nullptr) looped = ConfineProcess();
    if (looped) looped = (*session)->Loop();
  }
  (*session)->Unmount();
  ::sd_notify(0, "STOPPING=1");
  if (looped) return ExitCode::kOk;
  LogError(ToString(looped.error()));
  return ExitCodeFor(looped.error());
}

// Syncs first, so that what is remembered last is what is on the disk.
ExitCode CloseVault(Vault& vault, HeadMemory& remembered, ExitCode code) {
  Status closed = vault.SyncAll();
  const auto status = vault.GetStatus();
  if (closed && status) closed = remembered.SaveIfNewer(status->durable_head);
  if (const Status end = vault.Close(); !end) closed = end;
  if (closed) {
    LogInfo("vault closed");
    return code;
  }
  LogError("closing the vault: " + ToString(closed.error()));
  return code == ExitCode::kOk ? ExitCodeFor(closed.error()) : code;
}

ExitCode OpenAndServe(const MountPlan& plan, HeaderParserPool& parser, VaultKeys& keys,
                      MountKeeper* keeper, const std::function<void()>& on_ready) {
  RememberedHead own(PosixFileSystem(), plan.state_folder, keys.info().vault_id);
  HeadMemory& remembered = keeper == nullptr ? static_cast<HeadMemory&>(own) : *keeper;
  const auto newest = remembered.Load();
  if (!newest && !plan.options.accept_rollback) return Fail(newest.error());
  AuditCourier courier(ToHex(keys.info().vault_id), LogWarning);
  std::optional<Progress> progress(std::in_place, "bringing the index up to the log, commits");
  const auto vault = Vault::Open(
      PosixFileSystem(), plan.folder, keys, &parser,
      VaultOptions(plan, newest ? *newest : std::nullopt, *progress, courier), SystemClock());
  progress.reset();
  if (!vault) {
    const ExitCode code = FailToOpen(vault.error());
    if (code == ExitCode::kDamaged && !plan.options.salvage)
      PrintMessage("to read what is left of it: leadglass mount -o salvage");
    return code;
  }
  for (const std::string& lost : (*vault)->Lost()) {
    PrintMessage(lost);
    LogWarning(lost);
  }
  if (plan.options.accept_rollback && !plan.options.salvage) {
    const auto status = (*vault)->GetStatus();
    if (!status) return Fail(status.error());
    // What is remembered from here on is the branch that was accepted.
    if (const Status saved = remembered.Save(status->head); !saved) return Fail(saved.error());
  }
  const ExitCode code = Serve(plan, keys, **vault, remembered, keeper, on_ready);
  return CloseVault(**vault, remembered, code);
}

// The passphrase may lie where only root reads; all of the vault is touched as whom it belongs to.
Result<std::unique_ptr<VaultKeys>> UnlockAs(const std::optional<Account>& account,
                                            const MountPlan& plan) {
  LG_ASSIGN_OR_RETURN(const SecretBytes passphrase,
                      PassphraseFor(plan.folder, plan.passphrase_file));
  if (account) LG_RETURN_IF_ERROR(BecomeAccount(*account));
  auto keys = VaultKeys::Unlock(PosixFileSystem(), plan.folder, passphrase);
  if (!keys && account && keys.error().posix_errno == EACCES)
    return Error(keys.error().code,
                 keys.error().context + "; the vault's folder belongs to user " +
                     std::to_string(account->uid) +
                     ", as whom it is served, and so must all in it (chown -R), and the way to it "
                     "must be open to him",
                 EACCES);
  return keys;
}

}  // namespace

ExitCode RunMountDaemon(const MountPlan& plan, const std::function<void()>& on_ready) {
  LimitHeapArenas();
  const auto account = AccountOf(plan.folder);
  if (!account) return Fail(account.error());
  HeaderParserPool::Options parsing;
  if (*account && (*account)->uid != 0) parsing.run_as = {(*account)->uid, (*account)->gid};
  const auto parser = HeaderParserPool::Start(parsing);
  if (!parser) return Fail(parser.error());
  std::unique_ptr<MountKeeper> keeper;
  if (*account) {
    auto started = MountKeeper::Start(plan);
    if (!started) return Fail(started.error());
    keeper = *std::move(started);
  }
  ::signal(SIGPIPE, SIG_IGN);
  if (const Status started = StartLogging(plan.foreground, plan.log_level); !started) {
    return Fail(started.error());
  }
  const auto keys = UnlockAs(*account, plan);
  if (!keys) return Fail(keys.error());
  const Status repaired = RepairCopies(**keys, plan.options.read_only);
  if (!repaired) return Fail(repaired.error());
  if (!SecretMemoryIsLocked()) {
    LogWarning("keys may be swapped to disk: raise the limit on locked memory (ulimit -l)");
  }
  const sigset_t signals = EndingSignals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return OpenAndServe(plan, **parser, **keys, keeper.get(), on_ready);
}

}  // namespace leadglass
