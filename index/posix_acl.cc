// SPDX-License-Identifier: Apache-2.0
#include "index/posix_acl.h"

#include <algorithm>
#include <cerrno>
#include <vector>

namespace leadglass {
namespace {

constexpr uint32_t kVersion = 2;
constexpr uint16_t kTagUserObj = 0x01;
constexpr uint16_t kTagUser = 0x02;
constexpr uint16_t kTagGroupObj = 0x04;
constexpr uint16_t kTagGroup = 0x08;
constexpr uint16_t kTagMask = 0x10;
constexpr uint16_t kTagOther = 0x20;
constexpr uint32_t kNoId = 0xffffffff;  // of entries that name nobody

struct AclEntry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id;
};

using Acl = std::vector<AclEntry>;

AclEntry* Find(Acl& acl, uint16_t tag) {
  const auto at =
      std::find_if(acl.begin(), acl.end(), [&](const AclEntry& e) { return e.tag == tag; });
  return at == acl.end() ? nullptr : &*at;
}

long Count(const Acl& acl, uint16_t tag) {
  return std::count_if(acl.begin(), acl.end(), [&](const AclEntry& e) { return e.tag == tag; });
}

Result<Acl> Decode(ByteSpan bytes) {
  ByteReader reader(bytes);
  if (reader.U32() != kVersion) return PosixError(EINVAL);
  Acl acl;
  while (!reader.failed() && reader.remaining() > 0) {
    AclEntry entry{reader.U16(), reader.U16(), reader.U32()};
    acl.push_back(entry);
  }
  const bool named = Count(acl, kTagUser) + Count(acl, kTagGroup) > 0;
  const bool valid = reader.Finished() && Count(acl, kTagUserObj) == 1 &&
                     Count(acl, kTagGroupObj) == 1 && Count(acl, kTagOther) == 1 &&
                     Count(acl, kTagMask) <= 1 && (!named || Count(acl, kTagMask) == 1) &&
                     std::all_of(acl.begin(), acl.end(), [](const AclEntry& e) {
                       return e.permissions <= 7 &&
                              (e.tag == kTagUserObj || e.tag == kTagUser || e.tag == kTagGroupObj ||
                               e.tag == kTagGroup || e.tag == kTagMask || e.tag == kTagOther);
                     });
  if (!valid) return PosixError(EINVAL);
  return acl;
}

ByteVector Encode(const Acl& acl) {
  ByteWriter writer;
  writer.U32(kVersion);
  for (const AclEntry& entry : acl) {
    writer.U16(entry.tag);
    writer.U16(entry.permissions);
    writer.U32(entry.id);
  }
  return writer.Take();
}

// The entry that the group bits of a mode show: the mask where there is one.
AclEntry& GroupClass(Acl& acl) {
  AclEntry* mask = Find(acl, kTagMask);
  return mask != nullptr ? *mask : *Find(acl, kTagGroupObj);
}

uint32_t ModeOf(Acl& acl) {
  return uint32_t{Find(acl, kTagUserObj)->permissions} << 6 |
         uint32_t{GroupClass(acl).permissions} << 3 | Find(acl, kTagOther)->permissions;
}

}  // namespace

Result<uint32_t> AclMode(ByteSpan bytes) {
  LG_ASSIGN_OR_RETURN(Acl acl, Decode(bytes));
  return ModeOf(acl);
}

Result<bool> AclIsMinimal(ByteSpan bytes) {
  LG_ASSIGN_OR_RETURN(const Acl acl, Decode(bytes));
  return acl.size() == 3;
}

Result<ByteVector> AclWithMode(ByteSpan bytes, uint32_t mode) {
  LG_ASSIGN_OR_RETURN(Acl acl, Decode(bytes));
  Find(acl, kTagUserObj)->permissions = static_cast<uint16_t>(mode >> 6 & 7);
  GroupClass(acl).permissions = static_cast<uint16_t>(mode >> 3 & 7);
  Find(acl, kTagOther)->permissions = static_cast<uint16_t>(mode & 7);
  return Encode(acl);
}

Result<ByteVector> AclOfFileIn(ByteSpan folder_acl, uint32_t mode) {
  LG_ASSIGN_OR_RETURN(Acl acl, Decode(folder_acl));
  for (AclEntry& entry : acl) entry.permissions &= 6;
  Find(acl, kTagUserObj)->permissions = static_cast<uint16_t>(mode >> 6 & 7);
  return Encode(acl);
}

std::string AclText(ByteSpan bytes) {
  const auto acl = Decode(bytes);
  if (!acl) return "invalid";
  std::string text;
  for (const AclEntry& entry : *acl) {
    text += text.empty() ? "" : ",";
    switch (entry.tag) {
      case kTagUserObj: text += "u:"; break;
      case kTagUser: text += "u:" + std::to_string(entry.id); break;
      case kTagGroupObj: text += "g:"; break;
      case kTagGroup: text += "g:" + std::to_string(entry.id); break;
      case kTagMask: text += "m:"; break;
      default: text += "o:"; break;
    }
    text += ':';
    text += (entry.permissions & 4) != 0 ? 'r' : '-';
    text += (entry.permissions & 2) != 0 ? 'w' : '-';
    text += (entry.permissions & 1) != 0 ? 'x' : '-';
  }
  return text;
}

ByteVector AclForGroups(const std::vector<uint32_t>& further_gids) {
  std::vector<uint32_t> gids = further_gids;
  std::sort(gids.begin(), gids.end());  // the kernel and setfacl(1) keep entries in this order
  gids.erase(std::unique(gids.begin(), gids.end()), gids.end());
  Acl acl{{kTagUserObj, 7, kNoId}, {kTagGroupObj, 5, kNoId}};
  for (const uint32_t gid : gids) acl.push_back({kTagGroup, 5, gid});
  acl.push_back({kTagMask, 5, kNoId});
  acl.push_back({kTagOther, 0, kNoId});
  return Encode(acl);
}

namespace {

// Mode bits as a list; an invalid list lets the owner in alone.
Acl EffectiveList(const AccessSubject& subject, const std::optional<ByteVector>& bytes) {
  const auto bits = [&](int shift) { return static_cast<uint16_t>(subject.mode >> shift & 7); };
  if (!bytes)
    return {
        {kTagUserObj, bits(6), kNoId}, {kTagGroupObj, bits(3), kNoId}, {kTagOther, bits(0), kNoId}};
  auto acl = Decode(*bytes);
  if (!acl) return {{kTagUserObj, bits(6), kNoId}, {kTagGroupObj, 0, kNoId}, {kTagOther, 0, kNoId}};
  return *std::move(acl);
}

}  // namespace

ByteVector AclWithReaders(const std::optional<ByteVector>& bytes, uint32_t mode,
                          const std::vector<uint32_t>& uids) {
  constexpr uint16_t kReads = 5;
  Acl acl = EffectiveList({mode, 0, 0}, bytes);
  const AclEntry* const mask_entry = Find(acl, kTagMask);
  const uint16_t mask = mask_entry != nullptr ? mask_entry->permissions : uint16_t{7};
  std::erase_if(acl, [](const AclEntry& entry) { return entry.tag == kTagMask; });
  // A wider mask must not give others more: each entry is what the old one left of it.
  uint16_t all = 0;
  const auto is_masked = [](const AclEntry& entry) {
    return entry.tag != kTagUserObj && entry.tag != kTagOther;
  };
  for (AclEntry& entry : acl)
    if (is_masked(entry)) entry.permissions &= mask;
  for (const uint32_t uid : uids) {
    const auto named = std::find_if(acl.begin(), acl.end(), [&](const AclEntry& entry) {
      return entry.tag == kTagUser && entry.id == uid;
    });
    if (named != acl.end()) {
      named->permissions |= kReads;
    } else {
      acl.push_back({kTagUser, kReads, uid});
    }
  }
  for (const AclEntry& entry : acl)
    if (is_masked(entry)) all |= entry.permissions;
  acl.push_back({kTagMask, all, kNoId});
  // The kernel and setfacl(1) keep entries in this order.
  std::sort(acl.begin(), acl.end(), [](const AclEntry& a, const AclEntry& b) {
    return a.tag != b.tag ? a.tag < b.tag : a.id < b.id;
  });
  return Encode(acl);
}

bool Permits(const AccessSubject& subject, const std::optional<ByteVector>& bytes, uint32_t uid,
             const std::function<bool(uint32_t gid)>& is_in, uint32_t wanted) {
  Acl acl = EffectiveList(subject, bytes);
  const AclEntry* const mask_entry = Find(acl, kTagMask);
  const uint32_t mask = mask_entry != nullptr ? mask_entry->permissions : 7u;
  if (uid == subject.uid) return (Find(acl, kTagUserObj)->permissions & wanted) == wanted;
  for (const AclEntry& entry : acl)
    if (entry.tag == kTagUser && entry.id == uid)
      return (entry.permissions & mask & wanted) == wanted;
  // Being in a group that gives less keeps from what others have.
  bool in_one = false;
  for (const AclEntry& entry : acl) {
    if (entry.tag != kTagGroupObj && entry.tag != kTagGroup) continue;
    const bool gives = (entry.permissions & mask & wanted) == wanted;
    if (in_one && !gives) continue;
    if (!is_in(entry.tag == kTagGroup ? entry.id : subject.gid)) continue;
    if (gives) return true;
    in_one = true;
  }
  return !in_one && (Find(acl, kTagOther)->permissions & wanted) == wanted;
}

std::vector<Viewer> ViewersOf(const AccessSubject& subject,
                              const std::optional<ByteVector>& bytes) {
  Acl acl = EffectiveList(subject, bytes);
  const AclEntry* const mask_entry = Find(acl, kTagMask);
  const uint32_t mask = mask_entry != nullptr ? mask_entry->permissions : 7u;
  std::vector<Viewer> viewers;
  for (const AclEntry& entry : acl) {
    const bool masked =
        entry.tag == kTagUser || entry.tag == kTagGroupObj || entry.tag == kTagGroup;
    const uint32_t permissions = masked ? entry.permissions & mask : entry.permissions;
    if ((permissions & (kMayRead | kMaySearch)) == 0) continue;
    switch (entry.tag) {
      case kTagUserObj: viewers.push_back({Viewer::Kind::kUser, subject.uid}); break;
      case kTagUser: viewers.push_back({Viewer::Kind::kUser, entry.id}); break;
      case kTagGroupObj: viewers.push_back({Viewer::Kind::kGroup, subject.gid}); break;
      case kTagGroup: viewers.push_back({Viewer::Kind::kGroup, entry.id}); break;
      case kTagOther: viewers.push_back({Viewer::Kind::kEverybody, 0}); break;
      default: break;
    }
  }
  std::sort(viewers.begin(), viewers.end());
  viewers.erase(std::unique(viewers.begin(), viewers.end()), viewers.end());
  return viewers;
}

Result<InheritedAcl> InheritAcl(ByteSpan default_acl, uint32_t mode) {
  LG_ASSIGN_OR_RETURN(Acl acl, Decode(default_acl));
  Find(acl, kTagUserObj)->permissions &= static_cast<uint16_t>(mode >> 6 & 7);
  GroupClass(acl).permissions &= static_cast<uint16_t>(mode >> 3 & 7);
  Find(acl, kTagOther)->permissions &= static_cast<uint16_t>(mode & 7);
  InheritedAcl inherited;
  inherited.mode = (mode & ~uint32_t{0777}) | ModeOf(acl);
  if (acl.size() > 3) inherited.access = Encode(acl);
  return inherited;
}

}  // namespace leadglass
