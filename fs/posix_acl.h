// SPDX-License-Identifier: Apache-2.0
#pragma once

// POSIX access control lists (POSIX.1e draft 17) in the form in which Linux passes them as extended
// attributes: u32 version 2, then entries of u16 tag, u16 permissions, u32 id, little-endian.
// The kernel evaluates them; what is done here is what a file system owes it: keeping mode bits and
// list in step, and inheriting default lists. Pure functions.

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

// What a new file or folder gets from its folder's default list and the mode that its creator asked
// for (umask not applied, as the draft demands).
struct InheritedAcl {
  uint32_t mode = 0;  // permission bits
  ByteVector access;  // empty: the mode says it all
};
Result<InheritedAcl> InheritAcl(ByteSpan default_acl, uint32_t mode);

}  // namespace leadglass
