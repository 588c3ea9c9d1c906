// SPDX-License-Identifier: Apache-2.0
#include "crypto/passphrase_wrap.h"

#include <algorithm>

#include "crypto/internal/algorithms.h"

namespace leadglass {
namespace {

// Format, KEM, AEAD, KDF. A wrap by the vault's own keys has 0 for the last.
constexpr std::array<uint8_t, 4> kPassphraseIds = {1, kKemNone, kAeadXaes, kKdfScrypt};
constexpr size_t kParametersSize = kPassphraseIds.size() + 3 * sizeof(uint32_t);
constexpr size_t kHeaderBytes = kParametersSize + sizeof(ScryptSalt);

ByteVector PassphraseWrapData(ByteSpan header, ByteSpan owner) {
  ByteWriter aad;
  aad.Bytes8(AsBytes("passphrase wrap"));
  aad.Raw(header);
  aad.Raw(owner);
  return aad.Take();
}

}  // namespace

Result<ByteVector> WrapByPassphrase(const Key& key, const SecretBytes& passphrase,
                                    uint32_t scrypt_log2_n, ByteSpan owner) {
  if (passphrase.size() == 0) return Error(Errc::kInvalidArgument, "the passphrase is empty");
  ScryptSalt salt;
  RandomBytes(salt);
  LG_ASSIGN_OR_RETURN(const Key wrapping, Scrypt(passphrase, salt, scrypt_log2_n));
  ByteWriter out;
  out.Raw(kPassphraseIds);
  out.U32(scrypt_log2_n);
  out.U32(kScryptR);
  out.U32(kScryptP);
  out.Raw(salt);
  out.Raw(WrapKey(wrapping, key, PassphraseWrapData(out.span(), owner)));
  return out.Take();
}

Result<Key> UnwrapByPassphrase(ByteSpan wrap, const SecretBytes& passphrase, ByteSpan owner) {
  if (!IsWrappedByPassphrase(wrap) || wrap.size() != kHeaderBytes + kWrappedKeySize)
    return Error(Errc::kCorrupt, "this is no key under a passphrase");
  ByteReader in(wrap.subspan(kPassphraseIds.size()));
  const uint32_t log2_n = in.U32();
  const uint32_t r = in.U32();
  const uint32_t p = in.U32();
  const auto salt = in.Array<sizeof(ScryptSalt)>();
  if (r != kScryptR || p != kScryptP || log2_n < kMinScryptLog2N || log2_n > kMaxScryptLog2N)
    return Error(Errc::kUnsupported,
                 "a key under a passphrase uses costs this version does not know");
  LG_ASSIGN_OR_RETURN(const Key wrapping, Scrypt(passphrase, salt, log2_n));
  auto key = UnwrapKey(wrapping, wrap.subspan(kHeaderBytes),
                       PassphraseWrapData(wrap.first(kHeaderBytes), owner));
  if (!key) return Error(Errc::kAccessDenied, "the passphrase does not fit");
  return key;
}

bool IsWrappedByPassphrase(ByteSpan wrap) {
  return wrap.size() >= kPassphraseIds.size() &&
         std::equal(kPassphraseIds.begin(), kPassphraseIds.end(), wrap.begin());
}

}  // namespace leadglass
