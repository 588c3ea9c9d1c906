// SPDX-License-Identifier: Apache-2.0
#include "index/sealed_file.h"

#include <algorithm>
#include <utility>

#include "crypto/base/path.h"

namespace leadglass {
namespace {

constexpr std::string_view kDomain = "leadglass index frame 1";
constexpr std::string_view kMagic = "LGINDEXF";
constexpr uint16_t kFormat = 1;
constexpr size_t kHeaderSize = SealedFileWriter::kHeaderSize;
constexpr size_t kFramePlain = SealedFileWriter::kFramePlain;
constexpr size_t kFrameCipher = kFramePlain + kSealOverhead;
constexpr size_t kWriteOutAt = 256u << 10;
constexpr size_t kLengthSize = 4;  // in front of a journal's frame
constexpr uint64_t kJournalLimit = uint64_t{1} << 30;

ByteVector MakeHeader(SealedFileKind kind, const Uuid& file_id, const Uuid& incarnation) {
  ByteWriter out;
  out.Raw(AsBytes(kMagic));
  out.U16(kFormat);
  out.U8(static_cast<uint8_t>(kind));
  out.U8(0);
  out.U32(kFramePlain);
  out.Raw(file_id);
  out.Raw(incarnation);
  return out.Take();
}

ByteVector AssociatedData(const SealedFileContext& context, ByteSpan header, uint64_t frame,
                          bool last) {
  ByteWriter out;
  out.Raw(AsBytes(kDomain));
  out.Raw(context.vault_id);
  out.Raw(header);
  out.U64(frame);
  out.U8(last ? 1 : 0);
  return out.Take();
}

Error Damaged(const std::string& what) {
  return Error(Errc::kCorrupt, "index: " + what + ": rebuild the index");
}

// Frames of a table of that size; an empty table has one, empty.
uint64_t FrameCount(uint64_t plain_size) {
  return plain_size == 0 ? 1 : (plain_size + kFramePlain - 1) / kFramePlain;
}

Status CheckHeader(File& file, const std::string& name, ByteSpan header) {
  ByteVector found(kHeaderSize);
  LG_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(0, found));
  if (got != kHeaderSize || !std::equal(found.begin(), found.end(), header.begin()))
    return Damaged(name + " is not the file that the index wrote");
  return {};
}

}  // namespace

Result<std::unique_ptr<SealedFileWriter>> SealedFileWriter::Create(const SealedFileContext& context,
                                                                   const std::string& path,
                                                                   SealedFileKind kind,
                                                                   const Uuid& file_id) {
  LG_ASSIGN_OR_RETURN(auto file, context.fs.Open(path, OpenMode::kCreate));
  LG_RETURN_IF_ERROR(file->Truncate(0));
  return std::unique_ptr<SealedFileWriter>(
      new SealedFileWriter(context, std::move(file), kind, file_id));
}

SealedFileWriter::SealedFileWriter(const SealedFileContext& context, std::unique_ptr<File> file,
                                   SealedFileKind kind, const Uuid& file_id)
    : context_(context),
      file_(std::move(file)),
      kind_(kind),
      header_(MakeHeader(kind, file_id, context.incarnation)),
      cipher_(header_) {}

Status SealedFileWriter::Append(ByteSpan plain) {
  if (finished_) return Error(Errc::kInternal, "index: a finished file was appended to");
  plain_size_ += plain.size();
  const size_t frame = kind_ == SealedFileKind::kTable ? kFramePlain : kJournalFrameMax;
  while (!plain.empty()) {
    // A full frame is sealed only when more follows: the last one must say that it is the last.
    if (plain_.size() == frame) {
      SealFrame(plain_, false);
      plain_.clear();
      if (cipher_.size() >= kWriteOutAt) LG_RETURN_IF_ERROR(WriteOut());
    }
    const size_t take = std::min(frame - plain_.size(), plain.size());
    plain_.insert(plain_.end(), plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(take));
    plain = plain.subspan(take);
  }
  return {};
}

void SealedFileWriter::SealFrame(ByteSpan plain, bool last) {
  if (kind_ == SealedFileKind::kJournal) {
    const size_t at = cipher_.size();
    cipher_.resize(at + kLengthSize);
    StoreLe(cipher_.data() + at, static_cast<uint32_t>(plain.size()));
  }
  const ByteVector sealed =
      Seal(context_.key, plain, AssociatedData(context_, header_, next_frame_++, last));
  cipher_.insert(cipher_.end(), sealed.begin(), sealed.end());
}

Status SealedFileWriter::WriteOut() {
  LG_RETURN_IF_ERROR(file_->WriteAt(cipher_offset_, cipher_));
  cipher_offset_ += cipher_.size();
  cipher_.clear();
  return {};
}

Status SealedFileWriter::Finish() {
  const bool table = kind_ == SealedFileKind::kTable;
  if (table ? !finished_ : !plain_.empty()) {
    SealFrame(plain_, table);
    plain_.clear();
  }
  finished_ = table;
  return cipher_.empty() ? Status{} : WriteOut();
}

Status SealedFileWriter::Sync() {
  LG_RETURN_IF_ERROR(Finish());
  return file_->Sync();
}

Result<std::unique_ptr<SealedTable>> SealedTable::Open(const SealedFileContext& context,
                                                       const std::string& path, const Uuid& file_id,
                                                       uint64_t plain_size) {
  LG_ASSIGN_OR_RETURN(auto file, context.fs.Open(path, OpenMode::kRead));
  const ByteVector header = MakeHeader(SealedFileKind::kTable, file_id, context.incarnation);
  LG_RETURN_IF_ERROR(CheckHeader(*file, NameOf(path), header));
  LG_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size != kHeaderSize + plain_size + FrameCount(plain_size) * kSealOverhead)
    return Damaged(NameOf(path) + " has another length than the index wrote");
  return std::unique_ptr<SealedTable>(
      new SealedTable(context, std::move(file), header, plain_size));
}

SealedTable::SealedTable(const SealedFileContext& context, std::unique_ptr<File> file,
                         ByteVector header, uint64_t plain_size)
    : context_(context),
      file_(std::move(file)),
      header_(std::move(header)),
      plain_size_(plain_size) {}

Result<size_t> SealedTable::Read(uint64_t offset, MutableByteSpan out) const {
  if (offset >= plain_size_ || out.empty()) return size_t{0};
  const size_t length = static_cast<size_t>(std::min<uint64_t>(out.size(), plain_size_ - offset));
  const uint64_t first = offset / kFramePlain;
  const uint64_t last = (offset + length - 1) / kFramePlain;
  const uint64_t last_of_all = FrameCount(plain_size_) - 1;
  const uint64_t end_plain = std::min((last + 1) * kFramePlain, plain_size_);

  ByteVector cipher(end_plain - first * kFramePlain + (last - first + 1) * kSealOverhead);
  LG_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(kHeaderSize + first * kFrameCipher, cipher));
  if (got != cipher.size()) return Damaged("a table became shorter while it was read");

  size_t done = 0;
  for (uint64_t frame = first; frame <= last; ++frame) {
    const ByteSpan rest = ByteSpan(cipher).subspan((frame - first) * kFrameCipher);
    const auto plain =
        leadglass::Open(context_.key, rest.first(std::min(rest.size(), kFrameCipher)),
                        AssociatedData(context_, header_, frame, frame == last_of_all));
    if (!plain) return Damaged("frame " + std::to_string(frame) + " of a table is damaged");
    const size_t skip = frame == first ? static_cast<size_t>(offset % kFramePlain) : 0;
    const size_t take = std::min(plain->size() - skip, length - done);
    std::memcpy(out.data() + done, plain->data() + skip, take);
    done += take;
  }
  return length;
}

Result<ByteVector> ReadJournal(const SealedFileContext& context, const std::string& path,
                               const Uuid& file_id, uint64_t durable_size) {
  LG_ASSIGN_OR_RETURN(const ByteVector all, ReadWholeFile(context.fs, path, kJournalLimit));
  const ByteVector header = MakeHeader(SealedFileKind::kJournal, file_id, context.incarnation);
  if (all.size() < kHeaderSize || !std::equal(header.begin(), header.end(), all.begin()))
    return Damaged(NameOf(path) + " is not the file that the index wrote");
  ByteReader in(ByteSpan(all).subspan(kHeaderSize));
  ByteVector plain;
  for (uint64_t frame = 0; in.remaining() > 0; ++frame) {
    const uint32_t length = in.U32();
    if (in.failed() || length > SealedFileWriter::kJournalFrameMax) break;
    const ByteSpan sealed = in.Raw(length + kSealOverhead);
    if (in.failed()) break;
    const auto opened =
        leadglass::Open(context.key, sealed, AssociatedData(context, header, frame, false));
    if (!opened) break;
    plain.insert(plain.end(), opened->begin(), opened->end());
  }
  if (plain.size() < durable_size)
    return Damaged(NameOf(path) + " is damaged below what was durable");
  return plain;
}

}  // namespace leadglass
