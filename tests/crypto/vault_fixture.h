// SPDX-License-Identifier: Apache-2.0
#pragma once

// A vault's files in memory for the tests of VaultKeys: cheap scrypt, a clock that stands still.

#include <memory>

#include "crypto/vault_keys.h"
#include "tests/support/fault_file_system.h"

namespace leadglass {

inline constexpr uint32_t kCheapScrypt = 10;
inline constexpr const char* kVaultFiles[] = {"/v/leadglass.vault", "/v/leadglass.vault.copy",
                                              "/v/keyring", "/v/keyring.copy"};

inline SecretBytes Passphrase(std::string_view text) {
  SecretBytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.ExposeForOpenSsl().data(), text.data(), text.size());
  return bytes;
}

class StoppedClock final : public Clock {
 public:
  int64_t WallNanos() override { return seconds * 1'000'000'000; }
  int64_t MonotonicNanos() override { return 0; }
  int64_t seconds = 1'700'000'000;
};

// The bytes of hexadecimal digits, small letters.
inline ByteVector FromHex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  ByteVector bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  return bytes;
}

// What the four files hold; a missing file is empty.
using VaultImage = std::array<ByteVector, 4>;

inline std::unique_ptr<FaultFileSystem> EmptyDisk(uint64_t seed = 1) {
  auto fs = std::make_unique<FaultFileSystem>(seed);
  LG_CHECK(fs->CreateFolder("/v") && fs->SyncFolder("/"));
  return fs;
}

inline VaultImage Save(FileSystem& fs) {
  VaultImage image;
  for (size_t i = 0; i < image.size(); ++i) {
    if (auto bytes = ReadWholeFile(fs, kVaultFiles[i], 1u << 24)) image[i] = std::move(*bytes);
  }
  return image;
}

inline std::unique_ptr<FaultFileSystem> DiskWith(const VaultImage& image, uint64_t seed = 1) {
  auto fs = EmptyDisk(seed);
  for (size_t i = 0; i < image.size(); ++i) {
    if (!image[i].empty()) LG_CHECK(ReplaceFile(*fs, kVaultFiles[i], image[i]));
  }
  return fs;
}

inline Result<std::unique_ptr<VaultKeys>> UnlockWith(FileSystem& fs, std::string_view passphrase) {
  return VaultKeys::Unlock(fs, "/v", Passphrase(passphrase));
}

// A vault with the passphrases "one" (slot 1) and, with `slots` == 2, "two" (slot 2).
inline VaultImage NewVaultImage(int slots = 1) {
  auto fs = EmptyDisk();
  StoppedClock clock;
  auto keys = VaultKeys::Create(*fs, "/v", Passphrase("one"), kCheapScrypt, clock);
  LG_CHECK(keys.has_value());
  if (slots == 2) LG_CHECK((*keys)->AddSlot(Passphrase("two"), kCheapScrypt, clock));
  return Save(*fs);
}

// Makes the checksum at the end of a vault file or keyring right again, as an attacker would.
inline void FixChecksum(ByteVector& bytes) {
  const ByteSpan covered = ByteSpan(bytes).first(bytes.size() - sizeof(Digest));
  const Digest digest = Sha256(covered);
  std::memcpy(bytes.data() + covered.size(), digest.data(), digest.size());
}

}  // namespace leadglass
