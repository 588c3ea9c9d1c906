// SPDX-License-Identifier: Apache-2.0
#pragma once

// Request: one question of the kernel, answered exactly once.
//
// Owns the fuse_req_t. Each typed answer uses it up; a second answer is a bug and aborts. A request
// that dies without one answers EIO, so that no program waits for ever.
// Thread-compatible: belongs to the thread that serves it, or to one it was moved to.

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse3/fuse_lowlevel.h>

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "fs/fuse_context.h"

namespace leadglass {

class Request {
 public:
  Request(fuse_req_t raw, const char* operation) : raw_(raw), operation_(operation) {}
  Request(Request&& other) noexcept
      : raw_(std::exchange(other.raw_, nullptr)), operation_(other.operation_) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() {
    if (pending()) Errno(EIO);
  }

  FuseContext& context() const { return *static_cast<FuseContext*>(fuse_req_userdata(raw_)); }
  Vault& vault() const { return context().vault; }
  Caller caller() const;
  bool pending() const { return raw_ != nullptr; }
  // For libfuse's calls that format an answer; does not give the request up.
  fuse_req_t raw() const { return raw_; }

  // Answers without data. Errno(0) is success.
  void Errno(int error);
  void Fail(const Error& error);
  void Answer(const Status& status);
  void None();  // FORGET has no answer

  // Answers with data, or with the error instead.
  void Answer(const Result<Attributes>& entry);  // of a name: the kernel may keep it
  void AnswerAttributes(const Result<Attributes>& attributes);
  // False when the program that asked was interrupted: nobody will release what was opened, so the
  // caller does.
  [[nodiscard]] bool AnswerOpen(const fuse_file_info& info);
  [[nodiscard]] bool AnswerCreate(const Attributes& attributes, const fuse_file_info& info);
  void AnswerBytes(ByteSpan bytes);
  void AnswerText(const Result<std::string>& text);
  void AnswerCount(size_t count);
  void AnswerSpace(const Result<SpaceReport>& space);
  // getxattr(2) and listxattr(2): with room 0 only the size is asked for.
  void AnswerXattr(ByteSpan value, size_t room);
  void AnswerOffset(const Result<uint64_t>& offset);

 private:
  fuse_req_t Take();
  void ReportFault(const Error& error);

  fuse_req_t raw_;
  const char* operation_;
};

// What libfuse needs of our attributes.
struct stat StatOf(const Attributes& attributes);
fuse_entry_param EntryOf(const Attributes& attributes);

// Runs `body(Request&)`: the last net under the handlers. Exceptions become ENOMEM or EIO.
template <typename Body>
void Serve(fuse_req_t raw, const char* operation, Body&& body) {
  Request request(raw, operation);
  FuseContext& context = request.context();
  try {
    body(request);
  } catch (const std::bad_alloc&) {
    context.Report(std::string(operation) + ": out of memory");
    if (request.pending()) request.Errno(ENOMEM);
  } catch (const std::exception&) {
    // what() may quote a name; the operation is enough to find it.
    context.Report(std::string(operation) + ": unexpected exception, answered EIO");
    if (request.pending()) request.Errno(EIO);
  }
}

// Every operation that we serve; those that are absent stand there with the reason.
fuse_lowlevel_ops MakeOps();

// The handlers, by subject.
void AddDirOps(fuse_lowlevel_ops& ops);    // fuse_dir.cc: names and listings
void AddAttrOps(fuse_lowlevel_ops& ops);   // fuse_attr.cc: attributes, space
void AddFileOps(fuse_lowlevel_ops& ops);   // fuse_file.cc: open files
void AddXattrOps(fuse_lowlevel_ops& ops);  // fuse_xattr.cc: extended attributes

}  // namespace leadglass
