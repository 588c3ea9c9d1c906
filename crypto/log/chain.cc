// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/chain.h"

#include "crypto/openssl_ptr.h"

namespace leadglass {
namespace {

using Context = OpenSslPtr<EVP_MD_CTX>;

Context NewContext() {
  Context context(EVP_MD_CTX_new());
  LG_CHECK(context != nullptr);
  return context;
}

void Begin(EVP_MD_CTX* context) {
  // Fetched once: EVP_sha256() would be looked up again at every start (OpenSSL 3).
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  LG_CHECK(kSha256 != nullptr);
  LG_CHECK(EVP_DigestInit_ex2(context, kSha256, nullptr) == 1);
}

Digest End(EVP_MD_CTX* context) {
  Digest digest{};
  LG_CHECK(EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1);
  return digest;
}

EVP_MD_CTX* Scratch() {
  thread_local const Context scratch = NewContext();
  return scratch.get();
}

}  // namespace

struct Hasher::Impl {
  Context context = NewContext();
};

Hasher::Hasher() : impl_(std::make_unique<Impl>()) { Begin(impl_->context.get()); }
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Update(ByteSpan data) {
  LG_CHECK(EVP_DigestUpdate(impl_->context.get(), data.data(), data.size()) == 1);
}

Digest Hasher::Peek() const {
  LG_CHECK(EVP_MD_CTX_copy_ex(Scratch(), impl_->context.get()) == 1);
  return End(Scratch());
}

Digest Hasher::Finish() {
  const Digest digest = End(impl_->context.get());
  Begin(impl_->context.get());
  return digest;
}

Digest HashOf(std::initializer_list<ByteSpan> pieces) {
  Begin(Scratch());
  for (const ByteSpan piece : pieces)
    LG_CHECK(EVP_DigestUpdate(Scratch(), piece.data(), piece.size()) == 1);
  return End(Scratch());
}

void Chain::Reset(const Digest& base) {
  hasher_ = Hasher();
  hasher_.Update(AsBytes("leadglass.run.1"));
  hasher_.Update(base);
}

void Chain::Absorb(const Frame& frame) { hasher_.Update(EncodeFrame(frame).span()); }

Digest ChainAfterCommit(const Digest& running, const Frame& commit) {
  return HashOf({AsBytes("leadglass.chain.1"), running, FrameBeforeChaining(commit).span()});
}

}  // namespace leadglass
