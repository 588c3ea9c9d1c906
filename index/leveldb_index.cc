// SPDX-License-Identifier: Apache-2.0
#include "index/leveldb_index.h"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/env.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "index/index_applier.h"
#include "index/index_batch.h"
#include "index/index_keys.h"

namespace leadglass {
namespace {

constexpr int kFilterBitsPerKey = 10;
constexpr size_t kBlockSize = 16u << 10;  // of plain bytes: neighbours compress well together
// Small enough that what an import adds fills tables of its own (index_keys.h), large enough that
// ten million images take less than a thousand.
constexpr size_t kTableSize = 4u << 20;
constexpr int kFilesBesideTables = 10;  // LevelDB keeps these back from max_open_files
constexpr size_t kLeastWriteBuffer = 64 << 10;
constexpr const char* kDamageMark = "/DAMAGED";

int TablesKeptOpen(int wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 2 >= static_cast<rlim_t>(wanted))
    return wanted;
  return static_cast<int>(limit.rlim_cur / 2);
}

Status RemoveTree(FileSystem& fs, const std::string& folder) {
  LG_ASSIGN_OR_RETURN(const auto names, fs.List(folder));
  for (const std::string& name : names) {
    const std::string path = folder + "/" + name;
    // Nothing of ours is a folder, but a damaged index may hold anything.
    if (!fs.Remove(path)) LG_RETURN_IF_ERROR(RemoveTree(fs, path));
  }
  return fs.RemoveFolder(folder);
}

}  // namespace

Result<std::unique_ptr<Index>> Index::Open(FileSystem& fs, const std::string& folder,
                                           const Key& index_key, const Uuid& vault_id,
                                           Options options) {
  return LevelDbIndex::Open(fs, folder, index_key, vault_id, options);
}

Status Index::Destroy(FileSystem& fs, const std::string& folder) {
  LG_ASSIGN_OR_RETURN(const bool exists, fs.Exists(folder));
  if (!exists) return {};
  if (const auto names = fs.List(folder); !names && names.error().posix_errno == ENOTDIR)
    return fs.Remove(folder);
  if (const auto lock = fs.Open(folder + "/LOCK", OpenMode::kReadWrite)) {
    LG_RETURN_IF_ERROR((*lock)->TryLock());
  }
  return RemoveTree(fs, folder);
}

LevelDbIndex::LevelDbIndex(FileSystem& fs, std::string folder, std::unique_ptr<SealedEnv> env,
                           const Options& options)
    : fs_(fs),
      folder_(std::move(folder)),
      wall_clock_(options.wall_clock),
      env_(std::move(env)),
      logger_(NewDroppingLogger()),
      filter_(leveldb::NewBloomFilterPolicy(kFilterBitsPerKey)) {}

LevelDbIndex::~LevelDbIndex() = default;

Result<std::unique_ptr<Index>> LevelDbIndex::Open(FileSystem& fs, const std::string& folder,
                                                  const Key& key, const Uuid& vault_id,
                                                  const Options& options) {
  if (const auto marked = fs.Exists(folder + kDamageMark); marked && *marked)
    return Error(Errc::kCorrupt, "index: it was found damaged before: rebuild the index");
  LG_ASSIGN_OR_RETURN(auto env,
                      SealedEnv::Open(fs, folder, key, vault_id, options.make_log_durable));
  std::unique_ptr<LevelDbIndex> index(new LevelDbIndex(fs, folder, std::move(env), options));
  LG_RETURN_IF_ERROR(index->OpenDatabase(folder, options));
  LG_RETURN_IF_ERROR(index->LoadState());
  return std::unique_ptr<Index>(std::move(index));
}

Status LevelDbIndex::OpenDatabase(const std::string& folder, const Options& options) {
  cache_.reset(leveldb::NewLRUCache(options.block_cache_bytes));
  leveldb::Options db_options;
  db_options.create_if_missing = true;
  db_options.paranoid_checks = true;
  db_options.env = env_->env();
  db_options.info_log = logger_.get();
  db_options.write_buffer_size = std::max(options.write_buffer_bytes, kLeastWriteBuffer);
  db_options.max_open_files = TablesKeptOpen(options.max_open_tables) + kFilesBesideTables;
  db_options.block_cache = cache_.get();
  db_options.block_size = kBlockSize;
  db_options.max_file_size = kTableSize;
  db_options.compression = leveldb::kSnappyCompression;
  db_options.reuse_logs = false;
  db_options.filter_policy = filter_.get();
  leveldb::DB* db = nullptr;
  const leveldb::Status status = leveldb::DB::Open(db_options, folder, &db);
  db_.reset(db);
  return status.ok() ? Status{} : Status(env_->ToError(status));
}

Status LevelDbIndex::LoadState() {
  LG_ASSIGN_OR_RETURN(const Value value, Read(index_keys::State()));
  if (value) {
    LG_ASSIGN_OR_RETURN(IndexState state, DecodeState(*value));
    MutexLock lock(state_mutex_);
    state_ = std::move(state);
  }
  std::unordered_map<uint32_t, Uuid> sessions;
  LG_RETURN_IF_ERROR(Scan("M", index_keys::After("M"),
                          [&](std::string_view key, std::string_view session) -> Result<Next> {
                            if (key.size() != 5 || session.size() != sizeof(Uuid))
                              return MalformedValue("session");
                            std::memcpy(sessions[LoadBe<uint32_t>(AsBytes(key).data() + 1)].data(),
                                        session.data(), sizeof(Uuid));
                            return Next::kGoOn;
                          }));
  WriterLock lock(sessions_mutex_);
  sessions_ = std::move(sessions);
  return {};
}

Error LevelDbIndex::Damaged(Error error) const {
  error.code = Errc::kCorrupt;
  // A read that the disk failed may succeed the next time.
  if (error.posix_errno == 0 && !marked_.exchange(true)) {
    // On a disk that takes no mark the damage is met again, and told again.
    (void)fs_.Open(folder_ + kDamageMark, OpenMode::kCreate);
    (void)fs_.SyncFolder(folder_);
  }
  return error;
}

std::optional<std::pair<Head, Position>> LevelDbIndex::head() const {
  MutexLock lock(state_mutex_);
  return state_.head;
}
InodeId LevelDbIndex::next_inode() const {
  MutexLock lock(state_mutex_);
  return state_.next_inode;
}
uint64_t LevelDbIndex::next_cookie() const {
  MutexLock lock(state_mutex_);
  return state_.next_cookie;
}
uint32_t LevelDbIndex::next_session() const {
  MutexLock lock(state_mutex_);
  return state_.next_session;
}
Index::Counts LevelDbIndex::counts() const {
  MutexLock lock(state_mutex_);
  return state_.counts;
}

CheckpointState LevelDbIndex::checkpoint() const {
  MutexLock lock(state_mutex_);
  return state_.checkpoint;
}

Status LevelDbIndex::Stage(const Operations& operations) {
  IndexState state;
  {
    MutexLock lock(state_mutex_);
    state = state_;
  }
  IndexChanges changes;
  {
    ReaderLock lock(staged_mutex_);
    IndexBatch batch(*db_, *env_, staged_);
    IndexApplier applier(batch, bounds_, state, wall_clock_);
    for (const Operation& operation : operations) {
      if (Status applied = applier.Apply(operation); !applied) {
        bounds_.Clear();
        return applied;
      }
    }
    // A reader may meet an extent as soon as it is there: it must find its session.
    for (const PutSession& session : applier.sessions()) {
      WriterLock sessions(sessions_mutex_);
      sessions_[session.number] = session.session;
    }
    changes = batch.Take();
  }
  {
    WriterLock lock(staged_mutex_);
    staged_.merge(changes);
    // Those that were there already.
    for (auto& [key, value] : changes) staged_[key] = std::move(value);
  }
  MutexLock lock(state_mutex_);
  state_ = std::move(state);
  return {};
}

Status LevelDbIndex::Settle(const CommitInfo& commit) {
  IndexState state;
  {
    MutexLock lock(state_mutex_);
    state = state_;
  }
  state.head = {commit.head, commit.end};
  // Twice: the segment's footer has a copy.
  state.checkpoint.stale_bytes += 2 * (commit.end.offset - commit.start.offset);
  leveldb::WriteBatch batch;
  {
    ReaderLock lock(staged_mutex_);
    for (const auto& [key, value] : staged_) {
      if (value) {
        batch.Put(key, *value);
      } else {
        batch.Delete(key);
      }
    }
  }
  batch.Put(index_keys::State(), EncodeState(state));
  const leveldb::Status written = db_->Write(leveldb::WriteOptions(), &batch);
  if (!written.ok()) return env_->ToError(written);
  unflushed_ = true;
  {
    WriterLock lock(staged_mutex_);
    staged_.clear();
  }
  MutexLock lock(state_mutex_);
  state_ = std::move(state);
  return {};
}

Status LevelDbIndex::Apply(const Operations& operations, const CommitInfo& commit) {
  IndexState before;
  {
    MutexLock lock(state_mutex_);
    before = state_;
  }
  LG_RETURN_IF_ERROR(Stage(operations));
  Status settled = Settle(commit);
  if (settled) return settled;
  bounds_.Clear();
  {
    WriterLock lock(staged_mutex_);
    staged_.clear();
  }
  MutexLock lock(state_mutex_);
  state_ = std::move(before);
  return settled;
}

Status LevelDbIndex::Flush() {
  MutexLock flushing(flush_mutex_);
  if (!unflushed_.exchange(false)) return {};
  // LevelDB has no call for it, but compacting a range, even one without keys, first writes out
  // what is in memory (tests/index/index_test.cc: FlushedIsThereAfterReopening).
  const leveldb::Slice nothing("\xff\xff", 2);
  db_->CompactRange(&nothing, &nothing);
  // That call reports nothing: a write of no changes returns what went wrong before.
  leveldb::WriteBatch none;
  const leveldb::Status status = db_->Write(leveldb::WriteOptions(), &none);
  if (status.ok()) return {};
  unflushed_ = true;
  return env_->ToError(status);
}

// LevelDB opens a table that it has to look into, and for the size of a range it looks into those
// in which the range begins. There are several samples to a table, at inodes: nearly all keys are
// theirs.
void LevelDbIndex::OpenTables(const std::function<bool()>& go_on) const {
  constexpr int kLevels = 7;
  constexpr uint64_t kSamplesPerTable = 8;
  uint64_t tables = 0;
  for (int level = 0; level < kLevels; ++level) {
    std::string count;
    if (db_->GetProperty("leveldb.num-files-at-level" + std::to_string(level), &count))
      tables += std::strtoull(count.c_str(), nullptr, 10);
  }
  const uint64_t samples = tables * kSamplesPerTable;
  const InodeId end = next_inode();
  for (uint64_t i = 0; i < samples && go_on(); ++i) {
    const std::string from = index_keys::Inode(end / samples * i + end % samples * i / samples);
    const leveldb::Range range(from, from);
    uint64_t size = 0;
    db_->GetApproximateSizes(&range, 1, &size);
  }
}

}  // namespace leadglass
