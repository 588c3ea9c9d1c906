// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where passphrases come from: the terminal, without echo, or the first line of a file. Never from
// the command line or the environment, which other users and crash reports can read. The bytes go
// straight into locked memory. Call ForbidCoreDumps() before.

#include <string>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"

namespace leadglass {

inline constexpr size_t kMaxPassphrase = 1024;

// The first line of `file` without its end; "-" is standard input, of which no more than the line
// is read. kInvalidArgument: empty, or longer than kMaxPassphrase. Errors of the system otherwise.
Result<SecretBytes> ReadPassphraseFile(const std::string& file);

// Asks on the terminal. With `twice`, asks again until both agree, three times at most.
// kInvalidArgument: no terminal (name the file instead), given up, empty, or too long.
Result<SecretBytes> AskPassphrase(const std::string& prompt, bool twice);

// From `file` if it is not empty, else from the terminal.
Result<SecretBytes> GetPassphrase(const std::string& file, const std::string& prompt, bool twice);

}  // namespace leadglass
