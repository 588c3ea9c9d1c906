// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/segment_writer.h"

#include <algorithm>

namespace leadglass {
namespace {

// Extends the file to `size`; from the reserve where that is allowed and the disk is full.
Status AllocateTo(File& file, uint64_t size, uint64_t missing, SpaceReserve& reserve,
                  bool use_reserve) {
  Status status = file.Allocate(0, size);
  if (status || status.error().code != Errc::kNoSpace || !use_reserve) return status;
  // Blocks come in 4 KiB, and the file system needs a few for itself.
  if (!reserve.Release(missing + (64u << 10))) return status;
  return file.Allocate(0, size);
}

}  // namespace

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(
    FileSystem& fs, const std::string& path, uint64_t want, uint64_t need, SpaceReserve& reserve,
    bool use_reserve, WriteBuffers& buffers, StagedFile::Flushing flushing) {
  LG_ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs.Open(path, OpenMode::kCreateExclusive));
  const uint64_t least = kSegmentHeaderSize + need;
  uint64_t size = std::max(want, least);
  Status status = file->Allocate(0, size);
  // On a nearly full disk ever smaller segments, down to what this record needs.
  while (!status && status.error().code == Errc::kNoSpace && size > least) {
    size = std::max(size / 4, least);
    LG_RETURN_IF_ERROR(file->Truncate(0));
    status = size > least ? file->Allocate(0, size)
                          : AllocateTo(*file, least, least, reserve, use_reserve);
  }
  if (!status) {
    file.reset();
    // What stays behind where this fails is an empty file, which readers pass over.
    if (Status removed = fs.Remove(path); !removed) return status.error();
    return status.error();
  }
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(
      std::make_shared<StagedFile>(std::move(file), size, buffers, flushing), want, size));
}

std::unique_ptr<SegmentWriter> SegmentWriter::Adopt(std::unique_ptr<File> file, uint64_t allocated,
                                                    WriteBuffers& buffers,
                                                    StagedFile::Flushing flushing) {
  return std::unique_ptr<SegmentWriter>(
      new SegmentWriter(std::make_shared<StagedFile>(std::move(file), allocated, buffers, flushing),
                        allocated, allocated));
}

Status SegmentWriter::WriteHeader(const SegmentHeader& header, const HeaderBlock* previous_block) {
  id_ = header.id;
  block_ = EncodeHeaderBlock(header);
  footer_ = FooterBuilder(id_, block_);
  return file_->WriteAt(0, EncodeSegmentHeader(block_, previous_block));
}

// The size of the segment with such a record, what is held, and the footer after it.
uint64_t SegmentWriter::NeedAfter(const Frame& frame) const {
  return end_ + frame.record_length + footer_.RecordSize() + FooterBuilder::EntrySize(frame) +
         held_;
}

bool SegmentWriter::Fits(const Frame& frame) const {
  if (fresh_) return true;
  const uint64_t footer = footer_.RecordSize() + FooterBuilder::EntrySize(frame);
  return footer <= kSoftFooterLimit && NeedAfter(frame) <= want_;
}

Status SegmentWriter::MakeRoom(const Frame& frame, SpaceReserve& reserve, bool use_reserve) {
  const uint64_t need = NeedAfter(frame);
  if (need <= allocated_) return {};
  LG_RETURN_IF_ERROR(AllocateTo(*file_, need, need - allocated_, reserve, use_reserve));
  allocated_ = need;
  return {};
}

uint64_t SegmentWriter::Take(const Frame& frame, ByteSpan commit) {
  LG_CHECK(NeedAfter(frame) <= allocated_);
  const uint64_t offset = end_;
  if (commit.empty()) {
    footer_.Add(offset, frame);
  } else {
    footer_.AddCommit(offset, commit);
  }
  fresh_ = fresh_ && frame.is_footer();
  end_ += frame.record_length;
  return offset;
}

Status SegmentWriter::WriteFooter(Frame& frame) {
  const ByteVector record = footer_.Build(RecordKind::kFooter, end_, end_, frame);
  LG_RETURN_IF_ERROR(file_->WriteAt(end_, record));
  end_ += record.size();
  LG_RETURN_IF_ERROR(file_->Truncate(end_));
  allocated_ = end_;
  return {};
}

uint64_t SegmentWriter::unused() const {
  const uint64_t used = end_ + footer_.RecordSize() + held_;
  return allocated_ > used ? allocated_ - used : 0;
}

}  // namespace leadglass
