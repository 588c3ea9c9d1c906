// SPDX-License-Identifier: Apache-2.0
#pragma once

// A small vault on a disk in memory that fails and crashes at will (tests/support/
// fault_file_system.h), for tests of fs/.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "crypto/vault_keys.h"
#include "fs/vault.h"
#include "tests/fs/vault_fixture.h"
#include "tests/support/fault_file_system.h"

namespace leadglass {

inline constexpr const char* kFaultDiskVault = "/vault";

inline std::string Noise(uint64_t seed, size_t length) {
  std::mt19937_64 random(seed);
  std::string bytes(length, '\0');
  for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, std::min(sizeof word, length - at));
  }
  return bytes;
}

inline Vault::Options SmallVault() {
  Vault::Options options;
  options.segment_size = 256u << 10;  // several in a test
  options.reserve_bytes = 64u << 10;
  options.commit_interval_nanos = 1'000'000'000'000;  // what is on the disk is what the test does
  return options;
}

// Upkeep gives room back at once, whatever died longer ago than the horizon.
inline Vault::Options GivingBack(int64_t horizon_nanos) {
  Vault::Options options = SmallVault();
  options.horizon_nanos = horizon_nanos;
  // Or the disk in memory, which has little room, counts as nearly full.
  options.spare_segments = 0;
  options.space_interval_nanos = 0;
  return options;
}
inline constexpr int64_t kHourNanos = 3'600'000'000'000;

// One disk with a vault on it, through crashes.
class FaultDisk {
 public:
  explicit FaultDisk(uint64_t seed) : fs(seed) {
    EXPECT_THAT(fs.CreateFolder(kFaultDiskVault), IsOk());
    EXPECT_THAT(fs.SyncFolder("/"), IsOk());
    auto made = VaultKeys::Create(fs, kFaultDiskVault, Passphrase(), 10, SystemClock());
    EXPECT_THAT(made, IsOk());
    keys = *std::move(made);
    EXPECT_THAT(Vault::Format(fs, kFaultDiskVault, *keys, SmallVault(), SystemClock()), IsOk());
  }
  static SecretBytes Passphrase() {
    SecretBytes passphrase(4);
    std::memcpy(passphrase.ExposeForOpenSsl().data(), "test", 4);
    return passphrase;
  }
  Result<std::unique_ptr<Vault>> Open(const Vault::Options& options = SmallVault()) {
    return Vault::Open(fs, kFaultDiskVault, *keys, TestParser(), options, SystemClock());
  }

  FaultFileSystem fs;
  std::unique_ptr<VaultKeys> keys;
};

inline Result<std::string> ReadAll(Vault& vault, NodeId node) {
  LG_ASSIGN_OR_RETURN(const Attributes attributes, vault.GetAttributes(node));
  LG_ASSIGN_OR_RETURN(OpenFile * file, vault.Open(kRootUser, node, O_RDONLY));
  std::string bytes(attributes.size, '\0');
  const auto got =
      vault.Read(*file, 0, MutableByteSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()));
  vault.Release(file);
  if (!got) return got.error();
  if (*got != bytes.size()) return Error(Errc::kCorrupt, "a short read");
  return bytes;
}

// Every byte of every file reads; the check finds nothing lost.
inline std::string Unreadable(Vault& vault) {
  const auto report = vault.Check({});
  if (!report) return "Check(): " + ToString(report.error());
  std::string text;
  if (report->data_lost)
    for (const std::string& line : report->damage) text += line + "; ";
  return text;
}

}  // namespace leadglass
