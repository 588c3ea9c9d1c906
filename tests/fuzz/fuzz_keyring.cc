// SPDX-License-Identifier: Apache-2.0
//
// The two small files of a vault. Any bytes give a value or an error: as they are, with a checksum
// that fits (anybody can make one), and as the sealed entries of a keyring (so that what stands
// behind the seal is tried, too). What decodes can be sealed and opened again.
#include "crypto/keyring.h"
#include "crypto/vault_file.h"

namespace leadglass {
namespace {

Key FixedKey() {
  std::array<uint8_t, 32> bytes{};
  bytes.fill(0x42);
  return Key::TakeFrom(bytes);
}

void TryBoth(ByteSpan bytes, const Uuid& vault_id, const Key& master) {
  if (const auto file = DecodeVaultFile(bytes)) {
    LG_CHECK(file->slots.size() <= kMaxSlots);
    LG_CHECK(!IsAuthentic(bytes, file->vault_id, master));
  }
  if (const auto header = Keyring::DecodeHeader(bytes)) {
    if (const auto keyring = Keyring::Open(bytes, vault_id, master)) {
      const ByteVector again = keyring->Seal(vault_id, master, 1, keyring->version() + 1);
      LG_CHECK(Keyring::Open(again, vault_id, master).has_value());
      for (const uint32_t page : {0u, 1u, 4095u}) {
        LG_CHECK(keyring->Secret(page) || keyring->Secret(page).error().code == Errc::kNotFound);
      }
    }
  }
}

ByteVector WithChecksum(ByteSpan body) {
  ByteWriter out;
  out.Raw(body);
  out.Raw(Sha256(body));
  return out.Take();
}

// A keyring whose sealed entries are `plain`. docs/format.md, "The keyring".
ByteVector KeyringOf(ByteSpan plain, const Uuid& vault_id, const Key& master) {
  ByteWriter header;
  header.Raw(AsBytes("LGKEYRNG"));
  header.U16(1);
  header.U16(0);
  header.U32(1);
  header.Raw(vault_id);
  header.U64(1);
  header.U32(1);
  header.U32(static_cast<uint32_t>(plain.size() + kSealOverhead));
  const ByteVector head = header.Take();
  ByteWriter associated;
  associated.Bytes8(AsBytes("keyring"));
  associated.Raw(head);
  ByteWriter out;
  out.Raw(head);
  out.Raw(Seal(DeriveKey(master, "keyring", vault_id), plain, associated.Take()));
  return WithChecksum(out.Take());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan bytes(data, size);
  const Key master = FixedKey();
  Uuid vault_id{};
  vault_id.fill(0x5a);
  TryBoth(bytes, vault_id, master);
  if (size > sizeof(Digest))
    TryBoth(WithChecksum(bytes.first(size - sizeof(Digest))), vault_id, master);
  if (size > 0) {
    const ByteVector made = KeyringOf(bytes, vault_id, master);
    LG_CHECK(Keyring::DecodeHeader(made).has_value());
    TryBoth(made, vault_id, master);
  }
  return 0;
}

}  // namespace leadglass
