// SPDX-License-Identifier: Apache-2.0
#pragma once

// The chain: one SHA-256 value per commit that binds every record and segment header before it.
// Anybody can check it, nobody without the metadata key can continue it: a commit is sealed with
// the running digest of all that came before it. docs/format.md, "The chain".
//
//   base     = chain value of the newest commit, or, at a segment's start, the hash of its header
//   running  = SHA-256("leadglass.run.1" || base || frames since)
//   chain    = SHA-256("leadglass.chain.1" || running || commit frame, chain and CRC zero)
//
// Frames carry a digest of their record's tags or body, so the chain runs over frames only:
// recovery hops from frame to frame, and the hashing of bodies is done by whoever sealed them.
//
// Thread-compatible.

#include <initializer_list>
#include <memory>

#include "crypto/base/bytes.h"
#include "crypto/log/frame.h"

namespace leadglass {

// SHA-256, piece by piece. Aborts if the library fails, which it does only out of memory.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void Update(ByteSpan data);
  // The digest of all so far; the hasher may go on.
  Digest Peek() const;
  // The digest of all so far; the hasher starts anew.
  Digest Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Digest HashOf(std::initializer_list<ByteSpan> pieces);

// The chain value after `commit`, whose own chain field is ignored, given the running digest before
// it: frame.chain must equal it.
Digest ChainAfterCommit(const Digest& running, const Frame& commit);

class Chain {
 public:
  // Continues from `base`, with nothing absorbed since.
  explicit Chain(const Digest& base) { Reset(base); }
  void Reset(const Digest& base);

  // Takes in a frame that is no commit.
  void Absorb(const Frame& frame);
  // The running digest before the next commit.
  Digest Running() const { return hasher_.Peek(); }

 private:
  Hasher hasher_;
};

}  // namespace leadglass
