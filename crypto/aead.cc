// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "crypto/internal/hkdf.h"
#include "crypto/internal/xaes.h"
#include "crypto/openssl_ptr.h"

namespace leadglass {
namespace {

using internal::Nonce;

std::span<const uint8_t, 12> NonceHead(const uint8_t* nonce) {
  return std::span<const uint8_t, 12>(nonce, 12);
}
std::span<const uint8_t, 12> Tail(const uint8_t* nonce) {
  return std::span<const uint8_t, 12>(nonce + 12, 12);
}

Error NotWhatWasSealed(const char* what) {
  return Error(Errc::kCorrupt, std::string(what) + ": the tag does not fit key, bytes and owner");
}

// STREAM: prefix, big-endian chunk number, last-chunk flag.
Nonce ChunkNonce(const StreamPrefix& prefix, uint32_t chunk, bool last) {
  Nonce nonce{};
  std::memcpy(nonce.data(), prefix.data(), prefix.size());
  StoreBe<uint32_t>(nonce.data() + kStreamPrefixSize, chunk);
  nonce[kStreamPrefixSize + 4] = last ? 1 : 0;
  return nonce;
}

uint64_t ChunkCount(uint64_t plain_size, uint32_t chunk_size) {
  return plain_size / chunk_size + (plain_size % chunk_size != 0 ? 1 : 0);
}

bool IsStreamShape(uint64_t plain_size, uint32_t chunk_size) {
  return plain_size != 0 && chunk_size != 0 &&
         ChunkCount(plain_size, chunk_size) <= uint64_t{std::numeric_limits<uint32_t>::max()} + 1;
}

// The number of chunks whose plaintext is exactly `size` bytes from `first` on; 0 when no whole
// number of chunks is that long, or the sealed length does not match.
uint64_t ChunksToOpen(uint64_t plain_size, uint32_t chunk_size, uint32_t first, uint64_t sealed,
                      uint64_t size) {
  if (!IsStreamShape(plain_size, chunk_size)) return 0;
  const uint64_t start = uint64_t{first} * chunk_size;
  if (size == 0 || start >= plain_size || size > plain_size - start) return 0;
  if (size % chunk_size != 0 && start + size != plain_size) return 0;
  const uint64_t count = ChunkCount(size, chunk_size);
  return sealed == size + count * kTagSize ? count : 0;
}

}  // namespace

void RandomBytes(MutableByteSpan out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::getrandom(out.data() + done, out.size() - done, 0);
    if (n < 0 && errno == EINTR) continue;
    LG_CHECK(n > 0);
    done += static_cast<size_t>(n);
  }
}

Key NewKey() {
  Key key;
  RandomBytes(key.ExposeForOpenSsl());
  return key;
}

Uuid NewUuid() {
  Uuid id{};
  RandomBytes(id);
  return id;
}

ByteVector Seal(const Key& key, ByteSpan plain, ByteSpan associated_data) {
  ByteVector out(plain.size() + kSealOverhead);
  RandomBytes(MutableByteSpan(out).first(kNonceSize));
  internal::XaesSealer(key, NonceHead(out.data()))
      .Seal(Tail(out.data()), plain, associated_data, out.data() + kNonceSize);
  return out;
}

Result<ByteVector> Open(const Key& key, ByteSpan sealed, ByteSpan associated_data) {
  if (sealed.size() < kSealOverhead)
    return Error(Errc::kCorrupt, "sealed message is shorter than its nonce and tag");
  ByteVector out(sealed.size() - kSealOverhead);
  if (!internal::XaesOpener(key, NonceHead(sealed.data()))
           .Open(Tail(sealed.data()), sealed.subspan(kNonceSize), associated_data, out.data()))
    return NotWhatWasSealed("sealed message");
  return out;
}

ByteVector WrapKey(const Key& wrapping, const Key& wrapped, ByteSpan associated_data) {
  return Seal(wrapping, wrapped.ExposeForOpenSsl(), associated_data);
}

Result<Key> UnwrapKey(const Key& wrapping, ByteSpan sealed, ByteSpan associated_data) {
  if (sealed.size() != kWrappedKeySize)
    return Error(Errc::kCorrupt, "wrapped key has " + std::to_string(sealed.size()) + " bytes");
  // Straight into locked memory: Open() would leave the key in an ordinary buffer.
  Key key;
  if (!internal::XaesOpener(wrapping, NonceHead(sealed.data()))
           .Open(Tail(sealed.data()), sealed.subspan(kNonceSize), associated_data,
                 key.ExposeForOpenSsl().data()))
    return NotWhatWasSealed("wrapped key");
  return key;
}

Key DeriveKey(const Key& from, std::string_view purpose, ByteSpan context) {
  LG_CHECK(purpose.size() <= 255);
  ByteWriter info;
  info.Raw(AsBytes("leadglass 1"));
  info.Bytes8(AsBytes(purpose));
  info.Raw(context);
  return internal::HkdfSha256(from, {}, info.span());
}

Digest Sha256(ByteSpan data) {
  static const EVP_MD* const sha256 =
      OwnOpenSsl(EVP_MD_fetch(nullptr, "SHA2-256", nullptr)).release();
  thread_local const OpenSslPtr<EVP_MD_CTX> ctx = OwnOpenSsl(EVP_MD_CTX_new());
  Digest digest{};
  unsigned int size = 0;
  LG_CHECK(EVP_DigestInit_ex2(ctx.get(), sha256, nullptr) == 1);
  LG_CHECK(EVP_DigestUpdate(ctx.get(), data.data(), data.size()) == 1);
  LG_CHECK(EVP_DigestFinal_ex(ctx.get(), digest.data(), &size) == 1 && size == digest.size());
  return digest;
}

uint64_t StreamSealedSize(uint64_t plain_size, uint32_t chunk_size) {
  LG_CHECK(chunk_size != 0);
  return plain_size + ChunkCount(plain_size, chunk_size) * kTagSize;
}

StreamPrefix SealStream(const Key& key, ByteSpan plain, uint32_t chunk_size,
                        ByteSpan associated_data, MutableByteSpan out) {
  LG_CHECK(IsStreamShape(plain.size(), chunk_size));
  LG_CHECK(out.size() == StreamSealedSize(plain.size(), chunk_size));
  StreamPrefix prefix{};
  RandomBytes(prefix);
  internal::XaesSealer sealer(key, NonceHead(prefix.data()));
  const uint64_t count = ChunkCount(plain.size(), chunk_size);
  for (uint64_t chunk = 0; chunk < count; ++chunk) {
    const bool last = chunk + 1 == count;
    const ByteSpan piece = plain.first(last ? plain.size() : chunk_size);
    const Nonce nonce = ChunkNonce(prefix, static_cast<uint32_t>(chunk), last);
    sealer.Seal(Tail(nonce.data()), piece, associated_data, out.data());
    plain = plain.subspan(piece.size());
    out = out.subspan(piece.size() + kTagSize);
  }
  return prefix;
}

Status OpenStream(const Key& key, const StreamPrefix& prefix, uint32_t chunk_size,
                  uint64_t plain_size, uint32_t first_chunk, ByteSpan associated_data,
                  ByteSpan sealed, MutableByteSpan out) {
  const MutableByteSpan all = out;
  const uint64_t count =
      ChunksToOpen(plain_size, chunk_size, first_chunk, sealed.size(), out.size());
  if (count == 0) {
    internal::Wipe(all.data(), all.size());
    return Error(Errc::kCorrupt, "sealed stream: its length does not fit its chunks");
  }
  internal::XaesOpener opener(key, NonceHead(prefix.data()));
  const uint64_t last_chunk = ChunkCount(plain_size, chunk_size) - 1;
  for (uint64_t chunk = first_chunk; chunk < first_chunk + count; ++chunk) {
    const size_t piece = std::min<size_t>(chunk_size, out.size());
    const Nonce nonce = ChunkNonce(prefix, static_cast<uint32_t>(chunk), chunk == last_chunk);
    if (!opener.Open(Tail(nonce.data()), sealed.first(piece + kTagSize), associated_data,
                     out.data())) {
      internal::Wipe(all.data(), all.size());
      return NotWhatWasSealed(("sealed stream, chunk " + std::to_string(chunk)).c_str());
    }
    sealed = sealed.subspan(piece + kTagSize);
    out = out.subspan(piece);
  }
  return {};
}

}  // namespace leadglass
