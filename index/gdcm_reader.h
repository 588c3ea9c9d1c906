// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReadWithGdcm: the values of some top-level elements, as GDCM reads them. Besides
// index/data_dictionary.h the only file that knows GDCM. Its exceptions are caught here, its
// warnings (which quote values) are switched off.
//
// GDCM recurses and trusts lengths: give it only a data set that ElementScan found sound, and only
// in a process that may die (index/parser_worker.h).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"

namespace leadglass {

struct GdcmSyntax {
  bool implicit = false;
  bool big_endian = false;
};

// One entry per wanted tag; nothing where the element is missing or holds no plain bytes. Numbers
// come in little-endian order. Nothing at all when GDCM cannot read the data set. Must not be
// called by two threads at once: GDCM's readers share their trace settings.
std::optional<std::vector<std::optional<std::string>>> ReadWithGdcm(
    ByteSpan data_set, GdcmSyntax syntax, std::span<const uint32_t> wanted);

}  // namespace leadglass
