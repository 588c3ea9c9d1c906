// SPDX-License-Identifier: Apache-2.0
#pragma once

// SampleVault: a vault with a history, as disk images, and what a reader may find in it. For tests
// that change the images and ask what a reader then sees.
//
//   const SampleVault& sample = SampleVault::Get();
//   DiskImage attacked = sample.newest;
//   attacked.files["/v/keyring"].clear();
//   const Sighting seen = Look(attacked, sample.new_passphrase, sample.head);
//   EXPECT_EQ(Differences(sample.tree, seen), "");   // nothing lost, nothing changed, in silence

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/base/memory_file_system.h"
#include "crypto/vault_keys.h"
#include "fs/vault.h"

namespace leadglass {

// What stands at one path. Attributes and contents are compared as text and bytes; an error is what
// the reader was told instead.
struct Seen {
  std::string facts;  // every attribute, xattrs, link target
  ByteVector contents;
  std::string error;  // not empty: reading failed, facts and contents are what was read until then
  bool operator==(const Seen&) const = default;
};
using SeenTree = std::map<std::string, Seen>;

// Everything that can be seen of an open vault.
SeenTree LookAt(Vault& vault);

// What became of an attempt to open an image and read all of it.
struct Sighting {
  std::optional<Error> refused;  // it could not be opened
  SeenTree tree;
  // What `check` and `status` say is damaged; filled by Examine().
  std::vector<std::string> damage;
  bool any_error() const;  // refused, or an error at some path
};
enum class Access { kReadOnly, kReadWrite };
// Opens `image` while `remembered` is the newest head that was seen, and reads everything.
Sighting Look(const DiskImage& image, const std::string& passphrase,
              const std::optional<Head>& remembered, Access access = Access::kReadOnly);
// The same with keys that are unlocked already.
Sighting Look(const DiskImage& image, VaultKeys& keys, const std::optional<Head>& remembered,
              Access access = Access::kReadOnly);

// Look(), and asks what is damaged.
Sighting Examine(const DiskImage& image, const std::string& passphrase,
                 const std::optional<Head>& remembered);

// What a reader of `seen` was shown that is not `truth`, without an error to tell. Empty: nothing.
std::string Differences(const SeenTree& truth, const Sighting& seen);

struct SampleVault {
  // One vault at three moments: closed after its first session; torn off in its second; closed
  // after its third, which followed the tear, and which took a passphrase away.
  DiskImage older;
  DiskImage torn;
  DiskImage newest;
  Head older_head;
  Head head;      // of `newest`
  SeenTree tree;  // of `newest`
  // Another vault with much the same files and the same passphrase.
  DiskImage other;
  std::string old_passphrase = "correct horse battery staple";
  std::string new_passphrase = "incorrect zebra dynamo paperclip";

  static const SampleVault& Get();
  // As small as a vault with one file of each kind can be, for exhaustive tests; closed once.
  static SampleVault Tiny();
};

SecretBytes PassphraseOf(const std::string& text);

}  // namespace leadglass
