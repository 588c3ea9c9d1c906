// SPDX-License-Identifier: Apache-2.0

// The lookups of LevelDbIndex.

#include <leveldb/db.h>
#include <leveldb/iterator.h>

#include <algorithm>
#include <utility>

#include "index/index_applier.h"
#include "index/index_keys.h"
#include "index/leveldb_index.h"

namespace leadglass {
namespace {

namespace keys = index_keys;

// After this many keys of one inode, seeking its end is cheaper than walking there.
constexpr int kKeysBeforeSeek = 16;

}  // namespace

Result<LevelDbIndex::Value> LevelDbIndex::Read(const std::string& key) const {
  {
    ReaderLock lock(staged_mutex_);
    if (const auto it = staged_.find(key); it != staged_.end()) return it->second;
  }
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  std::string value;
  const leveldb::Status status = db_->Get(options, key, &value);
  if (status.ok()) return Value(std::move(value));
  if (status.IsNotFound()) return Value();
  return Damaged(env_->ToError(status));
}

template <typename Record>
Result<std::optional<Record>> LevelDbIndex::ReadRecord(const std::string& key) const {
  LG_ASSIGN_OR_RETURN(const Value value, Read(key));
  if (!value) return std::optional<Record>();
  LG_ASSIGN_OR_RETURN(Record record, DecodeRecord<Record>(*value));
  return std::optional(std::move(record));
}

std::unique_ptr<leveldb::Iterator> LevelDbIndex::OpenIterator(const std::string& from,
                                                              const std::string& to,
                                                              bool keep_blocks,
                                                              IndexChanges& staged) const {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = keep_blocks;
  // Both of one moment: what is settled meanwhile is in both.
  ReaderLock lock(staged_mutex_);
  CopyChanges(staged_, from, to, staged);
  return std::unique_ptr<leveldb::Iterator>(db_->NewIterator(options));
}

Status LevelDbIndex::Scan(const std::string& from, const std::string& to, const Visitor& visitor,
                          bool keep_blocks) const {
  IndexChanges staged;
  const auto stored = OpenIterator(from, to, keep_blocks, staged);
  MergedIterator it(*stored, std::move(staged));
  it.Seek(from);
  int walked = 0;
  for (;;) {
    // The iterator passes over a block it cannot read: only the status tells.
    if (!it.status().ok()) return Damaged(env_->ToError(it.status()));
    if (!it.Valid() || it.key() >= to) return {};
    LG_ASSIGN_OR_RETURN(const Next next, visitor(it.key(), it.value()));
    if (next == Next::kStop) return {};
    walked = next == Next::kSkipInode ? walked + 1 : 0;
    if (walked > kKeysBeforeSeek) {
      it.Seek(keys::NextInode(keys::Be64At(it.key(), 1)));
      walked = 0;
    } else {
      it.Next();
    }
  }
}

Result<std::optional<InodeRecord>> LevelDbIndex::GetInode(InodeId inode) const {
  LG_ASSIGN_OR_RETURN(const Value value, Read(keys::Inode(inode)));
  if (!value) return std::optional<InodeRecord>();
  LG_ASSIGN_OR_RETURN(InodeRecord record, DecodeInode(inode, *value));
  return std::optional(std::move(record));
}

Result<std::vector<InodeId>> LevelDbIndex::Orphans() const {
  std::vector<InodeId> orphans;
  LG_RETURN_IF_ERROR(
      Scan("O", keys::After("O"), [&](std::string_view key, std::string_view) -> Result<Next> {
        orphans.push_back(keys::Be64At(key, 1));
        return Next::kGoOn;
      }));
  return orphans;
}

Status LevelDbIndex::VisitInodes(const std::function<bool(const InodeRecord&)>& visitor) const {
  return Scan(
      "I", keys::After("I"),
      [&](std::string_view key, std::string_view value) -> Result<Next> {
        if (key.size() != keys::kPartSize || key.back() != keys::kInodePart)
          return Next::kSkipInode;
        LG_ASSIGN_OR_RETURN(const InodeRecord record, DecodeInode(keys::Be64At(key, 1), value));
        return visitor(record) ? Next::kGoOn : Next::kStop;
      },
      false);
}

Result<std::optional<NameRecord>> LevelDbIndex::GetName(InodeId parent,
                                                        std::string_view name) const {
  LG_ASSIGN_OR_RETURN(const Value value, Read(keys::Name(parent, name)));
  if (!value) return std::optional<NameRecord>();
  LG_ASSIGN_OR_RETURN(NameRecord record, DecodeName(parent, name, *value));
  return std::optional(std::move(record));
}

Status LevelDbIndex::VisitNames(InodeId parent, uint64_t after,
                                const std::function<bool(const NameRecord&)>& visitor) const {
  if (after == ~uint64_t{0}) return {};
  return Scan(
      keys::Cookie(parent, after + 1), keys::After(keys::InodePart(parent, keys::kCookiePart)),
      [&](std::string_view key, std::string_view value) -> Result<Next> {
        LG_ASSIGN_OR_RETURN(const NameRecord record,
                            DecodeListedName(parent, keys::Be64At(key, keys::kPartSize), value));
        if ((record.flags & kNameAlias) != 0) return Next::kGoOn;
        return visitor(record) ? Next::kGoOn : Next::kStop;
      });
}

Result<std::vector<NameRecord>> LevelDbIndex::AllNames(InodeId parent) const {
  std::vector<NameRecord> names;
  const std::string prefix = keys::InodePart(parent, keys::kCookiePart);
  LG_RETURN_IF_ERROR(Scan(
      prefix, keys::After(prefix),
      [&](std::string_view key, std::string_view value) -> Result<Next> {
        LG_ASSIGN_OR_RETURN(NameRecord record,
                            DecodeListedName(parent, keys::Be64At(key, keys::kPartSize), value));
        names.push_back(std::move(record));
        return Next::kGoOn;
      }));
  return names;
}

Status LevelDbIndex::FillSessions(std::vector<Extent>& extents) const {
  ReaderLock lock(sessions_mutex_);
  for (Extent& extent : extents) {
    if (extent.hole) continue;
    const auto it = sessions_.find(extent.session);
    if (it == sessions_.end())
      return Error(Errc::kCorrupt, "index: an extent names session " +
                                       std::to_string(extent.session) +
                                       ", which no commit introduced: rebuild the index");
    extent.record.write_id.session = it->second;
  }
  return {};
}

Result<std::optional<Extent>> LevelDbIndex::ExtentEndingAt(InodeId inode, uint64_t end) const {
  LG_ASSIGN_OR_RETURN(const Value value, Read(keys::Extent(inode, end)));
  if (!value) return std::optional<Extent>();
  std::vector<Extent> found(1);
  LG_ASSIGN_OR_RETURN(found.front(), DecodeExtent(end, *value));
  LG_RETURN_IF_ERROR(FillSessions(found));
  return std::optional(found.front());
}

Result<std::vector<Extent>> LevelDbIndex::Extents(InodeId inode, uint64_t from, uint64_t to) const {
  std::vector<Extent> extents;
  if (from >= to) return extents;
  LG_RETURN_IF_ERROR(Scan(keys::Extent(inode, from + 1), keys::InodePart(inode, keys::kFileKeyPart),
                          [&](std::string_view key, std::string_view value) -> Result<Next> {
                            LG_ASSIGN_OR_RETURN(
                                const Extent extent,
                                DecodeExtent(keys::Be64At(key, keys::kPartSize), value));
                            if (extent.file_offset >= to) return Next::kStop;
                            extents.push_back(extent);
                            return Next::kGoOn;
                          }));
  LG_RETURN_IF_ERROR(FillSessions(extents));
  return extents;
}

Result<std::optional<ByteVector>> LevelDbIndex::GetXattr(InodeId inode,
                                                         std::string_view name) const {
  LG_ASSIGN_OR_RETURN(const Value value, Read(keys::Xattr(inode, name)));
  if (!value) return std::optional<ByteVector>();
  return std::optional(ByteVector(value->begin(), value->end()));
}

Result<std::vector<std::string>> LevelDbIndex::XattrNames(InodeId inode) const {
  std::vector<std::string> names;
  const std::string prefix = keys::InodePart(inode, keys::kXattrPart);
  LG_RETURN_IF_ERROR(Scan(prefix, keys::InodePart(inode, keys::kFilingPart),
                          [&](std::string_view key, std::string_view) -> Result<Next> {
                            names.emplace_back(key.substr(prefix.size()));
                            return Next::kGoOn;
                          }));
  return names;
}

Result<std::optional<FileKeyRecord>> LevelDbIndex::GetFileKey(InodeId inode,
                                                              uint32_t generation) const {
  return ReadRecord<FileKeyRecord>(keys::FileKey(inode, generation));
}

Result<std::optional<StudyKeyRecord>> LevelDbIndex::GetStudyKey(const Uuid& study_key_id,
                                                                uint64_t group) const {
  return ReadRecord<StudyKeyRecord>(keys::StudyKey(study_key_id, group));
}

Result<std::optional<Uuid>> LevelDbIndex::FindStudyKey(std::string_view study_identity) const {
  LG_ASSIGN_OR_RETURN(const Value value, Read(keys::StudyKeyOfIdentity(study_identity)));
  if (!value) return std::optional<Uuid>();
  ByteReader in(AsBytes(*value));
  const Uuid id = in.Array<16>();
  if (!in.Finished()) return MalformedValue("study key id");
  return std::optional(id);
}

Result<std::optional<GroupKeyRecord>> LevelDbIndex::GetGroupKey(uint64_t group) const {
  return ReadRecord<GroupKeyRecord>(keys::GroupKey(group));
}

template <typename Record>
Result<std::vector<Record>> LevelDbIndex::RecordsIn(const std::string& from,
                                                    const std::string& to) const {
  std::vector<Record> records;
  LG_RETURN_IF_ERROR(Scan(from, to, [&](std::string_view, std::string_view value) -> Result<Next> {
    LG_ASSIGN_OR_RETURN(Record record, DecodeRecord<Record>(value));
    records.push_back(std::move(record));
    return Next::kGoOn;
  }));
  return records;
}

Result<std::vector<StudyKeyRecord>> LevelDbIndex::StudyKeyWraps(const Uuid& study_key_id) const {
  return RecordsIn<StudyKeyRecord>(keys::StudyKey(study_key_id, 0),
                                   keys::StudyKey(study_key_id, UINT64_MAX));
}

Result<std::vector<Uuid>> LevelDbIndex::StudyKeysOf(std::string_view study_identity) const {
  std::vector<Uuid> ids;
  const std::string prefix = keys::StudyKeysOf(study_identity);
  LG_RETURN_IF_ERROR(Scan(prefix, keys::After(prefix),
                          [&](std::string_view key, std::string_view) -> Result<Next> {
                            ByteReader in(AsBytes(key.substr(prefix.size())));
                            ids.push_back(in.Array<16>());
                            if (!in.Finished()) return MalformedValue("study key id");
                            return Next::kGoOn;
                          }));
  return ids;
}

Status LevelDbIndex::VisitStudyKeys(
    const std::function<bool(const StudyKeyRecord&)>& visitor) const {
  return Scan(
      "Y", keys::After("Y"),
      [&](std::string_view, std::string_view value) -> Result<Next> {
        LG_ASSIGN_OR_RETURN(const auto record, DecodeRecord<StudyKeyRecord>(value));
        return visitor(record) ? Next::kGoOn : Next::kStop;
      },
      false);
}

Result<std::optional<GroupKeyRecord>> LevelDbIndex::FindGroupKey(uint32_t gid) const {
  LG_ASSIGN_OR_RETURN(const Value value, Read(keys::GroupKeyOf(gid)));
  if (!value) return std::optional<GroupKeyRecord>();
  return GetGroupKey(keys::Be64At(*value, 0));
}

Result<std::vector<GroupKeyRecord>> LevelDbIndex::GroupKeys() const {
  return RecordsIn<GroupKeyRecord>("G", keys::After("G"));
}

Result<PutRenewals> LevelDbIndex::GetRenewals() const {
  LG_ASSIGN_OR_RETURN(const auto renewals, ReadRecord<PutRenewals>(keys::Renewals()));
  return renewals.value_or(PutRenewals());
}

Result<std::optional<PutShred>> LevelDbIndex::GetShred(std::string_view study_identity) const {
  return ReadRecord<PutShred>(keys::Shred(study_identity));
}

Result<std::vector<PutShred>> LevelDbIndex::Shreds() const {
  return RecordsIn<PutShred>("D", keys::After("D"));
}

Result<std::optional<PutConfiguration>> LevelDbIndex::GetConfiguration() const {
  return ReadRecord<PutConfiguration>(keys::Configuration());
}

Result<std::optional<QuoteAudit>> LevelDbIndex::GetAuditQuote() const {
  return ReadRecord<QuoteAudit>(keys::AuditQuote());
}

// All records under a letter.
Result<std::vector<HoldRecord>> LevelDbIndex::Holds() const {
  return RecordsIn<HoldRecord>("H", keys::After("H"));
}

Result<std::vector<EmergencyRecord>> LevelDbIndex::Emergencies() const {
  return RecordsIn<EmergencyRecord>("E", keys::After("E"));
}

Result<std::optional<Uuid>> LevelDbIndex::GetSession(uint32_t number) const {
  ReaderLock lock(sessions_mutex_);
  const auto it = sessions_.find(number);
  return it == sessions_.end() ? std::optional<Uuid>() : std::optional(it->second);
}

Result<std::optional<EntityRecord>> LevelDbIndex::GetEntity(EntityKind kind,
                                                            std::string_view identity) const {
  return ReadRecord<EntityRecord>(keys::Entity(kind, identity));
}

Result<std::optional<EntityRecord>> LevelDbIndex::GetEntityOfFolder(InodeId folder) const {
  LG_ASSIGN_OR_RETURN(const Value entity_key, Read(keys::EntityOfFolder(folder)));
  if (!entity_key) return std::optional<EntityRecord>();
  return ReadRecord<EntityRecord>(*entity_key);
}

Result<std::optional<FilingRecord>> LevelDbIndex::GetFiling(InodeId inode) const {
  return ReadRecord<FilingRecord>(keys::Filing(inode));
}

Result<std::vector<InodeId>> LevelDbIndex::Instances(InodeId series_folder,
                                                     std::string_view instance_identity) const {
  std::vector<InodeId> candidates;
  const std::string prefix = keys::Instances(series_folder, InstanceHash(instance_identity));
  LG_RETURN_IF_ERROR(Scan(prefix, keys::After(prefix),
                          [&](std::string_view key, std::string_view) -> Result<Next> {
                            candidates.push_back(keys::Be64At(key, keys::kPartSize + 8));
                            return Next::kGoOn;
                          }));
  std::vector<InodeId> instances;
  for (const InodeId inode : candidates) {
    LG_ASSIGN_OR_RETURN(const auto filing, GetFiling(inode));
    if (filing && filing->instance_identity == instance_identity) instances.push_back(inode);
  }
  return instances;
}

// A stretch of each viewer's patients at a time: as many as are wanted by the next listing request.
Status LevelDbIndex::VisitPatientsOf(std::span<const Viewer> viewers, InodeId after,
                                     const std::function<bool(InodeId)>& visitor) const {
  constexpr size_t kStretch = 256;
  for (;;) {
    InodeId complete = UINT64_MAX;  // every viewer's patients up to here were seen
    std::vector<InodeId> patients;
    for (const Viewer& viewer : viewers) {
      size_t seen = 0;
      InodeId last = after;
      LG_RETURN_IF_ERROR(Scan(keys::SeenBy(viewer, after + 1, 0),
                              keys::SeenBy(viewer, UINT64_MAX, UINT64_MAX),
                              [&](std::string_view key, std::string_view) -> Result<Next> {
                                const InodeId patient = keys::Be64At(key, 1 + keys::kViewerSize);
                                if (patient == last) return Next::kGoOn;
                                if (++seen > kStretch) {
                                  complete = std::min(complete, last);
                                  return Next::kStop;
                                }
                                patients.push_back(last = patient);
                                return Next::kGoOn;
                              }));
    }
    std::sort(patients.begin(), patients.end());
    patients.erase(std::unique(patients.begin(), patients.end()), patients.end());
    for (const InodeId patient : patients) {
      if (patient > complete) break;
      if (!visitor(patient)) return {};
    }
    if (complete == UINT64_MAX) return {};
    after = complete;
  }
}

Status LevelDbIndex::VisitViewers(
    InodeId patient, const std::function<bool(const Viewer&, InodeId)>& visitor) const {
  const std::string prefix = keys::InodePart(patient, keys::kViewerPart);
  return Scan(prefix, keys::After(prefix),
              [&](std::string_view key, std::string_view) -> Result<Next> {
                return visitor(keys::ViewerAt(key, keys::kPartSize),
                               keys::Be64At(key, keys::kPartSize + keys::kViewerSize))
                           ? Next::kGoOn
                           : Next::kStop;
              });
}

Result<bool> LevelDbIndex::IsDead(const Position& position, const DeadRecord& record) const {
  // Most files that lost all are gone. A scan in the place of their extents would go on through
  // what LevelDB keeps of all the others that were erased since, to the next that lives.
  LG_ASSIGN_OR_RETURN(const Value inode, Read(keys::Inode(record.inode)));
  if (!inode) return true;
  LG_ASSIGN_OR_RETURN(const auto extents, Extents(record.inode, record.file_offset,
                                                  record.file_offset + record.length));
  return std::none_of(extents.begin(), extents.end(), [&](const Extent& extent) {
    return !extent.hole && extent.record.position == position;
  });
}

Result<DeadBatch> LevelDbIndex::DeadRecords(int64_t from, int64_t before, SegmentId below,
                                            size_t limit) const {
  DeadBatch batch;
  batch.next = from;
  std::vector<Position> candidates;
  bool passed_over = false;
  if (limit == 0 || before < from) return batch;
  LG_RETURN_IF_ERROR(Scan(
      keys::DeadSince(from, {}), keys::DeadSince(before, {{UINT32_MAX, UINT64_MAX}, UINT64_MAX}),
      [&](std::string_view key, std::string_view) -> Result<Next> {
        if (candidates.size() == limit) {
          batch.more = true;
          return Next::kStop;
        }
        const Position position = keys::PositionAt(key, key.size() - keys::kPositionSize);
        if (!passed_over) batch.next = keys::DeadSinceAt(key);
        if (position.segment < below) {
          candidates.push_back(position);
        } else {
          passed_over = true;
        }
        return Next::kGoOn;
      }));
  for (const Position& position : candidates) {
    LG_ASSIGN_OR_RETURN(const Value value, Read(keys::DeadRecord(position)));
    if (!value) continue;  // punched since the scan began
    LG_ASSIGN_OR_RETURN(const DeadRecord record, DecodeDeadRecord(*value));
    LG_ASSIGN_OR_RETURN(const bool is_dead, IsDead(position, record));
    if (is_dead) batch.records.push_back({position, record.space});
  }
  return batch;
}

Result<std::vector<RecordSpace>> LevelDbIndex::LastPunch() const {
  LG_ASSIGN_OR_RETURN(const auto punch, ReadRecord<Punch>(keys::LastPunch()));
  return punch ? punch->records : std::vector<RecordSpace>();
}

Status LevelDbIndex::VisitUnfiled(const std::function<bool(const FilingRecord&)>& visitor) const {
  return Scan("U", keys::After("U"), [&](std::string_view key, std::string_view) -> Result<Next> {
    LG_ASSIGN_OR_RETURN(const auto filing, GetFiling(keys::Be64At(key, 1)));
    // Filed by an Apply() since the scan began.
    if (!filing || filing->state == FilingState::kFiled) return Next::kGoOn;
    return visitor(*filing) ? Next::kGoOn : Next::kStop;
  });
}

}  // namespace leadglass
