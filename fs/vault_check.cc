// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

constexpr size_t kCheckBuffer = 1u << 20;
constexpr const char* kEmptyReason = "empty: zero bytes";

// Whether the file is as it should be, and nobody can read it.
bool CountUnreadable(const Error& error, Vault::CheckReport& report) {
  const bool locked = error.code == Errc::kLocked;
  if (!locked && error.posix_errno != EKEYREVOKED) return false;
  ++(locked ? report.files_locked : report.files_shredded);
  return true;
}

}  // namespace

Result<Vault::CheckReport> VaultImpl::Check(
    const std::function<void(uint64_t, uint64_t)>& progress) {
  CheckReport report;
  std::vector<SealedLog::Damage> found;
  std::set<Position> punched;
  const auto note_damage = [&](const SealedLog::Damage& damage) { found.push_back(damage); };
  const auto note_punches = [&](const CommitInfo&, ByteSpan payload) -> Status {
    LG_ASSIGN_OR_RETURN(const Operations operations, DecodeOperations(payload));
    for (const Operation& operation : operations)
      if (const Punch* const punch = std::get_if<Punch>(&operation))
        for (const RecordSpace& record : punch->records) punched.insert(record.position);
    return {};
  };
  const auto report_progress = [&](uint64_t done, uint64_t all) {
    if (progress) progress(done, all);
  };
  {
    // The log is looked at as it is now: a record must not be punched by a later commit meanwhile.
    checking_ = true;
    MutexLock no_punching(punch_mutex_);
    const Status verified = log_->Verify(note_damage, report_progress, note_punches);
    checking_ = false;
    LG_RETURN_IF_ERROR(verified);
  }
  for (const SealedLog::Damage& damage : found) {
    // Should a file need such a record all the same, its bytes are found missing below.
    const bool data = damage.what == "data record";
    if (data && punched.contains(damage.position)) continue;
    report.damage.push_back(damage.what + " at " + ToString(damage.position) +
                            (damage.healed ? ": damaged, its second copy serves" : ": damaged"));
    // A damaged data record costs only files that still use it; those are named below.
    if (!damage.healed && !data) report.data_lost = true;
  }
  std::vector<InodeId> files;
  LG_RETURN_IF_ERROR(index_->VisitInodes([&](const InodeRecord& record) {
    if (S_ISREG(record.mode)) files.push_back(record.inode);
    return true;
  }));
  ByteVector buffer(kCheckBuffer);
  for (const InodeId inode : files) {
    const auto state = inodes_->Get(inode);
    if (!state) continue;  // deleted meanwhile
    LG_ASSIGN_OR_RETURN(const InodeRecord record, CurrentRecord(inode));
    const Status at_hand = KeysAtHand(record);
    if (!at_hand && !CountUnreadable(at_hand.error(), report)) return at_hand.error();
    if (!at_hand) continue;
    ++report.files_checked;
    for (uint64_t offset = 0; offset < record.size; offset += kCheckBuffer) {
      const auto got = ReadContent(*state, offset, buffer);
      if (got) {
        report.bytes_checked += *got;
        continue;
      }
      // Locked or shredded since, or a file that was not filed when its study was shredded.
      if (CountUnreadable(got.error(), report)) break;
      report.damage.push_back("inode " + std::to_string(inode) + " near offset " +
                              std::to_string(offset) + ": " + ToString(got.error()));
      report.data_lost = true;
    }
  }
  const auto trail = VerifyAudit();
  if (!trail && trail.error().code != Errc::kNotFound) return trail.error();
  if (trail)
    for (const std::string& line : trail->damage) report.damage.push_back("audit trail: " + line);
  return report;
}

Result<std::vector<UnfiledFile>> VaultImpl::Unfiled() {
  std::vector<UnfiledFile> unfiled;
  struct Folder {
    InodeId inode;
    std::string path;
  };
  std::vector<Folder> folders{{kArchiveInode, "/archive"}, {kIncomingInode, "/incoming"}};
  while (!folders.empty()) {
    const Folder folder = std::move(folders.back());
    folders.pop_back();
    Status failed;
    LG_RETURN_IF_ERROR(index_->VisitNames(folder.inode, 0, [&](const NameRecord& name) {
      std::string path = folder.path + "/" + name.name;
      if (S_ISDIR(name.mode_type)) {
        folders.push_back({name.inode, std::move(path)});
        return true;
      }
      if (!S_ISREG(name.mode_type)) return true;
      auto filing = index_->GetFiling(name.inode);
      if (!filing) {
        failed = filing.error();
        return false;
      }
      if (!*filing)
        unfiled.push_back({std::move(path), FilingState::kUnparsed, kEmptyReason});
      else if ((*filing)->state != FilingState::kFiled)
        unfiled.push_back({std::move(path), (*filing)->state, (*filing)->reason});
      return true;
    }));
    LG_RETURN_IF_ERROR(failed);
  }
  std::sort(unfiled.begin(), unfiled.end(),
            [](const UnfiledFile& a, const UnfiledFile& b) { return a.path < b.path; });
  return unfiled;
}

}  // namespace leadglass
