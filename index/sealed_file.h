// SPDX-License-Identifier: Apache-2.0
#pragma once

// The index's files on disk: what LevelDB writes, sealed in frames. docs/format.md, "The
// index". Knows nothing of LevelDB.
//
//   table    written once, front to back; every frame but the last holds kFramePlain bytes, so a
//            plain offset tells its frame; the last frame says that it is the last
//   journal  appended to; each Sync() closes a frame of any length
//
// Each frame is bound to vault, index incarnation, file id, kind and frame number, so frames cannot
// be changed, moved, swapped between files, or dropped without kCorrupt. File ids are random: two
// files of one name are two files. Names are not bound (index/file_registry.h does that).
//
// Thread safety: writers are used by one thread at a time; a SealedTable by any number.

#include <memory>
#include <string>

#include "crypto/aead.h"
#include "crypto/base/file.h"

namespace leadglass {

// What all files of one index share. Outlives them.
struct SealedFileContext {
  FileSystem& fs;
  Key key;
  Uuid vault_id{};
  Uuid incarnation{};  // drawn when the index was created
};

enum class SealedFileKind : uint8_t { kTable = 1, kJournal = 2 };

class SealedFileWriter {
 public:
  static constexpr size_t kHeaderSize = 48;
  static constexpr size_t kFramePlain = 8192;           // of a table
  static constexpr size_t kJournalFrameMax = 64 << 10;  // plain bytes; longer ones are split

  // Creates the file, or empties the one that is there.
  static Result<std::unique_ptr<SealedFileWriter>> Create(const SealedFileContext& context,
                                                          const std::string& path,
                                                          SealedFileKind kind, const Uuid& file_id);

  // Buffers and writes. After an error the file is unusable.
  Status Append(ByteSpan plain);
  // Durable on return: what was appended, but not the file's name. Finishes a table: appending to
  // it afterwards is kInternal.
  Status Sync();
  // Writes what is buffered, not durably. Finishes a table.
  Status Finish();

  uint64_t plain_size() const { return plain_size_; }
  SealedFileKind kind() const { return kind_; }

 private:
  SealedFileWriter(const SealedFileContext& context, std::unique_ptr<File> file,
                   SealedFileKind kind, const Uuid& file_id);
  void SealFrame(ByteSpan plain, bool last);
  Status WriteOut();

  const SealedFileContext& context_;
  const std::unique_ptr<File> file_;
  const SealedFileKind kind_;
  const ByteVector header_;
  ByteVector plain_;   // not yet sealed: less than a frame
  ByteVector cipher_;  // sealed, not yet written
  uint64_t plain_size_ = 0;
  uint64_t cipher_offset_ = 0;  // where cipher_ goes
  uint64_t next_frame_ = 0;
  bool finished_ = false;
};

class SealedTable {
 public:
  // `plain_size` is what the table is known to hold. kCorrupt: another size, another file's header.
  // kNotFound: no such file. Frames are checked as they are read.
  static Result<std::unique_ptr<SealedTable>> Open(const SealedFileContext& context,
                                                   const std::string& path, const Uuid& file_id,
                                                   uint64_t plain_size);

  // Gives up to out.size() bytes from `offset`, short only at the end of the table. kCorrupt: a
  // frame is not what was written.
  Result<size_t> Read(uint64_t offset, MutableByteSpan out) const;

 private:
  SealedTable(const SealedFileContext& context, std::unique_ptr<File> file, ByteVector header,
              uint64_t plain_size);

  const SealedFileContext& context_;
  const std::unique_ptr<File> file_;
  const ByteVector header_;
  const uint64_t plain_size_;
};

// The plain bytes of a journal. At least `durable_size` of them were durable once: a bad or missing
// frame among these is kCorrupt. Later ones may be torn: the first bad frame there is the end.
Result<ByteVector> ReadJournal(const SealedFileContext& context, const std::string& path,
                               const Uuid& file_id, uint64_t durable_size);

}  // namespace leadglass
