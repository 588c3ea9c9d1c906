// SPDX-License-Identifier: Apache-2.0
#pragma once

// XAES-256-GCM with the nonce in the caller's hand. Included by aead.cc, which draws every nonce at
// random, and by the test that checks the published vectors (C2SP XAES-256-GCM); by nobody else.
//
// Nonce N of 24 bytes: AES-256-GCM under Kx with nonce N[12..24), where
//   L  = AES(K, 0^128)                 K1 = L * x in GF(2^128) (the CMAC subkey)
//   M1 = 00 01 'X' 00 N[0..12)         M2 = 00 02 'X' 00 N[0..12)
//   Kx = AES(K, M1 ^ K1) || AES(K, M2 ^ K1)
//
// Thread safety: free to use from any thread; each thread keeps its own cipher contexts, because
// making them anew costs more than sealing a short message.

#include "crypto/base/bytes.h"
#include "crypto/base/secret.h"

namespace leadglass::internal {

using Nonce = std::array<uint8_t, 24>;

// The calling thread's cipher, keyed for all messages whose nonces share their first 12 bytes.
// At most one object per direction and thread at a time. On destruction the key schedule is
// overwritten.
class XaesSealer {
 public:
  XaesSealer(const Secret<32>& key, std::span<const uint8_t, 12> nonce_head);
  ~XaesSealer();
  XaesSealer(const XaesSealer&) = delete;
  XaesSealer& operator=(const XaesSealer&) = delete;
  // Writes plain.size() bytes of ciphertext and the 16-byte tag to `out`.
  void Seal(std::span<const uint8_t, 12> nonce_tail, ByteSpan plain, ByteSpan associated_data,
            uint8_t* out);
};

class XaesOpener {
 public:
  XaesOpener(const Secret<32>& key, std::span<const uint8_t, 12> nonce_head);
  ~XaesOpener();
  XaesOpener(const XaesOpener&) = delete;
  XaesOpener& operator=(const XaesOpener&) = delete;
  // `sealed` is ciphertext and tag; `out` has room for sealed.size() - 16 bytes. False when the tag
  // is wrong; `out` is zeroed then.
  bool Open(std::span<const uint8_t, 12> nonce_tail, ByteSpan sealed, ByteSpan associated_data,
            uint8_t* out);
};

}  // namespace leadglass::internal
