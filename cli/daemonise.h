// SPDX-License-Identifier: Apache-2.0
#pragma once

// Background: a child that does the work, and a parent that waits until it says "ready".
//
// The fork must come before threads, keys and open vaults. Until it is ready the child shows
// progress and prints its errors on the terminal, and a signal that ends the parent (Ctrl-C) ends
// both. If it ends before it is ready, the parent ends with its exit code.
//
//   auto background = Background::Fork(Background::Session::kAtOnce);
//   if (background->is_parent()) return background->AwaitChild();
//   ... work ...
//   background->Ready();

#include "cli/exit_codes.h"
#include "crypto/base/unique_fd.h"

namespace leadglass {

class Background {
 public:
  // When the child leaves the terminal's session for one of its own. At once, unless it is to ask
  // there: what it starts before (the parser) stays in the session that it leaves, and Linux deals
  // out the processors by sessions (sched(7), autogroup). A group that is idle most of the time was
  // then seen to wait for up to half a second, with every close of an image waiting for it.
  enum class Session { kAtOnce, kWhenReady };

  // kInternal: no process or pipe to be had.
  static Result<Background> Fork(Session session);

  bool is_parent() const { return child_ != 0; }
  // Parent: kOk as soon as the child is ready, else what it ended with. SIGINT, SIGTERM, SIGHUP and
  // SIGQUIT are passed on to the child, and end the process once the child has ended: one that has
  // blocked them does so when it looks. Without a descriptor to be had they end the process alone.
  ExitCode AwaitChild();
  // Child: leaves the terminal (own session, standard streams to /dev/null, folder "/") and lets
  // the parent go. Once.
  void Ready();

 private:
  Background(UniqueFd pipe, pid_t child) : pipe_(std::move(pipe)), child_(child) {}

  UniqueFd pipe_;
  pid_t child_;
};

}  // namespace leadglass
