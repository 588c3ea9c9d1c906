// SPDX-License-Identifier: Apache-2.0
// Every change of the vault's keys with a failure at its 1st, 2nd, 3rd, ... call, once or from then
// on, and with a power cut there: what is left opens in the old state or in the new one.
#include <cerrno>
#include <functional>

#include <gtest/gtest.h>

#include "crypto/vault_keys.h"
#include "tests/crypto/vault_fixture.h"
#include "tests/support/fault_step.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

using Lasts = FaultFileSystem::Lasts;
using Tear = FaultFileSystem::Tear;

struct Scenario {
  Lasts lasts;
  std::optional<Tear> crash;
};
// kForEver and then a crash is a power cut at call N.
constexpr Scenario kScenarios[] = {
    {Lasts::kForOneCall, std::nullopt}, {Lasts::kForOneCall, Tear::kLoseAll},
    {Lasts::kForEver, std::nullopt},    {Lasts::kForEver, Tear::kLoseAll},
    {Lasts::kForEver, Tear::kPrefix},   {Lasts::kForEver, Tear::kScatter},
};

// Runs `change` on a vault like `image` for N = 1, 2, ... until no call fails any more, and `check`
// on what is left each time.
using Change = std::function<bool(FaultFileSystem&, VaultKeys&)>;
using Check = std::function<void(FaultFileSystem&, bool succeeded, const Scenario&)>;
void ForEachFailure(const VaultImage& image, const Change& change, const Check& check) {
  for (const Scenario& scenario : kScenarios) {
    uint64_t n = 1;
    for (bool failed = true; failed; n += kFaultStep) {
      SCOPED_TRACE("call " + std::to_string(n) + ", the seed too; scenario " +
                   std::to_string(&scenario - kScenarios));
      const auto fs = DiskWith(image, n);
      auto keys = UnlockWith(*fs, "one");
      ASSERT_THAT(keys, IsOk());
      fs->FailFrom(n, n % 2 == 0 ? EIO : ENOSPC, scenario.lasts);
      const bool succeeded = change(*fs, **keys);
      failed = fs->faults() != 0;
      EXPECT_TRUE(failed || succeeded) << "without a failing call it works";
      fs->Heal();
      if (scenario.crash) fs->Crash(*scenario.crash);
      check(*fs, succeeded, scenario);
    }
    EXPECT_GT(n, 10u) << "the failures reached the writes";
  }
}

// The vault opens with "one", can be repaired, and then lives on either copy alone.
void ExpectWhole(FaultFileSystem& fs) {
  ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(fs, "one"));
  EXPECT_THAT(keys->ErasureSecret(1), IsOk());
  ASSERT_THAT(keys->RepairCopies(), IsOk());
  const VaultImage image = Save(fs);
  EXPECT_EQ(image[0], image[1]);
  EXPECT_EQ(image[2], image[3]);
}

TEST(VaultFault, AddSlotLeavesTheOldStateOrTheNew) {
  ForEachFailure(
      NewVaultImage(),
      [](FaultFileSystem&, VaultKeys& keys) {
        StoppedClock clock;
        const auto added = keys.AddSlot(Passphrase("two"), kCheapScrypt, clock);
        EXPECT_EQ(keys.info().slots.size(), added ? 2u : 1u);
        return added.has_value();
      },
      [](FaultFileSystem& fs, bool succeeded, const Scenario& scenario) {
        ExpectWhole(fs);
        const auto two = UnlockWith(fs, "two");
        if (succeeded) {
          EXPECT_THAT(two, IsOk());
        } else if (scenario.lasts == Lasts::kForOneCall) {
          EXPECT_THAT(two, FailsWith(Errc::kAccessDenied)) << "on error the files are as before";
        } else if (!two) {
          EXPECT_THAT(two, FailsWith(Errc::kAccessDenied));
        }
      });
}

TEST(VaultFault, RemoveSlotLeavesTheOldStateOrTheNew) {
  ForEachFailure(
      NewVaultImage(2),
      [](FaultFileSystem&, VaultKeys& keys) {
        const bool removed = keys.RemoveSlot(2).has_value();
        EXPECT_EQ(keys.key_epoch(), removed ? 2u : 1u);
        EXPECT_EQ(keys.log_keys().metadata.size(), keys.key_epoch());
        return removed;
      },
      [](FaultFileSystem& fs, bool succeeded, const Scenario& scenario) {
        ExpectWhole(fs);
        const auto two = UnlockWith(fs, "two");
        if (succeeded) {
          EXPECT_THAT(two, FailsWith(Errc::kAccessDenied));
        } else if (scenario.lasts == Lasts::kForOneCall) {
          EXPECT_THAT(two, IsOk()) << "on error the files are as before";
        } else if (!two) {
          EXPECT_THAT(two, FailsWith(Errc::kAccessDenied));
        }
      });
}

TEST(VaultFault, RotationLeavesTheOldStateOrTheNew) {
  ForEachFailure(
      NewVaultImage(2),
      [](FaultFileSystem&, VaultKeys& keys) {
        const bool rotated = keys.RotateMasterKey().has_value();
        EXPECT_EQ(keys.key_epoch(), rotated ? 2u : 1u);
        return rotated;
      },
      [](FaultFileSystem& fs, bool succeeded, const Scenario& scenario) {
        ExpectWhole(fs);
        ASSERT_OK_AND_ASSIGN(const auto two, UnlockWith(fs, "two"));
        if (succeeded) {
          EXPECT_EQ(two->key_epoch(), 2u);
        } else if (scenario.lasts == Lasts::kForOneCall) {
          EXPECT_EQ(two->key_epoch(), 1u) << "on error the files are as before";
        }
      });
}

TEST(VaultFault, RepairLeavesAWholeVault) {
  VaultImage damaged = NewVaultImage();
  damaged[0][100] ^= 1;
  damaged[3][100] ^= 1;
  ForEachFailure(
      damaged, [](FaultFileSystem&, VaultKeys& keys) { return keys.RepairCopies().has_value(); },
      [](FaultFileSystem& fs, bool, const Scenario&) { ExpectWhole(fs); });
}

TEST(VaultFault, ExportLeavesAWholeVault) {
  ForEachFailure(
      NewVaultImage(),
      [](FaultFileSystem&, VaultKeys& keys) {
        StoppedClock clock;
        return keys.ExportKeyring("/v/export", clock).has_value();
      },
      [](FaultFileSystem& fs, bool succeeded, const Scenario&) {
        ExpectWhole(fs);
        ASSERT_OK_AND_ASSIGN(const VaultInfo info, VaultKeys::Inspect(fs, "/v"));
        EXPECT_TRUE(!succeeded || info.keyring_exported_unix_seconds.has_value());
        if (info.keyring_exported_unix_seconds) {
          EXPECT_THAT(fs.Exists("/v/export"), IsOkAndHolds(true));
        }
      });
}

TEST(VaultFault, CreateLeavesAVaultOrNone) {
  StoppedClock clock;
  for (const Scenario& scenario : kScenarios) {
    bool failed = true;
    for (uint64_t n = 1; failed; n += kFaultStep) {
      SCOPED_TRACE("call " + std::to_string(n) + ", the seed too; scenario " +
                   std::to_string(&scenario - kScenarios));
      const auto fs = EmptyDisk(n);
      fs->FailFrom(n, EIO, scenario.lasts);
      const bool made =
          VaultKeys::Create(*fs, "/v", Passphrase("one"), kCheapScrypt, clock).has_value();
      failed = fs->faults() != 0;
      EXPECT_TRUE(failed || made);
      fs->Heal();
      if (scenario.crash) fs->Crash(*scenario.crash);
      const auto info = VaultKeys::Inspect(*fs, "/v");
      if (made || info) {
        ExpectWhole(*fs);
        continue;
      }
      EXPECT_THAT(info, FailsWith(Errc::kNotFound));
      if (scenario.lasts == Lasts::kForOneCall && !scenario.crash) {
        EXPECT_THAT(fs->List("/v"), IsOkAndHolds(std::vector<std::string>{}));
        EXPECT_THAT(VaultKeys::Create(*fs, "/v", Passphrase("one"), kCheapScrypt, clock), IsOk());
      }
    }
  }
}

// The same object after its failure: it goes on with the old keys, and either changes them later
// or says that it must be opened again. It never leaves a vault that does not open.
TEST(VaultFault, AChangeAfterAFailedChangeLeavesAWholeVault) {
  const VaultImage image = NewVaultImage(2);
  for (const Lasts lasts : {Lasts::kForOneCall, Lasts::kForEver}) {
    bool failed = true;
    for (uint64_t n = 1; failed; n += kFaultStep) {
      SCOPED_TRACE("call " + std::to_string(n));
      const auto fs = DiskWith(image, n);
      ASSERT_OK_AND_ASSIGN(const auto keys, UnlockWith(*fs, "one"));
      fs->FailFrom(n, EIO, lasts);
      const bool first = keys->RemoveSlot(2).has_value();
      failed = fs->faults() != 0;
      fs->Heal();
      if (!first) {
        const Status again = keys->RemoveSlot(2);
        if (lasts == Lasts::kForOneCall) {
          EXPECT_THAT(again, IsOk());
        } else if (!again) {
          EXPECT_THAT(again, FailsWith(Errc::kUnavailable));
        }
        if (again) {
          EXPECT_THAT(UnlockWith(*fs, "two"), FailsWith(Errc::kAccessDenied));
        }
      }
      ExpectWhole(*fs);
    }
  }
}

}  // namespace
}  // namespace leadglass
