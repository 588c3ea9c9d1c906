// SPDX-License-Identifier: Apache-2.0
#pragma once

// Result<T>: a value, or an Error that says what went wrong. The error type of everything below
// the FUSE layer; exceptions are caught where third-party code throws them.
//
// The member names are a subset of std::expected's (absent in g++ 12), so C++23 can replace it.
// Context strings carry ids (segment, offset, inode), never a name, a path inside the vault, an
// attribute or a key byte: they end up in logs.
//
//   Result<Frame> frame = DecodeFrame(bytes);
//   if (!frame) return frame.error();
//   LG_ASSIGN_OR_RETURN(const Frame next, DecodeFrame(rest));

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace leadglass {

// What kind of failure it was. Numbers are stable: they are logged and printed as JSON.
enum class Errc {
  kNotFound = 1,         // the named thing does not exist
  kExists = 2,           // it exists already
  kInvalidArgument = 3,  // the caller asked for something that has no meaning
  kAccessDenied = 4,     // not allowed, or a wrong passphrase
  kNoSpace = 5,          // the disk (or its usable part) is full
  kCorrupt = 6,          // bytes are not what was written: never guessed around
  kLocked = 7,           // a key is there but not unlocked (ENOKEY)
  kUnsupported = 8,      // a newer format, or a feature this build lacks
  kUnavailable = 9,      // cannot be had now: busy, mounted already, read-only, offline
  kInternal = 10,        // an operating system call failed in a way none of the above covers
  kPosix = 11,           // a POSIX outcome that a program expects; Error::posix_errno tells which
};

// The stable lower-case name of `code`, such as "corrupt".
const char* ErrcName(Errc code);

struct Error {
  Errc code = Errc::kInternal;
  std::string context;  // one line for people: what happened, to what (ids only), what to do
  int posix_errno = 0;  // set for kPosix, and where an operating system call failed

  Error(Errc c, std::string text, int err = 0)
      : code(c), context(std::move(text)), posix_errno(err) {}
};

// A POSIX outcome such as ENOTEMPTY that is a normal answer, not a fault.
Error PosixError(int posix_errno, std::string context = {});
// A failed system call: ENOSPC and EDQUOT become kNoSpace, ENOENT kNotFound, EEXIST kExists,
// EACCES/EPERM kAccessDenied, EROFS kUnavailable, all else kInternal; errno is kept.
Error SystemError(int posix_errno, std::string context);
// The errno to hand to a program: posix_errno for kPosix, else by code (kCorrupt -> EIO,
// kLocked -> ENOKEY, kNoSpace -> ENOSPC, ...).
int ToErrno(const Error& error);
// "corrupt: segment 3 offset 4096: ..." for messages.
std::string ToString(const Error& error);

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

// Aborts, also in release builds, when the program itself is used wrongly. Wrong bytes never abort.
#define LG_CHECK(condition)                                                               \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "leadglass: check failed: %s (%s:%d)\n", #condition, __FILE__, \
                   __LINE__);                                                             \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

#define LG_CONCAT_INNER(a, b) a##b
#define LG_CONCAT(a, b) LG_CONCAT_INNER(a, b)

#define LG_RETURN_IF_ERROR(expression)               \
  do {                                               \
    if (auto lg_status = (expression); !lg_status) { \
      return std::move(lg_status).error();           \
    }                                                \
  } while (false)

#define LG_ASSIGN_OR_RETURN_INNER(tmp, declaration, expression) \
  auto tmp = (expression);                                      \
  if (!tmp) return std::move(tmp).error();                      \
  declaration = std::move(tmp).value()

// LG_ASSIGN_OR_RETURN(const auto x, F()): declares x, or returns F's error.
#define LG_ASSIGN_OR_RETURN(declaration, expression) \
  LG_ASSIGN_OR_RETURN_INNER(LG_CONCAT(lg_result_, __LINE__), declaration, expression)

}  // namespace leadglass
