// SPDX-License-Identifier: Apache-2.0

// What LevelDbIndex does for checkpoints: saying in operations what the tables hold, and telling
// which records of the log are needed.

#include <leveldb/iterator.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "index/index_keys.h"
#include "index/leveldb_index.h"

namespace leadglass {
namespace {

namespace keys = index_keys;

// What is said, in this order, each a walk over the keys of one letter; 'N' are the names that
// folders hold, under the inodes' letter as well. Keys and sessions come before what names them,
// and inodes before names, in the order of their numbers, so that who replays it need not look
// whether they are there. The others follow: O, U, Z and the other parts of folders from these, the
// books on dead records (X, V, W, R) from what comes behind the base.
constexpr std::string_view kRestated = "ACDKMGYINPHE";
constexpr char LetterOf(char walk) { return walk == 'N' ? 'I' : walk; }
// So many things at most in one piece: an operation is larger than what the index keeps of it, by
// some hundred bytes at most.
constexpr size_t kMostOperations = 1'000;
// So much is walked over at most for one piece: a vault that is closed waits for it.
constexpr size_t kMostWalked = 2u << 20;

// Says a record that was read, as the operation that puts it.
template <typename Put, typename Record>
Status Say(Result<Record> record, Operations& out) {
  if (!record) return record.error();
  out.emplace_back(Put{*std::move(record)});
  return {};
}

Status RestateName(std::string_view key, std::string_view value, Operations& out) {
  return Say<PutName>(DecodeName(keys::Be64At(key, 1), key.substr(keys::kPartSize), value), out);
}

// What an inode is itself.
Status RestateInodePart(std::string_view key, std::string_view value, Operations& out) {
  const InodeId inode = keys::Be64At(key, 1);
  switch (key[9]) {
    case keys::kInodePart: return Say<PutInode>(DecodeInode(inode, value), out);
    case keys::kExtentPart: {
      LG_ASSIGN_OR_RETURN(const Extent extent,
                          DecodeExtent(keys::Be64At(key, keys::kPartSize), value));
      out.emplace_back(PutExtent{inode, extent});
      return {};
    }
    case keys::kFileKeyPart: return Say<PutFileKey>(DecodeRecord<FileKeyRecord>(value), out);
    case keys::kXattrPart:
      out.emplace_back(PutXattr{inode, std::string(key.substr(keys::kPartSize)),
                                ByteVector(value.begin(), value.end())});
      return {};
    case keys::kFilingPart: return Say<PutFiling>(DecodeRecord<FilingRecord>(value), out);
    default: return MalformedValue("key of an inode");
  }
}

// Session ids are kept as they are.
Status RestateSession(std::string_view key, std::string_view value, Operations& out) {
  PutSession session;
  if (key.size() != 5 || value.size() != session.session.size()) return MalformedValue("session");
  session.number = LoadBe<uint32_t>(AsBytes(key).data() + 1);
  std::copy(value.begin(), value.end(), session.session.begin());
  out.emplace_back(session);
  return {};
}

}  // namespace

// Of two keys of one study the one that is in use has to be put last.
Status LevelDbIndex::RestateStudyKey(std::string_view value, Operations& out) const {
  LG_ASSIGN_OR_RETURN(StudyKeyRecord record, DecodeRecord<StudyKeyRecord>(value));
  LG_ASSIGN_OR_RETURN(const auto in_use, FindStudyKey(record.study_identity));
  const bool other = in_use && *in_use != record.study_key_id;
  const std::string identity = record.study_identity;
  out.emplace_back(PutStudyKey{std::move(record)});
  if (!other) return {};
  const std::string used = keys::StudyKey(*in_use, 0);
  return Scan(
      used, keys::StudyKey(*in_use, UINT64_MAX),
      [&](std::string_view, std::string_view found) -> Result<Next> {
        LG_ASSIGN_OR_RETURN(StudyKeyRecord last, DecodeRecord<StudyKeyRecord>(found));
        if (last.study_identity != identity) return Next::kGoOn;
        out.emplace_back(PutStudyKey{std::move(last)});
        return Next::kStop;
      },
      false);
}

// Where a piece begins is said by the letter of the walk and a key.
//
// A run ends where a key is left out or an inode's number is: what may come in between later is
// another's, made by a commit behind the base, and needs no saying. Within an inode nothing is left
// out: what remains of an extent whose end is overwritten has another key, before its own.
Result<RestatePlan> LevelDbIndex::PlanRestate(const std::string& from, size_t bytes) const {
  RestatePlan plan;
  size_t taken = 0, said = 0, walked = 0;
  std::string last;  // that was passed, and the letter of its walk before it
  char walk = 0;
  bool in_run = false;
  size_t kind = from.empty() ? 0 : kRestated.find(from[0]);
  LG_CHECK(kind != kRestated.npos);
  std::string begin = from.empty() ? "" : from.substr(1);
  const auto visit = [&](std::string_view key, std::string_view value) -> Result<Next> {
    bool is_said = true;
    if (key[0] == 'I') {
      if (key.size() < keys::kPartSize) return MalformedValue("key of an inode");
      is_said = walk == 'I' ? key[9] <= keys::kFilingPart : key[9] == keys::kNamePart;
    }
    const bool is_full = taken >= bytes || said >= kMostOperations;
    if ((is_full && is_said) || walked >= kMostWalked) {
      // Right behind the last one, not this one: an extent has another key when its end is
      // overwritten before the next piece, and what is left of it must not be passed over.
      plan.next = last + '\0';
      return Next::kStop;
    }
    walked += key.size() + value.size();
    last.assign(1, walk).append(key);
    if (!is_said) {
      in_run = false;
      return Next::kGoOn;
    }
    taken += key.size() + value.size();
    ++said;
    if (in_run && key[0] == 'I') {
      const InodeId before = keys::Be64At(plan.runs.back().last, 1);
      in_run = keys::Be64At(key, 1) <= before + (walk == 'I' ? 1 : 0);
    } else {
      in_run = false;
    }
    if (!in_run) {
      // Where it goes on within an inode, what remains of an extent may get a key before this one.
      const bool goes_on =
          plan.runs.empty() && walk == 'I' && begin.starts_with(key.substr(0, keys::kPartSize - 1));
      plan.runs.push_back({walk, goes_on ? begin : std::string(key), {}});
    }
    plan.runs.back().last = key;
    in_run = true;
    return Next::kGoOn;
  };
  for (; kind < kRestated.size() && plan.next.empty(); ++kind, begin.clear()) {
    walk = kRestated[kind];
    in_run = false;
    const std::string letter(1, LetterOf(walk));
    LG_RETURN_IF_ERROR(Scan(begin.empty() ? letter : begin, keys::After(letter), visit, false));
  }
  return plan;
}

// Never goes past a run's last key, unless it has gone: behind it may lie much that was erased.
Result<Restated> LevelDbIndex::Restate(const RestatePlan& plan, size_t bytes) const {
  Restated piece;
  if (plan.runs.empty()) {
    piece.next = plan.next;
    return piece;
  }
  IndexChanges staged;
  const auto stored = OpenIterator("A", keys::After("Z"), false, staged);
  MergedIterator it(*stored, std::move(staged));
  size_t taken = 0;
  for (const RestatePlan::Run& run : plan.runs) {
    std::string last;
    for (it.Seek(run.first);; it.Next()) {
      if (!it.status().ok()) return Damaged(env_->ToError(it.status()));
      if (!it.Valid() || it.key() > run.last) break;
      // More than was planned for has come meanwhile.
      if (taken >= 2 * bytes || piece.operations.size() >= 2 * kMostOperations) {
        piece.next = run.walk + (last.empty() ? run.first : last + '\0');
        return piece;
      }
      last = it.key();
      taken += it.key().size() + it.value().size();
      LG_RETURN_IF_ERROR(RestateKey(run.walk, it.key(), it.value(), piece.operations));
      if (last == run.last) break;
    }
  }
  piece.next = plan.next;
  return piece;
}

Status LevelDbIndex::RestateKey(char walk, std::string_view key, std::string_view value,
                                Operations& out) const {
  if (key[0] == 'I' && key.size() < keys::kPartSize) return MalformedValue("key of an inode");
  switch (walk) {
    case 'I':
      if (key[9] > keys::kFilingPart) return {};  // a name: its own walk says it
      return RestateInodePart(key, value, out);
    case 'N': return key[9] == keys::kNamePart ? RestateName(key, value, out) : Status();
    case 'M': return RestateSession(key, value, out);
    case 'Y': return RestateStudyKey(value, out);
    case 'C': return Say<PutConfiguration>(DecodeRecord<PutConfiguration>(value), out);
    case 'A': return Say<QuoteAudit>(DecodeRecord<QuoteAudit>(value), out);
    case 'D': return Say<PutShred>(DecodeRecord<PutShred>(value), out);
    case 'K': return Say<PutRenewals>(DecodeRecord<PutRenewals>(value), out);
    case 'H': return Say<PutHold>(DecodeRecord<HoldRecord>(value), out);
    case 'E': return Say<PutEmergency>(DecodeRecord<EmergencyRecord>(value), out);
    case 'P': return Say<PutEntity>(DecodeRecord<EntityRecord>(value), out);
    case 'G': return Say<PutGroupKey>(DecodeRecord<GroupKeyRecord>(value), out);
    default: return MalformedValue("key");
  }
}

Status LevelDbIndex::VisitRecords(const std::function<bool(const RecordSpace&)>& visitor) const {
  const auto visit = [&](std::string_view key, std::string_view value) -> Result<Next> {
    if (key.size() < keys::kPartSize) return MalformedValue("key of an inode");
    if (key[9] > keys::kExtentPart) return Next::kSkipInode;
    if (key[9] < keys::kExtentPart) return Next::kGoOn;
    LG_ASSIGN_OR_RETURN(const Extent extent,
                        DecodeExtent(keys::Be64At(key, keys::kPartSize), value));
    return extent.hole || visitor(SpaceOf(extent.record)) ? Next::kGoOn : Next::kStop;
  };
  // Extents first: what dies during this walk is then met here, or as a dead record below.
  LG_RETURN_IF_ERROR(Scan("I", keys::After("I"), visit, false));
  LG_RETURN_IF_ERROR(Scan(
      "V", keys::After("V"),
      [&](std::string_view key, std::string_view) -> Result<Next> {
        const Position position = keys::PositionAt(key, key.size() - keys::kPositionSize);
        LG_ASSIGN_OR_RETURN(const Value value, Read(keys::DeadRecord(position)));
        if (!value) return Next::kGoOn;  // punched since the walk began
        LG_ASSIGN_OR_RETURN(const DeadRecord record, DecodeDeadRecord(*value));
        return visitor({position, record.space}) ? Next::kGoOn : Next::kStop;
      },
      false));
  return Scan(
      "W", keys::After("W"),
      [&](std::string_view, std::string_view value) -> Result<Next> {
        LG_ASSIGN_OR_RETURN(const RecordSpace record, DecodeRecord<RecordSpace>(value));
        return visitor(record) ? Next::kGoOn : Next::kStop;
      },
      false);
}

}  // namespace leadglass
