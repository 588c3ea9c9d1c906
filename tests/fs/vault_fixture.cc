// SPDX-License-Identifier: Apache-2.0
#include "tests/fs/vault_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>

namespace leadglass {
namespace {

std::unique_ptr<HeaderParserPool> parser;

class ParserEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
    auto started = HeaderParserPool::Start();
    ASSERT_THAT(started, IsOk());
    parser = *std::move(started);
  }
  void TearDown() override { parser.reset(); }
};

const auto* const environment =
    ::testing::AddGlobalTestEnvironment(new ParserEnvironment);  // owned by GoogleTest

SecretBytes Passphrase() {
  SecretBytes passphrase(4);
  std::memcpy(passphrase.ExposeForOpenSsl().data(), "test", 4);
  return passphrase;
}

}  // namespace

HeaderParserPool* TestParser() { return parser.get(); }

void VaultTest::SetUp() {
  std::string pattern = ::testing::TempDir() + "leadglass-vault-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  auto keys = VaultKeys::Create(PosixFileSystem(), folder_, Passphrase(), 10, SystemClock());
  ASSERT_THAT(keys, IsOk());
  keys_ = *std::move(keys);
  ASSERT_THAT(Vault::Format(PosixFileSystem(), folder_, *keys_, {}, SystemClock()), IsOk());
  OpenVault();
}

void VaultTest::TearDown() {
  if (vault_) {
    EXPECT_THAT(vault_->Close(), IsOk());
  }
  vault_.reset();
  std::filesystem::remove_all(folder_);
}

void VaultTest::OpenVault(const Vault::Options& options) {
  auto opened =
      Vault::Open(PosixFileSystem(), folder_, *keys_, TestParser(), options, SystemClock());
  ASSERT_THAT(opened, IsOk());
  vault_ = *std::move(opened);
}

void VaultTest::Reopen(const Vault::Options& options) {
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  OpenVault(options);
}

NodeId VaultTest::WriteFile(NodeId folder, const std::string& name, ByteSpan bytes) {
  auto entry = vault_->Create(Root(), folder, name, 0644, O_WRONLY | O_TRUNC);
  EXPECT_THAT(entry, IsOk());
  if (!entry) return 0;
  EXPECT_THAT(vault_->Write(*entry->file, 0, bytes, false), IsOk());
  EXPECT_THAT(vault_->Flush(*entry->file), IsOk());
  vault_->Release(entry->file);
  return entry->attributes.node;
}

Result<std::string> VaultTest::ReadFile(NodeId node) {
  LG_ASSIGN_OR_RETURN(const Attributes attributes, vault_->GetAttributes(node));
  LG_ASSIGN_OR_RETURN(OpenFile* const file, vault_->Open(kRootUser, node, O_RDONLY));
  ByteVector bytes(attributes.size + 1);
  const auto got = vault_->Read(*file, 0, bytes);
  vault_->Release(file);
  if (!got) return got.error();
  return std::string(AsText(ByteSpan(bytes).first(*got)));
}

NodeId VaultTest::Folder(NodeId parent, const std::string& name) {
  auto made = vault_->MakeFolder(Root(), parent, name, 0755);
  EXPECT_THAT(made, IsOk());
  return made ? made->node : 0;
}

NodeId VaultTest::Walk(const std::string& path) {
  NodeId node = kRootInode;
  size_t at = 1;
  while (at < path.size()) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const auto found = vault_->Lookup(kRootUser, node, path.substr(at, slash - at));
    if (!found) return 0;
    node = found->node;
    at = slash + 1;
  }
  return node;
}

std::set<std::string> VaultTest::Names(NodeId folder) {
  std::set<std::string> names;
  EXPECT_THAT(vault_->List(kRootUser, folder, 2, false,
                           [&](const Vault::ListedEntry& entry) {
                             names.insert(std::string(entry.name));
                             return true;
                           }),
              IsOk());
  return names;
}

std::set<std::string> VaultTest::Tree(NodeId folder, const std::string& prefix) {
  std::set<std::string> paths;
  for (const std::string& name : Names(folder)) {
    const auto found = vault_->Lookup(kRootUser, folder, name);
    EXPECT_THAT(found, IsOk()) << name;
    if (!found) continue;
    if (!S_ISDIR(found->mode)) {
      paths.insert(prefix + name);
      continue;
    }
    paths.insert(prefix + name + "/");
    paths.merge(Tree(found->node, prefix + name + "/"));
  }
  return paths;
}

}  // namespace leadglass
