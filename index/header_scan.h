// SPDX-License-Identifier: Apache-2.0
#pragma once

// ScanHeader: the part of reading a header that needs no GDCM. Shared by the parser in the worker
// and by the mount process' own check, so that both see the same top level. Limits are those of
// header_parser.h. Pure, no exceptions but bad_alloc, any thread.

#include <cstdint>
#include <string>
#include <variant>

#include "crypto/base/bytes.h"
#include "index/element_scan.h"
#include "index/header_parser.h"

namespace leadglass {

struct ScannedHeader {
  ScannedHeader() = default;
  ScannedHeader(ScannedHeader&&) = default;  // the spans follow their bytes; a copy's would not
  ScannedHeader& operator=(ScannedHeader&&) = default;

  DicomLayout layout;
  ScanResult scan;  // over kWantedTags; its spans point into the prefix, or into `inflated`
  ByteSpan data_set;
  ByteVector inflated;     // the data set, where the file is deflated
  bool directory = false;  // a DICOMDIR: no wanted element is found in it

  // The bytes of a wanted element; empty when missing.
  ByteSpan Value(uint32_t tag) const;
};

std::variant<ScannedHeader, NeedMore, Unparsed> ScanHeader(ByteSpan prefix, uint64_t file_size);

// The bytes of further elements of a header that ScanHeader() gave for the same arguments, one for
// each of `tags` (ascending, at least one), empty where there is none. A walk of its own, so that
// what is asked for here changes nothing of what that one found. NeedMore as there; not for what
// could only stand behind kMaxHeaderBytes, behind pixels, or behind what cannot be walked over.
std::variant<std::vector<std::string>, NeedMore> ScanFurther(const ScannedHeader& header,
                                                             ByteSpan prefix, uint64_t file_size,
                                                             std::span<const uint32_t> tags);

// Whether ScanHeader() says kNotDicom for the first bytes alone: there is neither preamble nor file
// meta, and they are no data set's. Cheap enough to ask before anything else is done.
bool CannotBeDicom(ByteSpan first_bytes);

// A value as UTF-8, in the character set of this header, without padding.
std::string DecodeText(const ScannedHeader& header, ByteSpan value, bool person_name = false);
// `text` without the spaces and NULs at both ends that DICOM calls padding.
std::string_view TrimPadding(std::string_view text);

}  // namespace leadglass
