// SPDX-License-Identifier: Apache-2.0
#pragma once

// FilePair: a small file that exists twice, `path` and `path`.copy, each replaced atomically.
// It knows which copy is in use; the other is always the first to be replaced, so that one durable
// good copy exists at every moment. What is a good copy is the caller's business.
// Thread-compatible.

#include <array>

#include "crypto/base/file.h"

namespace leadglass {

class FilePair {
 public:
  FilePair(FileSystem& fs, std::string path) : fs_(&fs), path_(std::move(path)) {}

  std::string PathOf(size_t copy) const { return copy == 0 ? path_ : path_ + ".copy"; }
  // Both copies as they are on the disk, kNotFound where missing.
  std::array<Result<ByteVector>, 2> Read(size_t limit) const;
  // True when either copy is there.
  Result<bool> AnyExists() const;

  // Says that `copy`, which holds `bytes`, is the one in use, and whether the other differs.
  void Use(size_t copy, ByteVector bytes, bool other_differs);
  // The bytes in use.
  const ByteVector& bytes() const { return bytes_; }
  // True when the other copy is known not to hold the same bytes.
  bool other_differs() const { return other_differs_; }

  // The three steps of a change. Each durable on return; bytes() stays until Accept().
  Status ReplaceOther(ByteSpan bytes);
  Status ReplaceUsed(ByteSpan bytes);
  // The copy first replaced is the one in use now, with `bytes`; `both`: the other holds them, too.
  void Accept(ByteVector bytes, bool both);
  // Writes bytes() to the other copy, or to both.
  Status RestoreOther();
  Status RestoreBoth();
  // Removes both copies and what a failed replacement left; errors are ignored, a copy that is not
  // there is none.
  Status RemoveAll();

 private:
  FileSystem* fs_;
  std::string path_;
  size_t used_ = 0;
  ByteVector bytes_;
  bool other_differs_ = false;
};

}  // namespace leadglass
