// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentCatalog: which segments there are, and their headers, served from another copy where the
// first is damaged.
// Thread-compatible.

#include <map>

#include "crypto/log/segment_files.h"
#include "crypto/log/segment_header.h"
#include "crypto/log/segment_names.h"

namespace leadglass {

struct CatalogEntry {
  SegmentHeader header;
  HeaderBlock block{};
  bool healed = false;  // the first copy was damaged
};

class SegmentCatalog {
 public:
  // Lists the log's folder. Errors of ListSegments() and, unless `allow_gaps`, of CheckNoGap().
  static Result<SegmentCatalog> Read(SegmentFiles& files, const Uuid& vault_id,
                                     SegmentClass segment_class, bool read_only, bool allow_gaps);

  const SegmentListing& listing() const { return listing_; }
  bool Has(SegmentId id) const;

  // The header of a listed segment. kCorrupt: all copies are damaged, or it belongs to another
  // vault or another place. kUnsupported: a newer format, or a feature this build lacks.
  Result<CatalogEntry> Header(SegmentId id);
  // True when neither copy in the segment's own file decodes and no other segment has one: as after
  // a crash while the segment was being made, or when a newest segment was damaged.
  Result<bool> HeaderIsGone(SegmentId id);

 private:
  SegmentCatalog(SegmentFiles& files, const Uuid& vault_id, SegmentClass segment_class,
                 bool read_only)
      : files_(&files), vault_id_(vault_id), class_(segment_class), read_only_(read_only) {}
  Result<CatalogEntry> Load(SegmentId id);
  Result<HeaderBlock> OtherCopy(SegmentId id);
  Status Check(SegmentId id, const SegmentHeader& header) const;

  SegmentFiles* files_;
  Uuid vault_id_;
  SegmentClass class_;
  bool read_only_;
  SegmentListing listing_;
  std::map<SegmentId, CatalogEntry> known_;
};

}  // namespace leadglass
