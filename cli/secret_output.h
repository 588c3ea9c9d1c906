// SPDX-License-Identifier: Apache-2.0
#pragma once

// SecretOutput: text with a secret in it, written to standard output or to a new file. No buffer of
// stdio or of a string keeps a copy: each piece goes from the caller's memory to the kernel.
//
//   LG_ASSIGN_OR_RETURN(SecretOutput out, SecretOutput::NewFile("/root/sheet.txt"));
//   out.Text("The key:\n");
//   out.Secret(code);
//   LG_RETURN_IF_ERROR(out.Finish());
//
// Thread-compatible.

#include <string>

#include "crypto/base/result.h"
#include "crypto/base/secret.h"
#include "crypto/base/unique_fd.h"

namespace leadglass {

class SecretOutput {
 public:
  static SecretOutput ToStandardOutput();
  // A file of mode 0600 that did not exist. kExists: it does; nothing is ever replaced. Errors of
  // the system otherwise.
  static Result<SecretOutput> NewFile(const std::string& path);

  // Whether what is written appears on a terminal.
  bool is_terminal() const;
  // Written at once. After the first error nothing more is written, and Finish() tells it.
  void Text(std::string_view text);
  void Secret(ByteSpan bytes);
  // A file and its name in the folder are durable on success. On error a file is removed again.
  Status Finish();

 private:
  SecretOutput(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  int fd() const;

  UniqueFd file_;     // none: standard output
  std::string path_;  // of the file
  Status status_;
};

}  // namespace leadglass
