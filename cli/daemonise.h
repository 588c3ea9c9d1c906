// SPDX-License-Identifier: Apache-2.0
#pragma once

// Background: a child that does the work, and a parent that waits until it says "ready".
//
// The fork must come before threads, keys and open vaults. Until it is ready the child keeps the
// terminal: it asks for the passphrase, shows progress and prints its errors there, and Ctrl-C ends
// both. If it ends before it is ready, the parent ends with its exit code.
//
//   auto background = Background::Fork();
//   if (background->is_parent()) return background->AwaitChild();
//   ... work ...
//   background->Ready();

#include "cli/exit_codes.h"
#include "crypto/base/unique_fd.h"

namespace leadglass {

class Background {
 public:
  // kInternal: no process or pipe to be had.
  static Result<Background> Fork();

  bool is_parent() const { return child_ != 0; }
  // Parent: kOk as soon as the child is ready, else what it ended with.
  ExitCode AwaitChild();
  // Child: leaves the terminal (new session, standard streams to /dev/null, folder "/") and lets
  // the parent go. Once.
  void Ready();

 private:
  Background(UniqueFd pipe, pid_t child) : pipe_(std::move(pipe)), child_(child) {}

  UniqueFd pipe_;
  pid_t child_;
};

}  // namespace leadglass
