// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_file_system.h"

#include <cerrno>
#include <limits>

#include "crypto/base/path.h"

namespace leadglass {
namespace {

constexpr uint64_t kSector = 512;

Error Fails(int error, const std::string& path) { return SystemError(error, NameOf(path)); }

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    if (slash > at && path.substr(at, slash - at) != ".") {
      parts.push_back(path.substr(at, slash - at));
    }
    at = slash + 1;
  }
  return parts;
}

}  // namespace

// One change to a file's bytes.
struct FaultFileSystem::Change {
  enum class Kind { kWrite, kTruncate, kAllocate, kZero };
  Kind kind = Kind::kWrite;
  uint64_t offset = 0;
  uint64_t length = 0;
  ByteVector data;

  void ApplyTo(SparseBytes& bytes) const {
    switch (kind) {
      case Kind::kWrite: bytes.Write(offset, data); break;
      case Kind::kTruncate: bytes.Truncate(length); break;
      case Kind::kAllocate: bytes.Allocate(offset, length); break;
      case Kind::kZero: bytes.Zero(offset, length); break;
    }
  }
};

struct FaultFileSystem::Node {
  bool is_folder = false;
  // A file: what programs see, what the disk holds, and the changes between the two.
  SparseBytes bytes;
  SparseBytes durable_bytes;
  std::vector<Change> pending;
  const void* lock_holder = nullptr;
  // A folder.
  std::map<std::string, NodePtr> names;
  std::map<std::string, NodePtr> durable_names;
};

class FaultFile final : public File {
 public:
  FaultFile(FaultFileSystem& fs, FaultFileSystem::NodePtr node, std::string path, bool writable,
            uint64_t life)
      : fs_(fs), node_(std::move(node)), path_(std::move(path)), writable_(writable), life_(life) {}
  ~FaultFile() override {
    MutexLock lock(fs_.mutex_);
    if (node_->lock_holder == this) node_->lock_holder = nullptr;
  }

  Result<size_t> ReadAt(uint64_t offset, MutableByteSpan out) override {
    MutexLock lock(fs_.mutex_);
    LG_RETURN_IF_ERROR(Begin(Call::kRead));
    return node_->bytes.Read(offset, out);
  }

  void StartReading(uint64_t offset, uint64_t length) override {
    MutexLock lock(fs_.mutex_);
    fs_.started_reading_.emplace_back(offset, length);
  }

  Status WriteAt(uint64_t offset, ByteSpan data) override {
    MutexLock lock(fs_.mutex_);
    Change change{Change::Kind::kWrite, offset, data.size(), ByteVector(data.begin(), data.end())};
    if (Status due = BeginChange(Call::kWrite); !due) {
      if (life_ == fs_.life_ && writable_ && !data.empty()) {
        change.data.resize(fs_.Random(data.size() / kSector + 1) * kSector);
        (void)fs_.Apply(*node_, std::move(change), path_);
      }
      return due;
    }
    return fs_.Apply(*node_, std::move(change), path_);
  }

  Status Sync() override {
    MutexLock lock(fs_.mutex_);
    if (Status due = Begin(Call::kSync); !due) {
      node_->pending.clear();
      return due;
    }
    for (const Change& change : node_->pending) change.ApplyTo(node_->durable_bytes);
    node_->pending.clear();
    return {};
  }

  Result<uint64_t> Size() override {
    MutexLock lock(fs_.mutex_);
    LG_RETURN_IF_ERROR(Begin(Call::kSize));
    return node_->bytes.size();
  }

  Result<uint64_t> AllocatedBytes() override {
    MutexLock lock(fs_.mutex_);
    LG_RETURN_IF_ERROR(Begin(Call::kSize));
    return node_->bytes.blocks() * SparseBytes::kBlock;
  }

  Status Truncate(uint64_t size) override {
    MutexLock lock(fs_.mutex_);
    LG_RETURN_IF_ERROR(BeginChange(Call::kTruncate));
    return fs_.Apply(*node_, Change{Change::Kind::kTruncate, 0, size, {}}, path_);
  }

  Status Allocate(uint64_t offset, uint64_t length) override {
    MutexLock lock(fs_.mutex_);
    LG_RETURN_IF_ERROR(BeginChange(Call::kAllocate));
    return fs_.Apply(*node_, Change{Change::Kind::kAllocate, offset, length, {}}, path_);
  }

  Status PunchHole(uint64_t offset, uint64_t length) override {
    MutexLock lock(fs_.mutex_);
    LG_RETURN_IF_ERROR(BeginChange(Call::kPunchHole));
    const uint64_t size = node_->bytes.size();
    if (offset >= size) return {};
    length = std::min(length, size - offset);
    return fs_.Apply(*node_, Change{Change::Kind::kZero, offset, length, {}}, path_);
  }

  Status TryLock() override {
    MutexLock lock(fs_.mutex_);
    LG_RETURN_IF_ERROR(Begin(Call::kLock));
    if (node_->lock_holder != nullptr && node_->lock_holder != this)
      return Error(Errc::kUnavailable, "lock " + NameOf(path_) + ": held", EBUSY);
    node_->lock_holder = this;
    return {};
  }

 private:
  using Call = FaultFileSystem::Call;
  using Change = FaultFileSystem::Change;

  Status Begin(Call call) LG_REQUIRES(fs_.mutex_) {
    LG_RETURN_IF_ERROR(fs_.Count(call, path_));
    if (life_ != fs_.life_) return Fails(EIO, path_);
    return {};
  }
  Status BeginChange(Call call) LG_REQUIRES(fs_.mutex_) {
    LG_RETURN_IF_ERROR(Begin(call));
    if (!writable_) return Fails(EBADF, path_);
    return {};
  }

  FaultFileSystem& fs_;
  const FaultFileSystem::NodePtr node_;
  const std::string path_;
  const bool writable_;
  const uint64_t life_;
};

FaultFileSystem::FaultFileSystem(uint64_t seed)
    : random_(seed),
      root_(std::make_shared<Node>()),
      capacity_(std::numeric_limits<uint64_t>::max()) {
  root_->is_folder = true;
}

FaultFileSystem::~FaultFileSystem() = default;

void FaultFileSystem::FailFrom(uint64_t nth, int error, Lasts lasts, std::set<Call> only,
                               std::string path_part) {
  MutexLock lock(mutex_);
  plan_ = Plan{nth, error, lasts, std::move(only), std::move(path_part)};
  calls_ = 0;
  faults_ = 0;
}

void FaultFileSystem::Heal() {
  MutexLock lock(mutex_);
  plan_ = Plan{};
}

std::vector<std::pair<uint64_t, uint64_t>> FaultFileSystem::started_reading() const {
  MutexLock lock(mutex_);
  return started_reading_;
}

uint64_t FaultFileSystem::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

uint64_t FaultFileSystem::faults() const {
  MutexLock lock(mutex_);
  return faults_;
}

void FaultFileSystem::SetCapacity(uint64_t bytes) {
  MutexLock lock(mutex_);
  capacity_ = bytes;
}

Status FaultFileSystem::Count(Call call, const std::string& path) {
  if (plan_.nth == 0) return {};
  if (!plan_.only.empty() && !plan_.only.contains(call)) return {};
  if (path.find(plan_.path_part) == std::string::npos) return {};
  ++calls_;
  const bool due = plan_.lasts == Lasts::kForEver ? calls_ >= plan_.nth : calls_ == plan_.nth;
  if (!due) return {};
  ++faults_;
  return Fails(plan_.error, path);
}

Result<FaultFileSystem::Place> FaultFileSystem::Find(const std::string& path) {
  const std::vector<std::string> parts = Components(path);
  Place place{nullptr, "", root_};
  for (const std::string& part : parts) {
    if (place.node == nullptr) return Fails(ENOENT, path);
    if (!place.node->is_folder) return Fails(ENOTDIR, path);
    place.folder = place.node;
    place.name = part;
    const auto it = place.folder->names.find(part);
    place.node = it == place.folder->names.end() ? nullptr : it->second;
  }
  return place;
}

Result<FaultFileSystem::NodePtr> FaultFileSystem::FindFolder(const std::string& path) {
  LG_ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node == nullptr) return Fails(ENOENT, path);
  if (!place.node->is_folder) return Fails(ENOTDIR, path);
  return place.node;
}

Status FaultFileSystem::Apply(Node& node, Change change, const std::string& path) {
  const bool grows = change.kind == Change::Kind::kWrite || change.kind == Change::Kind::kAllocate;
  if (grows && capacity_ != std::numeric_limits<uint64_t>::max()) {
    const uint64_t more =
        node.bytes.MissingBlocks(change.offset, change.length) * SparseBytes::kBlock;
    if (more != 0 && UsedBytesLocked() + more > capacity_) return Fails(ENOSPC, path);
  }
  change.ApplyTo(node.bytes);
  node.pending.push_back(std::move(change));
  return {};
}

uint64_t FaultFileSystem::Random(uint64_t below) { return random_() % below; }

uint64_t FaultFileSystem::UsedBytesLocked() const {
  std::set<const Node*> done;
  std::vector<const Node*> todo = {root_.get()};
  uint64_t blocks = 0;
  while (!todo.empty()) {
    const Node* node = todo.back();
    todo.pop_back();
    if (!done.insert(node).second) continue;
    blocks += node->bytes.blocks();
    for (const auto& [name, child] : node->names) todo.push_back(child.get());
  }
  return blocks * SparseBytes::kBlock;
}

uint64_t FaultFileSystem::UsedBytes() const {
  MutexLock lock(mutex_);
  return UsedBytesLocked();
}

void FaultFileSystem::SurviveFile(Node& file, Tear tear) {
  SparseBytes& disk = file.durable_bytes;
  if (tear == Tear::kKeepAll) disk = file.bytes;
  if (tear == Tear::kPrefix && !file.pending.empty()) {
    const size_t whole = Random(file.pending.size() + 1);
    for (size_t i = 0; i < whole; ++i) file.pending[i].ApplyTo(disk);
    if (whole < file.pending.size() && file.pending[whole].kind == Change::Kind::kWrite) {
      Change& torn = file.pending[whole];
      torn.data.resize(Random(torn.data.size() / kSector + 1) * kSector);
      if (!torn.data.empty()) torn.ApplyTo(disk);
    }
  }
  if (tear == Tear::kScatter) {
    for (const Change& change : file.pending) {
      if (change.kind != Change::Kind::kWrite) {
        if (Random(2) == 0) change.ApplyTo(disk);
        continue;
      }
      for (uint64_t done = 0; done < change.data.size();) {
        // Sectors are the disk's: a write that begins inside one is torn at its end.
        const uint64_t at = change.offset + done;
        const uint64_t n = std::min(kSector - at % kSector, change.data.size() - done);
        if (Random(2) == 0) disk.Write(at, ByteSpan(change.data).subspan(done, n));
        done += n;
      }
    }
  }
  file.pending.clear();
  file.bytes = disk;
}

void FaultFileSystem::Survive(Node& node, Tear tear, std::set<const Node*>& done) {
  if (!done.insert(&node).second) return;
  node.lock_holder = nullptr;
  if (!node.is_folder) return SurviveFile(node, tear);
  const bool newer = tear == Tear::kKeepAll || (tear != Tear::kLoseAll && Random(2) == 0);
  if (!newer) node.names = node.durable_names;
  node.durable_names = node.names;
  for (const auto& [name, child] : node.names) Survive(*child, tear, done);
}

void FaultFileSystem::Crash(Tear tear) {
  MutexLock lock(mutex_);
  std::set<const Node*> done;
  Survive(*root_, tear, done);
  plan_ = Plan{};
  ++life_;
}

void FaultFileSystem::FlipBits(const std::string& path, uint64_t offset, uint8_t mask) {
  MutexLock lock(mutex_);
  const Result<Place> place = Find(path);
  LG_CHECK(place && place->node != nullptr && offset < place->node->bytes.size());
  for (SparseBytes* bytes : {&place->node->bytes, &place->node->durable_bytes}) {
    uint8_t byte = 0;
    bytes->Read(offset, MutableByteSpan(&byte, 1));
    byte = static_cast<uint8_t>(byte ^ mask);
    bytes->Write(offset, ByteSpan(&byte, 1));
  }
}

Result<std::unique_ptr<File>> FaultFileSystem::Open(const std::string& path, OpenMode mode) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kOpen, path));
  LG_ASSIGN_OR_RETURN(const Place place, Find(path));
  const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
  NodePtr node = place.node;
  if (node == nullptr) {
    if (!creates) return Fails(ENOENT, path);
    node = std::make_shared<Node>();
    place.folder->names[place.name] = node;
  } else if (mode == OpenMode::kCreateExclusive) {
    return Fails(EEXIST, path);
  } else if (node->is_folder) {
    return Fails(EISDIR, path);
  }
  return std::unique_ptr<File>(
      std::make_unique<FaultFile>(*this, node, path, mode != OpenMode::kRead, life_));
}

Status FaultFileSystem::CreateFolder(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kCreateFolder, path));
  LG_ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node != nullptr) return Fails(EEXIST, path);
  const auto folder = std::make_shared<Node>();
  folder->is_folder = true;
  place.folder->names[place.name] = folder;
  return {};
}

Result<std::vector<std::string>> FaultFileSystem::List(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kList, path));
  LG_ASSIGN_OR_RETURN(const NodePtr folder, FindFolder(path));
  std::vector<std::string> names;
  // Backwards: callers must not lean on an order.
  for (auto it = folder->names.rbegin(); it != folder->names.rend(); ++it) {
    names.push_back(it->first);
  }
  return names;
}

Result<bool> FaultFileSystem::Exists(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kExists, path));
  const Result<Place> place = Find(path);
  if (!place && place.error().code == Errc::kNotFound) return false;
  if (!place) return place.error();
  return place->node != nullptr;
}

Status FaultFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kRename, from));
  LG_ASSIGN_OR_RETURN(const Place source, Find(from));
  LG_ASSIGN_OR_RETURN(const Place target, Find(to));
  if (source.node == nullptr) return Fails(ENOENT, from);
  if (source.node == target.node) return {};
  if (target.node != nullptr && target.node->is_folder != source.node->is_folder)
    return Fails(target.node->is_folder ? EISDIR : ENOTDIR, to);
  if (target.node != nullptr && !target.node->names.empty()) return Fails(ENOTEMPTY, to);
  source.folder->names.erase(source.name);
  target.folder->names[target.name] = source.node;
  return {};
}

Status FaultFileSystem::Link(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kLink, from));
  LG_ASSIGN_OR_RETURN(const Place source, Find(from));
  LG_ASSIGN_OR_RETURN(const Place target, Find(to));
  if (source.node == nullptr) return Fails(ENOENT, from);
  if (source.node->is_folder) return Fails(EPERM, from);
  if (target.node != nullptr) return Fails(EEXIST, to);
  target.folder->names[target.name] = source.node;
  return {};
}

Status FaultFileSystem::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kRemove, path));
  LG_ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node == nullptr) return Fails(ENOENT, path);
  if (place.node->is_folder) return Fails(EISDIR, path);
  place.folder->names.erase(place.name);
  return {};
}

Status FaultFileSystem::RemoveFolder(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kRemoveFolder, path));
  LG_ASSIGN_OR_RETURN(const NodePtr folder, FindFolder(path));
  LG_ASSIGN_OR_RETURN(const Place place, Find(path));
  if (!folder->names.empty()) return Fails(ENOTEMPTY, path);
  if (place.folder == nullptr) return Fails(EBUSY, path);
  place.folder->names.erase(place.name);
  return {};
}

Status FaultFileSystem::SyncFolder(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kSyncFolder, path));
  LG_ASSIGN_OR_RETURN(const NodePtr folder, FindFolder(path));
  folder->durable_names = folder->names;
  return {};
}

Result<SpaceInfo> FaultFileSystem::Space(const std::string& path) {
  MutexLock lock(mutex_);
  LG_RETURN_IF_ERROR(Count(Call::kSpace, path));
  const uint64_t used = UsedBytesLocked();
  // Unlimited is shown as 1 TiB, so that callers may add to it.
  const uint64_t total = std::min(capacity_, uint64_t{1} << 40);
  const uint64_t free = total > used ? total - used : 0;
  return SpaceInfo{total, free, free};
}

}  // namespace leadglass
