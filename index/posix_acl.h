// SPDX-License-Identifier: Apache-2.0
#pragma once

// POSIX access control lists (POSIX.1e draft 17) in the form in which Linux passes them as extended
// attributes: u32 version 2, then entries of u16 tag, u16 permissions, u32 id, little-endian.
// What is done here is what a file system owes the kernel, which evaluates them: keeping mode bits
// and list in step, and inheriting default lists; and the evaluation, for what the kernel does not
// decide. Pure functions.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/base/bytes.h"
#include "crypto/base/result.h"

namespace leadglass {

inline constexpr std::string_view kAclAccessXattr = "system.posix_acl_access";
inline constexpr std::string_view kAclDefaultXattr = "system.posix_acl_default";

// The mode bits that an access list stands for: rwx of owner, mask (or group) and others.
// EINVAL (kPosix): not a valid list.
Result<uint32_t> AclMode(ByteSpan acl);
// True where the list says no more than mode bits do, so that it need not be kept.
Result<bool> AclIsMinimal(ByteSpan acl);
// The list after chmod(2) to `mode`: owner, mask (or group) and others follow the mode.
Result<ByteVector> AclWithMode(ByteSpan acl, uint32_t mode);

// The list of a file that follows that of a folder: nothing may be executed, and its owner has the
// owner's bits of `mode`.
Result<ByteVector> AclOfFileIn(ByteSpan folder_acl, uint32_t mode);

// A folder's list for an owning group and others, all of which may read and enter it.
ByteVector AclForGroups(const std::vector<uint32_t>& further_gids);

// The list of a folder of that mode and list (nullopt: none) that lets these users read and enter
// it as well, and changes nothing for anybody else.
ByteVector AclWithReaders(const std::optional<ByteVector>& acl, uint32_t mode,
                          const std::vector<uint32_t>& uids);

// In getfacl(1)'s short form, with numbers: "u::rwx,u:1001:r-x,g::r-x,m::r-x,o::---"; "invalid".
std::string AclText(ByteSpan acl);

// Permission bits, as in a mode's lowest three.
inline constexpr uint32_t kMayRead = 4;
inline constexpr uint32_t kMayWrite = 2;
inline constexpr uint32_t kMaySearch = 1;  // of a file: execute

// What the access check of acl(5) looks at.
struct AccessSubject {
  uint32_t mode = 0;  // permission bits
  uint32_t uid = 0;   // of the owner
  uint32_t gid = 0;
};
// Whether acl(5) gives `uid` all of `wanted`. `acl`: the access list; nullopt, or one that is not
// valid: the mode alone, and of an invalid one the owner's bits alone. `is_in` tells whether the
// caller is in a group; it is asked last, and only where the answer depends on it. No one has
// privileges here.
bool Permits(const AccessSubject& subject, const std::optional<ByteVector>& acl, uint32_t uid,
             const std::function<bool(uint32_t gid)>& is_in, uint32_t wanted);

// One whom a mode or a list may let in.
struct Viewer {
  enum class Kind : uint8_t { kEverybody = 0, kGroup = 1, kUser = 2 };
  Kind kind = Kind::kEverybody;
  uint32_t id = 0;  // a gid, a uid; 0 for everybody
  auto operator<=>(const Viewer&) const = default;
};
// All whom they give reading or searching, sorted, each once. A caller for whom none of these
// stands has neither; one for whom one stands may still be refused (a user is named before his
// groups): Permits() says.
std::vector<Viewer> ViewersOf(const AccessSubject& subject, const std::optional<ByteVector>& acl);

// What a new file or folder gets from its folder's default list and the mode that its creator asked
// for (umask not applied, as the draft demands).
struct InheritedAcl {
  uint32_t mode = 0;  // permission bits
  ByteVector access;  // empty: the mode says it all
};
Result<InheritedAcl> InheritAcl(ByteSpan default_acl, uint32_t mode);

}  // namespace leadglass
