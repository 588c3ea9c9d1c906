// SPDX-License-Identifier: Apache-2.0
#include "crypto/keyring.h"

#include <algorithm>
#include <set>

#include "crypto/base/format_version.h"
#include "crypto/internal/algorithms.h"

namespace leadglass {
namespace {

constexpr std::array<uint8_t, 8> kMagic = {'L', 'G', 'K', 'E', 'Y', 'R', 'N', 'G'};
constexpr size_t kHeaderSize = 48;
constexpr size_t kEntrySize = 40;
constexpr size_t kChecksumSize = sizeof(Digest);

Error Damaged(const char* what) { return Error(Errc::kCorrupt, std::string("keyring: ") + what); }

Key SealingKey(const Key& master, const Uuid& vault_id) {
  return DeriveKey(master, "keyring", vault_id);
}

ByteVector AssociatedData(ByteSpan header) {
  ByteWriter aad;
  aad.Bytes8(AsBytes("keyring"));
  aad.Raw(header);
  return aad.Take();
}

}  // namespace

Keyring Keyring::New(uint32_t pages) {
  Keyring keyring;
  for (uint32_t page = 0; page < pages; ++page) {
    keyring.entries_.push_back(Entry{page, 1, NewKey()});
  }
  return keyring;
}

Result<Keyring::Header> Keyring::DecodeHeader(ByteSpan bytes) {
  if (bytes.size() < kHeaderSize + kSealOverhead + kChecksumSize)
    return Damaged("shorter than its header");
  if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin()))
    return Damaged("it does not begin as one");
  const Digest checksum = Sha256(bytes.first(bytes.size() - kChecksumSize));
  if (!std::equal(checksum.begin(), checksum.end(), bytes.end() - kChecksumSize))
    return Damaged("its checksum is wrong");
  ByteReader in(bytes.subspan(kMagic.size()));
  const uint16_t major = in.U16();
  in.U16();  // a newer minor is readable
  const uint32_t aead = in.U32();
  if (major != kFormatMajor || aead != kAeadXaes)
    return Error(Errc::kUnsupported, "keyring: format " + std::to_string(major) + ", algorithm " +
                                         std::to_string(aead) + ": made by a newer leadglass");
  Header header;
  header.vault_id = in.Array<16>();
  header.version = in.U64();
  header.key_epoch = in.U32();
  if (in.U32() != bytes.size() - kHeaderSize - kChecksumSize)
    return Damaged("its length is not the one it was written with");
  return header;
}

Result<Keyring> Keyring::Open(ByteSpan bytes, const Uuid& vault_id, const Key& master) {
  LG_ASSIGN_OR_RETURN(const Header header, DecodeHeader(bytes));
  if (header.vault_id != vault_id) return Damaged("it belongs to another vault");
  const ByteSpan sealed = bytes.subspan(kHeaderSize, bytes.size() - kHeaderSize - kChecksumSize);
  Result<ByteVector> plain = leadglass::Open(SealingKey(master, vault_id), sealed,
                                             AssociatedData(bytes.first(kHeaderSize)));
  if (!plain) return Damaged("it does not open under the vault's master key");
  Keyring keyring;
  keyring.version_ = header.version;
  const Status decoded = keyring.Decode(*plain);
  internal::Wipe(plain->data(), plain->size());
  if (!decoded) return decoded.error();
  return keyring;
}

Status Keyring::Decode(ByteSpan plain) {
  ByteReader in(plain);
  const uint32_t count = in.U32();
  if (in.remaining() != uint64_t{count} * kEntrySize) return Damaged("its entries are malformed");
  entries_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    Entry entry;
    entry.page = in.U32();
    entry.number = in.U32();
    std::memcpy(entry.secret.ExposeForOpenSsl().data(), in.Raw(Key::kSize).data(), Key::kSize);
    if (i != 0 && std::pair(entry.page, entry.number) <=
                      std::pair(entries_.back().page, entries_.back().number))
      return Damaged("its entries are not in order");
    entries_.push_back(std::move(entry));
  }
  return {};
}

ByteVector Keyring::Seal(const Uuid& vault_id, const Key& master, uint32_t key_epoch,
                         uint64_t version) const {
  // Its final size at once: a buffer that grows would leave copies behind that nobody wipes.
  ByteVector plain(sizeof(uint32_t) + entries_.size() * kEntrySize);
  StoreLe<uint32_t>(plain.data(), static_cast<uint32_t>(entries_.size()));
  uint8_t* at = plain.data() + sizeof(uint32_t);
  for (const Entry& entry : entries_) {
    StoreLe<uint32_t>(at, entry.page);
    StoreLe<uint32_t>(at + 4, entry.number);
    std::memcpy(at + 8, entry.secret.ExposeForOpenSsl().data(), Key::kSize);
    at += kEntrySize;
  }
  ByteWriter out;
  out.Raw(kMagic);
  out.U16(kFormatMajor);
  out.U16(kFormatMinor);
  out.U32(kAeadXaes);
  out.Raw(vault_id);
  out.U64(version);
  out.U32(key_epoch);
  out.U32(static_cast<uint32_t>(plain.size() + kSealOverhead));
  out.Raw(leadglass::Seal(SealingKey(master, vault_id), plain, AssociatedData(out.span())));
  internal::Wipe(plain.data(), plain.size());
  out.Raw(Sha256(out.span()));
  return out.Take();
}

Result<Key> Keyring::Secret(uint32_t page) const {
  const auto after =
      std::upper_bound(entries_.begin(), entries_.end(), page,
                       [](uint32_t wanted, const Entry& entry) { return wanted < entry.page; });
  if (after == entries_.begin() || std::prev(after)->page != page)
    return Error(Errc::kNotFound,
                 "keyring: the erasure secret of page " + std::to_string(page) + " was dropped");
  return std::prev(after)->secret.Clone();
}

std::vector<Key> Keyring::Secrets(uint32_t page) const {
  std::vector<Key> secrets;
  for (auto entry = entries_.rbegin(); entry != entries_.rend() && entry->page >= page; ++entry)
    if (entry->page == page) secrets.push_back(entry->secret.Clone());
  return secrets;
}

Keyring Keyring::Clone() const {
  Keyring copy;
  copy.version_ = version_;
  copy.entries_.reserve(entries_.size());
  for (const Entry& entry : entries_)
    copy.entries_.push_back(Entry{entry.page, entry.number, entry.secret.Clone()});
  return copy;
}

void Keyring::AddSecrets(std::span<const uint32_t> pages) {
  for (const uint32_t page : pages) {
    const auto after =
        std::upper_bound(entries_.begin(), entries_.end(), page,
                         [](uint32_t wanted, const Entry& entry) { return wanted < entry.page; });
    const bool has = after != entries_.begin() && std::prev(after)->page == page;
    const uint32_t number = has ? std::prev(after)->number + 1 : 1;
    entries_.insert(after, Entry{page, number, NewKey()});
  }
}

void Keyring::DropOlderSecrets(std::span<const uint32_t> pages) {
  const std::set<uint32_t> renewed(pages.begin(), pages.end());
  std::vector<Entry> kept;
  kept.reserve(entries_.size());
  for (size_t i = 0; i < entries_.size(); ++i) {
    const bool newest = i + 1 == entries_.size() || entries_[i + 1].page != entries_[i].page;
    if (newest || !renewed.contains(entries_[i].page)) kept.push_back(std::move(entries_[i]));
  }
  entries_ = std::move(kept);
}

}  // namespace leadglass
