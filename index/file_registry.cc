// SPDX-License-Identifier: Apache-2.0
#include "index/file_registry.h"

#include <utility>

#include "index/index_schema.h"

namespace leadglass {
namespace {

constexpr std::string_view kDomain = "leadglass index registry 1";
constexpr std::string_view kMagic = "LGINDEXR";
constexpr size_t kLimit = 64u << 20;

ByteVector AssociatedData(const Uuid& vault_id) {
  ByteWriter out;
  out.Raw(AsBytes(kDomain));
  out.Raw(vault_id);
  return out.Take();
}

bool IsTable(const std::string& name) { return name.ends_with(".ldb"); }

Error BadRegistry(const char* what) {
  return Error(Errc::kCorrupt,
               std::string("index: the list of its files is ") + what + ": rebuild the index");
}

}  // namespace

FileRegistry::FileRegistry(FileSystem& fs, std::string folder, const Key& key, const Uuid& vault_id)
    : folder_(std::move(folder)), context_{fs, key.Clone(), vault_id, NewUuid()} {}

Result<std::unique_ptr<FileRegistry>> FileRegistry::Load(FileSystem& fs, const std::string& folder,
                                                         const Key& key, const Uuid& vault_id) {
  auto registry = std::make_unique<FileRegistry>(fs, folder, key, vault_id);
  const auto bytes = ReadWholeFile(fs, registry->PathOf(kFileName), kLimit);
  if (!bytes) {
    if (bytes.error().code == Errc::kAccessDenied) return bytes.error();
    return BadRegistry("missing or unreadable");
  }
  if (bytes->size() < kMagic.size() || AsText(ByteSpan(*bytes).first(kMagic.size())) != kMagic)
    return BadRegistry("not one");
  const auto plain = Open(key, ByteSpan(*bytes).subspan(kMagic.size()), AssociatedData(vault_id));
  if (!plain) return BadRegistry("damaged, or of another vault");
  LG_RETURN_IF_ERROR(registry->Decode(*plain));
  return registry;
}

ByteVector FileRegistry::Encode() const {
  ByteWriter out;
  out.U32(kIndexSchema);
  out.Raw(context_.incarnation);
  out.Text16(current_);
  out.U32(static_cast<uint32_t>(entries_.size()));
  for (const auto& [name, entry] : entries_) {
    out.Text16(name);
    out.Raw(entry.file_id);
    out.U64(entry.durable_size);
  }
  return out.Take();
}

Status FileRegistry::Decode(ByteSpan plain) {
  MutexLock lock(mutex_);
  ByteReader in(plain);
  if (in.U32() != kIndexSchema) return BadRegistry("of another schema");
  context_.incarnation = in.Array<16>();
  current_ = in.Text16();
  const uint32_t count = in.U32();
  for (uint32_t i = 0; i < count && !in.failed(); ++i) {
    const std::string name = in.Text16();
    entries_[name].file_id = in.Array<16>();
    entries_[name].durable_size = in.U64();
  }
  if (!in.Finished() || current_.empty()) return BadRegistry("malformed");
  return {};
}

std::optional<FileRegistry::Entry> FileRegistry::Find(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto it = entries_.find(name);
  return it == entries_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<std::string> FileRegistry::Names() const {
  MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

void FileRegistry::Put(const std::string& name, const Entry& entry) {
  MutexLock lock(mutex_);
  entries_[name] = entry;
  unsaved_tables_ = unsaved_tables_ || IsTable(name);
}

void FileRegistry::Remove(const std::string& name) {
  MutexLock lock(mutex_);
  entries_.erase(name);
}

std::string FileRegistry::current() const {
  MutexLock lock(mutex_);
  return current_;
}

void FileRegistry::SetCurrent(std::string text) {
  MutexLock lock(mutex_);
  current_ = std::move(text);
}

bool FileRegistry::HasUnsavedTables() const {
  MutexLock lock(mutex_);
  return unsaved_tables_;
}

Status FileRegistry::Save() {
  MutexLock saving(save_mutex_);
  ByteVector plain;
  {
    MutexLock lock(mutex_);
    plain = Encode();
    unsaved_tables_ = false;
  }
  ByteWriter file;
  file.Raw(AsBytes(kMagic));
  file.Raw(Seal(context_.key, plain, AssociatedData(context_.vault_id)));
  Status saved = ReplaceFile(context_.fs, PathOf(kFileName), file.span());
  if (!saved) {
    MutexLock lock(mutex_);
    unsaved_tables_ = true;
  }
  return saved;
}

}  // namespace leadglass
