// SPDX-License-Identifier: Apache-2.0
#pragma once

// Vault: the whole of leadglass below FUSE as one object. A POSIX tree over the sealed log and the
// index, the organised views of the DICOM images in it, and the decisions of what may be done
// where. Start here. No FUSE header is included, so all of it is tested without a mount.
//
// The tree: "/" holds "archive" (an ordinary POSIX tree), "patients" (the organised view: bytes and
// names are read-only) and "incoming" (an ordinary tree whose files, once filed, leave it 60 s
// after their last close).
//
// Nodes and inodes. A NodeId is what the kernel holds: an inode number, with kViewBit set where a
// file was reached through a view. Both nodes of an image share inode, bytes and st_ino; what may
// be done differs. Folders have one node each.
//
// Who may do what. The kernel checks permission bits and POSIX ACLs (default_permissions) by the
// attributes that it was told. VaultImpl::Authorise() decides the rest, for every operation that
// has a caller: what a view allows, read-only vaults, fixed folders; at the opening of a file the
// bits and lists again, as they are now, so that neither an attribute that the kernel kept too long
// nor root (where the configuration says root = "none") nor a capability opens what is closed.
// In /patients, patients and studies that the caller may not see are neither listed nor found.
// Group, mode and access list of a study's folder hold for its series folders and images, under all
// their names: what is set on one of these succeeds and changes nothing that shows, but for an
// image's owner and the owner's bits (docs/design.md, "Who may see what").
//
// Durability. Fsync() and FsyncFolder() return when what was done before is on stable storage.
// Without them everything is durable within about one second. durable_close makes Flush() wait.
//
// Errors are POSIX outcomes (Errc::kPosix) or faults; ToErrno() gives what the kernel is told.
//
// Threads: every method may be called from any thread at any time between Open() and Close().

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/clock.h"
#include "crypto/vault_keys.h"
#include "fs/audit_copies.h"
#include "fs/audit_record.h"
#include "index/operations.h"

namespace leadglass {

class HeaderParserPool;  // index/parser_worker.h
class InodeState;        // fs/inode_state.h

using NodeId = uint64_t;
inline constexpr NodeId kViewBit = uint64_t{1} << 63;
constexpr InodeId InodeOf(NodeId node) { return node & ~kViewBit; }
constexpr bool IsViewNode(NodeId node) { return (node & kViewBit) != 0; }

// Who asks. The umask is applied here, unless a default ACL of the folder takes its place.
struct Caller {
  uid_t uid = 0;  // as the kernel checks files with: fsuid and fsgid
  gid_t gid = 0;
  // The thread that asks, which is there until it is answered; its supplementary groups are looked
  // up by it. 0: it is in another PID namespace, and counts as one without any.
  pid_t pid = 0;
  mode_t umask = 0;
};

// Who asks for something at the command line.
struct Person {
  Caller caller;
  std::string name;           // of the user, here and now; empty: he has none
  std::vector<gid_t> groups;  // supplementary
  bool operates = false;      // root, or who mounted the vault
};

// A patient or study that is to be open to a user for a while.
struct EmergencyOrder {
  uint32_t uid = 0;  // who may, and his name
  std::string user;
  std::string study;       // as Vault::AddHold() has it; a path may also be a patient's folder
  std::string patient_id;  // PatientID, instead of that
  std::optional<std::string> issuer;  // IssuerOfPatientID; nullopt: there is one only
  std::string reason;                 // CheckReason() of fs/study_holds.h
  int64_t nanos = 0;
};

// What stat(2) tells.
struct Attributes {
  NodeId node = 0;
  InodeId inode = kNoInode;
  uint32_t mode = 0;
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t rdev = 0;
  uint64_t size = 0;
  uint64_t blocks = 0;  // 512-byte units of data
  int64_t atime = 0;    // nanoseconds
  int64_t mtime = 0;
  int64_t ctime = 0;
  // Of regular files, from Lookup(), List() and GetAttributes(): with the times and the size it
  // tells one content of the file from every other while the vault is open. The times alone do not:
  // a file may change twice within a tick of the clock, and its times are the user's to set.
  uint64_t content_version = 0;
  // Names here come and go without the kernel's doing (views, /incoming): the layer above must not
  // let the kernel keep the name, or the absence of names below a folder, without asking again.
  bool volatile_names = false;
  // A patient's or study's folder: there for some callers and not for others, so each lookup of the
  // name has to be asked for.
  bool per_caller = false;
};

// What SETATTR asks for; only what is set changes. Times are nanoseconds.
struct AttributeChange {
  std::optional<uint32_t> mode;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint64_t> size;
  std::optional<int64_t> atime;
  std::optional<int64_t> mtime;
  std::optional<int64_t> ctime;
};

// Who keeps a file's mtime and ctime when its bytes change.
enum class Times {
  kVault,   // each change sets them to the present
  kCaller,  // changes leave them: the caller caches what is written, stamps the file himself, and
            // says so by SetAttributes() where his times are no longer those that he had from here
};

// A flag of Open() beside those of open(2): the caller truncates the file to nothing before
// anything else, so that whether its present bytes can be had does not matter.
inline constexpr int kTruncatesNext = 1 << 30;

// One open of a file. Owned by the vault; given back by Release().
struct OpenFile {
  NodeId node = 0;
  int flags = 0;  // as open(2)
  std::shared_ptr<InodeState> state;
  std::atomic<bool> wrote{false};
  // A hold refused a write by it, which is on record. The kernel may take the file for longer.
  std::atomic<bool> refusal_told{false};
  bool arrives = false;  // see InodeState::arriving
  Times times = Times::kVault;
  // The disk is nearly full: the kernel must not promise room for bytes that it only holds dirty.
  // Then nothing is cached, and `times` is kVault.
  bool direct_io = false;
};

struct Entry {
  Attributes attributes;
  OpenFile* file = nullptr;  // Create() only
};

struct SpaceReport {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // what writers can still use: the reserve is left out
  uint64_t inodes = 0;
};

struct UnfiledFile {
  std::string path;  // from the root of the mount, "/archive/..."; for the administrator's eyes
  FilingState state = FilingState::kUnparsed;
  std::string reason;
};

// A study that the rules give to another group; for the administrator's eyes.
struct StudyMove {
  std::string path;  // from the root of the mount, "/patients/..."
  uint32_t old_gid = 0;
  uint32_t new_gid = 0;
  std::vector<uint32_t> further;  // groups that may read it, too, from then on
  std::string rule;               // its name; empty: the default
  // Why it is left as it is, although the rules may give it to others: an image has to be read
  // again for what they ask, and cannot be, or the group is locked. For people. Empty: it is not
  // left.
  std::string stays;
};

struct VaultStatus {
  Head head;
  Head durable_head;
  uint64_t inodes = 0;  // of every kind: files, folders, links; the fixed and view folders, too
  uint64_t filed = 0;
  uint64_t unfiled = 0;
  uint64_t held_studies = 0;  // under a legal hold
  uint64_t emergencies = 0;   // grants of emergency access in force
  uint64_t log_bytes = 0;     // of the disk
  uint64_t available_bytes = 0;
  // Of log_bytes: what nothing needs any more, and goes back to the disk once it is older than the
  // horizon (Options::horizon_nanos).
  uint64_t dead_bytes = 0;
  // Of log_bytes: about what the next checkpoint gives back.
  uint64_t stale_bytes = 0;
  bool cannot_punch = false;  // the disk refused to take it back
  bool read_only = false;
  bool unaudited = false;  // the audit trail could not be written, and goes without what happens
  bool failed = false;     // log or index could not be written: read-only until remount
};

class Vault {
 public:
  struct Options {
    bool read_only = false;
    bool durable_close = false;
    uint64_t segment_size = 64u << 20;
    // Room kept back on a full disk for what frees space. Default: two segments, at most 1 % of the
    // disk.
    std::optional<uint64_t> reserve_bytes;
    // How many segments are written ahead in idle time; see SealedLog::PrepareAhead().
    size_t spare_segments = 2;
    // See SealedLog::Options::background_writes.
    bool background_writes = true;
    int64_t incoming_stay_nanos = 60'000'000'000;
    int64_t commit_interval_nanos = 400'000'000;  // how long un-synced work may wait
    // How long bytes that were deleted or overwritten stay on the disk, sealed. Where it is nearly
    // full they go at once.
    int64_t horizon_nanos = 86'400'000'000'000;
    int64_t space_interval_nanos = 1'000'000'000;  // how often it is looked for such bytes
    // Commits and small records are given back by checkpoints: one is made when that many bytes
    // would come back by it, and twice what it costs.
    uint64_t least_checkpoint_gain = 16u << 20;
    std::optional<Head> not_older_than;  // see SealedLog::Options
    bool accept_rollback = false;
    // With read_only: opens a vault whose log is damaged in every copy, as far as it reads; see
    // SealedLog::Options. The index that is made of it lives in memory and dies with the vault.
    bool salvage = false;
    // Owner of the fixed folders of a new vault; Format() only.
    uint32_t owner_uid = 0;
    uint32_t owner_gid = 0;
    // Who opens and closes the vault, by the audit trail. nullopt: the account of this process.
    std::optional<Caller> opened_by;
    // Gives a thread's supplementary groups. Null: SupplementaryGroups() of fs/credentials.h.
    std::function<std::vector<gid_t>(pid_t)> groups_of;
    // Is given the records of the audit trail, in order, once they are written, where the
    // configuration wants copies of them: by one thread at a time, which must not be kept waiting
    // and must not call the vault. Null: there are no copies.
    std::function<void(const AuditCopies&, std::span<const AuditRecord>)> on_audit;
    // Called while an index is rebuilt: commits done.
    std::function<void(uint64_t)> progress;
  };

  // Writes the first commit of a new vault: the fixed folders, the default group's key, the
  // study-less key. `folder` holds the vault file already (VaultKeys::Create). Durable on return.
  static Status Format(FileSystem& fs, const std::string& folder, const VaultKeys& keys,
                       const Options& options, Clock& clock);

  // Opens the vault in `folder`: recovers the log, brings the index up to it, or rebuilds the index
  // where it is missing, damaged, or not of this log. Locks the vault against a second opener.
  //   kUnavailable: open already. kAccessDenied: older than options.not_older_than;
  //   with EKEYREVOKED: `keys` are of an older key epoch than the log, whatever is accepted.
  //   kCorrupt: the log is damaged below its durable position; the message names the place.
  // `parser` may be null: then nothing is parsed and no view fills. `keys`, `parser` and `clock`
  // must outlive the vault.
  static Result<std::unique_ptr<Vault>> Open(FileSystem& fs, const std::string& folder,
                                             VaultKeys& keys, HeaderParserPool* parser,
                                             const Options& options, Clock& clock);
  // Throws the index away and builds it again from the log alone. The vault must not be open.
  static Status Reindex(FileSystem& fs, const std::string& folder, VaultKeys& keys,
                        const std::function<void(uint64_t)>& progress, Clock& clock);

  // Appends a commit under the newest keys, so that the log itself tells that older vault files are
  // out of date. To be called after VaultKeys::RemoveSlot() and RotateMasterKey(). The vault must
  // not be open. Durable on return. Rebuilds the index, whose key goes with the key epoch.
  static Status RecordKeyEpoch(FileSystem& fs, const std::string& folder, VaultKeys& keys,
                               Clock& clock);

  virtual ~Vault() = default;

  // Names. A name is 1 to 255 bytes (ENAMETOOLONG), without '/' and NUL; "." and ".." resolve in
  // Lookup. Every change is one atomic commit: after a crash it happened or it did not.
  virtual Result<Attributes> Lookup(const Caller& caller, NodeId parent, std::string_view name) = 0;
  virtual Result<Attributes> MakeNode(const Caller& caller, NodeId parent, std::string_view name,
                                      mode_t mode, uint64_t rdev) = 0;
  virtual Result<Attributes> MakeFolder(const Caller& caller, NodeId parent, std::string_view name,
                                        mode_t mode) = 0;
  virtual Result<Attributes> MakeSymlink(const Caller& caller, NodeId parent, std::string_view name,
                                         std::string_view target) = 0;
  virtual Result<std::string> ReadSymlink(NodeId node) = 0;
  virtual Result<Attributes> Link(const Caller& caller, NodeId node, NodeId new_parent,
                                  std::string_view new_name) = 0;
  virtual Status Unlink(const Caller& caller, NodeId parent, std::string_view name) = 0;
  virtual Status RemoveFolder(const Caller& caller, NodeId parent, std::string_view name) = 0;
  // `flags` as renameat2(2): 0, RENAME_NOREPLACE or RENAME_EXCHANGE.
  virtual Status Rename(const Caller& caller, NodeId parent, std::string_view name,
                        NodeId new_parent, std::string_view new_name, unsigned flags) = 0;

  // opendir(3): whether the caller may list the folder, as Open() has it for a file.
  virtual Result<Attributes> OpenFolder(const Caller& caller, NodeId folder) = 0;
  // Listing, of what the caller sees. Visits entries after `cookie` (0: from the start; "." and
  // ".." come first) until the visitor returns false. Cookies stay valid while names come and go;
  // one that another caller was given is understood, too.
  struct ListedEntry {
    std::string_view name;
    uint64_t cookie = 0;
    Attributes attributes;  // whole when asked for, else node, inode and the type bits of mode
  };
  virtual Status List(const Caller& caller, NodeId folder, uint64_t cookie, bool with_attributes,
                      const std::function<bool(const ListedEntry&)>& visitor) = 0;
  virtual Status FsyncFolder(NodeId folder) = 0;

  // Attributes.
  virtual Result<Attributes> GetAttributes(NodeId node) = 0;
  // A change of size clears the set-user-id and set-group-id bits where `kill_suidgid`; a change of
  // owner always does (non-folders).
  virtual Result<Attributes> SetAttributes(const Caller& caller, NodeId node,
                                           const AttributeChange& change, bool kill_suidgid) = 0;

  // Open files. The pointer is valid until Release(). kLocked, EKEYREVOKED: see UnlockGroup() and
  // ShredStudy(); not with O_TRUNC. `times` is for the O_TRUNC in `flags` and for
  // all that is done with the file. EACCES: the caller may not (Authorise()); what is open stays
  // so, whoever uses it and whatever changes, as POSIX has it.
  virtual Result<OpenFile*> Open(const Caller& caller, NodeId node, int flags,
                                 Times times = Times::kVault) = 0;
  virtual Result<Entry> Create(const Caller& caller, NodeId parent, std::string_view name,
                               mode_t mode, int flags, Times times = Times::kVault) = 0;
  // Gives up to out.size() bytes: fewer only at the end of the file. A damaged block is kCorrupt
  // (EIO), never zeros and never a short read.
  virtual Result<size_t> Read(OpenFile& file, uint64_t offset, MutableByteSpan out) = 0;
  virtual Status Write(OpenFile& file, uint64_t offset, ByteSpan data, bool kill_suidgid) = 0;
  // At every close(2): parses and files what changed, commits it.
  virtual Status Flush(OpenFile& file) = 0;
  virtual Status Fsync(OpenFile& file) = 0;
  virtual void Release(OpenFile* file) = 0;
  // `mode` as fallocate(2): 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE[|KEEP_SIZE].
  virtual Status Allocate(OpenFile& file, int mode, uint64_t offset, uint64_t length) = 0;
  // `whence` is SEEK_DATA or SEEK_HOLE.
  virtual Result<uint64_t> Seek(OpenFile& file, uint64_t offset, int whence) = 0;

  // Extended attributes. `flags` as setxattr(2). Images also show user.dicom.<Keyword>, which can
  // be set to the value they have, and not changed; removing one succeeds without effect (rsync -X
  // does that to a copy).
  virtual Result<ByteVector> GetXattr(const Caller& caller, NodeId node, std::string_view name) = 0;
  virtual Status SetXattr(const Caller& caller, NodeId node, std::string_view name, ByteSpan value,
                          int flags) = 0;
  virtual Result<std::vector<std::string>> ListXattrs(NodeId node) = 0;
  virtual Status RemoveXattr(const Caller& caller, NodeId node, std::string_view name) = 0;

  // The configuration in force; nullopt: none was ever set.
  virtual Result<std::optional<PutConfiguration>> GetConfiguration() const = 0;
  // Replaces it (fs/configuration.h). `groups` are those that this machine knows of the ones that
  // it names. Rules apply to studies that come from now on. Gives the new version; durable on
  // return, and on record as done by `by`. kInvalidArgument: it does not parse, or names a group
  // that is not among `groups`.
  virtual Result<uint32_t> SetConfiguration(const Person& by, std::string text,
                                            std::vector<ConfiguredGroup> groups) = 0;

  // What the rules in force say of the studies that are there: those that would get another group
  // or other further groups, and, with `make`, get them. Studies whose access a person chose are
  // left out; those that stay as they are for another reason are told of, with it (`stays`): an
  // image cannot be read for what the rules ask, or their group is locked. Durable on return; an
  // error leaves those before it as they were changed. Reads what is known of every image; where
  // rules ask for an element that is not always read, also the headers of images that were filed
  // without it.
  virtual Result<std::vector<StudyMove>> ApplyRules(const Person& by, bool make) = 0;

  // Legal holds. While a study has one, nothing of it is destroyed, whoever asks: EPERM for the
  // removal and the renaming of its files' names, for opening them to write, and for each change
  // of their bytes, also through what was open before. Refusals are on record, with the reason.
  // `study` is a StudyInstanceUID, of all studies that claim it; or a path from the root of the
  // mount, which has a '/', of its folder or of something in it. kNotFound: there is none such.
  //
  // Puts one hold, under one id. Holds on return; durable. kInvalidArgument: CheckReason().
  virtual Result<std::vector<HoldRecord>> AddHold(const Person& by, const std::string& study,
                                                  const std::string& reason) = 0;
  // Takes one off, and gives it. nullopt: the only one; kInvalidArgument: there are several.
  // Durable.
  virtual Result<std::vector<HoldRecord>> RemoveHold(const Person& by, const std::string& study,
                                                     std::optional<uint32_t> id,
                                                     const std::string& reason) = 0;
  // All there are, by study.
  virtual Result<std::vector<HoldRecord>> Holds() const = 0;
  // Of EntityRecord::identity of a study, which need not be there. To be asked under the lock that
  // keeps names as they are, by whoever is about to destroy something of it.
  virtual Result<bool> IsHeld(std::string_view study_identity) const = 0;
  // Unix groups that have a pair of keys. One with a passphrase of its own is locked until that is
  // given, at every mount: its studies then read as ENOKEY for everyone, root included, in files
  // that are open already, too; their names and attributes show; images that come are filed into
  // it. docs/design.md, "Keys".
  struct GroupState {
    uint32_t gid = 0;
    bool has_passphrase = false;
    bool locked = false;
    uint64_t study_keys = 0;        // that hang under its present pair
    uint64_t older_study_keys = 0;  // under an earlier one
  };
  virtual Result<std::vector<GroupState>> Groups() = 0;
  // Once it returns, no page of the group's images is in the kernel's cache. kNotFound: the group
  // has no passphrase.
  virtual Status LockGroup(const Person& by, uint32_t gid) = 0;
  // kAccessDenied: the passphrase does not open the group's present key. kNotFound: as above.
  virtual Status UnlockGroup(const Person& by, uint32_t gid, const SecretBytes& passphrase) = 0;
  struct GroupKeyChange {
    const SecretBytes* passphrase = nullptr;  // null: the group has none from then on
    uint32_t scrypt_log2_n = VaultKeys::kDefaultScryptLog2N;
    // The present passphrase is lost: what hangs under it stays so, what comes gets the new key.
    bool lost = false;
  };
  // A new pair of keys for the group, under which its studies' keys are hung again; then the
  // erasure secrets of the old wraps are replaced, so that who kept the old key and the log has
  // nothing. The group is unlocked afterwards. Durable on return; an error leaves studies under the
  // old key, to be moved by doing it again. kLocked: the group is.
  virtual Status ChangeGroupKey(const Person& by, uint32_t gid, const GroupKeyChange& change) = 0;

  // Destroys a study, named as for AddHold(): from the moment of return nothing of its bytes can be
  // read here, by whatever keys and old copies of the log, nor elsewhere where the keyring of today
  // has replaced yesterday's. It leaves the views; names elsewhere stay, of files that have their
  // size and read as EKEYREVOKED until they are truncated or removed. After a crash the rest is
  // done at the next mount. Gives the number of its images.
  //   kNotFound: there is none such. kInvalidArgument: CheckReason(), or several patients have a
  //     study of this UID. EPERM: a hold keeps it. After another error it may be gone all the same:
  //     then what is left to do is done by itself.
  virtual Result<uint64_t> ShredStudy(const Person& by, const std::string& study,
                                      const std::string& reason) = 0;

  // Emergency access: the user of `order` may read what it names, and find it in /patients, for so
  // long, whatever his groups let him. On record, durably, before it is so; its end is, too. Gives
  // what was given, under one id; it survives a remount for writing, and ends by itself.
  //   kAccessDenied: `by` does not operate the vault, and is in no group that the configuration
  //     lets take it for himself. kNotFound: no such patient or study. kInvalidArgument: the
  //     reason, or the time (Configuration::Emergency), or a patient of several issuers.
  //   kUnavailable: the audit trail cannot be written.
  virtual Result<std::vector<EmergencyRecord>> BeginEmergency(const Person& by,
                                                              const EmergencyOrder& order) = 0;
  // Whether the configuration lets somebody take it for himself.
  virtual bool MayTakeEmergency(const Person& person) const = 0;
  // Ends it before its time: who operates the vault, or its user. What he opened stays open. An
  // error of the log leaves it ended, and to be found over when its time is, after a remount.
  virtual Result<std::vector<EmergencyRecord>> EndEmergency(const Person& by, uint32_t id) = 0;
  // All that did not end.
  virtual Result<std::vector<EmergencyRecord>> Emergencies() const = 0;

  // Visits the names that a file has in the folder that it was made in or last moved to. Walks it.
  virtual Status VisitNamesOf(
      NodeId node, const std::function<void(NodeId folder, const std::string& name)>& visitor) = 0;

  // The kernel dropped its last reference to the node.
  virtual void Forget(NodeId node) = 0;

  virtual Result<SpaceReport> Space() = 0;
  // The first call looks at every segment's file: milliseconds for a thousand of them.
  virtual Result<VaultStatus> GetStatus() = 0;
  // With Options::salvage: what of the log was lost, one line each, and what that means.
  virtual const std::vector<std::string>& Lost() const = 0;
  // Files that stand in no view, with paths: walks the tree.
  virtual Result<std::vector<UnfiledFile>> Unfiled() = 0;

  // Called from a thread of the vault's own, without locks, when what the kernel caches of a node
  // has become stale: its attributes, and its pages where `contents`.
  using Invalidator = std::function<void(NodeId, bool contents)>;
  virtual void SetInvalidator(Invalidator invalidator) = 0;

  struct CheckReport {
    uint64_t files_checked = 0;
    uint64_t bytes_checked = 0;
    uint64_t files_locked = 0;        // of a locked group: not read
    uint64_t files_shredded = 0;      // that have no bytes any more
    std::vector<std::string> damage;  // ids only, one line each: what, where, whether healed
    bool data_lost = false;           // something is damaged that no second copy heals
  };
  // Reads and authenticates everything: log, index against log, every byte of every file. What a
  // commit says was punched is no damage.
  virtual Result<CheckReport> Check(const std::function<void(uint64_t, uint64_t)>& progress) = 0;

  // Hands every record of the audit trail to `visitor`, oldest first, until it returns false, those
  // of the present minute included. Errors of ReadAuditTrail().
  virtual Status ReadAudit(const std::function<bool(const AuditRecord&)>& visitor) = 0;
  // See VerifyAuditTrail().
  virtual Result<AuditProof> VerifyAudit() = 0;

  // Commits and syncs all that is pending.
  virtual Status SyncAll() = 0;
  // SyncAll, flushes the index, closes the log. Files still open are given up.
  virtual Status Close() = 0;
};

}  // namespace leadglass
