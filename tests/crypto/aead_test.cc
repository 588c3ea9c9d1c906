// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include <thread>

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

Key KeyOf(uint8_t byte) {
  Key key;
  std::memset(key.ExposeForOpenSsl().data(), byte, 32);
  return key;
}

ByteVector Counting(size_t size) {
  ByteVector bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
  return bytes;
}

TEST(Seal, OpensToWhatWasSealed) {
  const Key key = NewKey();
  for (const size_t size : {0u, 1u, 15u, 16u, 17u, 4096u, 100'000u}) {
    const ByteVector plain = Counting(size);
    const ByteVector sealed = Seal(key, plain, AsBytes("owner"));
    EXPECT_EQ(sealed.size(), size + kSealOverhead);
    EXPECT_THAT(Open(key, sealed, AsBytes("owner")), IsOkAndHolds(plain));
  }
}

TEST(Seal, NeverRepeatsItself) {
  const Key key = NewKey();
  EXPECT_NE(Seal(key, AsBytes("x"), {}), Seal(key, AsBytes("x"), {}));
}

TEST(Open, RefusesEveryFlippedBit) {
  const Key key = NewKey();
  const ByteVector sealed = Seal(key, AsBytes("a short message"), AsBytes("owner"));
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    ByteVector bad = sealed;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_THAT(Open(key, bad, AsBytes("owner")), FailsWith(Errc::kCorrupt)) << "bit " << bit;
  }
}

TEST(Open, RefusesEveryTruncationAndExtension) {
  const Key key = NewKey();
  const ByteVector sealed = Seal(key, AsBytes("a short message"), AsBytes("owner"));
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_THAT(Open(key, ByteSpan(sealed).first(size), AsBytes("owner")),
                FailsWith(Errc::kCorrupt));
    EXPECT_THAT(Open(key, ByteSpan(sealed).last(size), AsBytes("owner")),
                FailsWith(Errc::kCorrupt));
  }
  ByteVector longer = sealed;
  longer.push_back(0);
  EXPECT_THAT(Open(key, longer, AsBytes("owner")), FailsWith(Errc::kCorrupt));
}

TEST(Open, RefusesEveryFlippedBitOfKeyAndAssociatedData) {
  Key key = NewKey();
  ByteVector owner = Counting(24);
  const ByteVector sealed = Seal(key, AsBytes("a short message"), owner);
  for (size_t bit = 0; bit < 256; ++bit) {
    auto flip = [&] {
      uint8_t& byte = key.ExposeForOpenSsl()[bit / 8];
      byte = static_cast<uint8_t>(byte ^ (1u << (bit % 8)));
    };
    flip();
    EXPECT_THAT(Open(key, sealed, owner), FailsWith(Errc::kCorrupt)) << "key bit " << bit;
    flip();
  }
  for (size_t bit = 0; bit < owner.size() * 8; ++bit) {
    owner[bit / 8] = static_cast<uint8_t>(owner[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_THAT(Open(key, sealed, owner), FailsWith(Errc::kCorrupt)) << "owner bit " << bit;
    owner[bit / 8] = static_cast<uint8_t>(owner[bit / 8] ^ (1u << (bit % 8)));
  }
  EXPECT_THAT(Open(key, sealed, owner), IsOk());
}

TEST(WrapKey, OpensOnlyUnderItsKeyAndOwner) {
  const Key wrapping = NewKey();
  const Key wrapped = NewKey();
  const ByteVector wrap = WrapKey(wrapping, wrapped, AsBytes("owner"));
  ASSERT_EQ(wrap.size(), kWrappedKeySize);
  ASSERT_OK_AND_ASSIGN(const Key back, UnwrapKey(wrapping, wrap, AsBytes("owner")));
  EXPECT_TRUE(back == wrapped);
  EXPECT_THAT(UnwrapKey(NewKey(), wrap, AsBytes("owner")), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapKey(wrapping, wrap, AsBytes("other")), FailsWith(Errc::kCorrupt));
}

TEST(WrapKey, RefusesASealedMessageOfAnotherLength) {
  const Key key = NewKey();
  EXPECT_THAT(UnwrapKey(key, Seal(key, Counting(31), {}), {}), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(UnwrapKey(key, Seal(key, Counting(33), {}), {}), FailsWith(Errc::kCorrupt));
}

TEST(DeriveKey, SeparatesPurposesContextsAndKeys) {
  const Key from = KeyOf(1);
  const Key base = DeriveKey(from, "purpose", AsBytes("context"));
  EXPECT_TRUE(base == DeriveKey(from, "purpose", AsBytes("context")));
  EXPECT_FALSE(base == DeriveKey(from, "purposes", AsBytes("context")));
  EXPECT_FALSE(base == DeriveKey(from, "purpose", AsBytes("contexts")));
  EXPECT_FALSE(base == DeriveKey(KeyOf(2), "purpose", AsBytes("context")));
  // The length prefix keeps the border between purpose and context.
  EXPECT_FALSE(base == DeriveKey(from, "purposec", AsBytes("ontext")));
}

TEST(DeriveKey, IsHkdfWithTheInfoOfTheFormat) {
  // Made with another HMAC: info is "leadglass 1", a length byte, the purpose, the context.
  EXPECT_EQ(ToHex(DeriveKey(KeyOf(1), "purpose", AsBytes("context")).ExposeForOpenSsl()),
            "6a7e31682549f4b214221c12b41fce061c3b3c39aabe4b9e0f0cc407cce86a0f");
}

TEST(Sha256, GivesTheDigestOfFips180) {
  EXPECT_EQ(ToHex(Sha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(RandomBytes, FillsTheWholeSpan) {
  // 4 KiB with a zero in one place for ever would mean a byte that is never written.
  std::array<uint8_t, 4096> seen{};
  for (int round = 0; round < 16; ++round) {
    std::array<uint8_t, 4096> bytes{};
    RandomBytes(bytes);
    for (size_t i = 0; i < bytes.size(); ++i) seen[i] = static_cast<uint8_t>(seen[i] | bytes[i]);
  }
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_NE(seen[i], 0) << "byte " << i;
}

TEST(Seal, ServesManyThreadsAtOnce) {
  const Key key = NewKey();
  std::array<int, 4> failures{};
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < failures.size(); ++t) {
      threads.emplace_back([&key, &count = failures[t], t] {
        for (size_t i = 0; i < 500; ++i) {
          const ByteVector plain = Counting(i + t);
          const auto opened = Open(key, Seal(key, plain, {}), {});
          if (!opened || *opened != plain) ++count;
        }
      });
    }
  }
  for (const int count : failures) EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace leadglass
