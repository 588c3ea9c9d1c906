// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "crypto/aead.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

constexpr uint32_t kChunk = 16;

struct Sealed {
  Key key = NewKey();
  ByteVector plain;
  ByteVector bytes;
  StreamPrefix prefix{};

  explicit Sealed(size_t size, uint32_t chunk_size = kChunk) : plain(size) {
    for (size_t i = 0; i < size; ++i) plain[i] = static_cast<uint8_t>(i + 1);
    bytes.resize(StreamSealedSize(size, chunk_size));
    prefix = SealStream(key, plain, chunk_size, AsBytes("owner"), bytes);
  }
  // Opens the whole message from `changed` bytes.
  Result<ByteVector> OpenAll(ByteSpan changed) const {
    ByteVector out(plain.size(), 0xEE);
    if (Status status =
            OpenStream(key, prefix, kChunk, plain.size(), 0, AsBytes("owner"), changed, out);
        !status) {
      EXPECT_EQ(out, ByteVector(plain.size(), 0)) << "a refused message leaves zeros";
      return status.error();
    }
    return out;
  }
};

TEST(Stream, OpensToWhatWasSealed) {
  for (size_t size = 1; size <= 5 * kChunk; ++size) {
    const Sealed sealed(size);
    EXPECT_THAT(sealed.OpenAll(sealed.bytes), IsOkAndHolds(sealed.plain)) << size << " bytes";
  }
}

TEST(Stream, SizesAreChunksAndTags) {
  EXPECT_EQ(StreamSealedSize(1, 16), 17u);
  EXPECT_EQ(StreamSealedSize(16, 16), 32u);
  EXPECT_EQ(StreamSealedSize(17, 16), 49u);
  EXPECT_EQ(StreamSealedSize(1u << 20, 1u << 14), (1u << 20) + 64u * 16u);
}

TEST(Stream, OpensEveryRangeOfChunks) {
  const Sealed sealed(5 * kChunk + 3);
  for (uint32_t first = 0; first < 6; ++first) {
    for (uint32_t end = first + 1; end <= 6; ++end) {
      const size_t from = first * kChunk;
      const size_t to = std::min<size_t>(end * kChunk, sealed.plain.size());
      const size_t sealed_from = first * (kChunk + kTagSize);
      ByteVector out(to - from);
      const ByteSpan range =
          ByteSpan(sealed.bytes).subspan(sealed_from, out.size() + (end - first) * kTagSize);
      ASSERT_THAT(OpenStream(sealed.key, sealed.prefix, kChunk, sealed.plain.size(), first,
                             AsBytes("owner"), range, out),
                  IsOk());
      EXPECT_EQ(AsText(out), AsText(ByteSpan(sealed.plain).subspan(from, out.size())));
    }
  }
}

TEST(Stream, RefusesEveryFlippedBit) {
  const Sealed sealed(2 * kChunk + 5);
  for (size_t bit = 0; bit < sealed.bytes.size() * 8; ++bit) {
    ByteVector bad = sealed.bytes;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_THAT(sealed.OpenAll(bad), FailsWith(Errc::kCorrupt)) << "bit " << bit;
  }
}

TEST(Stream, RefusesEveryFlippedBitOfThePrefix) {
  Sealed sealed(2 * kChunk);
  for (size_t bit = 0; bit < kStreamPrefixSize * 8; ++bit) {
    uint8_t& byte = sealed.prefix[bit / 8];
    byte = static_cast<uint8_t>(byte ^ (1u << (bit % 8)));
    EXPECT_THAT(sealed.OpenAll(sealed.bytes), FailsWith(Errc::kCorrupt)) << "bit " << bit;
    byte = static_cast<uint8_t>(byte ^ (1u << (bit % 8)));
  }
}

TEST(Stream, RefusesEveryTruncation) {
  const Sealed sealed(2 * kChunk + 5);
  for (size_t size = 0; size < sealed.bytes.size(); ++size) {
    EXPECT_THAT(sealed.OpenAll(ByteSpan(sealed.bytes).first(size)), FailsWith(Errc::kCorrupt));
  }
}

TEST(Stream, RefusesAShorterMessageMadeOfWholeChunks) {
  const Sealed sealed(3 * kChunk);
  for (size_t chunks = 1; chunks < 3; ++chunks) {
    ByteVector out(chunks * kChunk, 0xEE);
    const ByteSpan head = ByteSpan(sealed.bytes).first(chunks * (kChunk + kTagSize));
    EXPECT_THAT(
        OpenStream(sealed.key, sealed.prefix, kChunk, out.size(), 0, AsBytes("owner"), head, out),
        FailsWith(Errc::kCorrupt))
        << "its last chunk does not carry the last-chunk flag";
  }
}

TEST(Stream, RefusesEverySwapOfTwoChunks) {
  const Sealed sealed(4 * kChunk);
  const size_t step = kChunk + kTagSize;
  for (size_t a = 0; a < 4; ++a) {
    for (size_t b = a + 1; b < 4; ++b) {
      ByteVector bad = sealed.bytes;
      std::swap_ranges(bad.begin() + static_cast<std::ptrdiff_t>(a * step),
                       bad.begin() + static_cast<std::ptrdiff_t>((a + 1) * step),
                       bad.begin() + static_cast<std::ptrdiff_t>(b * step));
      EXPECT_THAT(sealed.OpenAll(bad), FailsWith(Errc::kCorrupt)) << a << " and " << b;
    }
  }
}

TEST(Stream, RefusesAChunkOfAnotherMessageUnderTheSameKey) {
  const Sealed sealed(2 * kChunk);
  ByteVector other(sealed.bytes.size());
  SealStream(sealed.key, sealed.plain, kChunk, AsBytes("owner"), other);
  for (size_t chunk = 0; chunk < 2; ++chunk) {
    ByteVector bad = sealed.bytes;
    const size_t at = chunk * (kChunk + kTagSize);
    std::memcpy(bad.data() + at, other.data() + at, kChunk + kTagSize);
    EXPECT_THAT(sealed.OpenAll(bad), FailsWith(Errc::kCorrupt));
  }
}

TEST(Stream, RefusesAnotherOwnerChunkSizeOrPlace) {
  const Sealed sealed(4 * kChunk);
  ByteVector out(4 * kChunk);
  EXPECT_THAT(OpenStream(sealed.key, sealed.prefix, kChunk, 4 * kChunk, 0, AsBytes("other"),
                         sealed.bytes, out),
              FailsWith(Errc::kCorrupt));
  for (const uint32_t chunk_size : {0u, 1u, 8u, 15u, 17u, 32u, 64u, 1u << 20}) {
    EXPECT_THAT(OpenStream(sealed.key, sealed.prefix, chunk_size, 4 * kChunk, 0, AsBytes("owner"),
                           sealed.bytes, out),
                FailsWith(Errc::kCorrupt))
        << "chunk size " << chunk_size;
  }
  ByteVector one(kChunk);
  const ByteSpan second = ByteSpan(sealed.bytes).subspan(kChunk + kTagSize, kChunk + kTagSize);
  for (const uint32_t place : {0u, 2u, 3u, 4u, 0xFFFFFFFFu}) {
    EXPECT_THAT(OpenStream(sealed.key, sealed.prefix, kChunk, 4 * kChunk, place, AsBytes("owner"),
                           second, one),
                FailsWith(Errc::kCorrupt))
        << "as chunk " << place;
  }
}

}  // namespace
}  // namespace leadglass
