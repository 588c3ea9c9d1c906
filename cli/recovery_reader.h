// SPDX-License-Identifier: Apache-2.0
#pragma once

// Recovery codes out of files: sheets as `leadglass recovery export` writes them, or lines that
// somebody typed. A code begins where a line does, with LGR1, and may go on over several lines; all
// else is passed over. Bytes go through locked memory only.
// Thread safety: a free function without state.

#include <string>
#include <vector>

#include "crypto/recovery_code.h"

namespace leadglass {

// All codes in `file`; "-" is standard input, read to its end. None is no error.
// kInvalidArgument: one is mistyped, the message names which of the file and which group. Errors of
// DecodeRecoveryCode() and of the system otherwise.
Result<std::vector<RecoveryCode>> ReadRecoveryCodes(const std::string& file);

}  // namespace leadglass
