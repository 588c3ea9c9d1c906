// SPDX-License-Identifier: Apache-2.0
#pragma once

// QR codes (ISO/IEC 18004) as text: two modules above each other make one character, so that a code
// is as wide as it is high on a terminal and on a printed page.
// Thread safety: a free function without state.

#include <string>

#include "cli/secret_output.h"

namespace leadglass {

// Writes `text`, of the characters that QR codes call alphanumeric, with the blank margin that the
// standard asks for, each line behind `indent`. A quarter of the code may be unreadable. Dark
// modules are ink; on a terminal the lines are made black on white, whatever its colours are.
// The library that makes the code keeps copies of the text while it works and frees them without
// wiping; what it hands out is wiped here. Nothing of it can reach a core dump after
// ForbidCoreDumps().
// kInternal: the library refuses the text.
Status WriteQrCode(const SecretBytes& text, const std::string& indent, SecretOutput& out);

}  // namespace leadglass
