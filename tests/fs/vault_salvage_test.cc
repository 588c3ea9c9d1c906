// SPDX-License-Identifier: Apache-2.0
// A vault whose log is damaged in every copy, and what can still be read of it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

constexpr int kFiles = 6;

std::string NameOf(int number) { return "file" + std::to_string(number); }
std::string BytesOf(int number) { return std::string(5000, static_cast<char>('a' + number)); }

class VaultSalvage : public VaultTest {
 protected:
  // One commit a file and more; then the log is closed, and the index thrown away.
  void SetUp() override {
    VaultTest::SetUp();
    const NodeId archive = Walk("/archive");
    for (int i = 0; i < kFiles; ++i) {
      WriteFile(archive, NameOf(i), BytesOf(i));
      ASSERT_THAT(vault_->SyncAll(), IsOk());
    }
    ASSERT_THAT(vault_->Close(), IsOk());
    vault_.reset();
    std::filesystem::remove_all(folder_ + "/index");
  }

  std::string NewestSegment() const {
    std::string newest;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/log"))
      if (entry.path().extension() == ".seg") newest = std::max(newest, entry.path().string());
    return newest;
  }

  // Flips a bit in the body of one commit in the middle, in both copies of it. A commit's record
  // begins with its magic, and has kind 2 at byte 8.
  void DamageACommit() {
    std::ifstream in(NewestSegment(), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    in.close();
    std::vector<std::string> commits;
    for (size_t at = bytes.find("LGrc"); at != std::string::npos; at = bytes.find("LGrc", at + 1))
      if (bytes[at + 8] == 2) commits.push_back(bytes.substr(at, 176));
    ASSERT_GE(commits.size(), size_t{2 * kFiles}) << "the commits and the footer's copies";
    const std::string victim = commits.at(commits.size() / 4);
    int copies = 0;
    for (size_t at = bytes.find(victim); at != std::string::npos; at = bytes.find(victim, at + 1)) {
      bytes[at + 165] = static_cast<char>(bytes[at + 165] ^ 1);
      ++copies;
    }
    ASSERT_EQ(copies, 2);
    std::ofstream(NewestSegment(), std::ios::binary) << bytes;
  }

  Result<std::unique_ptr<Vault>> Open(bool salvage) {
    Vault::Options options;
    options.read_only = true;
    options.salvage = salvage;
    return Vault::Open(PosixFileSystem(), folder_, *keys_, nullptr, options, SystemClock());
  }
};

TEST_F(VaultSalvage, NamesWhatIsLostAndReadsTheRest) {
  DamageACommit();
  EXPECT_THAT(Open(false), FailsWith(Errc::kCorrupt));
  std::filesystem::remove_all(folder_ + "/index");
  ASSERT_OK_AND_ASSIGN(vault_, Open(true));
  ASSERT_OK_AND_ASSIGN(const VaultStatus status, vault_->GetStatus());
  EXPECT_EQ(vault_->Lost().size(), 1u);
  EXPECT_TRUE(status.read_only);
  int whole = 0;
  for (int i = 0; i < kFiles; ++i) {
    const NodeId node = Walk("/archive/" + NameOf(i));
    if (node == 0) continue;
    const auto bytes = ReadFile(node);
    if (!bytes || bytes->empty()) continue;  // its bytes, or its last size, are the lost commit
    EXPECT_EQ(*bytes, BytesOf(i));
    ++whole;
  }
  EXPECT_GE(whole, kFiles - 1);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/index")) << "an index that lacks a commit";
}

// The number of a session is given its id by a commit: by one in every segment.
TEST_F(VaultSalvage, ALostSegmentCostsNoFileOfAnotherOne) {
  Vault::Options small;
  small.segment_size = 256u << 10;
  OpenVault(small);
  const std::string big(150'000, 'x');
  for (int i = 0; i < 8; ++i) WriteFile(Walk("/archive"), "big" + std::to_string(i), big);
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  std::vector<std::filesystem::path> segments;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/log"))
    if (entry.path().extension() == ".seg") segments.push_back(entry.path());
  std::sort(segments.begin(), segments.end());
  ASSERT_GE(segments.size(), 5u);
  // The third segment is the first of the session that wrote the big files.
  std::filesystem::remove(segments[2]);
  std::filesystem::remove_all(folder_ + "/index");
  ASSERT_OK_AND_ASSIGN(vault_, Open(true));
  EXPECT_THAT(ReadFile(Walk("/archive/" + NameOf(0))), IsOkAndHolds(BytesOf(0)));
  for (int i = 4; i < 8; ++i)
    EXPECT_THAT(ReadFile(Walk("/archive/big" + std::to_string(i))), IsOkAndHolds(big)) << i;
}

TEST_F(VaultSalvage, OfASoundVaultIsAllOfItAndWritesNothing) {
  ASSERT_OK_AND_ASSIGN(vault_, Open(true));
  EXPECT_TRUE(vault_->Lost().empty());
  for (int i = 0; i < kFiles; ++i)
    EXPECT_THAT(ReadFile(Walk("/archive/" + NameOf(i))), IsOkAndHolds(BytesOf(i)));
  EXPECT_THAT(vault_->MakeFolder(Root(), Walk("/archive"), "new", 0755), FailsWithErrno(EROFS));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/index"));
}

}  // namespace
}  // namespace leadglass
