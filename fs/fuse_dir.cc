// SPDX-License-Identifier: Apache-2.0
// Names and listings.

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "fs/fuse_request.h"

namespace leadglass {

namespace {

void OpLookup(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  Serve(raw, "lookup", [&](Request& request) {
    request.Answer(request.vault().Lookup(request.caller(), VaultNodeOf(parent), name));
  });
}

// The count does not matter: the vault keeps nothing that a later lookup does not bring back.
void OpForget(fuse_req_t raw, fuse_ino_t ino, uint64_t) {
  Serve(raw, "forget", [&](Request& request) {
    request.vault().Forget(VaultNodeOf(ino));
    request.None();
  });
}

void OpForgetMulti(fuse_req_t raw, size_t count, fuse_forget_data* forgets) {
  Serve(raw, "forget_multi", [&](Request& request) {
    for (size_t i = 0; i < count; ++i) request.vault().Forget(VaultNodeOf(forgets[i].ino));
    request.None();
  });
}

void OpMknod(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  Serve(raw, "mknod", [&](Request& request) {
    request.Answer(
        request.vault().MakeNode(request.caller(), VaultNodeOf(parent), name, mode, rdev));
  });
}

void OpMkdir(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode) {
  Serve(raw, "mkdir", [&](Request& request) {
    request.Answer(request.vault().MakeFolder(request.caller(), VaultNodeOf(parent), name, mode));
  });
}

void OpSymlink(fuse_req_t raw, const char* target, fuse_ino_t parent, const char* name) {
  Serve(raw, "symlink", [&](Request& request) {
    request.Answer(
        request.vault().MakeSymlink(request.caller(), VaultNodeOf(parent), name, target));
  });
}

void OpReadlink(fuse_req_t raw, fuse_ino_t ino) {
  Serve(raw, "readlink", [&](Request& request) {
    request.AnswerText(request.vault().ReadSymlink(VaultNodeOf(ino)));
  });
}

void OpLink(fuse_req_t raw, fuse_ino_t ino, fuse_ino_t new_parent, const char* new_name) {
  Serve(raw, "link", [&](Request& request) {
    request.Answer(request.vault().Link(request.caller(), VaultNodeOf(ino), VaultNodeOf(new_parent),
                                        new_name));
  });
}

void OpUnlink(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  Serve(raw, "unlink", [&](Request& request) {
    request.Answer(request.vault().Unlink(request.caller(), VaultNodeOf(parent), name));
  });
}

void OpRmdir(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  Serve(raw, "rmdir", [&](Request& request) {
    request.Answer(request.vault().RemoveFolder(request.caller(), VaultNodeOf(parent), name));
  });
}

void OpRename(fuse_req_t raw, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
              const char* new_name, unsigned flags) {
  Serve(raw, "rename", [&](Request& request) {
    request.Answer(request.vault().Rename(request.caller(), VaultNodeOf(parent), name,
                                          VaultNodeOf(new_parent), new_name, flags));
  });
}

// The kernel may keep the list of a folder in which only the kernel changes names.
void OpOpendir(fuse_req_t raw, fuse_ino_t ino, fuse_file_info* info) {
  Serve(raw, "opendir", [&](Request& request) {
    const Result<Attributes> folder =
        request.vault().OpenFolder(request.caller(), VaultNodeOf(ino));
    if (!folder) return request.Fail(folder.error());
    info->cache_readdir = folder->volatile_names ? 0 : 1;
    info->keep_cache = info->cache_readdir;
    std::ignore = request.AnswerOpen(*info);  // nothing is held open
  });
}

// Fills `buffer` with entries after `offset`, as many as fit; gives the bytes used.
Result<size_t> FillListing(Request& request, fuse_ino_t ino, off_t offset, bool plus,
                           std::vector<char>& buffer) {
  size_t used = 0;
  std::string name;
  const auto add = [&](const Vault::ListedEntry& listed) {
    name.assign(listed.name);
    fuse_entry_param entry = EntryOf(listed.attributes);
    // A name that not everybody has is looked up by each who uses it: without a node the kernel
    // takes the entry for a name alone.
    if (listed.attributes.per_caller) entry.ino = 0;
    const auto cookie = static_cast<off_t>(listed.cookie);
    char* const at = buffer.data() + used;
    const size_t room = buffer.size() - used;
    const size_t size =
        plus ? fuse_add_direntry_plus(request.raw(), at, room, name.c_str(), &entry, cookie)
             : fuse_add_direntry(request.raw(), at, room, name.c_str(), &entry.attr, cookie);
    if (size > room) return false;
    used += size;
    return true;
  };
  LG_RETURN_IF_ERROR(request.vault().List(request.caller(), VaultNodeOf(ino),
                                          static_cast<uint64_t>(offset), plus, add));
  return used;
}

void ServeListing(fuse_req_t raw, const char* operation, fuse_ino_t ino, size_t size, off_t offset,
                  bool plus) {
  Serve(raw, operation, [&](Request& request) {
    std::vector<char> buffer(size);
    const Result<size_t> used = FillListing(request, ino, offset, plus, buffer);
    if (!used) return request.Fail(used.error());
    request.AnswerBytes(AsBytes(std::string_view(buffer.data(), *used)));
  });
}

void OpReaddir(fuse_req_t raw, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info*) {
  ServeListing(raw, "readdir", ino, size, offset, false);
}

void OpReaddirplus(fuse_req_t raw, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info*) {
  ServeListing(raw, "readdirplus", ino, size, offset, true);
}

void OpFsyncdir(fuse_req_t raw, fuse_ino_t ino, int, fuse_file_info*) {
  Serve(raw, "fsyncdir",
        [&](Request& request) { request.Answer(request.vault().FsyncFolder(VaultNodeOf(ino))); });
}

}  // namespace

void AddDirOps(fuse_lowlevel_ops& ops) {
  ops.lookup = OpLookup;
  ops.forget = OpForget;
  ops.forget_multi = OpForgetMulti;
  ops.mknod = OpMknod;
  ops.mkdir = OpMkdir;
  ops.symlink = OpSymlink;
  ops.readlink = OpReadlink;
  ops.link = OpLink;
  ops.unlink = OpUnlink;
  ops.rmdir = OpRmdir;
  ops.rename = OpRename;
  ops.opendir = OpOpendir;
  ops.readdir = OpReaddir;
  ops.readdirplus = OpReaddirplus;
  ops.fsyncdir = OpFsyncdir;
}

}  // namespace leadglass
