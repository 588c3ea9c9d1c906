// SPDX-License-Identifier: Apache-2.0
#pragma once

// ElementScan: walks the top level of a DICOM file, finds the elements that were asked for, and
// decides where the header ends. It understands no value. What leadglass trusts about the layout
// of a file (which element is top-level, how deep it nests, whether more bytes are needed) comes
// from here; GDCM is then shown only what this walk found sound.
//
// Bounded: no recursion, each byte is visited once, offsets are checked before they are used. Pure,
// any thread. The spans in the result point into the bytes that were scanned.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "crypto/base/bytes.h"

namespace leadglass {

// How the data set is written. Found from the file meta, and corrected by what the first element
// looks like, because senders get it wrong.
struct DicomLayout {
  size_t data_set_offset = 0;
  bool has_preamble = false;  // "DICM" at byte 128
  bool has_meta = false;      // at least one element of group 0002
  bool implicit = false;
  bool big_endian = false;
  bool deflated = false;
  std::string transfer_syntax_uid;  // as the file says
  std::string media_sop_class_uid;
  std::string source_ae_title;  // (0002,0016), of whom the file was received from
  bool meta_complete = false;   // false: the bytes ended inside the file meta
};

// Reads preamble and file meta. Never fails: what is not there is left at its default.
DicomLayout FindLayout(ByteSpan bytes);

// Sets implicit and big_endian from the first element of the (inflated) data set.
void CorrectLayout(DicomLayout& layout, ByteSpan data_set);

enum class ScanEnd {
  kDone,       // passed the last wanted element, all of `must_have` seen
  kDataEnd,    // the data set ended between two elements
  kCut,        // the bytes end inside an element
  kMalformed,  // what stands here is no element
  kTooDeep,    // nested deeper than kMaxNesting
};

struct ScanResult {
  ScanEnd end = ScanEnd::kMalformed;
  size_t sound_bytes = 0;  // up to here every element is whole, and nested ones fit their parents
  size_t end_offset = 0;   // where the walk ended: the first byte not walked over
  uint64_t needed_bytes = 0;   // for kCut: at least this many bytes would let the walk go on
  bool cut_in_pixels = false;  // for kCut: the element is pixel data
  size_t elements = 0;         // top-level elements walked over
  bool sound = true;           // false: some nested content broke its bounds and was jumped over
  bool mixed = false;          // implicit elements inside an explicit data set
  bool has_directory = false;  // an element of group 0004
  bool duplicate = false;      // a wanted element came twice; the last one counts
  // One per wanted tag: found[i] tells whether values[i] is there (it may be empty).
  std::vector<ByteSpan> values;
  std::vector<bool> found;
};

// Walks `data_set`. `wanted` is sorted; `must_have` are indexes into it that keep the walk going
// past the last wanted tag, and past pixel data of known length, while one of them has not been
// seen (elements out of order). Encapsulated pixel data ends the walk as kDataEnd.
ScanResult ScanElements(ByteSpan data_set, const DicomLayout& layout,
                        std::span<const uint32_t> wanted, std::span<const size_t> must_have);

}  // namespace leadglass
