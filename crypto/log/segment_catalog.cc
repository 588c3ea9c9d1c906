// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/segment_catalog.h"

#include <algorithm>

#include "crypto/log/segment_scan.h"

namespace leadglass {
namespace {

Result<ByteVector> ReadHeaderBytes(SegmentFiles& files, SegmentId id) {
  LG_ASSIGN_OR_RETURN(const auto file, files.Get(id));
  ByteVector bytes(kSegmentHeaderSize);
  LG_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, bytes));
  bytes.resize(got);
  return bytes;
}

}  // namespace

Result<SegmentCatalog> SegmentCatalog::Read(SegmentFiles& files, const Uuid& vault_id,
                                            SegmentClass segment_class, bool read_only,
                                            bool allow_gaps) {
  SegmentCatalog catalog(files, vault_id, segment_class, read_only);
  LG_ASSIGN_OR_RETURN(catalog.listing_, ListSegments(files.fs(), files.folder()));
  if (!allow_gaps) LG_RETURN_IF_ERROR(CheckNoGap(catalog.listing_.segments));
  return catalog;
}

bool SegmentCatalog::Has(SegmentId id) const {
  return std::binary_search(listing_.segments.begin(), listing_.segments.end(), id);
}

Result<CatalogEntry> SegmentCatalog::Header(SegmentId id) {
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  LG_ASSIGN_OR_RETURN(const CatalogEntry entry, Load(id));
  LG_RETURN_IF_ERROR(Check(id, entry.header));
  known_.emplace(id, entry);
  return entry;
}

Result<bool> SegmentCatalog::HeaderIsGone(SegmentId id) {
  if (known_.contains(id)) return false;
  const Result<CatalogEntry> entry = Load(id);
  if (entry) return false;
  if (entry.error().code == Errc::kCorrupt) return true;
  return entry.error();
}

Result<CatalogEntry> SegmentCatalog::Load(SegmentId id) {
  if (!Has(id))
    return Error(Errc::kCorrupt,
                 ToString(id) + " is missing from the log: bring its file back from a copy");
  LG_ASSIGN_OR_RETURN(const ByteVector bytes, ReadHeaderBytes(*files_, id));
  Result<DecodedSegmentHeader> own = DecodeSegmentHeader(bytes);
  if (own) return CatalogEntry{own->header, own->block, own->first_copy_damaged};
  if (own.error().code != Errc::kCorrupt) return own.error();
  LG_ASSIGN_OR_RETURN(const HeaderBlock block, OtherCopy(id));
  LG_ASSIGN_OR_RETURN(const SegmentHeader header, DecodeHeaderBlock(block));
  return CatalogEntry{header, block, true};
}

// From the header of the segment that continues this one, or from the footer.
Result<HeaderBlock> SegmentCatalog::OtherCopy(SegmentId id) {
  const auto& all = listing_.segments;
  for (auto next = std::upper_bound(all.begin(), all.end(), id); next != all.end(); ++next) {
    LG_ASSIGN_OR_RETURN(const ByteVector bytes, ReadHeaderBytes(*files_, *next));
    const Result<DecodedSegmentHeader> header = DecodeSegmentHeader(bytes);
    if (!header || header->header.previous != id) continue;
    if (Result<HeaderBlock> block = PreviousBlockIn(bytes); block) return *block;
  }
  LG_ASSIGN_OR_RETURN(const auto file, files_->Get(id));
  if (const Result<FoundFooter> own = ReadOwnFooter(*file, id, std::nullopt); own)
    return own->footer.block;
  return Error(Errc::kCorrupt, ToString(id) +
                                   ": every copy of its header is damaged: bring the segment's "
                                   "file back from a copy");
}

Status SegmentCatalog::Check(SegmentId id, const SegmentHeader& header) const {
  if (header.vault_id != vault_id_)
    return Error(Errc::kCorrupt, ToString(id) + " belongs to another vault");
  if (header.id != id)
    return Error(Errc::kCorrupt,
                 ToString(id) + " holds what was written as " + ToString(header.id));
  if (header.segment_class > SegmentClass::kAudit)
    return Error(Errc::kUnsupported,
                 ToString(id) + " is of a class that this leadglass does not know");
  if (header.segment_class != class_)
    return Error(Errc::kCorrupt, ToString(id) +
                                     " belongs to another of the vault's logs: bring "
                                     "back the segment that stood in its place");
  if (!read_only_ && (header.read_only_compatible & ~kKnownReadOnlyCompatible) != 0)
    return Error(Errc::kUnsupported,
                 ToString(id) +
                     " uses a feature that this leadglass can only read: open it "
                     "read-only, or with a newer leadglass");
  return {};
}

}  // namespace leadglass
