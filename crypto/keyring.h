// SPDX-License-Identifier: Apache-2.0
#pragma once

// The keyring: the erasure secrets, which alone of all keys are not in the log, sealed under the
// newest master key. docs/format.md, "The keyring".
// Thread-compatible.

#include <span>
#include <vector>

#include "crypto/aead.h"

namespace leadglass {

inline constexpr size_t kMaxKeyringSize = 4u << 20;

class Keyring {
 public:
  // `pages` secrets, one a page, all new. Version 1.
  static Keyring New(uint32_t pages);

  // What a sealed keyring says without a key.
  struct Header {
    Uuid vault_id{};
    uint64_t version = 0;
    uint32_t key_epoch = 0;  // of the master key under which it is sealed
  };
  // Layout and checksum. kCorrupt: damaged. kUnsupported: a newer format.
  static Result<Header> DecodeHeader(ByteSpan bytes);
  // kCorrupt: damaged, another vault's, or not sealed under `master`. kUnsupported: a newer format.
  static Result<Keyring> Open(ByteSpan bytes, const Uuid& vault_id, const Key& master);
  // The contents as `version`, which must be new for every change of the contents or of the key.
  ByteVector Seal(const Uuid& vault_id, const Key& master, uint32_t key_epoch,
                  uint64_t version) const;

  uint64_t version() const { return version_; }
  void SetVersion(uint64_t version) { version_ = version; }
  // The newest secret of the page. kNotFound: there is none, it was dropped.
  Result<Key> Secret(uint32_t page) const;
  // All that the page has, the newest first: more than one only while one replaces another.
  std::vector<Key> Secrets(uint32_t page) const;

  // The same contents in memory of their own.
  Keyring Clone() const;
  // Gives each page a new secret, beside what it has.
  void AddSecrets(std::span<const uint32_t> pages);
  // Leaves each page its newest secret only.
  void DropOlderSecrets(std::span<const uint32_t> pages);

 private:
  struct Entry {
    uint32_t page = 0;
    uint32_t number = 0;  // of this secret in the page's life
    Key secret;
  };
  Keyring() = default;
  Status Decode(ByteSpan plain);

  uint64_t version_ = 1;
  std::vector<Entry> entries_;  // ascending (page, number)
};

}  // namespace leadglass
