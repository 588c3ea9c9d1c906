// SPDX-License-Identifier: Apache-2.0
#include "crypto/internal/xaes.h"

#include <climits>

#include "crypto/openssl_ptr.h"

namespace leadglass::internal {
namespace {

constexpr size_t kBlock = 16;
constexpr size_t kTag = 16;
using Block = std::array<uint8_t, kBlock>;

// Fetched once and kept for ever: a fetch takes longer than sealing a page.
const EVP_CIPHER* Ecb() {
  static const EVP_CIPHER* const cipher =
      OwnOpenSsl(EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr)).release();
  return cipher;
}
const EVP_CIPHER* Gcm() {
  static const EVP_CIPHER* const cipher =
      OwnOpenSsl(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)).release();
  return cipher;
}

struct ThreadCiphers {
  OpenSslPtr<EVP_CIPHER_CTX> ecb = OwnOpenSsl(EVP_CIPHER_CTX_new());
  OpenSslPtr<EVP_CIPHER_CTX> seal = OwnOpenSsl(EVP_CIPHER_CTX_new());
  OpenSslPtr<EVP_CIPHER_CTX> open = OwnOpenSsl(EVP_CIPHER_CTX_new());
  Secret<32> derived;
  Secret<32> zero;

  ThreadCiphers() {
    LG_CHECK(EVP_EncryptInit_ex2(ecb.get(), Ecb(), nullptr, nullptr, nullptr) == 1);
    LG_CHECK(EVP_EncryptInit_ex2(seal.get(), Gcm(), nullptr, nullptr, nullptr) == 1);
    LG_CHECK(EVP_DecryptInit_ex2(open.get(), Gcm(), nullptr, nullptr, nullptr) == 1);
  }
};

ThreadCiphers& Mine() {
  thread_local ThreadCiphers ciphers;
  return ciphers;
}

void EncryptBlocks(EVP_CIPHER_CTX* ctx, const uint8_t* in, uint8_t* out, size_t size) {
  int written = 0;
  LG_CHECK(EVP_EncryptUpdate(ctx, out, &written, in, static_cast<int>(size)) == 1);
  LG_CHECK(static_cast<size_t>(written) == size);
}

void SetEcbKey(EVP_CIPHER_CTX* ctx, const Secret<32>& key) {
  LG_CHECK(EVP_EncryptInit_ex2(ctx, nullptr, key.ExposeForOpenSsl().data(), nullptr, nullptr) == 1);
}

// L * x in GF(2^128): shift left by one bit, fold the carry back as 0x87, without a branch on L.
Block Double(const Block& l) {
  Block k1{};
  for (size_t i = 0; i < kBlock; ++i) {
    const uint8_t carry = i + 1 < kBlock ? static_cast<uint8_t>(l[i + 1] >> 7) : uint8_t{0};
    k1[i] = static_cast<uint8_t>((l[i] << 1) | carry);
  }
  const uint8_t mask = static_cast<uint8_t>(0 - (l[0] >> 7));
  k1[kBlock - 1] = static_cast<uint8_t>(k1[kBlock - 1] ^ (mask & 0x87));
  return k1;
}

void DeriveMessageKey(ThreadCiphers& mine, const Secret<32>& key,
                      std::span<const uint8_t, 12> nonce_head) {
  EVP_CIPHER_CTX* ecb = mine.ecb.get();
  SetEcbKey(ecb, key);
  EVP_CIPHER_CTX_set_padding(ecb, 0);
  Block l{};
  const Block zero{};
  EncryptBlocks(ecb, zero.data(), l.data(), kBlock);
  Block k1 = Double(l);
  std::array<uint8_t, 2 * kBlock> m{};
  for (size_t half = 0; half < 2; ++half) {
    uint8_t* block = m.data() + half * kBlock;
    block[1] = static_cast<uint8_t>(half + 1);
    block[2] = 'X';
    std::memcpy(block + 4, nonce_head.data(), nonce_head.size());
    for (size_t i = 0; i < kBlock; ++i) block[i] = static_cast<uint8_t>(block[i] ^ k1[i]);
  }
  EncryptBlocks(ecb, m.data(), mine.derived.ExposeForOpenSsl().data(), m.size());
  SetEcbKey(ecb, mine.zero);
  Wipe(l.data(), l.size());
  Wipe(k1.data(), k1.size());
  Wipe(m.data(), m.size());
}

void AddAssociatedData(EVP_CIPHER_CTX* ctx, ByteSpan associated_data) {
  if (associated_data.empty()) return;
  LG_CHECK(associated_data.size() <= INT_MAX);
  int written = 0;
  LG_CHECK(EVP_CipherUpdate(ctx, nullptr, &written, associated_data.data(),
                            static_cast<int>(associated_data.size())) == 1);
}

void Transform(EVP_CIPHER_CTX* ctx, ByteSpan in, uint8_t* out) {
  if (in.empty()) return;
  LG_CHECK(in.size() <= INT_MAX);
  int written = 0;
  LG_CHECK(EVP_CipherUpdate(ctx, out, &written, in.data(), static_cast<int>(in.size())) == 1);
  LG_CHECK(static_cast<size_t>(written) == in.size());
}

}  // namespace

XaesSealer::XaesSealer(const Secret<32>& key, std::span<const uint8_t, 12> nonce_head) {
  ThreadCiphers& mine = Mine();
  DeriveMessageKey(mine, key, nonce_head);
  LG_CHECK(EVP_EncryptInit_ex2(mine.seal.get(), nullptr, mine.derived.ExposeForOpenSsl().data(),
                               nullptr, nullptr) == 1);
}

XaesSealer::~XaesSealer() {
  ThreadCiphers& mine = Mine();
  EVP_EncryptInit_ex2(mine.seal.get(), nullptr, mine.zero.ExposeForOpenSsl().data(), nullptr,
                      nullptr);
}

void XaesSealer::Seal(std::span<const uint8_t, 12> nonce_tail, ByteSpan plain,
                      ByteSpan associated_data, uint8_t* out) {
  EVP_CIPHER_CTX* ctx = Mine().seal.get();
  LG_CHECK(EVP_EncryptInit_ex2(ctx, nullptr, nullptr, nonce_tail.data(), nullptr) == 1);
  AddAssociatedData(ctx, associated_data);
  Transform(ctx, plain, out);
  int written = 0;
  LG_CHECK(EVP_EncryptFinal_ex(ctx, out + plain.size(), &written) == 1);
  LG_CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, kTag, out + plain.size()) == 1);
}

XaesOpener::XaesOpener(const Secret<32>& key, std::span<const uint8_t, 12> nonce_head) {
  ThreadCiphers& mine = Mine();
  DeriveMessageKey(mine, key, nonce_head);
  LG_CHECK(EVP_DecryptInit_ex2(mine.open.get(), nullptr, mine.derived.ExposeForOpenSsl().data(),
                               nullptr, nullptr) == 1);
}

XaesOpener::~XaesOpener() {
  ThreadCiphers& mine = Mine();
  EVP_DecryptInit_ex2(mine.open.get(), nullptr, mine.zero.ExposeForOpenSsl().data(), nullptr,
                      nullptr);
}

bool XaesOpener::Open(std::span<const uint8_t, 12> nonce_tail, ByteSpan sealed,
                      ByteSpan associated_data, uint8_t* out) {
  if (sealed.size() < kTag) return false;
  EVP_CIPHER_CTX* ctx = Mine().open.get();
  const ByteSpan cipher_text = sealed.first(sealed.size() - kTag);
  std::array<uint8_t, kTag> tag{};
  std::memcpy(tag.data(), sealed.data() + cipher_text.size(), kTag);
  LG_CHECK(EVP_DecryptInit_ex2(ctx, nullptr, nullptr, nonce_tail.data(), nullptr) == 1);
  AddAssociatedData(ctx, associated_data);
  Transform(ctx, cipher_text, out);
  LG_CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, kTag, tag.data()) == 1);
  std::array<uint8_t, kBlock> none{};
  int written = 0;
  if (EVP_DecryptFinal_ex(ctx, none.data(), &written) == 1) return true;
  Wipe(out, cipher_text.size());
  return false;
}

}  // namespace leadglass::internal
