// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/sample_vault.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <random>
#include <set>

#include "index/parser_worker.h"
#include "tests/support/make_dicom.h"

namespace leadglass {
namespace {

constexpr const char* kFolder = "/v";
// A slow test must not see /incoming let go of what was filed.
constexpr int64_t kForYears = 1'000'000'000'000'000'000;
constexpr Caller kRootUser{0, 0, 1, 022};

// A sample that cannot be made is a fault of the test or of the vault: there is nothing to go on.
template <typename T>
T Need(Result<T> result) {
  if (!result) std::fprintf(stderr, "sample vault: %s\n", ToString(result.error()).c_str());
  LG_CHECK(result.has_value());
  return std::move(result).value();
}
void Need(const Status& status) {
  if (!status) std::fprintf(stderr, "sample vault: %s\n", ToString(status.error()).c_str());
  LG_CHECK(status.has_value());
}

HeaderParserPool& Parser() {
  static const std::unique_ptr<HeaderParserPool> pool = Need(HeaderParserPool::Start());
  return *pool;
}

// Bytes that do not repeat.
ByteVector Noise(uint64_t seed, size_t length) {
  std::mt19937_64 random(seed);
  ByteVector bytes(length);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

class Writer {
 public:
  explicit Writer(Vault& vault) : vault_(vault) {}

  NodeId Folder(NodeId parent, const char* name) {
    return Need(vault_.MakeFolder(kRootUser, parent, name, 0755)).node;
  }
  NodeId File(NodeId parent, const char* name, ByteSpan bytes) {
    const Entry entry = Need(vault_.Create(kRootUser, parent, name, 0644, O_RDWR));
    WriteAt(*entry.file, 0, bytes);
    Need(vault_.Flush(*entry.file));
    vault_.Release(entry.file);
    return entry.attributes.node;
  }
  void Overwrite(NodeId node, uint64_t offset, ByteSpan bytes) {
    OpenFile* file = Need(vault_.Open(kRootUser, node, O_RDWR));
    WriteAt(*file, offset, bytes);
    Need(vault_.Flush(*file));
    vault_.Release(file);
  }
  NodeId Find(NodeId parent, const char* name) {
    return Need(vault_.Lookup(kRootUser, parent, name)).node;
  }

 private:
  void WriteAt(OpenFile& file, uint64_t offset, ByteSpan bytes) {
    constexpr size_t kPiece = 64u << 10;
    for (size_t done = 0; done < bytes.size(); done += kPiece)
      Need(vault_.Write(file, offset + done,
                        bytes.subspan(done, std::min(kPiece, bytes.size() - done)), false));
  }
  Vault& vault_;
};

Vault::Options SmallSegments() {
  Vault::Options options;
  options.segment_size = 128u << 10;
  options.reserve_bytes = 0;
  options.incoming_stay_nanos = kForYears;
  return options;
}

std::unique_ptr<Vault> OpenForWriting(FileSystem& fs, VaultKeys& keys) {
  return Need(Vault::Open(fs, kFolder, keys, &Parser(), SmallSegments(), SystemClock()));
}

std::unique_ptr<VaultKeys> MakeVault(MemoryFileSystem& fs, const std::string& passphrase) {
  Need(fs.CreateFolder(kFolder));
  auto keys = Need(VaultKeys::Create(fs, kFolder, PassphraseOf(passphrase), 10, SystemClock()));
  Need(Vault::Format(fs, kFolder, *keys, SmallSegments(), SystemClock()));
  return keys;
}

Head CloseAt(Vault& vault) {
  Need(vault.SyncAll());
  const Head head = Need(vault.GetStatus()).head;
  Need(vault.Close());
  return head;
}

void FirstSession(Vault& vault, uint64_t seed) {
  Writer writer(vault);
  const NodeId pacs = writer.Folder(kArchiveInode, "pacs");
  for (const char* number : {"1", "2", "3"}) {
    ImageSpec spec;
    spec.sop_uid = std::string("2.25.300") + number;
    spec.instance_number = number;
    spec.pixel_bytes = 3000;
    if (*number == '3') spec.patient_id = "MADE-2", spec.study_uid = "2.25.1002";
    writer.File(pacs, (std::string(number) + ".dcm").c_str(), MakeImage(spec));
  }
  const NodeId small = writer.File(kArchiveInode, "small", AsBytes("ten bytes!"));
  writer.File(kArchiveInode, "empty", {});
  const NodeId big = writer.File(kArchiveInode, "big", Noise(seed, 200u << 10));
  Need(vault.Link(kRootUser, big, pacs, "big too"));
  Need(vault.MakeSymlink(kRootUser, kArchiveInode, "link", "pacs/1.dcm"));
  Need(vault.SetXattr(kRootUser, small, "user.colour", AsBytes("green"), 0));
  const NodeId sparse = writer.File(kArchiveInode, "sparse", Noise(seed + 1, 5000));
  writer.Overwrite(sparse, 300000, Noise(seed + 2, 5000));
  writer.File(kIncomingInode, "came in.dcm", MakeImage({.sop_uid = "2.25.3009"}));
}

void SecondSession(Vault& vault) {
  Writer writer(vault);
  writer.Overwrite(writer.Find(kArchiveInode, "big"), 70000, Noise(3, 9000));
  Need(vault.Rename(kRootUser, kArchiveInode, "empty", kArchiveInode, "still empty", 0));
  writer.File(kArchiveInode, "second", Noise(4, 30000));
  Need(vault.SyncAll());
}

void ThirdSession(Vault& vault) {
  Writer writer(vault);
  writer.Overwrite(writer.Find(kArchiveInode, "small"), 0, AsBytes("TEN BYTES!"));
  writer.Overwrite(writer.Find(kArchiveInode, "big"), 0, Noise(5, 50000));
  writer.File(kArchiveInode, "third", Noise(6, 150000));
  Need(vault.Unlink(kRootUser, writer.Find(kArchiveInode, "pacs"), "2.dcm"));
  AttributeChange change;
  change.mode = 0600;
  Need(vault.SetAttributes(kRootUser, writer.Find(kArchiveInode, "third"), change, false));
}

std::string FactsOf(const Attributes& a) {
  std::string facts;
  for (const uint64_t n :
       {a.node, a.inode, uint64_t{a.mode}, uint64_t{a.nlink}, uint64_t{a.uid}, uint64_t{a.gid},
        a.rdev, a.size, a.blocks, static_cast<uint64_t>(a.atime), static_cast<uint64_t>(a.mtime),
        static_cast<uint64_t>(a.ctime)})
    facts += std::to_string(n) + " ";
  return facts;
}

// Reads one vault from the top.
class Looker {
 public:
  Looker(Vault& vault, SeenTree& tree) : vault_(vault), tree_(tree) {}

  void Folder(NodeId node, const std::string& path) {
    Seen& seen = tree_[path];
    AddFacts(node, seen);
    std::vector<std::string> names;
    const Status listed =
        vault_.List(kRootUser, node, 0, false, [&](const Vault::ListedEntry& entry) {
          if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
          return true;
        });
    if (!listed) seen.error = ToString(listed.error());
    for (const std::string& name : names) Name(node, path, name);
  }

 private:
  void Name(NodeId folder, const std::string& folder_path, const std::string& name) {
    const std::string path = folder_path + "/" + name;
    const auto found = vault_.Lookup(kRootUser, folder, name);
    if (!found) {
      tree_[path].error = ToString(found.error());
    } else if (S_ISDIR(found->mode)) {
      Folder(found->node, path);
    } else {
      Leaf(*found, path);
    }
  }

  void Leaf(const Attributes& attributes, const std::string& path) {
    Seen& seen = tree_[path];
    AddFacts(attributes.node, seen);
    if (S_ISLNK(attributes.mode)) {
      Take(vault_.ReadSymlink(attributes.node), seen,
           [&](const std::string& target) { seen.facts += " -> " + target; });
    }
    if (!S_ISREG(attributes.mode)) return;
    Take(vault_.Open(kRootUser, attributes.node, O_RDONLY), seen, [&](OpenFile* file) {
      Contents(*file, attributes.size, seen);
      vault_.Release(file);
    });
  }

  // In pieces, as a program reads; up to the first error.
  void Contents(OpenFile& file, uint64_t size, Seen& seen) {
    constexpr size_t kPiece = 32u << 10;
    ByteVector piece(kPiece);
    for (uint64_t offset = 0; offset < size; offset += kPiece) {
      const auto got = vault_.Read(file, offset, piece);
      if (!got) {
        seen.error = ToString(got.error());
        return;
      }
      seen.contents.insert(seen.contents.end(), piece.begin(),
                           piece.begin() + static_cast<ptrdiff_t>(*got));
    }
  }

  void AddFacts(NodeId node, Seen& seen) {
    Take(vault_.GetAttributes(node), seen,
         [&](const Attributes& attributes) { seen.facts += FactsOf(attributes); });
    Take(vault_.ListXattrs(node), seen, [&](std::vector<std::string> names) {
      std::sort(names.begin(), names.end());
      for (const std::string& name : names) {
        Take(vault_.GetXattr(kRootUser, node, name), seen, [&](const ByteVector& value) {
          seen.facts += name + "=" + std::string(AsText(value)) + " ";
        });
      }
    });
  }

  template <typename T, typename Use>
  static void Take(Result<T> result, Seen& seen, const Use& use) {
    if (result) {
      use(std::move(*result));
    } else if (seen.error.empty()) {
      seen.error = ToString(result.error());
    }
  }

  Vault& vault_;
  SeenTree& tree_;
};

// True when the path or a folder above it told of an error.
bool ToldOfAnError(const SeenTree& tree, std::string path) {
  for (;;) {
    const auto found = tree.find(path);
    if (found != tree.end() && !found->second.error.empty()) return true;
    if (path.empty()) return false;
    path.resize(path.rfind('/'));
  }
}

bool IsPrefix(const ByteVector& part, const ByteVector& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

}  // namespace

SecretBytes PassphraseOf(const std::string& text) {
  SecretBytes secret(text.size());
  std::copy(text.begin(), text.end(), secret.ExposeForOpenSsl().begin());
  return secret;
}

SeenTree LookAt(Vault& vault) {
  SeenTree tree;
  Looker(vault, tree).Folder(kRootInode, "");
  return tree;
}

bool Sighting::any_error() const {
  return refused.has_value() || std::any_of(tree.begin(), tree.end(), [](const auto& entry) {
           return !entry.second.error.empty();
         });
}

Sighting Look(const DiskImage& image, VaultKeys& keys, const std::optional<Head>& remembered,
              Access access) {
  Sighting sighting;
  MemoryFileSystem fs(image);
  Vault::Options options;
  options.read_only = access == Access::kReadOnly;
  options.not_older_than = remembered;
  options.segment_size =
      SmallSegments().segment_size;  // a file in memory is zeros that are written
  options.reserve_bytes = 0;
  options.incoming_stay_nanos = kForYears;
  auto vault = Vault::Open(fs, kFolder, keys, nullptr, options, SystemClock());
  if (!vault) {
    sighting.refused = vault.error();
    return sighting;
  }
  sighting.tree = LookAt(**vault);
  (void)(*vault)->Close();
  return sighting;
}

Sighting Look(const DiskImage& image, const std::string& passphrase,
              const std::optional<Head>& remembered, Access access) {
  MemoryFileSystem fs(image);
  const auto keys = VaultKeys::Unlock(fs, kFolder, PassphraseOf(passphrase));
  if (!keys) return {.refused = keys.error(), .tree = {}, .damage = {}};
  return Look(image, **keys, remembered, access);
}

Sighting Examine(const DiskImage& image, const std::string& passphrase,
                 const std::optional<Head>& remembered) {
  Sighting sighting;
  MemoryFileSystem fs(image);
  const auto keys = VaultKeys::Unlock(fs, kFolder, PassphraseOf(passphrase));
  if (!keys) return {.refused = keys.error(), .tree = {}, .damage = {}};
  if ((*keys)->info().vault_file_copy_damaged) sighting.damage.emplace_back("vault file copy");
  if ((*keys)->info().keyring_copy_damaged) sighting.damage.emplace_back("keyring copy");
  Vault::Options options;
  options.read_only = true;
  options.not_older_than = remembered;
  options.reserve_bytes = 0;
  options.incoming_stay_nanos = kForYears;
  auto vault = Vault::Open(fs, kFolder, **keys, nullptr, options, SystemClock());
  if (!vault) {
    sighting.refused = vault.error();
    return sighting;
  }
  sighting.tree = LookAt(**vault);
  const auto report = (*vault)->Check([](uint64_t, uint64_t) {});
  if (report)
    sighting.damage.insert(sighting.damage.end(), report->damage.begin(), report->damage.end());
  else
    sighting.damage.push_back("check failed: " + ToString(report.error()));
  (void)(*vault)->Close();
  return sighting;
}

std::string Differences(const SeenTree& truth, const Sighting& sighting) {
  if (sighting.refused) return {};
  std::string text;
  for (const auto& [path, seen] : truth) {
    const auto found = sighting.tree.find(path);
    if (found == sighting.tree.end()) {
      if (!ToldOfAnError(sighting.tree, path)) text += "missing: " + path + "\n";
      continue;
    }
    const Seen& now = found->second;
    if (now.error.empty() && now != seen) text += "changed: " + path + "\n";
    if (!now.error.empty() && !IsPrefix(now.contents, seen.contents))
      text += "other bytes before the error: " + path + "\n";
  }
  for (const auto& [path, now] : sighting.tree)
    if (!truth.contains(path)) text += "appeared: " + path + "\n";
  return text;
}

const SampleVault& SampleVault::Get() {
  static const SampleVault made = [] {
    Parser();  // before any thread
    SampleVault sample;
    MemoryFileSystem fs;
    const auto keys = MakeVault(fs, sample.old_passphrase);
    auto vault = OpenForWriting(fs, *keys);
    FirstSession(*vault, 1);
    sample.older_head = CloseAt(*vault);
    vault.reset();
    sample.older = fs.Image();

    vault = OpenForWriting(fs, *keys);
    SecondSession(*vault);
    sample.torn = fs.Image();
    MemoryFileSystem after(sample.torn);  // the machine died; what the object does now is lost
    vault.reset();

    const auto late = Need(VaultKeys::Unlock(after, kFolder, PassphraseOf(sample.old_passphrase)));
    Need(late->AddSlot(PassphraseOf(sample.new_passphrase), 10, SystemClock()));
    Need(late->RemoveSlot(late->info().slots.front().id));
    vault = OpenForWriting(after, *late);
    ThirdSession(*vault);
    sample.head = CloseAt(*vault);
    vault.reset();
    sample.newest = after.Image();
    sample.tree = Look(sample.newest, sample.new_passphrase, sample.head).tree;

    MemoryFileSystem foreign;
    const auto foreign_keys = MakeVault(foreign, sample.new_passphrase);
    vault = OpenForWriting(foreign, *foreign_keys);
    FirstSession(*vault, 1);
    CloseAt(*vault);
    vault.reset();
    sample.other = foreign.Image();
    return sample;
  }();
  return made;
}

SampleVault SampleVault::Tiny() {
  Parser();
  SampleVault sample;
  MemoryFileSystem fs;
  const auto keys = MakeVault(fs, sample.new_passphrase);
  auto vault = OpenForWriting(fs, *keys);
  Writer writer(*vault);
  writer.File(kArchiveInode, "small", AsBytes("ten bytes!"));
  writer.File(kArchiveInode, "image.dcm", MakeImage({.pixel_bytes = 32}));
  sample.head = CloseAt(*vault);
  vault.reset();
  sample.newest = fs.Image();
  sample.tree = Look(sample.newest, sample.new_passphrase, sample.head).tree;
  return sample;
}

}  // namespace leadglass
