// SPDX-License-Identifier: Apache-2.0
#include "crypto/base/result.h"

#include <cerrno>
#include <cstring>

namespace leadglass {

const char* ErrcName(Errc code) {
  switch (code) {
    case Errc::kNotFound: return "not-found";
    case Errc::kExists: return "exists";
    case Errc::kInvalidArgument: return "invalid-argument";
    case Errc::kAccessDenied: return "access-denied";
    case Errc::kNoSpace: return "no-space";
    case Errc::kCorrupt: return "corrupt";
    case Errc::kLocked: return "locked";
    case Errc::kUnsupported: return "unsupported";
    case Errc::kUnavailable: return "unavailable";
    case Errc::kInternal: return "internal";
    case Errc::kPosix: return "posix";
  }
  return "unknown";
}

Error PosixError(int posix_errno, std::string context) {
  return Error(Errc::kPosix, std::move(context), posix_errno);
}

Error SystemError(int posix_errno, std::string context) {
  Errc code = Errc::kInternal;
  switch (posix_errno) {
    case ENOSPC:
    case EDQUOT: code = Errc::kNoSpace; break;
    case ENOENT: code = Errc::kNotFound; break;
    case EEXIST: code = Errc::kExists; break;
    case EACCES:
    case EPERM: code = Errc::kAccessDenied; break;
    case EROFS: code = Errc::kUnavailable; break;
    default: break;
  }
  context += ": ";
  context += std::strerror(posix_errno);
  return Error(code, std::move(context), posix_errno);
}

int ToErrno(const Error& error) {
  if (error.code == Errc::kPosix) return error.posix_errno;
  switch (error.code) {
    case Errc::kNotFound: return ENOENT;
    case Errc::kExists: return EEXIST;
    case Errc::kInvalidArgument: return EINVAL;
    case Errc::kAccessDenied: return EACCES;
    case Errc::kNoSpace: return ENOSPC;
    case Errc::kLocked: return ENOKEY;
    case Errc::kUnsupported: return EOPNOTSUPP;
    case Errc::kUnavailable: return EROFS;
    case Errc::kCorrupt:
    case Errc::kInternal:
    case Errc::kPosix: break;
  }
  return EIO;
}

std::string ToString(const Error& error) {
  std::string text =
      error.code == Errc::kPosix ? std::strerror(error.posix_errno) : ErrcName(error.code);
  if (!error.context.empty()) text += ": " + error.context;
  return text;
}

}  // namespace leadglass
