// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_wire.h"

#include <linux/fuse.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "fs/fuse_context.h"
#include "fs/fuse_flags.h"

namespace leadglass {

namespace {

thread_local bool kills_set_id = false;

// The body of a request as the kernel's struct; zeros where it is shorter (an older protocol).
template <typename T>
T Body(const uint8_t* request, size_t size) {
  T body{};
  const size_t available = size - sizeof(fuse_in_header);
  std::memcpy(&body, request + sizeof(fuse_in_header), std::min(available, sizeof(T)));
  return body;
}

bool KillsSetId(uint32_t opcode, const uint8_t* request, size_t size) {
  switch (opcode) {
    case FUSE_WRITE:
      return (Body<fuse_write_in>(request, size).write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
    case FUSE_SETATTR:
      return (Body<fuse_setattr_in>(request, size).valid & FATTR_KILL_SUIDGID) != 0;
    case FUSE_OPEN:
      return (Body<fuse_open_in>(request, size).open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
    case FUSE_CREATE:
      return (Body<fuse_create_in>(request, size).open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
    default: return false;
  }
}

void NoteRequest(FuseContext& context, const uint8_t* request, size_t size) {
  fuse_in_header header;
  std::memcpy(&header, request, sizeof(header));
  kills_set_id = KillsSetId(header.opcode, request, size);
  if (header.opcode != FUSE_INIT) return;
  context.killpriv_offered =
      (Body<fuse_init_in>(request, size).flags & FUSE_HANDLE_KILLPRIV_V2) != 0;
  context.init_unique = header.unique;
}

// True if `parts` is the good answer to the INIT request, and holds its flags.
bool IsInitReply(const FuseContext& context, const iovec* parts, int count) {
  if (count != 2 || parts[0].iov_len != sizeof(fuse_out_header)) return false;
  if (parts[1].iov_len < offsetof(fuse_init_out, flags) + sizeof(uint32_t)) return false;
  fuse_out_header header;
  std::memcpy(&header, parts[0].iov_base, sizeof(header));
  return header.error == 0 && header.unique != 0 && header.unique == context.init_unique;
}

// Adds to libfuse's INIT reply what it has no name for.
void Amend(FuseContext& context, uint8_t* reply) {
  constexpr uint32_t kReadAheadBytes = kReadAheadKib << 10;
  std::memcpy(reply + offsetof(fuse_init_out, max_readahead), &kReadAheadBytes,
              sizeof(kReadAheadBytes));
  if (!context.killpriv_offered) return;
  uint32_t flags = 0;
  std::memcpy(&flags, reply + offsetof(fuse_init_out, flags), sizeof(flags));
  flags |= FUSE_HANDLE_KILLPRIV_V2;
  std::memcpy(reply + offsetof(fuse_init_out, flags), &flags, sizeof(flags));
  context.killpriv = true;
}

}  // namespace

bool CurrentRequestKillsSetId() { return kills_set_id; }

ssize_t WireRead(int fd, void* buffer, size_t size, void* userdata) {
  const ssize_t got = ::read(fd, buffer, size);
  if (got >= static_cast<ssize_t>(sizeof(fuse_in_header))) {
    NoteRequest(*static_cast<FuseContext*>(userdata), static_cast<const uint8_t*>(buffer),
                static_cast<size_t>(got));
  }
  return got;
}

ssize_t WireWritev(int fd, iovec* parts, int count, void* userdata) {
  auto& context = *static_cast<FuseContext*>(userdata);
  if (context.init_unique != 0 && IsInitReply(context, parts, count)) {
    Amend(context, static_cast<uint8_t*>(parts[1].iov_base));
    context.init_unique = 0;
  }
  return ::writev(fd, parts, count);
}

}  // namespace leadglass
