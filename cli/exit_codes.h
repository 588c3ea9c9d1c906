// SPDX-License-Identifier: Apache-2.0
#pragma once

// The exit codes of the leadglass program: a promise to scripts, written down in docs/cli.md.
// A number is never given another meaning; a code that falls out of use keeps its number as a
// comment.

#include "crypto/base/result.h"

namespace leadglass {

enum class ExitCode : int {
  kOk = 0,
  kInternal = 1,      // a fault of the program itself; please report it
  kUsage = 2,         // the command line is wrong; nothing was touched
  kAccessDenied = 3,  // wrong passphrase, or not permitted
  kNotFound = 4,      // no such file, or the folder is not a vault
  kBusy = 5,          // mounted already, locked by another process, or read-only
  kDamaged = 6,       // bytes of the vault are not what was written
  // The vault is older than a head that was seen, and --accept-rollback goes on; or its vault file
  // is older than its log, and only the newest one does.
  kRollbackRefused = 7,
  kUnsupportedFormat = 8,  // written by a newer version, or needs a feature this build lacks
  kNoSpace = 9,            // the disk is full
  kSystem = 10,            // an operating system call failed; the message has its errno
  kExists = 11,            // there is a vault, or a file, already
};

// The exit code for a command that failed with `error`. A refused rollback has no error code of its
// own (it is kAccessDenied to the layers below): the command that opens the log knows it from a
// wrong passphrase and returns kRollbackRefused itself. Keys older than the log are told by their
// errno, EKEYREVOKED.
ExitCode ExitCodeFor(const Error& error);

}  // namespace leadglass
