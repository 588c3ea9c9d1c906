// SPDX-License-Identifier: Apache-2.0
#include "crypto/vault_files.h"

#include <algorithm>
#include <optional>

namespace leadglass {
namespace {

// Of the reasons why neither copy serves, the one that tells most.
Error Worse(const Error& a, const Error& b) {
  for (const Errc code : {Errc::kUnsupported, Errc::kCorrupt}) {
    if (a.code == code) return a;
    if (b.code == code) return b;
  }
  return a.code == Errc::kNotFound ? b : a;
}

// What a copy's clear header says of it beside the vault file, in the order of what tells most
// about why no copy serves.
enum class KeyringAge { kNewerThanVaultFile, kOlder, kOfAnotherVault, kFits };
KeyringAge AgeOf(const Keyring::Header& header, const VaultFile& file) {
  if (header.vault_id != file.vault_id) return KeyringAge::kOfAnotherVault;
  if (header.key_epoch > file.key_epoch) return KeyringAge::kNewerThanVaultFile;
  const bool older = header.key_epoch < file.key_epoch || header.version < file.min_keyring_version;
  return older ? KeyringAge::kOlder : KeyringAge::kFits;
}

bool Fits(const Keyring::Header& header, const VaultFile& file) {
  return AgeOf(header, file) == KeyringAge::kFits;
}

std::string Epoch(uint32_t epoch) { return "key epoch " + std::to_string(epoch); }

// Why the copy with this header does not serve, and what to do.
Error WhyNot(const Keyring::Header& header, const VaultFile& file) {
  const std::string wanted = "version " + std::to_string(file.min_keyring_version) +
                             " or newer of " + Epoch(file.key_epoch);
  switch (AgeOf(header, file)) {
    case KeyringAge::kNewerThanVaultFile:
      return Error(Errc::kCorrupt,
                   "vault file: it is an old one, put back: it knows " + Epoch(file.key_epoch) +
                       ", and the keyring beside it is of " + Epoch(header.key_epoch) +
                       ", since a passphrase was removed or the keys were rotated; put the newest "
                       "leadglass.vault in place of both copies");
    case KeyringAge::kOlder:
      return Error(Errc::kCorrupt,
                   "keyring: it is an old one, put back: version " +
                       std::to_string(header.version) + " of " + Epoch(header.key_epoch) +
                       ", and the vault file demands " + wanted +
                       "; put a keyring of that kind in place of both copies, from a backup or the "
                       "newest `leadglass keyring export`");
    case KeyringAge::kOfAnotherVault:
      return Error(Errc::kCorrupt, "keyring: it is the one of vault " + ToHex(header.vault_id) +
                                       "; put this vault's, " + wanted +
                                       ", in place of both copies");
    case KeyringAge::kFits: break;
  }
  return Error(Errc::kCorrupt,
               "keyring: it does not open under the vault's master key: somebody without the keys "
               "made or changed it; put " +
                   wanted + " in place of both copies");
}

bool AnyKeyringCopyDamaged(const FilePair& pair, const VaultFile& file) {
  const auto copies = pair.Read(kMaxKeyringSize);
  for (const Result<ByteVector>& bytes : copies) {
    if (!bytes) return true;
    const auto header = Keyring::DecodeHeader(*bytes);
    if (!header || !Fits(*header, file)) return true;
  }
  return *copies[0] != *copies[1];
}

}  // namespace

FilePair VaultFilePair(FileSystem& fs, const std::string& folder) {
  return FilePair(fs, folder + "/leadglass.vault");
}

FilePair KeyringPair(FileSystem& fs, const std::string& folder) {
  return FilePair(fs, folder + "/keyring");
}

Result<std::vector<VaultFileCopy>> ReadVaultFile(const FilePair& pair) {
  auto copies = pair.Read(kMaxVaultFileSize);
  std::vector<VaultFileCopy> found;
  std::vector<Error> errors;
  for (size_t copy = 0; copy < 2; ++copy) {
    if (!copies[copy]) {
      errors.push_back(copies[copy].error());
      continue;
    }
    Result<VaultFile> file = DecodeVaultFile(*copies[copy]);
    if (!file) {
      errors.push_back(file.error());
      continue;
    }
    if (!found.empty() && found[0].bytes == *copies[copy]) return found;
    found.push_back({copy, std::move(*copies[copy]), std::move(*file), false});
  }
  if (found.empty()) {
    Error error = Worse(errors[0], errors[1]);
    if (error.code == Errc::kNotFound) error.context = "no vault in this folder";
    return error;
  }
  for (VaultFileCopy& copy : found) copy.other_differs = true;
  std::stable_sort(found.begin(), found.end(), [](const VaultFileCopy& a, const VaultFileCopy& b) {
    return a.file.version > b.file.version;
  });
  return found;
}

Result<KeyringCopy> ReadKeyring(const FilePair& pair, const VaultFile& file, const Key& master) {
  auto copies = pair.Read(kMaxKeyringSize);
  const bool differ = !copies[0] || !copies[1] || *copies[0] != *copies[1];
  std::optional<KeyringCopy> best;
  std::optional<Error> unsupported;
  std::optional<Error> unreadable;
  std::optional<Keyring::Header> refused;
  for (size_t copy = 0; copy < 2; ++copy) {
    if (!copies[copy]) {
      const Error& error = copies[copy].error();
      if (error.posix_errno != 0 && error.code != Errc::kNotFound) unreadable = error;
      continue;
    }
    const auto header = Keyring::DecodeHeader(*copies[copy]);
    if (!header && header.error().code == Errc::kUnsupported) unsupported = header.error();
    if (!header) continue;
    if (!refused || AgeOf(*header, file) < AgeOf(*refused, file)) refused = *header;
    if (!Fits(*header, file)) continue;
    if (best && best->keyring.version() >= header->version) continue;
    Result<Keyring> keyring = Keyring::Open(*copies[copy], file.vault_id, master);
    if (!keyring) continue;
    best = KeyringCopy{copy, std::move(*copies[copy]), std::move(*keyring), differ};
  }
  if (best) return std::move(*best);
  if (unsupported) return *unsupported;
  // It may be the good one, and nobody shall put a backup in its place who lacks the right to it.
  if (unreadable) return *unreadable;
  if (refused) return WhyNot(*refused, file);
  return Error(Errc::kCorrupt, "keyring: both copies are damaged or missing; put version " +
                                   std::to_string(file.min_keyring_version) + " or newer of " +
                                   Epoch(file.key_epoch) +
                                   " in place of both, from a backup or the newest `leadglass "
                                   "keyring export`");
}

VaultInfo InfoOf(const VaultFile& file) {
  VaultInfo info;
  info.vault_id = file.vault_id;
  info.format_major = kFormatMajor;
  info.format_minor = file.format_minor;
  info.key_epoch = file.key_epoch;
  for (const Slot& slot : file.slots) {
    SlotInfo shown{slot.id, "scrypt", slot.scrypt_log2_n, slot.created_unix_seconds, {}};
    if (slot.kind == Slot::Kind::kRecovery) {
      shown.kdf = "hkdf-sha256";
      shown.recovery_kit = KitOf(slot);
      info.recovery_made_unix_seconds =
          std::max(slot.created_unix_seconds, info.recovery_made_unix_seconds.value_or(0));
    }
    info.slots.push_back(std::move(shown));
  }
  if (file.keyring_exported_unix_seconds != 0)
    info.keyring_exported_unix_seconds = file.keyring_exported_unix_seconds;
  return info;
}

Result<VaultInfo> VaultKeys::Inspect(FileSystem& fs, const std::string& folder) {
  LG_ASSIGN_OR_RETURN(const auto copies, ReadVaultFile(VaultFilePair(fs, folder)));
  const VaultFileCopy& newest = copies.front();
  VaultInfo info = InfoOf(newest.file);
  info.vault_file_copy_damaged = newest.other_differs;
  info.keyring_copy_damaged = AnyKeyringCopyDamaged(KeyringPair(fs, folder), newest.file);
  return info;
}

}  // namespace leadglass
