// SPDX-License-Identifier: Apache-2.0
#pragma once

// MemoryVault: a small Vault in memory, for tests of the FUSE layer on a real mount. Enough of
// POSIX for files and folders to behave; every regular file below /archive also stands in
// /patients, flat, under its name. Counts what the kernel asks. Thread-safe.

#include <cerrno>
#include <map>
#include <memory>
#include <set>

#include "crypto/base/mutex.h"
#include "fs/vault.h"

namespace leadglass {

class MemoryVault final : public Vault {
 public:
  MemoryVault();

  struct Counts {
    uint64_t lookups = 0;
    uint64_t lists = 0;
    uint64_t get_attributes = 0;
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t kill_writes = 0;  // that asked for set-id bits to be cleared
    uint64_t get_xattrs = 0;
    uint64_t opens = 0;
    uint64_t releases = 0;
    uint64_t forgets = 0;
  };
  Counts counts() const;
  void ResetCounts();
  // Makes the next reads fail so, until called with nullopt.
  void FailReads(std::optional<Error> error);
  // Changes a file's bytes behind the kernel's back, and tells the invalidator.
  void Overwrite(std::string_view name_in_archive, std::string_view bytes);

  Result<Attributes> Lookup(const Caller&, NodeId parent, std::string_view name) override;
  Result<Attributes> MakeNode(const Caller& caller, NodeId parent, std::string_view name,
                              mode_t mode, uint64_t rdev) override;
  Result<Attributes> MakeFolder(const Caller& caller, NodeId parent, std::string_view name,
                                mode_t mode) override;
  Result<Attributes> MakeSymlink(const Caller& caller, NodeId parent, std::string_view name,
                                 std::string_view target) override;
  Result<std::string> ReadSymlink(NodeId node) override;
  Result<Attributes> Link(const Caller&, NodeId node, NodeId new_parent,
                          std::string_view new_name) override;
  Status Unlink(const Caller&, NodeId parent, std::string_view name) override;
  Status RemoveFolder(const Caller&, NodeId parent, std::string_view name) override;
  Status Rename(const Caller&, NodeId parent, std::string_view name, NodeId new_parent,
                std::string_view new_name, unsigned flags) override;
  Result<Attributes> OpenFolder(const Caller&, NodeId folder) override {
    return GetAttributes(folder);
  }
  Status List(const Caller&, NodeId folder, uint64_t cookie, bool with_attributes,
              const std::function<bool(const ListedEntry&)>& visitor) override;
  Status FsyncFolder(NodeId) override { return {}; }
  Result<Attributes> GetAttributes(NodeId node) override;
  Result<Attributes> SetAttributes(const Caller&, NodeId node, const AttributeChange& change,
                                   bool kill_suidgid) override;
  Result<OpenFile*> Open(const Caller&, NodeId node, int flags, Times times) override;
  Result<Entry> Create(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                       int flags, Times times) override;
  Result<size_t> Read(OpenFile& file, uint64_t offset, MutableByteSpan out) override;
  Status Write(OpenFile& file, uint64_t offset, ByteSpan data, bool kill_suidgid) override;
  Status Flush(OpenFile&) override { return {}; }
  Status Fsync(OpenFile&) override { return {}; }
  void Release(OpenFile* file) override;
  Status Allocate(OpenFile& file, int mode, uint64_t offset, uint64_t length) override;
  Result<uint64_t> Seek(OpenFile& file, uint64_t offset, int whence) override;
  Result<ByteVector> GetXattr(const Caller&, NodeId node, std::string_view name) override;
  Status SetXattr(const Caller&, NodeId node, std::string_view name, ByteSpan value,
                  int flags) override;
  Result<std::vector<std::string>> ListXattrs(NodeId node) override;
  Status RemoveXattr(const Caller&, NodeId node, std::string_view name) override;
  Result<std::optional<PutConfiguration>> GetConfiguration() const override {
    return std::optional<PutConfiguration>();
  }
  Result<uint32_t> SetConfiguration(const Person&, std::string,
                                    std::vector<ConfiguredGroup>) override {
    return PosixError(ENOSYS);
  }
  Result<std::vector<HoldRecord>> AddHold(const Person&, const std::string&,
                                          const std::string&) override {
    return PosixError(ENOSYS);
  }
  Result<std::vector<HoldRecord>> RemoveHold(const Person&, const std::string&,
                                             std::optional<uint32_t>, const std::string&) override {
    return PosixError(ENOSYS);
  }
  Result<std::vector<HoldRecord>> Holds() const override { return std::vector<HoldRecord>(); }
  Result<bool> IsHeld(std::string_view) const override { return false; }
  Result<std::vector<EmergencyRecord>> BeginEmergency(const Person&,
                                                      const EmergencyOrder&) override {
    return PosixError(ENOSYS);
  }
  bool MayTakeEmergency(const Person&) const override { return false; }
  Result<std::vector<EmergencyRecord>> EndEmergency(const Person&, uint32_t) override {
    return PosixError(ENOSYS);
  }
  Result<std::vector<EmergencyRecord>> Emergencies() const override {
    return std::vector<EmergencyRecord>();
  }
  Status VisitNamesOf(NodeId, const std::function<void(NodeId, const std::string&)>&) override {
    return {};
  }
  void Forget(NodeId node) override;
  Result<SpaceReport> Space() override { return SpaceReport{1 << 30, 1 << 29, 5}; }
  Result<VaultStatus> GetStatus() override { return VaultStatus{}; }
  const std::vector<std::string>& Lost() const override { return lost_; }
  Result<std::vector<UnfiledFile>> Unfiled() override { return std::vector<UnfiledFile>{}; }
  void SetInvalidator(Invalidator invalidator) override;
  Result<CheckReport> Check(const std::function<void(uint64_t, uint64_t)>&) override {
    return CheckReport{};
  }
  Result<std::vector<StudyMove>> ApplyRules(const Person&, bool) override {
    return std::vector<StudyMove>();
  }
  Result<std::vector<GroupState>> Groups() override { return std::vector<GroupState>(); }
  Status LockGroup(const Person&, uint32_t) override { return {}; }
  Status UnlockGroup(const Person&, uint32_t, const SecretBytes&) override { return {}; }
  Status ChangeGroupKey(const Person&, uint32_t, const GroupKeyChange&) override { return {}; }
  Result<uint64_t> ShredStudy(const Person&, const std::string&, const std::string&) override {
    return PosixError(ENOENT);
  }
  Result<AuditProof> VerifyAudit() override { return AuditProof(); }
  Status ReadAudit(const std::function<bool(const AuditRecord&)>&) override { return {}; }
  Status SyncAll() override { return {}; }
  Status Close() override { return {}; }

 private:
  struct Name {
    InodeId inode = kNoInode;
    uint64_t cookie = 0;
  };
  struct Inode {
    Attributes attributes;
    InodeId parent = kNoInode;
    std::string bytes;  // or the target of a symlink
    std::map<std::string, Name, std::less<>> names;
    std::map<std::string, ByteVector, std::less<>> xattrs;
  };

  Attributes Show(const Inode& inode, bool view) const LG_REQUIRES(mutex_);
  Result<Inode*> Find(NodeId node) LG_REQUIRES(mutex_);
  Result<Inode*> FindName(NodeId parent, std::string_view name) LG_REQUIRES(mutex_);
  Result<Inode*> Make(const Caller& caller, NodeId parent, std::string_view name, mode_t mode)
      LG_REQUIRES(mutex_);
  void Touch(Inode& inode) LG_REQUIRES(mutex_);
  void BytesChanged(Inode& inode, Times times) LG_REQUIRES(mutex_);
  static void Kill(Inode& inode);

  const std::vector<std::string> lost_;
  mutable Mutex mutex_;
  std::map<InodeId, Inode> inodes_ LG_GUARDED_BY(mutex_);
  std::map<OpenFile*, std::unique_ptr<OpenFile>> open_ LG_GUARDED_BY(mutex_);
  InodeId next_inode_ LG_GUARDED_BY(mutex_) = kFirstFreeInode;
  uint64_t next_cookie_ LG_GUARDED_BY(mutex_) = 16;
  Counts counts_ LG_GUARDED_BY(mutex_);
  std::optional<Error> read_error_ LG_GUARDED_BY(mutex_);
  Invalidator invalidator_ LG_GUARDED_BY(mutex_);
};

}  // namespace leadglass
