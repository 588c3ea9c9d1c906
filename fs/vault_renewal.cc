// SPDX-License-Identifier: Apache-2.0

// Replacing erasure secrets: what hung on the old ones by a wrap that counts no longer is noise
// from then on, in every copy of the log. Whatever step a crash comes between, the log still says
// which pages are wanted, and doing it again does no harm.

#include <algorithm>
#include <set>

#include "fs/vault_impl.h"

namespace leadglass {
namespace {

// The names lock is held for so many, about ten milliseconds.
constexpr size_t kWrapsAtOnce = 256;

}  // namespace

bool VaultImpl::RenewalsWanted() const {
  const auto renewals = index_->GetRenewals();
  return renewals && !renewals->wanted.empty();
}

Status VaultImpl::RenewSecrets() {
  MutexLock renewing(renewal_mutex_);
  std::set<uint32_t> pages;
  uint64_t version = 0;
  {
    MutexLock names(names_mutex_);
    LG_ASSIGN_OR_RETURN(const PutRenewals renewals, index_->GetRenewals());
    for (const WantedRenewal& wanted : renewals.wanted) pages.insert(wanted.page);
    if (pages.empty()) return {};
    LG_RETURN_IF_ERROR(keys_.AddErasureSecrets(std::vector<uint32_t>(pages.begin(), pages.end())));
    version = keys_.keyring_version();
  }
  // What is wrapped from here on hangs on the new secrets.
  std::vector<std::pair<Uuid, uint64_t>> wraps;
  LG_RETURN_IF_ERROR(index_->VisitStudyKeys([&](const StudyKeyRecord& record) {
    if (pages.contains(record.erasure_page) && record.keyring_version < version)
      wraps.emplace_back(record.study_key_id, record.group);
    return true;
  }));
  for (size_t begin = 0; begin < wraps.size(); begin += kWrapsAtOnce) {
    MutexLock names(names_mutex_);
    LG_RETURN_IF_ERROR(HangOnNewest(
        std::span(wraps).subspan(begin, std::min(kWrapsAtOnce, wraps.size() - begin)), version));
  }
  LG_RETURN_IF_ERROR(SyncLog());
  MutexLock names(names_mutex_);
  LG_RETURN_IF_ERROR(
      keys_.DropOlderErasureSecrets(std::vector<uint32_t>(pages.begin(), pages.end())));
  return NoteRenewed(version);
}

Status VaultImpl::HangOnNewest(std::span<const std::pair<Uuid, uint64_t>> wraps, uint64_t version) {
  Transaction transaction;
  transaction.use_reserve = true;
  for (const auto& [id, group] : wraps) {
    LG_ASSIGN_OR_RETURN(auto record, index_->GetStudyKey(id, group));
    if (!record || record->keyring_version >= version) continue;
    auto renewed = key_store_->OnNewestSecret(*std::move(record));
    // One that opens under no secret is lost already: it must not keep others from being shredded.
    if (!renewed && renewed.error().code == Errc::kCorrupt) continue;
    if (!renewed) return std::move(renewed).error();
    transaction.operations.emplace_back(PutStudyKey{*std::move(renewed)});
  }
  return Commit(std::move(transaction));
}

// What was asked for meanwhile stays wanted: its wraps may hang on the secrets of today.
Status VaultImpl::NoteRenewed(uint64_t version) {
  LG_ASSIGN_OR_RETURN(PutRenewals renewals, index_->GetRenewals());
  std::erase_if(renewals.wanted,
                [&](const WantedRenewal& wanted) { return wanted.keyring_version < version; });
  std::set<uint32_t> still;
  for (const WantedRenewal& wanted : renewals.wanted) still.insert(wanted.page);
  Operations operations{std::move(renewals)};
  LG_ASSIGN_OR_RETURN(auto shreds, index_->Shreds());
  for (PutShred& shred : shreds) {
    const bool done = std::none_of(shred.study_keys.begin(), shred.study_keys.end(),
                                   [&](const Uuid& id) { return still.contains(ErasurePage(id)); });
    if (shred.keyring_version != 0 || !done) continue;
    shred.keyring_version = keys_.keyring_version();
    operations.emplace_back(std::move(shred));
  }
  return CommitAtOnceAndSync(std::move(operations));
}

}  // namespace leadglass
