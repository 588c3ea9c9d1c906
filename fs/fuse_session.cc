// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_session.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdarg>
#include <cstdio>

#include "crypto/base/unique_fd.h"
#include "fs/fuse_flags.h"
#include "fs/fuse_mounter.h"
#include "fs/fuse_mounts.h"
#include "fs/fuse_request.h"
#include "fs/fuse_session_ptr.h"
#include "fs/fuse_wire.h"

namespace leadglass {

namespace {

// What libfuse said last in this thread: it reports why a mount failed in no other way.
thread_local std::string last_message;
std::atomic<FuseContext*> log_receiver{nullptr};

__attribute__((format(printf, 2, 0))) void OnFuseLog(fuse_log_level level, const char* format,
                                                     va_list arguments) {
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  last_message = text.data();
  while (!last_message.empty() && last_message.back() == '\n') last_message.pop_back();
  FuseContext* const receiver = log_receiver.load();
  if (receiver != nullptr && level <= FUSE_LOG_WARNING) receiver->Report(last_message);
}

class FuseSessionImpl final : public FuseSession {
 public:
  FuseSessionImpl(Vault& vault, std::string mountpoint, const FuseOptions& options)
      : context_(vault, options), mountpoint_(std::move(mountpoint)) {}
  ~FuseSessionImpl() override {
    Unmount();
    log_receiver = nullptr;
  }

  Status Start();
  Status Loop() override;
  void Stop() override;
  void Unmount() override;
  bool handles_killpriv() const override { return context_.killpriv; }

 private:
  void Invalidate(NodeId node, bool contents);
  // Whether the kernel has ended the connection. Another mount may then stand at our place.
  bool IsGone() const {
    pollfd connection = {fuse_session_fd(session_.get()), 0, 0};
    return ::poll(&connection, 1, 0) == 1 && (connection.revents & POLLERR) != 0;
  }
  Status TakeAway(Detach how) {
    const auto& unmount = context_.options.unmount;
    return unmount ? unmount(how) : UnmountFuse(mountpoint_, how);
  }
  // Waits up to `limit` for Loop() to return.
  bool WaitForLoop(std::chrono::milliseconds limit);

  FuseContext context_;
  const std::string mountpoint_;
  FuseSessionPtr session_;
  bool mounted_ = false;

  Mutex mutex_;
  CondVar changed_;
  bool looping_ LG_GUARDED_BY(mutex_) = false;
  pthread_t loop_thread_ LG_GUARDED_BY(mutex_){};
};

Status FuseSessionImpl::Start() {
  fuse_set_log_func(OnFuseLog);
  std::string program = "leadglass";
  std::string flag = "-o";
  std::string options = MountOptions(context_.options);
  std::array<char*, 4> arguments = {program.data(), flag.data(), options.data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(3, arguments.data());
  const fuse_lowlevel_ops ops = MakeOps();
  session_.reset(fuse_session_new(&args, &ops, sizeof(ops), &context_));
  fuse_opt_free_args(&args);
  if (!session_) return Error(Errc::kInternal, "FUSE session: " + last_message);
  context_.session = session_.get();
  last_message.clear();
  // libfuse takes a connection that is there already for a mount point of this form.
  const std::string where = context_.options.device < 0
                                ? mountpoint_
                                : "/dev/fd/" + std::to_string(context_.options.device);
  if (fuse_session_mount(session_.get(), where.c_str()) != 0) {
    return SystemError(errno, "mount: " + (last_message.empty() ? "refused" : last_message));
  }
  mounted_ = true;
  // After mounting, which gives the descriptor: custom I/O then takes the place of read and writev.
  const fuse_custom_io io = {WireWritev, WireRead, nullptr, nullptr};
  if (fuse_session_custom_io(session_.get(), &io, fuse_session_fd(session_.get())) != 0) {
    return Error(Errc::kInternal, "FUSE session: no custom I/O");
  }
  log_receiver = &context_;
  if (context_.options.device < 0) RaiseReadAhead(mountpoint_);
  context_.vault.SetInvalidator([this](NodeId node, bool contents) { Invalidate(node, contents); });
  return {};
}

void FuseSessionImpl::Invalidate(NodeId node, bool contents) {
  const off_t from = contents ? 0 : -1;  // a negative offset means attributes alone
  if (!IsViewNode(node)) {
    fuse_lowlevel_notify_inval_inode(session_.get(), node, from, 0);
    return;
  }
  // A changed view file is a new node to who looks it up; only open ones hold anything stale.
  for (const KernelNode version : context_.open_views.VersionsOf(node)) {
    fuse_lowlevel_notify_inval_inode(session_.get(), version, from, 0);
  }
}

Status FuseSessionImpl::Loop() {
  FuseLoopConfigPtr config(fuse_loop_cfg_create());
  fuse_loop_cfg_set_idle_threads(config.get(), kIdleThreads);
  fuse_loop_cfg_set_max_threads(config.get(), kMaxThreads);
  fuse_loop_cfg_set_clone_fd(config.get(), 0);  // measured: no gain
  {
    MutexLock lock(mutex_);
    loop_thread_ = pthread_self();
    looping_ = true;
  }
  const int error = fuse_session_loop_mt(session_.get(), config.get());
  {
    MutexLock lock(mutex_);
    looping_ = false;
  }
  changed_.NotifyAll();
  if (error < 0) return SystemError(-error, "FUSE loop");
  return {};
}

bool FuseSessionImpl::WaitForLoop(std::chrono::milliseconds limit) {
  MutexLock lock(mutex_);
  if (looping_) changed_.WaitFor(mutex_, limit);
  return !looping_;
}

void FuseSessionImpl::Stop() {
  if (TakeAway(Detach::kNow)) {
    if (WaitForLoop(std::chrono::seconds(10))) return;
  } else {
    const UniqueFd root(::open(mountpoint_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (root) ::syncfs(root.get());  // best effort: what fails is told to who wrote it
    // Newer kernels (6.18) no longer wait for FUSE's pages in syncfs(2), only here.
    for (const KernelNode node : context_.open_writers.All())
      fuse_lowlevel_notify_inval_inode(session_.get(), node, 0, 0);
  }
  fuse_session_exit(session_.get());
  // The loop's caller sits in sem_wait(3), which ends early for a signal that has a handler.
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  while (!WaitForLoop(std::chrono::milliseconds(50))) {
    MutexLock lock(mutex_);
    if (looping_) pthread_kill(loop_thread_, SIGUSR1);
  }
}

void FuseSessionImpl::Unmount() {
  if (!mounted_) return;
  mounted_ = false;
  context_.vault.SetInvalidator(nullptr);
  // What is still there because files are open goes when they are closed. libfuse does the same,
  // but only of what it mounted itself.
  if (context_.options.device >= 0 && !IsGone()) (void)TakeAway(Detach::kLazily);
  fuse_session_unmount(session_.get());
  context_.later.Finish();  // its jobs wait for the kernel no longer, and must not outlive session_
}

}  // namespace

Result<std::unique_ptr<FuseSession>> FuseSession::Mount(Vault& vault, const std::string& mountpoint,
                                                        const FuseOptions& options) {
  auto session = std::make_unique<FuseSessionImpl>(vault, mountpoint, options);
  LG_RETURN_IF_ERROR(session->Start());
  return std::unique_ptr<FuseSession>(std::move(session));
}

}  // namespace leadglass
