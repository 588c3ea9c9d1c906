// SPDX-License-Identifier: Apache-2.0
//
// The pure decoders of the log's clear framing: any bytes give a value or an error, and what
// decodes encodes to the same bytes.
#include "crypto/log/footer.h"
#include "crypto/log/frame.h"
#include "crypto/log/segment_header.h"

namespace leadglass {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan bytes(data, size);
  if (const Result<Frame> frame = DecodeFrame(bytes)) {
    const EncodedFrame again = EncodeFrame(*frame);
    LG_CHECK(std::memcmp(again.bytes.data(), data, again.used) == 0);
  }
  if (const auto header = DecodeSegmentHeader(bytes)) {
    LG_CHECK(DecodeHeaderBlock(header->block).has_value());
  }
  if (const auto block = PreviousBlockIn(bytes)) LG_CHECK(DecodeHeaderBlock(*block).has_value());
  if (const Result<Footer> footer = DecodeFooter(bytes)) {
    uint64_t offset = kSegmentHeaderSize;
    for (const FooterEntry& entry : footer->entries) {
      LG_CHECK(entry.offset == offset);
      offset += entry.frame.record_length;
    }
  }
  return 0;
}

}  // namespace leadglass
