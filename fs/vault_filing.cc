// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>

#include "fs/vault_impl.h"
#include "fs/view_editor.h"
#include "index/dicom_keys.h"
#include "index/identity_scan.h"

namespace leadglass {
namespace {

constexpr const char* kDicomdirReason = "a DICOMDIR: it lists a medium's files and is no image";
constexpr const char* kIncompleteReason = "a write of it failed: its content is incomplete";

const DicomFacts* ImageFacts(const ParseOutcome& outcome) {
  const auto* facts = std::get_if<DicomFacts>(&outcome);
  return facts != nullptr && facts->kind != DicomFacts::Kind::kDicomdir ? facts : nullptr;
}

std::string StudyIdentity(const DicomFacts& facts, InodeId inode) {
  return ViewEditor::Identity(StudyKey(facts, inode));
}

// Empty: it is no image.
std::string StudyIdentity(const DicomFacts* facts, InodeId inode) {
  return facts == nullptr ? std::string() : StudyIdentity(*facts, inode);
}

}  // namespace

Result<std::optional<ParseOutcome>> VaultImpl::ParseHeaderOf(const InodePtr& state,
                                                             uint64_t& version) {
  uint64_t size = 0;
  uint32_t uid = 0;
  std::shared_ptr<const HeaderParserPool::Asked> asked;
  bool still_so = false;
  {
    ReaderLock lock(state->mutex);
    version = state->content_version;
    size = state->content.size();
    uid = state->record.uid;
    if (state->parsed != nullptr && state->parsed_version == version)
      return std::optional<ParseOutcome>(*state->parsed);
    asked = state->asked;
    still_so = asked != nullptr && state->asked_version == version && size == asked->file_size;
  }
  if (parser_ == nullptr) return std::optional<ParseOutcome>();
  if (size == 0) return std::optional<ParseOutcome>(Unparsed{UnparsedReason::kEmpty});
  if (asked != nullptr) {
    if (!still_so) parser_->Drop(*asked);
    WriterLock lock(state->mutex);
    if (state->asked == asked) state->asked.reset();
  }
  LG_ASSIGN_OR_RETURN(ParseOutcome outcome,
                      ReadHeaderOf(state, size, uid, still_so ? asked.get() : nullptr));
  const auto* const unparsed = std::get_if<Unparsed>(&outcome);
  if (unparsed == nullptr || unparsed->reason != UnparsedReason::kParserLimit) {
    WriterLock lock(state->mutex);
    state->parsed = std::make_shared<const ParseOutcome>(outcome);
    state->parsed_version = version;
  }
  return std::optional<ParseOutcome>(std::move(outcome));
}

Result<ParseOutcome> VaultImpl::ReadHeaderOf(const InodePtr& state, uint64_t size, uint32_t uid,
                                             const HeaderParserPool::Asked* asked) {
  ByteVector prefix;  // what the parser was given, for a second opinion
  const auto read = [&](uint64_t offset, MutableByteSpan into) -> Result<size_t> {
    LG_ASSIGN_OR_RETURN(const size_t got, ReadContent(state, offset, into));
    prefix.resize(offset);
    prefix.insert(prefix.end(), into.begin(), into.begin() + static_cast<ptrdiff_t>(got));
    return got;
  };
  if (asked != nullptr) prefix = asked->prefix;
  auto outcome =
      asked != nullptr ? parser_->ParseAsked(*asked, read, uid) : parser_->Parse(read, size, uid);
  if (!outcome) return outcome;
  // A parser that a hostile file took over could lie about the next patient.
  const auto* const facts = std::get_if<DicomFacts>(&*outcome);
  if (facts != nullptr && !ScanConfirms(*facts, prefix, size))
    return ParseOutcome(Unparsed{UnparsedReason::kAmbiguous});
  return outcome;
}

Status VaultImpl::FileAndCommit(const InodePtr& state, bool into_views) {
  uint64_t version = 0;
  // Before any lock: a parser may take a second, and the bytes may change meanwhile. Then the next
  // FLUSH, RELEASE or upkeep round files the file again, since `version` is what was filed.
  auto outcome = ParseHeaderOf(state, version);
  if (!outcome && outcome.error().code != Errc::kUnavailable) {
    // Older bytes of the file do not read. What was written now is kept all the same, and the file
    // stays in the views as it was.
    MutexLock names(names_mutex_);
    LG_RETURN_IF_ERROR(CommitParsed(state, Unparsed{UnparsedReason::kParserLimit}, version, false));
    return outcome.error();
  }
  // No parser to be had must not cost a byte: the file is listed by status, and filed when it is
  // written the next time.
  if (!outcome) outcome = std::optional<ParseOutcome>(Unparsed{UnparsedReason::kParserLimit});
  if (!*outcome) *outcome = Unparsed{UnparsedReason::kNotDicom};
  bool stored = false;
  Caller writer;
  {
    MutexLock names(names_mutex_);
    LG_ASSIGN_OR_RETURN(stored,
                        CommitParsed(state, **outcome, version, into_views && parser_ != nullptr));
    ReaderLock lock(state->mutex);
    writer = state->writer;
  }
  if (const DicomFacts* facts = ImageFacts(**outcome); stored && facts != nullptr)
    AuditStored(writer, state->id, *facts);
  if (stored) (void)FollowEmergencies();  // damage is told to who asks for what is damaged
  return {};
}

Result<bool> VaultImpl::CommitParsed(const InodePtr& state, const ParseOutcome& outcome,
                                     uint64_t version, bool into_views) {
  bool filed_before = false;
  bool stored = false;
  uint32_t links_before = 0;
  StudyAssignment assignment;
  if (const DicomFacts* facts = ImageFacts(outcome); facts != nullptr) {
    InodeId folder = kNoInode;
    {
      ReaderLock lock(state->mutex);
      folder = state->record.parent;
    }
    LG_ASSIGN_OR_RETURN(assignment, AssignmentFor(*facts, folder));
    if (into_views) LG_RETURN_IF_ERROR(RaiseStudy(*facts, state->id, assignment));
  }
  {
    InodeLocks locks({state});
    if (state->erased) return false;
    // What was written before a hold, and would take the image out of the study that is held.
    if (LeavesHeldStudy(*state, StudyIdentity(ImageFacts(outcome), state->id))) into_views = false;
    links_before = state->record.nlink;
    InodeRecord record = state->record;
    Transaction transaction;
    transaction.use_reserve = true;
    LG_RETURN_IF_ERROR(
        ChooseStudyKey(state, outcome, assignment, into_views, record, transaction.operations));
    if (into_views && !state->hold_filing && record.nlink > 0) {
      LG_ASSIGN_OR_RETURN(const auto previous, index_->GetFiling(state->id));
      filed_before = previous && previous->state == FilingState::kFiled;
      LG_RETURN_IF_ERROR(PlanViews(state, outcome, assignment, record, transaction.operations));
    }
    transaction.PutWithContent(state, record);
    LG_RETURN_IF_ERROR(Commit(std::move(transaction)));
    state->key_pending = false;
    if (into_views && !state->hold_filing) {
      state->filed_version = version;
      state->parsed.reset();
    }
    stored = !filed_before && state->record.study != kNoInode;
    if (state->record.nlink == links_before && !filed_before) return stored;
  }
  // Both of the file's nodes: the link count changed, and the view's pages may be of older bytes.
  Notice(state->id, false);
  Notice(state->id | kViewBit, true);
  return stored;
}

Status VaultImpl::ChooseStudyKey(const InodePtr& state, const ParseOutcome& outcome,
                                 const StudyAssignment& assignment, bool may_reseal,
                                 InodeRecord& record, Operations& operations) {
  if (state->record.key_generation == 0) return {};  // no byte was ever sealed
  const DicomFacts* const facts = ImageFacts(outcome);
  const auto gid_of = [&] { return GidOfStudy(*facts, state->id, assignment); };
  if (!state->key_pending) {
    LG_ASSIGN_OR_RETURN(const bool settled,
                        KeepStudyKey(*state, facts, gid_of, may_reseal, operations));
    if (settled) return {};
  }
  Uuid wanted{};
  if (facts == nullptr && !may_reseal) {
    // Synced before its header was all there, as it seems: what it is will be known later.
    LG_ASSIGN_OR_RETURN(wanted, key_store_->EarlyKeyFor(state->id, operations));
  } else {
    LG_ASSIGN_OR_RETURN(
        wanted, key_store_->StudyKeyFor(StudyIdentity(facts, state->id), gid_of, operations));
  }
  if (!state->key_pending) {
    LG_RETURN_IF_ERROR(Reseal(*state));
    record.key_generation = state->record.key_generation;
  }
  const uint32_t generation = state->record.key_generation;
  LG_ASSIGN_OR_RETURN(FileKeyRecord wrap, key_store_->WrapFileKeyFor(wanted, state->id, generation,
                                                                     state->keys.at(generation)));
  operations.emplace_back(PutFileKey{std::move(wrap)});
  return {};
}

// Whether the file's bytes, which are committed, can stay under the study key that they have.
// Sealed under another study's key (the header changed): shredding that other study, or this one,
// must not take or leave the wrong file.
Result<bool> VaultImpl::KeepStudyKey(const InodeState& state, const DicomFacts* facts,
                                     const std::function<Result<uint32_t>()>& gid_of,
                                     bool may_reseal, Operations& operations) {
  if (!may_reseal) return true;
  LG_ASSIGN_OR_RETURN(const Uuid present,
                      key_store_->StudyKeyOfFile(state.id, state.record.key_generation));
  // What most files have is found without a look at the key's wraps.
  LG_ASSIGN_OR_RETURN(const auto usual, index_->FindStudyKey(StudyIdentity(facts, state.id)));
  if (usual == present) return true;
  LG_ASSIGN_OR_RETURN(const auto owner, key_store_->StudyOfKey(present));
  if (!owner) return false;  // it was shredded meanwhile
  if (!KeyStore::IsEarlyIdentity(*owner)) return *owner == StudyIdentity(facts, state.id);
  // A key of the file's own: it goes over to the study, and with it what was synced early.
  if (facts == nullptr) return true;
  LG_ASSIGN_OR_RETURN(const uint32_t gid, gid_of());
  LG_RETURN_IF_ERROR(
      key_store_->GiveEarlyKey(present, StudyIdentity(*facts, state.id), gid, operations));
  return true;
}

// The group that a study has, or will have once it is filed. By the index: an inode's lock is held,
// and what view folders are is always committed.
Result<uint32_t> VaultImpl::GidOfStudy(const DicomFacts& facts, InodeId inode,
                                       const StudyAssignment& assignment) const {
  LG_ASSIGN_OR_RETURN(const auto entity,
                      index_->GetEntity(EntityKind::kStudy, StudyIdentity(facts, inode)));
  if (!entity && assignment.gid) return *assignment.gid;
  LG_ASSIGN_OR_RETURN(const auto folder,
                      index_->GetInode(entity ? entity->folder : kPatientsInode));
  if (!folder) return Error(Errc::kCorrupt, "a folder of the views is missing");
  return folder->gid;
}

Status VaultImpl::Reseal(InodeState& state) {
  const uint64_t size = state.content.size();
  LG_ASSIGN_OR_RETURN(const auto parts, state.content.Resolve(*index_, 0, size));
  LG_RETURN_IF_ERROR(LoadKeys(state, parts));
  ++state.record.key_generation;
  state.keys.insert_or_assign(state.record.key_generation, NewKey());
  state.key_pending = true;
  for (const Extent& part : parts) {
    if (part.hole) continue;
    ByteVector plain(part.length);
    LG_RETURN_IF_ERROR(ReadExtents(state, {part}, plain));
    LG_RETURN_IF_ERROR(AppendBytes(state, part.file_offset, plain));
  }
  return {};
}

Status VaultImpl::PlanViews(const InodePtr& state, const ParseOutcome& outcome,
                            const StudyAssignment& assignment, InodeRecord& record,
                            Operations& operations) {
  LG_ASSIGN_OR_RETURN(const auto previous, index_->GetFiling(state->id));
  const bool was_filed = previous && previous->state == FilingState::kFiled;
  const bool incomplete = (record.flags & kInodeIncomplete) != 0;
  const DicomFacts* facts = incomplete ? nullptr : ImageFacts(outcome);
  ViewEditor editor(*index_, *ids_, clock_.WallNanos());
  if (facts != nullptr) {
    LG_ASSIGN_OR_RETURN(const auto placed, editor.Place(state->id, *facts, assignment, previous));
    record.study = placed.study;
    // What was synced earlier chose a group by what the rules said then.
    if (placed.new_study_gid)
      LG_RETURN_IF_ERROR(key_store_->MoveStudy(StudyIdentity(*facts, state->id),
                                               *placed.new_study_gid, operations));
    if (!was_filed) ++record.nlink;
  } else {
    if (was_filed) {
      LG_RETURN_IF_ERROR(editor.Remove(*previous));
      --record.nlink;
    }
    record.study = kNoInode;
    FilingRecord filing;
    filing.inode = state->id;
    filing.filed_at = clock_.WallNanos();
    if (incomplete) {
      filing.state = FilingState::kIncomplete;
      filing.reason = kIncompleteReason;
    } else if (const auto* dicomdir = std::get_if<DicomFacts>(&outcome)) {
      filing.state = FilingState::kUnfiled;
      filing.reason = kDicomdirReason;
      filing.facts = EncodeDicomFacts(*dicomdir);
    } else {
      filing.state = FilingState::kUnparsed;
      filing.reason = UnparsedText(std::get<Unparsed>(outcome).reason);
    }
    operations.emplace_back(PutFiling{std::move(filing)});
  }
  operations.insert(operations.end(), editor.operations().begin(), editor.operations().end());
  return {};
}

Status VaultImpl::CommitInode(const InodePtr& state) {
  bool first_bytes = false;
  {
    ReaderLock lock(state->mutex);
    if (!state->dirty() || state->erased) return {};
    first_bytes = state->key_pending;
  }
  // The study's key is chosen before any commit names the bytes.
  if (first_bytes) return FileAndCommit(state, false);
  WriterLock lock(state->mutex);
  if (!state->dirty() || state->erased) return {};
  Transaction transaction;
  transaction.use_reserve = true;
  transaction.PutWithContent(state, state->record);
  return Commit(std::move(transaction));
}

}  // namespace leadglass
