// SPDX-License-Identifier: Apache-2.0
#pragma once

// VaultImpl: what the vault does, over what it is (fs/vault_core.h). Its methods are spread by
// subject: vault_open.cc (life), vault_names.cc, vault_rename.cc, vault_attributes.cc,
// vault_access.cc, vault_holds.cc, vault_emergency.cc, vault_groups.cc, vault_shred.cc,
// vault_renewal.cc, vault_named.cc, vault_audit.cc, vault_rules.cc, vault_xattr.cc, vault_data.cc,
// vault_filing.cc, vault_upkeep.cc, vault_space.cc, vault_check.cc, vault_checkpoint.cc.

#include <map>

#include "fs/credentials.h"
#include "fs/vault_core.h"
#include "index/dicom_facts.h"

namespace leadglass {

class ViewEditor;

class VaultImpl final : public VaultCore {
 public:
  VaultImpl(FileSystem& fs, std::string folder, VaultKeys& keys, HeaderParserPool* parser,
            Options options, Clock& clock);
  ~VaultImpl() override;
  // Opens log and index, replays, sweeps orphans, starts the threads.
  Status Start();
  // A commit that says no more than that this session wrote. Durable on return.
  Status CommitNothing();

  Result<Attributes> Lookup(const Caller& caller, NodeId parent, std::string_view name) override;
  Result<Attributes> MakeNode(const Caller& caller, NodeId parent, std::string_view name,
                              mode_t mode, uint64_t rdev) override;
  Result<Attributes> MakeFolder(const Caller& caller, NodeId parent, std::string_view name,
                                mode_t mode) override;
  Result<Attributes> MakeSymlink(const Caller& caller, NodeId parent, std::string_view name,
                                 std::string_view target) override;
  Result<std::string> ReadSymlink(NodeId node) override;
  Result<Attributes> Link(const Caller& caller, NodeId node, NodeId new_parent,
                          std::string_view new_name) override;
  Status Unlink(const Caller& caller, NodeId parent, std::string_view name) override;
  Status RemoveFolder(const Caller& caller, NodeId parent, std::string_view name) override;
  Status Rename(const Caller& caller, NodeId parent, std::string_view name, NodeId new_parent,
                std::string_view new_name, unsigned flags) override;
  Result<Attributes> OpenFolder(const Caller& caller, NodeId folder) override;
  Status List(const Caller& caller, NodeId folder, uint64_t cookie, bool with_attributes,
              const std::function<bool(const ListedEntry&)>& visitor) override;
  Status FsyncFolder(NodeId folder) override;

  Result<Attributes> GetAttributes(NodeId node) override;
  Result<Attributes> SetAttributes(const Caller& caller, NodeId node, const AttributeChange& change,
                                   bool kill_suidgid) override;

  Result<OpenFile*> Open(const Caller& caller, NodeId node, int flags, Times times) override;
  Result<Entry> Create(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                       int flags, Times times) override;
  Result<size_t> Read(OpenFile& file, uint64_t offset, MutableByteSpan out) override;
  Status Write(OpenFile& file, uint64_t offset, ByteSpan data, bool kill_suidgid) override;
  Status Flush(OpenFile& file) override;
  Status Fsync(OpenFile& file) override;
  void Release(OpenFile* file) override;
  Status Allocate(OpenFile& file, int mode, uint64_t offset, uint64_t length) override;
  Result<uint64_t> Seek(OpenFile& file, uint64_t offset, int whence) override;

  Result<ByteVector> GetXattr(const Caller& caller, NodeId node, std::string_view name) override;
  Status SetXattr(const Caller& caller, NodeId node, std::string_view name, ByteSpan value,
                  int flags) override;
  Result<std::vector<std::string>> ListXattrs(NodeId node) override;
  Status RemoveXattr(const Caller& caller, NodeId node, std::string_view name) override;

  Result<std::optional<PutConfiguration>> GetConfiguration() const override;
  Result<std::vector<StudyMove>> ApplyRules(const Person& by, bool make) override;
  Result<uint32_t> SetConfiguration(const Person& by, std::string text,
                                    std::vector<ConfiguredGroup> groups) override;

  Result<std::vector<HoldRecord>> AddHold(const Person& by, const std::string& study,
                                          const std::string& reason) override;
  Result<std::vector<HoldRecord>> RemoveHold(const Person& by, const std::string& study,
                                             std::optional<uint32_t> id,
                                             const std::string& reason) override;
  Result<std::vector<HoldRecord>> Holds() const override;
  Result<bool> IsHeld(std::string_view study_identity) const override;
  Result<std::vector<EmergencyRecord>> BeginEmergency(const Person& by,
                                                      const EmergencyOrder& order) override;
  bool MayTakeEmergency(const Person& person) const override;
  Result<std::vector<EmergencyRecord>> EndEmergency(const Person& by, uint32_t id) override;
  Result<std::vector<EmergencyRecord>> Emergencies() const override;
  Result<std::vector<GroupState>> Groups() override;
  Status LockGroup(const Person& by, uint32_t gid) override;
  Status UnlockGroup(const Person& by, uint32_t gid, const SecretBytes& passphrase) override;
  Status ChangeGroupKey(const Person& by, uint32_t gid, const GroupKeyChange& change) override;
  Result<uint64_t> ShredStudy(const Person& by, const std::string& study,
                              const std::string& reason) override;

  Status VisitNamesOf(NodeId node,
                      const std::function<void(NodeId, const std::string&)>& visitor) override;
  void Forget(NodeId node) override;
  Result<SpaceReport> Space() override;
  Result<VaultStatus> GetStatus() override;
  const std::vector<std::string>& Lost() const override { return lost_; }
  Result<std::vector<UnfiledFile>> Unfiled() override;
  void SetInvalidator(Invalidator invalidator) override;
  Result<CheckReport> Check(const std::function<void(uint64_t, uint64_t)>& progress) override;
  Result<AuditProof> VerifyAudit() override;
  Status ReadAudit(const std::function<bool(const AuditRecord&)>& visitor) override;
  Status SyncAll() override;
  Status Close() override;

 private:
  // What is about to be done, for Authorise().
  enum class Action {
    kFind,   // the node, by its name in its folder
    kList,   // opendir(3)
    kRead,   // opening a file, to read its bytes, and the attributes that tell of them
    kWrite,  // the same to write it
    kReadWrite,
    kExecute,
    kChangeAttributes,
    kAddName,     // to the folder
    kRemoveName,  // from the folder
  };
  // The one place that decides what a caller may do with a node, beside the kernel (fs/vault.h).
  // EROFS: the view or the vault is read-only. EPERM: a fixed folder, or a legal hold. EACCES: not
  // with these groups. ENOENT, of kFind: there is no such thing for this caller.
  // Names that are held: AllowsRemoval(), AllowsRename().
  Status Authorise(const Caller& caller, NodeId node, Action action) const;
  Status AuthoriseByRights(const Caller& caller, NodeId node, Action action) const;
  // Whether bits and lists let the caller, who is not exempt, do what needs no change.
  Result<bool> Permits(const Caller& caller, const InodeRecord& record, Action action) const;
  static AuditAction AuditActionOf(Action action);
  // What holds for every caller.
  Status NodeAllows(NodeId node, Action action) const;
  // Everything is open to the caller: root, unless the configuration says otherwise.
  bool IsExempt(const Caller& caller) const { return caller.uid == 0 && root_reads_all_; }
  static uint32_t BitsFor(Action action);  // as Permits() wants them
  // Whether bits and list give the caller one of `wanted`.
  Result<bool> PermitsAny(const Credentials& credentials, const InodeRecord& record,
                          std::initializer_list<uint32_t> wanted) const;
  // Whether the caller's being its owner counts for nothing.
  static bool IsDisowned(const Credentials& credentials, const InodeRecord& record);
  static bool IsPatientFolder(const InodeRecord& record);
  static bool IsStudyFolder(const InodeRecord& record);
  // A patient is seen by who sees one of its studies.
  Result<bool> MaySeePatient(const Credentials& credentials, InodeId folder) const;
  Result<std::optional<NameRecord>> NameOfPatient(InodeId folder) const;
  // The listing of /patients for a caller who is not exempt.
  Status ListPatients(const Credentials& credentials, uint64_t cookie,
                      const std::function<bool(const NameRecord&, uint64_t cookie)>& visitor) const;
  // Every name of a folder that the caller sees, with its cookie for him.
  Status VisitNamesFor(
      const Caller& caller, const InodeRecord& folder, uint64_t cookie,
      const std::function<bool(const NameRecord&, uint64_t cookie)>& visitor) const;

  // vault_open.cc
  Status ChooseIndexDisk(bool read_only_disk);
  void StopThreads();
  Status OpenIndexAndReplay();
  Status Replay();
  Status SweepOrphans();
  Status EraseOrphan(const InodePtr& state);

  // vault_access.cc
  // Take no inode's lock but the study's, and are called without any.
  Result<StudyAccess> AccessOf(InodeId study) const;
  // The record as it shows: with what its study says.
  Result<InodeRecord> EffectiveRecord(InodeRecord record) const;
  Result<std::optional<ByteVector>> EffectiveAcl(const InodeRecord& record) const;
  // After a study's group, mode or list was changed.
  void StudyChanged(InodeId study) LG_REQUIRES(names_mutex_);
  Result<Attributes> SetViewFolderAttributes(const InodePtr& state, const AttributeChange& change);
  // Whether it is a study's folder, or something whose access a folder of the views decides.
  static bool FollowsAStudy(const InodePtr& state);
  // EBUSY: not while somebody has emergency access.
  Status TakesAccess(const InodeRecord& study) const;
  // Of such a thing, nullopt: without one. What is not a study's folder is left as it is.
  Status SetViewAcl(const InodePtr& state, std::string_view name, std::optional<ByteSpan> acl);
  // Of images, read anew; by inode.
  using ReadFacts = std::map<InodeId, DicomFacts>;
  Status LoadConfiguration();
  std::shared_ptr<const ActiveConfiguration> Active() const;  // null: none was ever set
  // What the rules say of an image that was written to `folder`.
  Result<StudyAssignment> AssignmentFor(const DicomFacts& facts, InodeId folder) const;
  Result<uint32_t> DefaultGid() const;
  Status GiveStudy(EntityRecord entity, const InodePtr& folder, const StudyAssignment& assignment)
      LG_REQUIRES(names_mutex_);
  // By what is known of its images, and by what was `read` of them since.
  Result<StudyAssignment> AssignmentOfStudy(InodeId study, const ReadFacts& read) const;
  // Reads the headers of a study's images that were filed without an element that rules ask for. An
  // error: one of them cannot be read.
  Result<ReadFacts> ReadForRules(InodeId study);
  // nullopt: it has what is assigned.
  Result<std::optional<StudyMove>> MoveOf(const EntityRecord& entity,
                                          const StudyAssignment& assignment) const;
  Result<std::optional<StudyMove>> ApplyRulesTo(const Caller& by, InodeId study,
                                                const ReadFacts& read, bool make)
      LG_REQUIRES(names_mutex_);
  Result<std::optional<StudyMove>> StaysAsItIs(InodeId study, const Error& why) const;
  Result<std::string> PathOfStudy(const EntityRecord& entity, const InodeRecord& folder) const;
  Status RaiseStudy(const DicomFacts& facts, InodeId inode, const StudyAssignment& assignment)
      LG_REQUIRES(names_mutex_);

  // vault_holds.cc
  Status LoadHolds();
  bool IsHoldId(uint32_t id) const;
  Result<std::vector<HoldRecord>> HoldsOn(const std::string& study,
                                          std::optional<uint32_t> id) const;
  std::optional<StudyHolds::Held> HeldBy(const InodeRecord& record) const;
  // What keeps a file's bytes as they are. Its lock is held until they have changed: who puts a
  // hold waits for it.
  Result<std::optional<HoldRecord>> HoldOnBytes(const InodeState& state) const;
  // Records what was refused, and gives EPERM. Without any inode's lock.
  Status RefuseHeld(const Caller& caller, AuditAction action, const InodeRecord& record,
                    const HoldRecord& hold) const;
  Status RefuseHeldWrite(OpenFile& file, const HoldRecord& hold);
  // EPERM, on record: a hold keeps the file's bytes, or its names.
  Status AllowsBytes(const Caller& caller, InodeId inode) const;
  Status AllowsRemoval(const Caller& caller, InodeId inode) const LG_REQUIRES(names_mutex_);
  Status AllowsRename(const Caller& caller, InodeId inode) const LG_REQUIRES(names_mutex_);
  // Whether filing it into the study of that identity would take a file out of a held one.
  bool LeavesHeldStudy(const InodeState& state, std::string_view identity) const;

  // vault_named.cc
  // kNotFound: nothing is there.
  Result<InodeId> InodeAt(std::string_view path) const;
  // The patient or study whose folder it is, or which it lies in.
  Result<EntityRecord> EntityAt(std::string_view path) const;
  // Every folder of that kind, with what the audit trail calls it: walks the view.
  Status VisitPatientsAndStudies(
      EntityKind kind, const std::function<bool(InodeId, const AuditSubject&)>& visitor) const;
  // As AddHold() and EmergencyOrder have it; not empty.
  Result<std::vector<EntityRecord>> StudiesNamed(const std::string& study) const;
  Result<std::vector<EntityRecord>> PatientsNamed(const std::string& id,
                                                  const std::optional<std::string>& issuer) const;

  // vault_emergency.cc
  Status LoadEmergencies();
  Status FollowEmergencies();  // after folders may have come and gone
  void EndWhatIsOver();
  Status EndGrants(const Caller& by, const std::vector<EmergencyRecord>& grants,
                   const std::string& why) LG_REQUIRES(names_mutex_);
  void EmergencyChanged(const EmergencyAccess::Place& place) LG_REQUIRES(names_mutex_);
  Status MayOrder(const Person& by, const EmergencyOrder& order) const;
  Result<std::vector<EntityRecord>> EntitiesOf(const EmergencyOrder& order) const;
  Result<EmergencyAccess::Place> PlaceOf(EntityKind kind, std::string_view identity) const;
  static AuditSubject SubjectOfGrant(const EmergencyRecord& grant);
  // To whom a study, or what belongs to one, is open beyond its mode and list; as a list.
  Result<std::vector<uint32_t>> EmergencyUsersOf(const InodeRecord& record) const;
  Result<ByteVector> EmergencyAcl(const InodeRecord& record,
                                  const std::vector<uint32_t>& users) const;
  bool IsPatientOpenTo(const Credentials& credentials, InodeId patient) const;
  // vault_groups.cc
  // kLocked: an image of a study in a locked group. EKEYREVOKED: it was shredded. No inode's lock
  // is held.
  Status KeysAtHand(const InodeRecord& record) const;
  Status KeysAtHand(const InodePtr& state) const;
  // Forgets the keys of files of that group, but of those that are being written.
  void ForgetFileKeys(uint32_t gid);
  void ForgetFileKeysIfLocked(const InodePtr& state);
  // Takes the pages of every image of the study, or of all studies of the group, from the kernel.
  void DropPagesOfStudy(InodeId study) const;
  void DropPagesOfGroup(uint32_t gid) const;
  void DropPages(InodeId inode) const;
  Status MoveGroupKeys(const GroupKeyRecord& present);

  // vault_renewal.cc
  // Replaces the erasure secrets that the log says are to be replaced.
  Status RenewSecrets();
  bool RenewalsWanted() const;
  Status HangOnNewest(std::span<const std::pair<Uuid, uint64_t>> wraps, uint64_t version)
      LG_REQUIRES(names_mutex_);
  Status NoteRenewed(uint64_t version) LG_REQUIRES(names_mutex_);

  // vault_shred.cc
  // Takes the keys of the study away, durably, and says which they were.
  Result<std::set<Uuid>> TakeStudyKeys(const Person& by, const EntityRecord& study,
                                       const std::string& reason) LG_REQUIRES(names_mutex_);
  Result<uint64_t> TakeOutShredded(InodeId study, const std::set<Uuid>& study_keys)
      LG_REQUIRES(names_mutex_);
  Result<bool> TakeOutShreddedImage(InodeId inode, const std::set<Uuid>& study_keys)
      LG_REQUIRES(names_mutex_);
  // What a crash kept from being done.
  Status FinishShreds();

  // vault_audit.cc
  Status OpenTrail();
  Caller Opener() const;
  void FlushTrail(bool all);
  // Null trail: nothing is recorded (read-only). `record`: of the file or folder, as it was before
  // a change.
  void Audit(const Caller& caller, AuditAction action, const InodeRecord& record, int error,
             std::string detail = {}) const;
  // For what takes its subject away: looks at it now, records it when what is returned is called.
  std::function<void(std::string detail)> AuditLater(const Caller& caller, AuditAction action,
                                                     InodeId inode) const;
  // A change of who may do what with a file or folder was made.
  void AuditAccess(const Caller& caller, InodeId inode, std::string detail) const;
  void AuditStored(const Caller& caller, InodeId inode, const DicomFacts& facts) const;
  AuditSubject SubjectOfRecord(const InodeRecord& record) const;

  // vault_attributes.cc
  Result<Attributes> AttributesOf(NodeId node, InodeRecord record) const;
  // Of a record as it shows.
  Attributes ToAttributes(NodeId node, const InodeRecord& record) const;
  // `held`: what keeps it from changing the size; EPERM then.
  Result<InodeRecord> ChangeAttributes(const InodePtr& state, const AttributeChange& change,
                                       bool kill_suidgid, std::optional<HoldRecord>& held);
  struct Snapshot {
    InodeRecord record;
    uint64_t content_version = 0;
  };
  Result<Snapshot> SnapshotOf(InodeId inode) const;
  Result<InodeRecord> CurrentRecord(InodeId inode) const;
  Result<NodeId> ChildNode(const NameRecord& name) const;

  // vault_xattr.cc
  Status SetXattrOf(const InodePtr& state, std::string_view name, ByteSpan value, int flags);
  Status RemoveXattrOf(const InodePtr& state, std::string_view name);

  // vault_names.cc
  static Status CheckName(std::string_view name);
  Result<NameRecord> RequireName(NodeId parent, std::string_view name) const;
  Result<std::optional<NameRecord>> FindName(InodeId parent, std::string_view name) const;
  struct NewInode {
    mode_t mode = 0;
    uint64_t rdev = 0;
    std::string symlink_target;
  };
  Result<InodePtr> MakeInode(const Caller& caller, NodeId parent, std::string_view name,
                             const NewInode& wanted) LG_REQUIRES(names_mutex_);
  // Adds to `transaction` what losing one name means for a file.
  Status DropLink(Transaction& transaction, const InodePtr& state, InodeRecord& record, int64_t now)
      LG_REQUIRES(names_mutex_);
  Status UnlinkFile(const NameRecord& found) LG_REQUIRES(names_mutex_);
  Status UnlinkFromView(const NameRecord& name) LG_REQUIRES(names_mutex_);
  Result<InodeRecord> AddLink(const Caller& caller, NodeId node, NodeId new_parent,
                              std::string_view new_name);
  Result<bool> IsFolderEmpty(InodeId folder) const;
  Result<bool> IsInside(InodeId inode, InodeId folder) const;
  Result<bool> IsIncoming(InodeId folder) const { return IsInside(folder, kIncomingInode); }
  void NoteOrphan(const InodePtr& state);
  void TouchFolder(InodeRecord& record, int64_t now) const { record.mtime = record.ctime = now; }

  // vault_rename.cc
  struct RenameSides;
  Status LoadSides(RenameSides& sides, NodeId parent, std::string_view name, NodeId new_parent,
                   std::string_view new_name) LG_REQUIRES(names_mutex_);
  Status CheckRename(const RenameSides& sides, unsigned flags) const;
  Status RenameOver(RenameSides& sides) LG_REQUIRES(names_mutex_);
  Status RenameExchange(RenameSides& sides) LG_REQUIRES(names_mutex_);

  // vault_data.cc
  static Action OpeningOf(int flags);
  Result<OpenFile*> OpenAuthorised(NodeId node, int flags, Times times);
  void StartReading(const InodePtr& state);
  void NoteOpening(const Caller& caller, OpenFile& file, Action action);
  // The inode's lock is held exclusively (Read*: at least shared).
  Status EnsureFileKey(InodeState& state);
  Result<const Key*> KeyOf(InodeState& state, uint32_t generation);
  Status LoadKeys(InodeState& state, const std::vector<Extent>& parts);
  Status ReadExtents(const InodeState& state, const std::vector<Extent>& parts,
                     MutableByteSpan out);
  Result<size_t> ReadContent(const InodePtr& state, uint64_t offset, MutableByteSpan out);
  Status AppendBytes(InodeState& state, uint64_t offset, ByteSpan data);
  Status WriteLocked(OpenFile& file, uint64_t offset, ByteSpan data, bool kill_suidgid);
  Status AllocateLocked(OpenFile& file, int mode, uint64_t offset, uint64_t length);
  Status PutHole(InodeState& state, uint64_t from, uint64_t to);
  Status TruncateContent(InodeState& state, uint64_t size);
  void BytesChanged(const InodePtr& state, bool kill_suidgid, Times times);
  void MarkDirty(const InodePtr& state);

  // vault_filing.cc
  // Parses the header and commits the file: under the right study's key, and `into_views` also its
  // place in the views. For files whose bytes changed since it was filed last.
  Status FileAndCommit(const InodePtr& state, bool into_views);
  // Commits pending bytes and attributes; files first where these are the file's first bytes.
  Status CommitInode(const InodePtr& state);
  Result<std::optional<ParseOutcome>> ParseHeaderOf(const InodePtr& state, uint64_t& version);
  // `asked`: what has been asked about these very bytes; null: nothing.
  Result<ParseOutcome> ReadHeaderOf(const InodePtr& state, uint64_t size, uint32_t uid,
                                    const HeaderParserPool::Asked* asked);
  // True: an image stands in the views that did not before.
  Result<bool> CommitParsed(const InodePtr& state, const ParseOutcome& outcome, uint64_t version,
                            bool into_views) LG_REQUIRES(names_mutex_);
  Status ChooseStudyKey(const InodePtr& state, const ParseOutcome& outcome,
                        const StudyAssignment& assignment, bool may_reseal, InodeRecord& record,
                        Operations& operations) LG_REQUIRES(names_mutex_);
  Result<bool> KeepStudyKey(const InodeState& state, const DicomFacts* facts,
                            const std::function<Result<uint32_t>()>& gid_of, bool may_reseal,
                            Operations& operations) LG_REQUIRES(names_mutex_);
  Result<uint32_t> GidOfStudy(const DicomFacts& facts, InodeId inode,
                              const StudyAssignment& assignment) const;
  // Seals all bytes of the file again under a new file key, whose wrap is then pending.
  Status Reseal(InodeState& state);
  Status PlanViews(const InodePtr& state, const ParseOutcome& outcome,
                   const StudyAssignment& assignment, InodeRecord& record, Operations& operations)
      LG_REQUIRES(names_mutex_);

  // vault_upkeep.cc
  void RunUpkeep(const std::stop_token& stop);
  void CommitDirty(bool all);
  void ClearIncoming();
  Status LeaveIncoming(const NameRecord& name, int64_t before) LG_REQUIRES(names_mutex_);
  void RemoveIncomingFolder(InodeId folder, int64_t before);
  void RunNotices(const std::stop_token& stop);
  void Notice(NodeId node, bool contents);

  // vault_space.cc
  // Looks whether the disk is nearly full; see nearly_full_.
  void CheckRoom();
  // Gives a batch of what died before the horizon back to the disk; true: there is more. Upkeep
  // only.
  bool GiveSpaceBack();
  bool PunchDead() LG_REQUIRES(punch_mutex_);
  Status PunchBatch(const std::vector<RecordSpace>& dead) LG_REQUIRES(punch_mutex_);
  // Does what the newest Punch said, which a crash may have kept from being done. Not while
  // mounting: it looks at the size of every segment.
  void RepeatLastPunch() LG_REQUIRES(punch_mutex_);

  // vault_checkpoint.cc; in a thread of their own.
  void RunCheckpoints(const std::stop_token& stop);
  bool WantsCheckpoint() const;
  Status MakeCheckpoint(const std::stop_token& stop);
  // Has the log say where the newest checkpoint begins, once nothing on the disk needs what lies
  // before it to be replayed.
  Status StateBase();
  bool MayClear() const;
  Status ClearBeforeBase(const std::stop_token& stop);
  Status CommitAllBefore(SegmentId base);
  Status ClearSegments(std::span<const SegmentId> segments, const std::stop_token& stop);
  bool WaitALittle(const std::stop_token& stop, std::chrono::milliseconds time);
};

}  // namespace leadglass
