// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

constexpr const char* kLogFolder = "/log";
constexpr const char* kIndexFolder = "/index";
constexpr const char* kLockFile = "/lock";
constexpr const char* kIndexReserve = "/index.reserve";
constexpr uint64_t kMaxIndexReserve = 64u << 20;  // a full write buffer of the index, and some

InodeRecord FixedFolder(InodeId inode, uint32_t mode, const Vault::Options& options, int64_t now) {
  InodeRecord record;
  record.inode = inode;
  record.mode = S_IFDIR | mode;
  record.nlink = 2;
  record.uid = options.owner_uid;
  record.gid = options.owner_gid;
  record.atime = record.mtime = record.ctime = record.btime = now;
  record.parent = inode == kRootInode ? kNoInode : kRootInode;
  return record;
}

Operations FixedFolders(const Vault::Options& options, int64_t now) {
  Operations operations;
  InodeRecord root = FixedFolder(kRootInode, 0755, options, now);
  root.nlink = 5;
  operations.emplace_back(PutInode{root});
  operations.emplace_back(PutInode{FixedFolder(kArchiveInode, 0755, options, now)});
  // Open to all: each sees and reaches only those patients of whom his groups let him see a study.
  InodeRecord patients = FixedFolder(kPatientsInode, 0755, options, now);
  patients.flags = kInodeViewFolder;
  operations.emplace_back(PutInode{patients});
  operations.emplace_back(PutInode{FixedFolder(kIncomingInode, 0755, options, now)});
  uint64_t cookie = kFirstFreeInode;
  for (const auto& [name, inode] : {std::pair<const char*, InodeId>{"archive", kArchiveInode},
                                    {"incoming", kIncomingInode},
                                    {"patients", kPatientsInode}})
    operations.emplace_back(PutName{{kRootInode, name, inode, S_IFDIR, 0, cookie++}});
  return operations;
}

Result<SealedLog::Options> LogOptions(FileSystem& fs, const std::string& folder,
                                      const Vault::Options& options) {
  SealedLog::Options log_options;
  log_options.spare_segments = options.spare_segments;
  log_options.background_writes = options.background_writes;
  if (options.reserve_bytes) {
    log_options.reserve_bytes = *options.reserve_bytes;
  } else {
    LG_ASSIGN_OR_RETURN(const SpaceInfo disk, fs.Space(folder));
    log_options.reserve_bytes = std::min(2 * options.segment_size, disk.total_bytes / 100);
  }
  log_options.read_only = options.read_only;
  log_options.segment_size = options.segment_size;
  log_options.not_older_than = options.not_older_than;
  log_options.accept_rollback = options.accept_rollback;
  log_options.salvage = options.salvage;
  return log_options;
}

struct VaultLock {
  std::unique_ptr<File> file;  // null: a read-only disk without a lock file, which nobody can write
  bool read_only_disk = false;
};

Result<VaultLock> LockVault(FileSystem& fs, const std::string& folder, bool read_only) {
  auto file = fs.Open(folder + kLockFile, OpenMode::kCreate);
  const bool read_only_disk = !file && file.error().posix_errno == EROFS;
  if (read_only_disk && !read_only)
    return Error(Errc::kUnavailable,
                 "the vault lies on a read-only disk: make it writable, or mount with -o ro",
                 EROFS);
  if (read_only_disk) file = fs.Open(folder + kLockFile, OpenMode::kRead);
  if (!file && read_only_disk && file.error().code == Errc::kNotFound)
    return VaultLock{nullptr, true};
  if (!file) return file.error();
  const Status locked = (*file)->TryLock();
  if (!locked && locked.error().code == Errc::kUnavailable)
    return Error(Errc::kUnavailable, "the vault is open in another process; unmount it there first",
                 EBUSY);
  if (!locked) return locked.error();
  return VaultLock{*std::move(file), read_only_disk};
}

std::string Told(const LostStretch& lost) {
  const std::string what = ToString(lost.from) + ": " + lost.why + ": ";
  if (lost.after_commit == 0 && lost.until_commit == 0)
    return what + "files whose bytes lie there give errors";
  const std::string which = lost.until_commit == 0
                                ? "the commits after " + std::to_string(lost.after_commit)
                                : "the commits between " + std::to_string(lost.after_commit) +
                                      " and " + std::to_string(lost.until_commit);
  return what + which +
         " are lost; what they changed is as it was before, what they added is not there";
}

}  // namespace

Status Vault::Format(FileSystem& fs, const std::string& folder, const VaultKeys& keys,
                     const Options& options, Clock& clock) {
  LG_ASSIGN_OR_RETURN(const SealedLog::Options log_options, LogOptions(fs, folder, options));
  LG_ASSIGN_OR_RETURN(auto log, SealedLog::Create(fs, folder + kLogFolder, keys.vault_id(),
                                                  keys.log_keys(), log_options));
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const auto report,
                      log->Recover(std::nullopt, [](const CommitInfo&, ByteSpan) {
                        return Status(Error(Errc::kCorrupt, "a new log holds a commit"));
                      }));
  Operations operations;
  operations.emplace_back(PutSession{1, log->session()});
  LG_ASSIGN_OR_RETURN(const Operations genesis, KeyStore::Genesis(keys, options.owner_gid));
  operations.insert(operations.end(), genesis.begin(), genesis.end());
  const Operations folders = FixedFolders(options, clock.WallNanos());
  operations.insert(operations.end(), folders.begin(), folders.end());
  LG_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo first,
                      log->AppendCommit(EncodeOperations(operations)));
  LG_RETURN_IF_ERROR(log->Sync());
  return log->Close();
}

Result<std::unique_ptr<Vault>> Vault::Open(FileSystem& fs, const std::string& folder,
                                           VaultKeys& keys, HeaderParserPool* parser,
                                           const Options& options, Clock& clock) {
  auto vault = std::make_unique<VaultImpl>(fs, folder, keys, parser, options, clock);
  LG_RETURN_IF_ERROR(vault->Start());
  return std::unique_ptr<Vault>(std::move(vault));
}

Status Vault::Reindex(FileSystem& fs, const std::string& folder, VaultKeys& keys,
                      const std::function<void(uint64_t)>& progress, Clock& clock) {
  {
    LG_ASSIGN_OR_RETURN([[maybe_unused]] const auto lock, LockVault(fs, folder, false));
    LG_RETURN_IF_ERROR(Index::Destroy(fs, folder + kIndexFolder));
  }
  Options options;
  options.progress = progress;
  LG_ASSIGN_OR_RETURN(const auto vault, Open(fs, folder, keys, nullptr, options, clock));
  return vault->Close();
}

Status Vault::RecordKeyEpoch(FileSystem& fs, const std::string& folder, VaultKeys& keys,
                             Clock& clock) {
  VaultImpl vault(fs, folder, keys, nullptr, Options(), clock);
  LG_RETURN_IF_ERROR(vault.Start());
  LG_RETURN_IF_ERROR(vault.CommitNothing());
  return vault.Close();
}

Status VaultImpl::CommitNothing() {
  LG_RETURN_IF_ERROR(Commit({}));
  return SyncLog();
}

namespace {

Vault::Options WithDefaults(Vault::Options options) {
  if (!options.groups_of) options.groups_of = SupplementaryGroups;
  return options;
}

}  // namespace

VaultImpl::VaultImpl(FileSystem& fs, std::string folder, VaultKeys& keys, HeaderParserPool* parser,
                     Options options, Clock& clock)
    : VaultCore(fs, std::move(folder), keys, parser, WithDefaults(std::move(options)), clock) {}

VaultImpl::~VaultImpl() { (void)Close(); }

Status VaultImpl::Start() {
  LG_ASSIGN_OR_RETURN(VaultLock lock, LockVault(fs_, folder_, options_.read_only));
  lock_file_ = std::move(lock.file);
  LG_RETURN_IF_ERROR(ChooseIndexDisk(lock.read_only_disk));
  LG_ASSIGN_OR_RETURN(const SealedLog::Options log_options, LogOptions(fs_, folder_, options_));
  LG_ASSIGN_OR_RETURN(log_, SealedLog::Open(fs_, folder_ + kLogFolder, keys_.vault_id(),
                                            keys_.log_keys(), log_options));
  LG_RETURN_IF_ERROR(OpenIndexAndReplay());
  LG_RETURN_IF_ERROR(LoadConfiguration());
  LG_RETURN_IF_ERROR(LoadHolds());
  {
    MutexLock names(names_mutex_);
    ids_.emplace(index_->next_inode(), index_->next_cookie());
  }
  session_number_ = index_->next_session();
  key_store_ = std::make_unique<KeyStore>(*index_, keys_, clock_);
  LG_RETURN_IF_ERROR(key_store_->Load());
  inodes_ = std::make_unique<InodeTable>(*index_, clock_);
  LG_RETURN_IF_ERROR(OpenTrail());
  LG_RETURN_IF_ERROR(LoadEmergencies());
  if (!options_.read_only) {
    LG_RETURN_IF_ERROR(SweepOrphans());
    CheckRoom();
    upkeep_ = std::jthread([this](const std::stop_token& stop) { RunUpkeep(stop); });
    checkpointer_ = std::jthread([this](const std::stop_token& stop) { RunCheckpoints(stop); });
  }
  notifier_ = std::jthread([this](const std::stop_token& stop) { RunNotices(stop); });
  return {};
}

// The index cannot be opened without writing a little: on a read-only disk to memory, and on a full
// one to room that was kept back. One that lacks commits must not be taken for the vault's later.
Status VaultImpl::ChooseIndexDisk(bool read_only_disk) {
  if (read_only_disk || options_.salvage) {
    index_fs_ = std::make_unique<OverlayFileSystem>(fs_);
    return {};
  }
  LG_ASSIGN_OR_RETURN(const SealedLog::Options log_options, LogOptions(fs_, folder_, options_));
  auto reserving = std::make_unique<ReservingFileSystem>(
      fs_, folder_ + kIndexReserve, std::min(log_options.reserve_bytes, kMaxIndexReserve));
  if (!options_.read_only) reserving->Refill();
  index_fs_ = std::move(reserving);
  return {};
}

// The index is a cache of the log: whatever is wrong with it, it is thrown away and built again.
Status VaultImpl::OpenIndexAndReplay() {
  FileSystem& fs = *index_fs_;
  const std::string index_folder = folder_ + kIndexFolder;
  Index::Options index_options;
  index_options.make_log_durable = [this] { return log_->Sync(); };
  index_options.wall_clock = [this] { return clock_.WallNanos(); };
  for (const bool rebuild : {false, true}) {
    if (rebuild) LG_RETURN_IF_ERROR(Index::Destroy(fs, index_folder));
    auto opened = Index::Open(fs, index_folder, keys_.index_key(), keys_.vault_id(), index_options);
    if (!opened && (rebuild || opened.error().code != Errc::kCorrupt)) return opened.error();
    if (!opened) continue;
    index_ = *std::move(opened);
    const Status replayed = Replay();
    if (replayed) return {};
    const bool foreign = replayed.error().code == Errc::kNotFound;
    if (rebuild || !(foreign || index_failed_)) return replayed;
    index_.reset();
  }
  return {};
}

Status VaultImpl::Replay() {
  uint64_t commits = 0;
  uint64_t replayed = 0;
  index_failed_ = false;
  const auto apply = [&](const CommitInfo& commit, ByteSpan payload) -> Status {
    LG_ASSIGN_OR_RETURN(const Operations operations, DecodeOperations(payload));
    replayed += operations.size() + kOperationsPerCommit;
    const Status applied = index_->Apply(operations, commit);
    index_failed_ = !applied;
    if (options_.progress && ++commits % 1000 == 0) options_.progress(commits);
    return applied;
  };
  LG_ASSIGN_OR_RETURN(const RecoveryReport report, log_->Recover(index_->head(), apply));
  {
    // What was replayed is in memory only. Sessions that die early would replay it again each time,
    // and ever more of it.
    MutexLock lock(commit_mutex_);
    operations_since_flush_ = replayed;
  }
  lost_.clear();
  for (const LostStretch& lost : report.lost) lost_.push_back(Told(lost));
  if (!index_->head()) return Error(Errc::kCorrupt, "the log holds no commit: not even the first");
  return {};
}

Status VaultImpl::SweepOrphans() {
  LG_ASSIGN_OR_RETURN(const auto orphans, index_->Orphans());
  for (const InodeId inode : orphans) {
    LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(inode));
    LG_RETURN_IF_ERROR(EraseOrphan(state));
  }
  return {};
}

void VaultImpl::StopThreads() {
  upkeep_.request_stop();
  checkpointer_.request_stop();
  notifier_.request_stop();
  {
    MutexLock lock(upkeep_mutex_);
    upkeep_wanted_.NotifyAll();
  }
  {
    MutexLock lock(notice_mutex_);
    notice_wanted_.NotifyAll();
  }
  {
    MutexLock lock(checkpoint_mutex_);
    checkpoint_wanted_.NotifyAll();
  }
  for (std::jthread* thread : {&upkeep_, &checkpointer_, &notifier_})
    if (thread->joinable()) thread->join();
}

Status VaultImpl::Close() {
  if (closed_.exchange(true)) return {};
  StopThreads();
  if (!log_ || !index_ || !inodes_) return {};
  if (options_.read_only) return {};
  CommitDirty(true);
  std::vector<InodePtr> orphans;
  {
    MutexLock lock(orphan_mutex_);
    for (const auto& [inode, state] : orphans_) orphans.push_back(state);
  }
  for (const InodePtr& state : orphans) (void)EraseOrphan(state);  // else swept at the next mount
  if (audit_) {
    audit_->Note(Opener(), AuditAction::kUnmount, {}, 0);
    FlushTrail(true);
    (void)audit_->Close();  // GetStatus() told what could not be written
  }
  LG_RETURN_IF_ERROR(SyncLog());
  // On a full disk the index stays behind; the next mount replays what it lacks from the log.
  const Status flushed = index_->Flush();
  LG_RETURN_IF_ERROR(log_->Close());
  return !flushed && flushed.error().code == Errc::kNoSpace ? Status() : flushed;
}

Result<SpaceReport> VaultImpl::Space() {
  LG_ASSIGN_OR_RETURN(const SpaceInfo disk, fs_.Space(folder_));
  LG_ASSIGN_OR_RETURN(const uint64_t writable, log_->WritableBytes());
  return SpaceReport{disk.total_bytes, writable, index_->counts().inodes};
}

Result<VaultStatus> VaultImpl::GetStatus() {
  LG_ASSIGN_OR_RETURN(const auto space, log_->Space());
  const Index::Counts counts = index_->counts();
  VaultStatus status;
  status.head = log_->head();
  status.durable_head = log_->durable_head();
  status.inodes = counts.inodes;
  status.filed = counts.filed;
  status.unfiled = counts.unfiled;
  status.held_studies = holds_.studies();
  status.emergencies = emergencies_.All().size();
  status.log_bytes = space.log_bytes;
  status.available_bytes = space.writable_bytes;
  status.unaudited = audit_ && audit_->failed();
  status.dead_bytes = counts.dead_bytes;
  status.stale_bytes = index_->checkpoint().stale_bytes;
  status.cannot_punch = cannot_punch_;
  status.read_only = options_.read_only;
  status.failed = Failed();
  return status;
}

}  // namespace leadglass
