// SPDX-License-Identifier: Apache-2.0
#pragma once

// A vault in a folder of its own, for tests of fs/ without a mount: made, opened, reopened.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "crypto/vault_keys.h"
#include "fs/vault.h"
#include "index/parser_worker.h"
#include "tests/support/make_dicom.h"
#include "tests/support/matchers.h"

namespace leadglass {

// Forked before the first test starts a thread; shared by all.
HeaderParserPool* TestParser();

inline constexpr Caller kRootUser{0, 0, 1, 022};
// Who runs the commands of an administrator.
inline const Person kOperator{kRootUser, "root", {}, true};

class VaultTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Opens the vault (made in SetUp) with these options; fails the test if it cannot.
  void OpenVault(const Vault::Options& options = {});
  // Closes cleanly and opens again.
  void Reopen(const Vault::Options& options = {});

  // Writes a file through Create/Write/Flush/Release, as a program would.
  NodeId WriteFile(NodeId folder, const std::string& name, ByteSpan bytes);
  NodeId WriteFile(NodeId folder, const std::string& name, std::string_view text) {
    return WriteFile(folder, name, AsBytes(text));
  }
  Result<std::string> ReadFile(NodeId node);
  NodeId Folder(NodeId parent, const std::string& name);
  // The node at "/a/b/c", or 0.
  NodeId Walk(const std::string& path);
  std::set<std::string> Names(NodeId folder);
  // Every path below a folder, as "a/b/c" (folders end in '/').
  std::set<std::string> Tree(NodeId folder, const std::string& prefix = "");

  static Caller Root() { return kRootUser; }

  std::string folder_;
  std::unique_ptr<VaultKeys> keys_;
  std::unique_ptr<Vault> vault_;
};

}  // namespace leadglass
