// SPDX-License-Identifier: Apache-2.0
// Extended attributes, ACLs among them.

#include <string_view>

#include "fs/fuse_request.h"

namespace leadglass {

namespace {

// `ls -l` asks for it of every file, warm too: 5,000 files took 200 ms, and 120 once the first
// EOPNOTSUPP made ls give up asking.
constexpr std::string_view kSelinux = "security.selinux";

void OpGetxattr(fuse_req_t raw, fuse_ino_t ino, const char* name, size_t room) {
  Serve(raw, "getxattr", [&](Request& request) {
    if (name == kSelinux) return request.Errno(EOPNOTSUPP);
    const Result<ByteVector> value =
        request.vault().GetXattr(request.caller(), VaultNodeOf(ino), name);
    if (!value) return request.Fail(value.error());
    request.AnswerXattr(*value, room);
  });
}

void OpSetxattr(fuse_req_t raw, fuse_ino_t ino, const char* name, const char* value, size_t size,
                int flags) {
  Serve(raw, "setxattr", [&](Request& request) {
    if (name == kSelinux) return request.Errno(EOPNOTSUPP);
    const ByteSpan bytes = AsBytes(std::string_view(value, size));
    request.Answer(
        request.vault().SetXattr(request.caller(), VaultNodeOf(ino), name, bytes, flags));
  });
}

void OpListxattr(fuse_req_t raw, fuse_ino_t ino, size_t room) {
  Serve(raw, "listxattr", [&](Request& request) {
    const Result<std::vector<std::string>> names = request.vault().ListXattrs(VaultNodeOf(ino));
    if (!names) return request.Fail(names.error());
    std::string list;
    for (const std::string& name : *names) list.append(name.c_str(), name.size() + 1);
    request.AnswerXattr(AsBytes(list), room);
  });
}

void OpRemovexattr(fuse_req_t raw, fuse_ino_t ino, const char* name) {
  Serve(raw, "removexattr", [&](Request& request) {
    request.Answer(request.vault().RemoveXattr(request.caller(), VaultNodeOf(ino), name));
  });
}

}  // namespace

void AddXattrOps(fuse_lowlevel_ops& ops) {
  ops.getxattr = OpGetxattr;
  ops.setxattr = OpSetxattr;
  ops.listxattr = OpListxattr;
  ops.removexattr = OpRemovexattr;
}

}  // namespace leadglass
