// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_codes.h"

#include <cerrno>

namespace leadglass {

ExitCode ExitCodeFor(const Error& error) {
  switch (error.code) {
    case Errc::kNotFound: return ExitCode::kNotFound;
    case Errc::kExists: return ExitCode::kExists;
    case Errc::kInvalidArgument: return ExitCode::kUsage;
    case Errc::kAccessDenied:
      // The log is newer than the vault file.
      return error.posix_errno == EKEYREVOKED ? ExitCode::kRollbackRefused
                                              : ExitCode::kAccessDenied;
    case Errc::kNoSpace: return ExitCode::kNoSpace;
    case Errc::kCorrupt: return ExitCode::kDamaged;
    case Errc::kLocked: return ExitCode::kAccessDenied;
    case Errc::kUnsupported: return ExitCode::kUnsupportedFormat;
    case Errc::kUnavailable: return ExitCode::kBusy;
    case Errc::kPosix: return ExitCode::kSystem;
    // A failed system call is the machine's fault, anything else is ours.
    case Errc::kInternal: return error.posix_errno != 0 ? ExitCode::kSystem : ExitCode::kInternal;
  }
  return ExitCode::kInternal;
}

}  // namespace leadglass
