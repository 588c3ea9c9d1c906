// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>

#include "fs/vault_impl.h"
#include "index/posix_acl.h"

namespace leadglass {
namespace {

constexpr std::string_view kUserPrefix = "user.";
constexpr std::string_view kDicomPrefix = "user.dicom.";
constexpr size_t kMaxXattrName = 255;
constexpr size_t kMaxXattrValue = 65536;

bool IsAcl(std::string_view name) { return name == kAclAccessXattr || name == kAclDefaultXattr; }

Result<std::vector<DicomAttribute>> DicomAttributes(const Index& index, InodeId inode) {
  LG_ASSIGN_OR_RETURN(const auto filing, index.GetFiling(inode));
  if (!filing || filing->facts.empty()) return std::vector<DicomAttribute>{};
  LG_ASSIGN_OR_RETURN(DicomFacts facts, DecodeDicomFacts(filing->facts));
  return std::move(facts.attributes);
}

Result<ByteVector> DicomValue(const Index& index, InodeId inode, std::string_view name) {
  LG_ASSIGN_OR_RETURN(const auto attributes, DicomAttributes(index, inode));
  for (const DicomAttribute& attribute : attributes) {
    if (attribute.keyword == name.substr(kDicomPrefix.size())) {
      const ByteSpan value = AsBytes(attribute.value);
      return ByteVector(value.begin(), value.end());
    }
  }
  return PosixError(ENODATA);
}

}  // namespace

Result<ByteVector> VaultImpl::GetXattr(const Caller& caller, NodeId node, std::string_view name) {
  const InodeId inode = InodeOf(node);
  // As xattr(7): of these the values are for who may read the file.
  if (name.starts_with(kUserPrefix)) LG_RETURN_IF_ERROR(Authorise(caller, node, Action::kRead));
  if (name.starts_with(kDicomPrefix)) return DicomValue(*index_, inode, name);
  std::optional<ByteVector> value;
  if (name == kAclAccessXattr) {
    LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
    LG_ASSIGN_OR_RETURN(value, EffectiveAcl(record));
  } else {
    LG_ASSIGN_OR_RETURN(value, index_->GetXattr(inode, name));
  }
  if (!value) return PosixError(ENODATA);
  return *std::move(value);
}

Status VaultImpl::SetXattr(const Caller& caller, NodeId node, std::string_view name, ByteSpan value,
                           int flags) {
  if (name.empty() || name.size() > kMaxXattrName) return PosixError(ERANGE);
  if (value.size() > kMaxXattrValue) return PosixError(E2BIG);
  if (name.starts_with(kDicomPrefix)) {
    // `cp -a` and `rsync -X` of an image onto itself or a copy set what is there already.
    const auto present = DicomValue(*index_, InodeOf(node), name);
    if (present && AsText(*present) == AsText(value)) return {};
    return PosixError(EPERM);
  }
  // A list is taken of a view's image, too, so that `setfacl -R` of a study goes on.
  const NodeId changed = IsAcl(name) ? NodeId{InodeOf(node)} : node;
  LG_RETURN_IF_ERROR(Authorise(caller, changed, Action::kChangeAttributes));
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(InodeOf(node)));
  if (IsAcl(name) && (IsViewNode(node) || FollowsAStudy(state))) {
    LG_RETURN_IF_ERROR(SetViewAcl(state, name, value));
    AuditAccess(caller, state->id, AclText(value));
    return {};
  }
  LG_RETURN_IF_ERROR(SetXattrOf(state, name, value, flags));
  if (IsAcl(name)) AuditAccess(caller, state->id, AclText(value));
  return {};
}

Status VaultImpl::SetXattrOf(const InodePtr& state, std::string_view name, ByteSpan value,
                             int flags) {
  WriterLock lock(state->mutex);
  LG_ASSIGN_OR_RETURN(const auto old, index_->GetXattr(state->id, name));
  if ((flags & XATTR_CREATE) != 0 && old) return PosixError(EEXIST);
  if ((flags & XATTR_REPLACE) != 0 && !old) return PosixError(ENODATA);
  InodeRecord record = state->record;
  record.ctime = clock_.WallNanos();
  Transaction transaction;
  bool keep = true;
  if (IsAcl(name)) {
    LG_ASSIGN_OR_RETURN(const uint32_t bits, AclMode(value));
    if (name == kAclAccessXattr) {
      record.mode = (record.mode & ~uint32_t{0777}) | bits;
      LG_ASSIGN_OR_RETURN(const bool minimal, AclIsMinimal(value));
      keep = !minimal;
    }
  }
  if (keep)
    transaction.operations.emplace_back(
        PutXattr{state->id, std::string(name), ByteVector(value.begin(), value.end())});
  else if (old)
    transaction.operations.emplace_back(EraseXattr{state->id, std::string(name)});
  transaction.Put(state, record);
  return Commit(std::move(transaction));
}

Result<std::vector<std::string>> VaultImpl::ListXattrs(NodeId node) {
  const InodeId inode = InodeOf(node);
  LG_ASSIGN_OR_RETURN(std::vector<std::string> names, index_->XattrNames(inode));
  LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
  if (record.study != kNoInode || IsStudyFolder(record)) {
    std::erase_if(names, IsAcl);
    LG_ASSIGN_OR_RETURN(const auto acl, EffectiveAcl(record));
    if (acl) names.emplace_back(kAclAccessXattr);
  }
  LG_ASSIGN_OR_RETURN(const auto attributes, DicomAttributes(*index_, inode));
  for (const DicomAttribute& attribute : attributes)
    names.push_back(std::string(kDicomPrefix) + attribute.keyword);
  return names;
}

Status VaultImpl::RemoveXattr(const Caller& caller, NodeId node, std::string_view name) {
  if (name.starts_with(kDicomPrefix)) {
    // `rsync -X` removes from its copy what the source does not have, and fails where that fails.
    // So it succeeds, and the header goes on saying what it says (tests/mount/tar_rsync_test.sh).
    LG_RETURN_IF_ERROR(DicomValue(*index_, InodeOf(node), name));
    return {};
  }
  const NodeId changed = IsAcl(name) ? NodeId{InodeOf(node)} : node;
  LG_RETURN_IF_ERROR(Authorise(caller, changed, Action::kChangeAttributes));
  LG_ASSIGN_OR_RETURN(const InodePtr state, inodes_->Get(InodeOf(node)));
  if (IsAcl(name) && (IsViewNode(node) || FollowsAStudy(state))) {
    LG_RETURN_IF_ERROR(SetViewAcl(state, name, std::nullopt));
    AuditAccess(caller, state->id, "no access list");
    return {};
  }
  LG_RETURN_IF_ERROR(RemoveXattrOf(state, name));
  if (IsAcl(name)) AuditAccess(caller, state->id, "no access list");
  return {};
}

Status VaultImpl::RemoveXattrOf(const InodePtr& state, std::string_view name) {
  WriterLock lock(state->mutex);
  LG_ASSIGN_OR_RETURN(const auto old, index_->GetXattr(state->id, name));
  // An access list that is not there counts as taken away, as on ext4: tar -x --acls asks for that.
  if (!old) return IsAcl(name) ? Status() : PosixError(ENODATA);
  InodeRecord record = state->record;
  record.ctime = clock_.WallNanos();
  Transaction transaction;
  transaction.use_reserve = true;
  transaction.operations.emplace_back(EraseXattr{state->id, std::string(name)});
  transaction.Put(state, record);
  return Commit(std::move(transaction));
}

}  // namespace leadglass
