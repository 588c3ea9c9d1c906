// SPDX-License-Identifier: Apache-2.0
#include "index/sealed_env.h"

#include <leveldb/env.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "crypto/base/path.h"
#include "index/file_registry.h"

namespace leadglass {
namespace {

enum class FileType { kTable, kManifest, kWriteAheadLog, kTemporary, kCurrent, kOther };

FileType TypeOf(const std::string& name) {
  if (name == "CURRENT") return FileType::kCurrent;
  if (name.starts_with("MANIFEST-")) return FileType::kManifest;
  if (name.ends_with(".ldb")) return FileType::kTable;
  if (name.ends_with(".log")) return FileType::kWriteAheadLog;
  if (name.ends_with(".dbtmp")) return FileType::kTemporary;
  return FileType::kOther;
}

// What went wrong first, for ToError(). Any thread.
class Failures {
 public:
  // A failed write or sync; what LevelDB answers from then on.
  leveldb::Status Write(const Error& error) {
    MutexLock lock(mutex_);
    if (!write_) write_ = error;
    return leveldb::Status::IOError("index write");
  }
  // A file that cannot be read is as bad as one that holds the wrong bytes.
  leveldb::Status Read(const Error& error) {
    if (error.code == Errc::kNotFound) return leveldb::Status::NotFound("index file");
    MutexLock lock(mutex_);
    read_ = error;
    return leveldb::Status::Corruption("index file");
  }
  bool AnyWrite() const {
    MutexLock lock(mutex_);
    return write_.has_value();
  }
  Error Describe(bool read) const {
    MutexLock lock(mutex_);
    if (!read && write_) return *write_;
    if (read && read_) return Error(Errc::kCorrupt, read_->context, read_->posix_errno);
    return Error(Errc::kCorrupt, "index: its files do not fit together: rebuild the index");
  }

 private:
  mutable Mutex mutex_;
  std::optional<Error> write_ LG_GUARDED_BY(mutex_);
  std::optional<Error> read_ LG_GUARDED_BY(mutex_);
};

// A small file that is read from memory.
class TextFile final : public leveldb::SequentialFile {
 public:
  explicit TextFile(std::string text) : text_(std::move(text)) {}
  leveldb::Status Read(size_t n, leveldb::Slice* result, char* scratch) override {
    const size_t take = std::min(n, text_.size() - at_);
    std::memcpy(scratch, text_.data() + at_, take);
    *result = leveldb::Slice(scratch, take);
    at_ += take;
    return leveldb::Status::OK();
  }
  leveldb::Status Skip(uint64_t n) override {
    at_ += static_cast<size_t>(std::min<uint64_t>(n, text_.size() - at_));
    return leveldb::Status::OK();
  }

 private:
  const std::string text_;
  size_t at_ = 0;
};

class TableReader final : public leveldb::RandomAccessFile {
 public:
  TableReader(std::unique_ptr<SealedTable> table, Failures& failures)
      : table_(std::move(table)), failures_(failures) {}
  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result,
                       char* scratch) const override {
    const auto got = table_->Read(offset, {reinterpret_cast<uint8_t*>(scratch), n});
    if (!got) return failures_.Read(got.error());
    *result = leveldb::Slice(scratch, *got);
    return leveldb::Status::OK();
  }

 private:
  const std::unique_ptr<SealedTable> table_;
  Failures& failures_;
};

class NullFile final : public leveldb::WritableFile {
 public:
  leveldb::Status Append(const leveldb::Slice&) override { return leveldb::Status::OK(); }
  leveldb::Status Close() override { return leveldb::Status::OK(); }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override { return leveldb::Status::OK(); }
};

// The file that becomes CURRENT by a rename.
class TemporaryFile final : public leveldb::WritableFile {
 public:
  explicit TemporaryFile(std::shared_ptr<std::string> text) : text_(std::move(text)) {}
  leveldb::Status Append(const leveldb::Slice& data) override {
    text_->append(data.data(), data.size());
    return leveldb::Status::OK();
  }
  leveldb::Status Close() override { return leveldb::Status::OK(); }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override { return leveldb::Status::OK(); }

 private:
  const std::shared_ptr<std::string> text_;
};

// A table or a MANIFEST. LevelDB calls Flush() after each block: it keeps on buffering, because a
// table's frames are all full, and no durability is promised.
class SealedWritable final : public leveldb::WritableFile {
 public:
  SealedWritable(std::string name, const Uuid& file_id, std::unique_ptr<SealedFileWriter> writer,
                 FileRegistry& registry, const std::function<Status()>& make_log_durable,
                 Failures& failures)
      : name_(std::move(name)),
        file_id_(file_id),
        writer_(std::move(writer)),
        registry_(registry),
        make_log_durable_(make_log_durable),
        failures_(failures) {}

  leveldb::Status Append(const leveldb::Slice& data) override {
    return Told(writer_->Append({reinterpret_cast<const uint8_t*>(data.data()), data.size()}));
  }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Close() override { return Told(Closing()); }
  leveldb::Status Sync() override { return Told(Syncing()); }

 private:
  Status Syncing() {
    if (writer_->kind() == SealedFileKind::kTable) {
      if (make_log_durable_) LG_RETURN_IF_ERROR(make_log_durable_());
    } else if (registry_.HasUnsavedTables() && !registry_.current().empty()) {
      LG_RETURN_IF_ERROR(registry_.Save());
    }
    LG_RETURN_IF_ERROR(writer_->Sync());
    registry_.Put(name_, {file_id_, writer_->plain_size()});
    return {};
  }
  Status Closing() {
    LG_RETURN_IF_ERROR(writer_->Finish());
    if (writer_->kind() == SealedFileKind::kTable)
      registry_.Put(name_, {file_id_, writer_->plain_size()});
    return {};
  }
  leveldb::Status Told(const Status& status) {
    return status ? leveldb::Status::OK() : failures_.Write(status.error());
  }

  const std::string name_;
  const Uuid file_id_;
  const std::unique_ptr<SealedFileWriter> writer_;
  FileRegistry& registry_;
  const std::function<Status()>& make_log_durable_;
  Failures& failures_;
};

class DroppingLogger final : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

// The folder's lock is taken before LevelDB starts; what LevelDB locks is a formality.
class NoLock final : public leveldb::FileLock {};

class SealedEnvImpl final : public SealedEnv, private leveldb::EnvWrapper {
 public:
  SealedEnvImpl(FileSystem& fs, std::string folder, std::unique_ptr<File> lock,
                std::unique_ptr<FileRegistry> registry, std::function<Status()> make_log_durable)
      : EnvWrapper(leveldb::Env::Default()),
        fs_(fs),
        folder_(std::move(folder)),
        lock_(std::move(lock)),
        registry_(std::move(registry)),
        make_log_durable_(std::move(make_log_durable)) {}

  leveldb::Env* env() override { return this; }

  Error ToError(const leveldb::Status& status) const override {
    return failures_.Describe(!status.IsIOError());
  }

 private:
  leveldb::Status NewSequentialFile(const std::string& path,
                                    leveldb::SequentialFile** result) override {
    *result = nullptr;
    const std::string name = NameOf(path);
    std::string text;
    switch (TypeOf(name)) {
      case FileType::kWriteAheadLog: break;  // empty, whatever lies in the folder
      case FileType::kCurrent: text = registry_->current(); break;
      case FileType::kManifest: {
        const auto entry = registry_->Find(name);
        if (!entry) return leveldb::Status::NotFound("index file");
        const auto plain = ReadJournal(registry_->context(), registry_->PathOf(name),
                                       entry->file_id, entry->durable_size);
        if (!plain) return failures_.Read(plain.error());
        text = AsText(*plain);
        break;
      }
      default: return leveldb::Status::NotSupported("index file");
    }
    *result = std::make_unique<TextFile>(std::move(text)).release();
    return leveldb::Status::OK();
  }

  leveldb::Status NewRandomAccessFile(const std::string& path,
                                      leveldb::RandomAccessFile** result) override {
    *result = nullptr;
    const std::string name = NameOf(path);
    const auto entry = registry_->Find(name);
    if (!entry) return leveldb::Status::NotFound("index file");
    auto table = SealedTable::Open(registry_->context(), registry_->PathOf(name), entry->file_id,
                                   entry->durable_size);
    if (!table) return failures_.Read(table.error());
    *result = std::make_unique<TableReader>(std::move(*table), failures_).release();
    return leveldb::Status::OK();
  }

  leveldb::Status NewWritableFile(const std::string& path,
                                  leveldb::WritableFile** result) override {
    *result = nullptr;
    const std::string name = NameOf(path);
    switch (TypeOf(name)) {
      case FileType::kWriteAheadLog: *result = std::make_unique<NullFile>().release(); break;
      case FileType::kTemporary: {
        MutexLock lock(mutex_);
        auto text = std::make_shared<std::string>();
        temporary_[name] = text;
        *result = std::make_unique<TemporaryFile>(std::move(text)).release();
        break;
      }
      case FileType::kTable: return NewSealed(name, SealedFileKind::kTable, result);
      case FileType::kManifest: return NewSealed(name, SealedFileKind::kJournal, result);
      default: return leveldb::Status::NotSupported("index file");
    }
    return leveldb::Status::OK();
  }

  leveldb::Status NewSealed(const std::string& name, SealedFileKind kind,
                            leveldb::WritableFile** result) {
    const Uuid file_id = NewUuid();
    auto writer =
        SealedFileWriter::Create(registry_->context(), registry_->PathOf(name), kind, file_id);
    if (!writer) return failures_.Write(writer.error());
    *result = std::make_unique<SealedWritable>(name, file_id, std::move(*writer), *registry_,
                                               make_log_durable_, failures_)
                  .release();
    return leveldb::Status::OK();
  }

  // Old logs and MANIFESTs are never appended to.
  leveldb::Status NewAppendableFile(const std::string&, leveldb::WritableFile** result) override {
    *result = nullptr;
    return leveldb::Status::NotSupported("index file");
  }

  bool FileExists(const std::string& path) override {
    const std::string name = NameOf(path);
    if (TypeOf(name) == FileType::kCurrent) return !registry_->current().empty();
    return registry_->Find(name).has_value();
  }

  leveldb::Status GetChildren(const std::string&, std::vector<std::string>* result) override {
    result->clear();
    const auto names = fs_.List(folder_);
    if (!names) return failures_.Read(names.error());
    for (const std::string& name : *names) {
      const FileType type = TypeOf(name);
      if (type == FileType::kTable || type == FileType::kManifest) result->push_back(name);
    }
    return leveldb::Status::OK();
  }

  leveldb::Status RemoveFile(const std::string& path) override {
    const std::string name = NameOf(path);
    const FileType type = TypeOf(name);
    if (type == FileType::kTemporary) {
      MutexLock lock(mutex_);
      temporary_.erase(name);
    }
    if (type != FileType::kTable && type != FileType::kManifest) return leveldb::Status::OK();
    // After a failed write FILES may be the old one or the new one: what either names stays.
    // LevelDB would remove the MANIFEST whose CURRENT could not be set. The next opening cleans up.
    if (failures_.AnyWrite()) return leveldb::Status::IOError("index file");
    registry_->Remove(name);
    // A file that stays behind is in nobody's way: it is removed at the next opening.
    return fs_.Remove(registry_->PathOf(name)) ? leveldb::Status::OK()
                                               : leveldb::Status::IOError("index file");
  }

  leveldb::Status GetFileSize(const std::string& path, uint64_t* size) override {
    const auto entry = registry_->Find(NameOf(path));
    *size = entry ? entry->durable_size : 0;
    return entry ? leveldb::Status::OK() : leveldb::Status::NotFound("index file");
  }

  leveldb::Status RenameFile(const std::string& from, const std::string& to) override {
    std::string text;
    {
      MutexLock lock(mutex_);
      const auto it = temporary_.find(NameOf(from));
      if (it == temporary_.end() || TypeOf(NameOf(to)) != FileType::kCurrent)
        return leveldb::Status::NotSupported("index file");
      text = *it->second;
      temporary_.erase(it);
    }
    registry_->SetCurrent(std::move(text));
    const Status saved = registry_->Save();
    return saved ? leveldb::Status::OK() : failures_.Write(saved.error());
  }

  leveldb::Status CreateDir(const std::string&) override { return leveldb::Status::OK(); }
  leveldb::Status RemoveDir(const std::string&) override { return leveldb::Status::OK(); }
  leveldb::Status LockFile(const std::string&, leveldb::FileLock** lock) override {
    *lock = &no_lock_;
    return leveldb::Status::OK();
  }
  leveldb::Status UnlockFile(leveldb::FileLock*) override { return leveldb::Status::OK(); }

  FileSystem& fs_;
  const std::string folder_;
  const std::unique_ptr<File> lock_;
  const std::unique_ptr<FileRegistry> registry_;
  const std::function<Status()> make_log_durable_;
  Failures failures_;
  NoLock no_lock_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<std::string>> temporary_ LG_GUARDED_BY(mutex_);
};

// The names in the folder; makes the folder when it is missing.
Result<std::vector<std::string>> ListOrCreate(FileSystem& fs, const std::string& folder) {
  auto names = fs.List(folder);
  if (names) return names;
  if (names.error().posix_errno == ENOTDIR)
    return Error(Errc::kCorrupt, "index: a file lies where its folder should be");
  if (names.error().code != Errc::kNotFound) return names;
  LG_RETURN_IF_ERROR(fs.CreateFolder(folder));
  LG_RETURN_IF_ERROR(fs.SyncFolder(FolderOf(folder)));
  return std::vector<std::string>{};
}

// Refuses at once what was swapped or cut; single frames are checked as they are read.
Status CheckTable(FileSystem& fs, FileRegistry& registry, const std::string& name) {
  LG_ASSIGN_OR_RETURN(const bool exists, fs.Exists(registry.PathOf(name)));
  if (!exists) {
    // LevelDB says so if it needs the file; else it was removed after the last Save().
    registry.Remove(name);
  } else if (TypeOf(name) == FileType::kTable) {
    const auto entry = registry.Find(name);
    LG_ASSIGN_OR_RETURN(const auto table,
                        SealedTable::Open(registry.context(), registry.PathOf(name), entry->file_id,
                                          entry->durable_size));
  }
  return {};
}

// All of them, by so many threads that the disk is asked for several at once: ten million images
// have seven hundred tables, and who mounts waits for them.
Status CheckTables(FileSystem& fs, FileRegistry& registry) {
  constexpr size_t kMostThreads = 8;
  constexpr size_t kTablesPerThread = 8;  // below that a thread costs more than it saves
  const std::vector<std::string> names = registry.Names();
  std::atomic<size_t> next{0};
  Mutex mutex;
  Status result;
  const auto check = [&] {
    for (size_t i = next++; i < names.size(); i = next++) {
      if (Status checked = CheckTable(fs, registry, names[i]); !checked) {
        MutexLock lock(mutex);
        result = std::move(checked);
        next = names.size();
      }
    }
  };
  std::vector<std::jthread> helpers;
  try {
    while (helpers.size() + 1 < std::min(kMostThreads, names.size() / kTablesPerThread))
      helpers.emplace_back(check);
  } catch (const std::system_error&) {
    // No thread to be had: fewer do it.
  }
  check();
  helpers.clear();
  return result;
}

}  // namespace

Result<std::unique_ptr<SealedEnv>> SealedEnv::Open(FileSystem& fs, const std::string& folder,
                                                   const Key& key, const Uuid& vault_id,
                                                   std::function<Status()> make_log_durable) {
  LG_ASSIGN_OR_RETURN(const auto names, ListOrCreate(fs, folder));
  LG_ASSIGN_OR_RETURN(auto lock, fs.Open(folder + "/LOCK", OpenMode::kCreate));
  LG_RETURN_IF_ERROR(lock->TryLock());
  bool begun = false;
  bool fresh = true;
  for (const std::string& name : names) {
    begun = begun || name == FileRegistry::kFileName;
    fresh = fresh && (name == "LOCK" || name == std::string(FileRegistry::kFileName) + ".tmp");
  }
  std::unique_ptr<FileRegistry> registry;
  if (begun) {
    LG_ASSIGN_OR_RETURN(registry, FileRegistry::Load(fs, folder, key, vault_id));
    LG_RETURN_IF_ERROR(CheckTables(fs, *registry));
  } else if (fresh) {
    registry = std::make_unique<FileRegistry>(fs, folder, key, vault_id);
  } else {
    return Error(Errc::kCorrupt, "index: the list of its files is missing: rebuild the index");
  }
  return std::unique_ptr<SealedEnv>(std::make_unique<SealedEnvImpl>(
      fs, folder, std::move(lock), std::move(registry), std::move(make_log_durable)));
}

std::unique_ptr<leveldb::Logger> NewDroppingLogger() { return std::make_unique<DroppingLogger>(); }

}  // namespace leadglass
