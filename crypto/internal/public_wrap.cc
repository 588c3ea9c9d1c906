// SPDX-License-Identifier: Apache-2.0
#include "crypto/internal/public_wrap.h"

#include "crypto/internal/hkdf.h"
#include "crypto/openssl_ptr.h"

namespace leadglass::internal {
namespace {

OpenSslPtr<EVP_PKEY> LoadPrivate(const Key& key) {
  return OwnOpenSsl(EVP_PKEY_new_raw_private_key_ex(nullptr, "X25519", nullptr,
                                                    key.ExposeForOpenSsl().data(), 32));
}

// False when `peer` is a point of low order: the shared secret would be known to all.
bool Agree(const Key& private_key, const X25519Public& peer, Key& shared) {
  const auto mine = LoadPrivate(private_key);
  const auto theirs = OwnOpenSsl(
      EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr, peer.data(), peer.size()));
  const auto ctx = OwnOpenSsl(EVP_PKEY_CTX_new_from_pkey(nullptr, mine.get(), nullptr));
  size_t size = Key::kSize;
  return EVP_PKEY_derive_init(ctx.get()) == 1 &&
         EVP_PKEY_derive_set_peer(ctx.get(), theirs.get()) == 1 &&
         EVP_PKEY_derive(ctx.get(), shared.ExposeForOpenSsl().data(), &size) == 1 &&
         size == Key::kSize;
}

Key WrappingKey(const Key& shared, const X25519Public& ephemeral, const X25519Public& to,
                ByteSpan sender_secret) {
  ByteWriter info;
  info.Raw(AsBytes("leadglass 1"));
  info.Bytes8(AsBytes("x25519 wrap"));
  info.Raw(ephemeral);
  info.Raw(to);
  return HkdfSha256(shared, sender_secret, info.span());
}

}  // namespace

X25519Public X25519PublicOf(const Key& private_key) {
  X25519Public out{};
  size_t size = out.size();
  LG_CHECK(EVP_PKEY_get_raw_public_key(LoadPrivate(private_key).get(), out.data(), &size) == 1);
  LG_CHECK(size == out.size());
  return out;
}

ByteVector WrapToPublic(const X25519Public& to, ByteSpan sender_secret, const Key& wrapped,
                        ByteSpan associated_data) {
  const Key ephemeral = NewKey();
  const X25519Public ephemeral_public = X25519PublicOf(ephemeral);
  Key shared;
  LG_CHECK(Agree(ephemeral, to, shared));
  const Key kek = WrappingKey(shared, ephemeral_public, to, sender_secret);
  ByteWriter out;
  out.Raw(ephemeral_public);
  out.Raw(WrapKey(kek, wrapped, associated_data));
  return out.Take();
}

Result<Key> UnwrapWithPrivate(const Key& private_key, const X25519Public& public_key,
                              ByteSpan sender_secret, ByteSpan wrap, ByteSpan associated_data) {
  if (wrap.size() != kPublicWrapSize)
    return Error(Errc::kCorrupt,
                 "key wrapped to a public key has " + std::to_string(wrap.size()) + " bytes");
  X25519Public ephemeral{};
  std::memcpy(ephemeral.data(), wrap.data(), ephemeral.size());
  Key shared;
  if (!Agree(private_key, ephemeral, shared))
    return Error(Errc::kCorrupt, "key wrapped to a public key: its ephemeral key is no valid one");
  const Key kek = WrappingKey(shared, ephemeral, public_key, sender_secret);
  return UnwrapKey(kek, wrap.subspan(ephemeral.size()), associated_data);
}

}  // namespace leadglass::internal
