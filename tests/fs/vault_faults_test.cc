// SPDX-License-Identifier: Apache-2.0
// A vault whose disk fails: every call of it once, or from some call on for ever, with and without
// a power cut behind it. What fsync promised is there, what is there reads, and it goes on.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/fs/fault_disk.h"
#include "tests/support/fault_step.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;
using Tear = FaultFileSystem::Tear;

std::string ImageOf(int number) {
  const ByteVector image = MakeImage({.sop_uid = "2.25." + std::to_string(number),
                                      .instance_number = std::to_string(number),
                                      .pixel_bytes = 40'000});
  return std::string(AsText(image));
}

// A little life of a PACS, which knows what the vault promised. Names live in /archive.
class Work {
 public:
  explicit Work(Vault& vault) : vault_(vault) {}

  void Do() {
    Write("image1", 0, ImageOf(1));
    Write("plain", 0, Noise(1, 100'000));
    Fsync("image1");
    Write("plain", 50'000, Noise(2, 70'000));
    Write("image2", 0, ImageOf(2));
    Rename("image2", "image2.moved");
    Fsync("plain");
    Truncate("plain", 60'000);
    Remove("image1");
    Write("image3", 0, ImageOf(3));
    Fsync("image3");
    Write("image2.moved", 0, ImageOf(4));
    Write("late", 0, Noise(3, 200'000));
    Fsync("late");
    Fsync("plain");
    Truncate("late", 1'000);
  }

  // What stands against the promises; empty: nothing.
  std::string Broken(Vault& after) const {
    std::string broken;
    const auto archive = after.Lookup(kRootUser, kRootInode, "archive");
    if (!archive) return "no /archive: " + ToString(archive.error());
    for (const auto& [name, bytes] : promised_) {
      if (unsure_.contains(name)) continue;
      const auto found = after.Lookup(kRootUser, archive->node, name);
      if (!bytes) {
        if (found) broken += name + " is back; ";
        continue;
      }
      if (!found) {
        broken += name + " is lost: " + ToString(found.error()) + "; ";
        continue;
      }
      const auto now = ReadAll(after, found->node);
      if (!now)
        broken += name + ": " + ToString(now.error()) + "; ";
      else if (*now != *bytes)
        broken += name + " has other bytes: " + std::to_string(now->size()) + " for " +
                  std::to_string(bytes->size()) + ", equal up to " +
                  std::to_string(
                      std::mismatch(now->begin(), now->end(), bytes->begin(), bytes->end()).first -
                      now->begin()) +
                  "; ";
    }
    return broken;
  }

 private:
  using Bytes = std::optional<std::string>;  // nullopt: there is no such file

  // An operation that failed may have happened or not; so may the ones before it that no fsync
  // confirmed, which is why promises are only ever made by Fsync().
  void Step(std::initializer_list<std::string> names, const Status& done,
            const std::function<void()>& then) {
    if (done) {
      then();
      for (const std::string& name : names) changed_.insert(name);
      return;
    }
    for (const std::string& name : names) unsure_.insert(name);
  }

  Result<NodeId> Node(const std::string& name) {
    LG_ASSIGN_OR_RETURN(const Attributes archive, vault_.Lookup(kRootUser, kRootInode, "archive"));
    LG_ASSIGN_OR_RETURN(const Attributes file, vault_.Lookup(kRootUser, archive.node, name));
    return file.node;
  }
  Result<NodeId> Archive() {
    LG_ASSIGN_OR_RETURN(const Attributes archive, vault_.Lookup(kRootUser, kRootInode, "archive"));
    return archive.node;
  }

  Status TryWrite(const std::string& name, uint64_t offset, const std::string& bytes) {
    LG_ASSIGN_OR_RETURN(const NodeId archive, Archive());
    OpenFile* file = nullptr;
    if (const auto there = vault_.Lookup(kRootUser, archive, name); there) {
      LG_ASSIGN_OR_RETURN(file, vault_.Open(kRootUser, there->node, O_RDWR));
    } else {
      LG_ASSIGN_OR_RETURN(const Entry made,
                          vault_.Create(kRootUser, archive, name, 0644, O_RDWR | O_CREAT));
      file = made.file;
    }
    Status status = vault_.Write(*file, offset, AsBytes(bytes), false);
    if (status) status = vault_.Flush(*file);
    vault_.Release(file);
    return status;
  }
  void Write(const std::string& name, uint64_t offset, const std::string& bytes) {
    Step({name}, TryWrite(name, offset, bytes), [&] {
      std::string now = now_[name].value_or("");
      if (now.size() < offset + bytes.size()) now.resize(offset + bytes.size());
      now.replace(offset, bytes.size(), bytes);
      now_[name] = std::move(now);
      resized_.erase(name);
    });
  }
  Status TryTruncate(const std::string& name, uint64_t size) {
    LG_ASSIGN_OR_RETURN(const NodeId node, Node(name));
    AttributeChange change;
    change.size = size;
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const Attributes after,
                        vault_.SetAttributes(kRootUser, node, change, false));
    return {};
  }
  void Truncate(const std::string& name, uint64_t size) {
    Step({name}, TryTruncate(name, size), [&] {
      if (now_[name]) now_[name]->resize(size);  // else its making failed half-way: unsure
      resized_.insert(name);
    });
  }
  Status TryRename(const std::string& from, const std::string& to) {
    LG_ASSIGN_OR_RETURN(const NodeId archive, Archive());
    return vault_.Rename(kRootUser, archive, from, archive, to, 0);
  }
  void Rename(const std::string& from, const std::string& to) {
    if (unsure_.contains(from)) unsure_.insert(to);
    Step({from, to}, TryRename(from, to), [&] {
      now_[to] = now_[from];
      now_[from] = std::nullopt;
    });
  }
  Status TryRemove(const std::string& name) {
    LG_ASSIGN_OR_RETURN(const NodeId archive, Archive());
    return vault_.Unlink(kRootUser, archive, name);
  }
  void Remove(const std::string& name) {
    Step({name}, TryRemove(name), [&] { now_[name] = std::nullopt; });
  }
  Status TryFsync(const std::string& name) {
    LG_ASSIGN_OR_RETURN(const NodeId node, Node(name));
    LG_ASSIGN_OR_RETURN(OpenFile * file, vault_.Open(kRootUser, node, O_RDWR));
    const Status status = vault_.Fsync(*file);
    vault_.Release(file);
    return status;
  }
  // One log: all that was committed before is durable, whatever file it was about. A change of size
  // is committed with the file's own fsync, or a moment later.
  void Fsync(const std::string& name) {
    if (!TryFsync(name)) return;
    resized_.erase(name);
    for (const auto& [changed, bytes] : now_) {
      if (resized_.contains(changed)) continue;
      promised_[changed] = bytes;
      changed_.erase(changed);
    }
  }

 public:
  // A crash may keep or lose what no fsync confirmed: of those names only that they read is said.
  void ForgetUnconfirmed() { unsure_.insert(changed_.begin(), changed_.end()); }
  // A clean end keeps all, and while the vault is open all can be seen.
  void ConfirmAll() { promised_ = now_; }

 private:
  Vault& vault_;
  std::map<std::string, Bytes> now_;
  std::map<std::string, Bytes> promised_;
  std::set<std::string> unsure_;   // an operation on it failed
  std::set<std::string> changed_;  // and no fsync confirmed it
  std::set<std::string> resized_;  // and nothing else since
};

struct End {
  const char* name;
  Lasts lasts;
  std::optional<Tear> tear;  // nullopt: closed, not crashed
};

class VaultFaults : public ::testing::TestWithParam<End> {};

TEST_P(VaultFaults, KeepWhatWasPromisedWhicheverCallFails) {
  const End& end = GetParam();
  // All calls are too many for each run: the first ones, and of the others some that change from
  // run to run.
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (uint64_t n = 1;;) {
    SCOPED_TRACE("call " + std::to_string(n));
    FaultDisk disk(seed);
    bool beyond = false;
    std::optional<Work> work;
    {
      auto vault = disk.Open();
      ASSERT_THAT(vault, IsOk());
      work.emplace(**vault);
      disk.fs.FailFrom(n, end.lasts == Lasts::kForOneCall ? ENOSPC : EIO, end.lasts);
      work->Do();
      beyond = disk.fs.faults() == 0;
      if (end.tear) {
        // The process dies before anything is written out.
        disk.fs.FailFrom(1, EIO, Lasts::kForEver);
      }
      const bool closed = (*vault)->Close().has_value();
      if (closed && !end.tear)
        work->ConfirmAll();
      else
        work->ForgetUnconfirmed();
    }
    disk.fs.Heal();
    if (end.tear) disk.fs.Crash(*end.tear);
    auto again = disk.Open();
    ASSERT_THAT(again, IsOk());
    ASSERT_EQ(work->Broken(**again), "");
    ASSERT_EQ(Unreadable(**again), "");
    Work more(**again);
    more.Do();
    more.ConfirmAll();
    ASSERT_EQ(more.Broken(**again), "");
    ASSERT_THAT((*again)->Close(), IsOk());
    if (beyond) {
      EXPECT_GT(n, 30u) << "the work makes too few calls to say much";
      break;
    }
    n += n < 40 ? kFaultStep : kFaultStep + random() % 12;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Disk, VaultFaults,
    ::testing::Values(End{"OneCallThenClosed", Lasts::kForOneCall, {}},
                      End{"OneCallThenKilled", Lasts::kForOneCall, Tear::kKeepAll},
                      End{"ForEverThenPowerCut", Lasts::kForEver, Tear::kLoseAll},
                      End{"ForEverThenTorn", Lasts::kForEver, Tear::kScatter}),
    [](const auto& instance) { return std::string(instance.param.name); });

// Databases in the vault: records that are overwritten in place and synced, by several at once,
// until the power goes in the middle of it. Each must hold the version that its last fsync
// promised, or a newer one.
class RecordWriter {
 public:
  static constexpr size_t kRecord = 4096;
  static constexpr uint64_t kRecords = 50;

  RecordWriter(Vault& vault, std::string name) : vault_(vault), name_(std::move(name)) {}

  void Run(uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto archive = vault_.Lookup(kRootUser, kRootInode, "archive");
    if (!archive) return;
    const auto made = vault_.Create(kRootUser, archive->node, name_, 0644, O_RDWR | O_CREAT);
    if (!made) return;
    for (uint64_t version = 1; Step(random, *made->file, version); ++version) continue;
    vault_.Release(made->file);
  }

  std::string Broken(Vault& after) const {
    const auto archive = after.Lookup(kRootUser, kRootInode, "archive");
    const auto found = after.Lookup(kRootUser, archive->node, name_);
    if (!found) return promised_.empty() ? "" : name_ + " is lost";
    const auto bytes = ReadAll(after, found->node);
    if (!bytes) return name_ + ": " + ToString(bytes.error());
    for (const auto& [number, version] : promised_) {
      const size_t at = number * kRecord;
      const std::string record = bytes->size() >= at + kRecord ? bytes->substr(at, kRecord) : "";
      const auto attempted = attempted_.find(number);
      if (record == Noise(version * kRecords + number, kRecord)) continue;
      if (attempted != attempted_.end() && attempted->second > version &&
          record == Noise(attempted->second * kRecords + number, kRecord))
        continue;
      return name_ + ": record " + std::to_string(number) + " is not version " +
             std::to_string(version);
    }
    return "";
  }
  size_t promises() const { return promised_.size(); }

 private:
  bool Step(std::mt19937_64& random, OpenFile& file, uint64_t version) {
    std::set<uint64_t> numbers;
    for (uint64_t i = 0; i <= random() % 4; ++i) numbers.insert(random() % kRecords);
    for (const uint64_t number : numbers) {
      attempted_[number] = version;
      const std::string bytes = Noise(version * kRecords + number, kRecord);
      if (!vault_.Write(file, number * kRecord, AsBytes(bytes), false)) return false;
    }
    if (!vault_.Fsync(file)) return false;
    for (const uint64_t number : numbers) promised_[number] = version;
    return true;
  }

  Vault& vault_;
  const std::string name_;
  std::map<uint64_t, uint64_t> promised_;   // record -> version
  std::map<uint64_t, uint64_t> attempted_;  // the newest that was written at all
};

TEST(VaultPowerCut, UnderLoadLosesNothingThatWasSynced) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  FaultDisk disk(seed);
  for (int round = 1; round <= 25; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::vector<std::unique_ptr<RecordWriter>> writers;
    {
      Vault::Options options = SmallVault();
      if (round % 2 == 0) options.commit_interval_nanos = 1'000'000;
      auto vault = disk.Open(options);
      ASSERT_THAT(vault, IsOk());
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i) {
        writers.push_back(std::make_unique<RecordWriter>(
            **vault, "r" + std::to_string(round) + "w" + std::to_string(i)));
        threads.emplace_back(&RecordWriter::Run, writers.back().get(), random());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 60));
      disk.fs.FailFrom(1 + random() % 5, EIO, Lasts::kForEver);
      for (std::thread& thread : threads) thread.join();
      (void)(*vault)->Close();
    }
    constexpr Tear kTears[] = {Tear::kLoseAll, Tear::kPrefix, Tear::kScatter, Tear::kKeepAll};
    disk.fs.Crash(kTears[random() % 4]);
    auto again = disk.Open();
    ASSERT_THAT(again, IsOk());
    for (const auto& writer : writers) ASSERT_EQ(writer->Broken(**again), "");
    ASSERT_EQ(Unreadable(**again), "");
    if (random() % 2 == 0) {
      ASSERT_THAT((*again)->Close(), IsOk());
    }
  }
}

}  // namespace
}  // namespace leadglass
