// SPDX-License-Identifier: Apache-2.0
#pragma once

// VaultKeys: the top of the key hierarchy and the two small files it lives in.
//
//   <vault>/leadglass.vault (+ .copy)   format, vault id, slots, older master keys
//   <vault>/keyring (+ .copy)           4096 erasure secrets, sealed
//
// Each file exists twice; a damaged copy is served by the other and rewritten by RepairCopies() or
// at the next change. Byte layout: docs/format.md, "The vault file" and "The keyring". Every wrap
// and slot names its algorithms, so that another set (PBKDF2, P-256) can be added without a new
// format.
//
// A change first replaces the copy that is not in use, and touches the one in use when that is
// durable; after a crash at any moment the files open in the old state or in the new one.
//
// Thread-compatible: callers serialise changes; const methods may run concurrently.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/aead.h"
#include "crypto/base/clock.h"
#include "crypto/base/file.h"
#include "crypto/log/sealed_log.h"
#include "crypto/recovery_kit.h"

namespace leadglass {

struct SlotInfo {
  uint32_t id = 0;             // stable; never reused
  std::string kdf;             // "scrypt" of a passphrase, "hkdf-sha256" of a recovery key
  uint32_t scrypt_log2_n = 0;  // of a passphrase; else 0
  int64_t created_unix_seconds = 0;
  std::optional<RecoveryKitId> recovery_kit;  // the kit, if the slot is a recovery key's
};

// What can be read of a vault without a passphrase.
struct VaultInfo {
  Uuid vault_id{};
  uint32_t format_major = 0;
  uint32_t format_minor = 0;
  uint32_t key_epoch = 0;
  std::vector<SlotInfo> slots;
  // One of the two copies is missing, does not decode, or is older than the other.
  bool vault_file_copy_damaged = false;
  bool keyring_copy_damaged = false;
  // Newest known export of this keyring; a new key epoch (RemoveSlot(), RotateMasterKey()) takes it
  // away, because the exported copy no longer opens.
  std::optional<int64_t> keyring_exported_unix_seconds;
  // When the newest recovery kit was made that opens the vault, if one does.
  std::optional<int64_t> recovery_made_unix_seconds;
};

class VaultKeys {
 public:
  static constexpr uint32_t kDefaultScryptLog2N = 16;  // 64 MiB, r = 8, p = 1
  static constexpr uint32_t kErasureSecrets = 4096;

  // Writes both files of a new vault into `folder` (which exists). Durable on return; on error what
  // was written is removed again, as far as the disk lets us.
  // kExists: a vault, or any one of its four files, is there already (a keyring without its vault
  // file is what is left of a vault, and never overwritten). kInvalidArgument: empty passphrase, or
  // log2_n outside 10..24. kUnavailable: scrypt at that cost needs more memory than there is.
  static Result<std::unique_ptr<VaultKeys>> Create(FileSystem& fs, const std::string& folder,
                                                   const SecretBytes& passphrase,
                                                   uint32_t scrypt_log2_n, Clock& clock);
  // Reads what needs no key, so nothing of it is authenticated. kNotFound: not a vault.
  // kUnsupported: a newer format. kCorrupt: both copies damaged.
  static Result<VaultInfo> Inspect(FileSystem& fs, const std::string& folder);
  // Unlocks, with a passphrase or a recovery code (told by its form: crypto/recovery_code.h);
  // writes nothing. kAccessDenied: no slot opens with it, or the code is mistyped or a share.
  // kCorrupt: both copies of the vault file or of the keyring are damaged, or one is older than the
  // other requires, or the vault file was changed by somebody without the keys. kUnavailable: a
  // slot's scrypt needs more memory than this machine has. Errors of reading where they leave no
  // copy. Takes the time and memory of scrypt once for each slot tried.
  static Result<std::unique_ptr<VaultKeys>> Unlock(FileSystem& fs, const std::string& folder,
                                                   const SecretBytes& passphrase);
  virtual ~VaultKeys() = default;

  // As of the last change; not to be read beside one.
  virtual const VaultInfo& info() const = 0;
  // These may be: the two renewals of erasure secrets change neither.
  virtual const Uuid& vault_id() const = 0;

  // Slots. Durable on return; on error this object and the files are as before. Where
  // the disk let a change be neither finished nor undone, the files hold the old state or the new,
  // and every later change by this object is kUnavailable: open the vault again to see which.
  // kInvalidArgument: empty passphrase, cost outside the limits, or 64 slots already.
  virtual Result<SlotInfo> AddSlot(const SecretBytes& passphrase, uint32_t scrypt_log2_n,
                                   Clock& clock) = 0;
  // The same for a recovery key, which has no cost. kInvalidArgument: 64 slots already.
  virtual Result<SlotInfo> AddRecoverySlot(const RecoveryKey& recovery, Clock& clock) = 0;
  // Begins a new master key epoch, so that commits and new files are out of reach of the
  // removed passphrase: the remaining slots cannot be re-wrapped without their passphrases, so each
  // slot carries an X25519 public key to which a new master key is wrapped. kNotFound: no such
  // slot. kInvalidArgument: it is the last one. An older slot file is refused afterwards (the log
  // records the key epoch in every commit).
  // kUnsupported: the vault has had 4096 key epochs.
  // The caller hands the new log_keys() to the log and appends a commit: until the log holds one of
  // the new epoch, an old vault file put back with its old keyring is not noticed.
  virtual Status RemoveSlot(uint32_t slot_id) = 0;
  // Begins a new master key epoch with all slots, which keep working: commits and new files are out
  // of reach of whoever has an older master key, and no data is written again. The same is left for
  // the caller to do, and the same errors, as RemoveSlot().
  virtual Status RotateMasterKey() = 0;
  // Rewrites each copy that info() calls damaged. Durable on return. To be called by whoever mounts
  // for writing, before the first write: until then one more damage loses the files.
  virtual Status RepairCopies() = 0;

  // Keys for the layers above, derived from the master key by name.
  virtual LogKeys log_keys() const = 0;  // metadata keys of every epoch
  virtual LogKeys audit_keys()
      const = 0;                      // the same for the audit trail, which is a log of its own
  virtual Key index_key() const = 0;  // for the index's files; another one each key epoch
  virtual uint32_t key_epoch() const = 0;  // of the newest master key
  // Wraps small secrets that belong to the vault itself (the private half of a group key). The
  // purpose and owner are bound. Opening works for wraps of any epoch; kCorrupt: damaged, another
  // owner's, or of an epoch newer than the vault file knows.
  virtual ByteVector WrapForVault(const Key& key, std::string_view purpose,
                                  ByteSpan owner) const = 0;
  virtual Result<Key> UnwrapForVault(ByteSpan wrap, std::string_view purpose,
                                     ByteSpan owner) const = 0;

  // Keyring. `page` is 0..kErasureSecrets-1; kNotFound where a secret was dropped. All const
  // methods but info() may run beside the two changes below.
  virtual Result<Key> ErasureSecret(uint32_t page) const = 0;
  // All of the page, the newest first.
  virtual std::vector<Key> ErasureSecrets(uint32_t page) const = 0;
  virtual uint64_t keyring_version() const = 0;
  // Renewing erasure secrets, in two steps: a second secret for each page; then, once nothing hangs
  // on the older ones any more that is to stay readable, these are dropped. Each is durable on
  // return, makes a new version of the keyring, and takes exports of the older ones out of force.
  // What another process did to the vault file meanwhile (a passphrase added, an export) is kept.
  // Errors as AddSlot().
  virtual Status AddErasureSecrets(std::span<const uint32_t> pages) = 0;
  virtual Status DropOlderErasureSecrets(std::span<const uint32_t> pages) = 0;
  // Writes a sealed copy of the keyring to `file` (0600, replaced atomically), and remembers when.
  virtual Status ExportKeyring(const std::string& file, Clock& clock) = 0;
};

}  // namespace leadglass
