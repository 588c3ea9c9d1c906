// SPDX-License-Identifier: Apache-2.0
#pragma once

// The daemon's log: ids only, no names, paths inside the vault, or keys. To standard error in the
// foreground; to the journal, or syslog where there is none, in the background.
// Thread-safe after StartLogging().

#include <string>

#include "crypto/base/result.h"

namespace leadglass {

// `level`: trace, debug, info, warning, error. kInvalidArgument: none of them.
Status StartLogging(bool foreground, const std::string& level);

void LogInfo(const std::string& text);
void LogWarning(const std::string& text);
void LogError(const std::string& text);

}  // namespace leadglass
