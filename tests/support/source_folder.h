// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace leadglass {

// The top folder of the sources that this build was made of: for tests that read the documents.
std::string SourceFolder();

}  // namespace leadglass
