// SPDX-License-Identifier: Apache-2.0
#pragma once

// ParseHeader: the first bytes of a file -> what it says about itself. Pure: no files, no clock, no
// globals that change; the same bytes give the same answer. GDCM is used behind this header only.
//
// The bytes are hostile. This function keeps the limits below, but GDCM is a large C++ library: in
// a process that holds keys call it through HeaderParserPool (index/parser_worker.h), never
// directly.
//
// Only top-level elements count: a UID inside a sequence is somebody else's.
// Files without preamble, without file meta, implicit or explicit, little or big endian, deflated,
// with an unknown transfer syntax, or cut inside their pixels are all read.
//
//   HeaderResult r = ParseHeader(first_128_kib, file_size);
//   if (auto* more = std::get_if<NeedMore>(&r)) ... // again with more->bytes bytes

#include <cstddef>
#include <cstdint>
#include <variant>

#include "crypto/base/bytes.h"
#include "index/dicom_facts.h"
#include "index/further_elements.h"

namespace leadglass {

// What to read first: holds the whole header of most files. It is copied to the parser's process,
// for each file: 128 KiB took a fifth of the mount's time while images came in.
inline constexpr size_t kFirstHeaderBytes = 16 << 10;
// By which at least a header that is longer is read on.
inline constexpr size_t kMoreHeaderBytes = 128 << 10;
inline constexpr size_t kMaxHeaderBytes = 16 << 20;
inline constexpr size_t kMaxInflatedBytes = 16 << 20;
inline constexpr int kMaxNesting = 32;

// The header goes on past the prefix: call again with the file's first `bytes` bytes (at most
// kMaxHeaderBytes and the file's size, and more than was given).
struct NeedMore {
  uint64_t bytes = 0;
  bool operator==(const NeedMore&) const = default;
};

// Why a file is in no view. Numbers are stable: they are stored and printed as JSON.
enum class UnparsedReason : uint8_t {
  kEmpty = 1,            // zero bytes
  kNotDicom = 2,         // nothing in it looks like a DICOM data set
  kTruncated = 3,        // it ends inside its header
  kMalformed = 4,        // its header breaks off in bytes that are no element
  kTooDeep = 5,          // nested deeper than kMaxNesting
  kTooLarge = 6,         // the header, or an identifying value in it, is over its limit
  kDeflateBroken = 7,    // a deflated data set that does not inflate
  kDeflateTooLarge = 8,  // the deflated data set inflates to more than kMaxInflatedBytes
  kParserLimit = 9,      // the parser ran over its CPU, time or memory, or died on it
  kAmbiguous = 10,       // two readers find different patients or studies in it
};

struct Unparsed {
  UnparsedReason reason = UnparsedReason::kMalformed;
  bool operator==(const Unparsed&) const = default;
};

// One sentence for people, without any byte of the file: "nested deeper than 32".
const char* UnparsedText(UnparsedReason reason);
// The stable lower-case word for JSON: "too-deep".
const char* UnparsedName(UnparsedReason reason);

using HeaderResult = std::variant<DicomFacts, NeedMore, Unparsed>;

// Who reads the values. GDCM as Debian builds it aborts the process on some broken files (it has
// its assertions on); the worker pool then asks again without it.
enum class Readers : uint8_t { kGdcmAndScan = 0, kScanOnly = 1 };

// `prefix` is the file's first bytes (all of it, or at least as much as an earlier NeedMore asked
// for); `file_size` its whole size. Of `further` elements those become attributes that are found;
// where one lies behind kMaxHeaderBytes the file is read without. Throws nothing, prints nothing.
// One thread at a time with GDCM, any number without.
HeaderResult ParseHeader(ByteSpan prefix, uint64_t file_size,
                         Readers readers = Readers::kGdcmAndScan,
                         const FurtherElements& further = {});

}  // namespace leadglass
