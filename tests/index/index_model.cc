// SPDX-License-Identifier: Apache-2.0
#include "tests/index/index_model.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/index/sample_operations.h"
#include "tests/index/small_universe.h"
#include "tests/support/matchers.h"

namespace leadglass {
namespace {

std::string Said(const Operation& operation) { return ToHex(EncodeOperations({operation})); }

std::string ByteOf(const Extent& e, uint64_t offset) {
  if (e.hole) return "hole";
  return std::to_string(e.record.position.offset) + "/" + std::to_string(e.record.file_offset) +
         "/" + std::to_string(e.record.length) + "/" + std::to_string(e.session) + "@" +
         std::to_string(offset - e.record.file_offset);
}

template <typename T, typename Say>
std::string LineOf(const Result<T>& result, const Say& say) {
  if (result) return say(*result);
  EXPECT_EQ(result.error().code, Errc::kCorrupt) << ToString(result.error());
  return kCorruptLine;
}
template <typename T, typename Say>
std::string LineOfOptional(const Result<std::optional<T>>& result, const Say& say) {
  return LineOf(result, [&](const std::optional<T>& v) { return v ? say(*v) : "none"; });
}

std::string Numbers(const std::vector<InodeId>& inodes) {
  std::string line;
  for (const InodeId inode : inodes) line += std::to_string(inode) + " ";
  return line;
}

std::string CountsLine(const Index::Counts& c, InodeId next_inode, uint64_t next_cookie) {
  return "counts " + std::to_string(c.inodes) + " " + std::to_string(c.filed) + " " +
         std::to_string(c.unfiled) + " next " + std::to_string(next_inode) + " " +
         std::to_string(next_cookie);
}

}  // namespace

struct ModelApplier {
  IndexModel& m;

  void See(InodeId inode) { m.next_inode_ = std::max(m.next_inode_, inode + 1); }

  void operator()(const PutInode& op) {
    See(op.record.inode);
    m.inodes_[op.record.inode] = op.record;
  }
  void operator()(const EraseInode& op) {
    See(op.inode);
    m.inodes_.erase(op.inode);
    m.bytes_.erase(op.inode);
    m.filings_.erase(op.inode);
    std::erase_if(m.xattrs_, [&](const auto& e) { return e.first.first == op.inode; });
    std::erase_if(m.file_keys_, [&](const auto& e) { return e.first.first == op.inode; });
  }
  void operator()(const PutName& op) {
    See(op.record.inode);
    See(op.record.parent);
    m.next_cookie_ = std::max(m.next_cookie_, op.record.cookie + 1);
    std::erase_if(m.names_, [&](const auto& e) {
      return e.second.parent == op.record.parent && e.second.cookie == op.record.cookie;
    });
    m.names_[{op.record.parent, op.record.name}] = op.record;
  }
  void operator()(const EraseName& op) { m.names_.erase({op.parent, op.name}); }
  void operator()(const PutExtent& op) {
    See(op.inode);
    for (uint64_t at = op.extent.file_offset; at < op.extent.end(); ++at)
      m.bytes_[op.inode][at] = ByteOf(op.extent, at);
  }
  void operator()(const CutExtents& op) {
    See(op.inode);
    std::erase_if(m.bytes_[op.inode], [&](const auto& e) { return e.first >= op.size; });
  }
  void operator()(const PutXattr& op) {
    See(op.inode);
    m.xattrs_[{op.inode, op.name}] = op.value;
  }
  void operator()(const EraseXattr& op) { m.xattrs_.erase({op.inode, op.name}); }
  void operator()(const PutFileKey& op) {
    See(op.record.inode);
    m.file_keys_[{op.record.inode, op.record.generation}] = op.record;
  }
  void operator()(const PutStudyKey& op) {
    const std::pair key(op.record.study_key_id, op.record.group);
    const auto it = m.study_keys_.find(key);
    const auto old = it == m.study_keys_.end() ? op.record : it->second;
    m.study_keys_[key] = op.record;
    Unpoint(old);
    m.studies_[op.record.study_identity] = op.record.study_key_id;
  }
  void operator()(const EraseStudyKey& op) {
    const auto it = m.study_keys_.find({op.study_key_id, op.group});
    if (it == m.study_keys_.end()) return;
    const StudyKeyRecord gone = it->second;
    m.study_keys_.erase(it);
    Unpoint(gone);
  }
  // A study whose key is gone has another of its keys, if any.
  void Unpoint(const StudyKeyRecord& gone) {
    const auto at = m.studies_.find(gone.study_identity);
    if (at == m.studies_.end() || at->second != gone.study_key_id) return;
    std::optional<Uuid> last;
    for (const auto& [key, record] : m.study_keys_) {
      if (record.study_identity != gone.study_identity) continue;
      if (record.study_key_id == gone.study_key_id) return;
      last = record.study_key_id;
    }
    m.studies_.erase(at);
    if (last) m.studies_[gone.study_identity] = *last;
  }
  void operator()(const PutRenewals& op) { m.renewals_ = op; }
  void operator()(const PutShred& op) { m.shreds_[op.study_identity] = op; }
  void operator()(const PutGroupKey& op) { m.group_keys_[op.record.group] = op.record; }
  void operator()(const PutSession& op) { m.sessions_[op.number] = op.session; }
  void operator()(const PutEntity& op) {
    See(op.record.folder);
    (*this)(EraseEntity{op.record.kind, op.record.identity});
    m.entities_[{op.record.kind, op.record.identity}] = op.record;
    m.folders_[op.record.folder] = {op.record.kind, op.record.identity};
  }
  void operator()(const EraseEntity& op) {
    const std::pair key(op.kind, op.identity);
    std::erase_if(m.folders_, [&](const auto& e) { return e.second == key; });
    m.entities_.erase(key);
  }
  void operator()(const PutFiling& op) {
    See(op.record.inode);
    m.filings_[op.record.inode] = op.record;
  }
  void operator()(const EraseFiling& op) { m.filings_.erase(op.inode); }
  // Says nothing of any file (tests/index/dead_space_test.cc).
  void operator()(const Punch&) {}
  void operator()(const Checkpoint& op) {
    m.next_inode_ = std::max(m.next_inode_, op.next_inode);
    m.next_cookie_ = std::max(m.next_cookie_, op.next_cookie);
  }
  void operator()(const Cleared&) {}
  void operator()(const PutConfiguration& op) { m.configuration_ = op; }
  void operator()(const QuoteAudit& op) { m.audit_quote_ = op; }
  void operator()(const PutHold& op) {
    m.holds_[{op.record.id, op.record.study_identity}] = op.record;
  }
  void operator()(const EraseHold& op) { m.holds_.erase({op.id, op.study_identity}); }
  void operator()(const PutEmergency& op) {
    m.emergencies_[{op.record.id, op.record.identity}] = op.record;
  }
  void operator()(const EraseEmergency& op) { m.emergencies_.erase({op.id, op.identity}); }
};

void IndexModel::Apply(const Operations& operations) {
  for (const Operation& operation : operations) std::visit(ModelApplier{*this}, operation);
}

IndexDump IndexModel::Dump() const {
  IndexDump dump;
  const auto line = [&](std::string text) { dump.push_back(std::move(text)); };
  Index::Counts counts;
  counts.inodes = inodes_.size();
  for (const auto& [inode, filing] : filings_)
    ++(filing.state == FilingState::kFiled ? counts.filed : counts.unfiled);
  line(CountsLine(counts, next_inode_, next_cookie_));

  std::vector<InodeId> orphans, all, unfiled;
  for (const auto& [inode, r] : inodes_) {
    all.push_back(inode);
    if (r.nlink == 0) orphans.push_back(inode);
  }
  for (const auto& [inode, filing] : filings_)
    if (filing.state != FilingState::kFiled) unfiled.push_back(inode);
  line("orphans " + Numbers(orphans));
  line("inodes " + Numbers(all));
  line("unfiled " + Numbers(unfiled));

  for (InodeId inode = kFirst; inode <= kLast; ++inode) {
    const auto it = inodes_.find(inode);
    line(it == inodes_.end() ? "none" : Said(PutInode{it->second}));
    std::string bytes;
    if (const auto b = bytes_.find(inode); b != bytes_.end())
      for (const auto& [at, what] : b->second) bytes += std::to_string(at) + ":" + what + " ";
    line("bytes " + bytes);
    std::string xattrs;
    for (const auto& [key, value] : xattrs_)
      if (key.first == inode) xattrs += ToHex(AsBytes(key.second)) + " ";
    line("xattrs " + xattrs);
    for (const std::string& word : Words()) {
      const auto x = xattrs_.find({inode, word});
      line(x == xattrs_.end() ? "none" : ToHex(x->second));
    }
    for (uint32_t generation = 0; generation < 2; ++generation) {
      const auto k = file_keys_.find({inode, generation});
      line(k == file_keys_.end() ? "none" : Said(PutFileKey{k->second}));
    }
    const auto f = filings_.find(inode);
    line(f == filings_.end() ? "none" : Said(PutFiling{f->second}));
  }
  for (InodeId folder = kFirstFolder; folder <= kLastFolder; ++folder) {
    std::map<uint64_t, NameRecord> by_cookie;
    for (const auto& [key, r] : names_)
      if (key.first == folder) by_cookie[r.cookie] = r;
    std::string listed, every;
    for (const auto& [cookie, r] : by_cookie) {
      every += Said(PutName{r}) + " ";
      if ((r.flags & kNameAlias) == 0) listed += Said(PutName{r}) + " ";
    }
    line("listed " + listed);
    line("every " + every);
    const auto owner = folders_.find(folder);
    line(owner == folders_.end() ? "none" : Said(PutEntity{entities_.at(owner->second)}));
    for (const std::string& word : Words()) {
      const auto n = names_.find({folder, word});
      line(n == names_.end() ? "none" : Said(PutName{n->second}));
      std::vector<InodeId> instances;
      for (const auto& [inode, filing] : filings_)
        if (filing.state == FilingState::kFiled && filing.view_folder == folder &&
            filing.instance_identity == word)
          instances.push_back(inode);
      line("instances " + Numbers(instances));
    }
  }
  for (const std::string& word : Words()) {
    for (const EntityKind kind : {EntityKind::kPatient, EntityKind::kStudy}) {
      const auto e = entities_.find({kind, word});
      line(e == entities_.end() ? "none" : Said(PutEntity{e->second}));
    }
    const auto s = studies_.find(word);
    line(s == studies_.end() ? "none" : ToHex(s->second));
    std::set<Uuid> ids;
    for (const auto& [key, record] : study_keys_)
      if (record.study_identity == word) ids.insert(record.study_key_id);
    std::string keys = "keys ";
    for (const Uuid& id : ids) keys += ToHex(id) + " ";
    line(keys);
    const auto d = shreds_.find(word);
    line(d == shreds_.end() ? "none" : Said(d->second));
  }
  std::string wraps = "wraps ", groups = "groups ";
  for (const auto& [key, record] : study_keys_) wraps += Said(PutStudyKey{record}) + " ";
  for (const auto& [number, record] : group_keys_) groups += Said(PutGroupKey{record}) + " ";
  line(wraps);
  line(groups);
  for (uint32_t gid = 0; gid < kGids; ++gid) {
    const GroupKeyRecord* present = nullptr;
    for (const auto& [number, record] : group_keys_)
      if (record.gid == gid) present = &record;
    line(present == nullptr ? "none" : Said(PutGroupKey{*present}));
  }
  line(Said(renewals_));
  line(configuration_ ? Said(*configuration_) : "none");
  line(audit_quote_ ? Said(*audit_quote_) : "none");
  std::string holds;
  for (const auto& [key, hold] : holds_) holds += Said(PutHold{hold}) + " ";
  line("holds " + holds);
  std::string emergencies;
  for (const auto& [key, grant] : emergencies_) emergencies += Said(PutEmergency{grant}) + " ";
  line("emergencies " + emergencies);
  for (uint32_t number = 1; number <= kSessions; ++number) {
    const auto s = sessions_.find(number);
    line(s == sessions_.end() ? "none" : ToHex(s->second));
  }
  return dump;
}

namespace {

// What a visit saw, or kCorruptLine.
std::string Visited(const Status& status, const std::string& seen) {
  if (status) return seen;
  EXPECT_EQ(status.error().code, Errc::kCorrupt) << ToString(status.error());
  return kCorruptLine;
}

void DumpInode(const Index& index, InodeId inode, IndexDump& dump) {
  const auto line = [&](std::string text) { dump.push_back(std::move(text)); };
  line(LineOfOptional(index.GetInode(inode),
                      [](const InodeRecord& r) { return Said(PutInode{r}); }));
  line(LineOf(index.Extents(inode, 0, ~uint64_t{0}), [&](const std::vector<Extent>& extents) {
    std::string bytes;
    for (const Extent& e : extents)
      for (uint64_t at = e.file_offset; at < e.end(); ++at)
        bytes += std::to_string(at) + ":" + ByteOf(e, at) + " ";
    return "bytes " + bytes;
  }));
  line(LineOf(index.XattrNames(inode), [](const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += ToHex(AsBytes(name)) + " ";
    return "xattrs " + text;
  }));
  for (const std::string& word : Words())
    line(LineOfOptional(index.GetXattr(inode, word), [](const ByteVector& v) { return ToHex(v); }));
  for (uint32_t generation = 0; generation < 2; ++generation)
    line(LineOfOptional(index.GetFileKey(inode, generation),
                        [](const FileKeyRecord& r) { return Said(PutFileKey{r}); }));
  line(LineOfOptional(index.GetFiling(inode),
                      [](const FilingRecord& r) { return Said(PutFiling{r}); }));
}

void DumpFolder(const Index& index, InodeId folder, IndexDump& dump) {
  const auto line = [&](std::string text) { dump.push_back(std::move(text)); };
  std::string listed = "listed ";
  const Status visited = index.VisitNames(folder, 0, [&](const NameRecord& r) {
    listed += Said(PutName{r}) + " ";
    return true;
  });
  line(Visited(visited, listed));
  line(LineOf(index.AllNames(folder), [](const std::vector<NameRecord>& names) {
    std::string every;
    for (const NameRecord& r : names) every += Said(PutName{r}) + " ";
    return "every " + every;
  }));
  line(LineOfOptional(index.GetEntityOfFolder(folder),
                      [](const EntityRecord& r) { return Said(PutEntity{r}); }));
  for (const std::string& word : Words()) {
    line(LineOfOptional(index.GetName(folder, word),
                        [](const NameRecord& r) { return Said(PutName{r}); }));
    line(LineOf(index.Instances(folder, word),
                [](const std::vector<InodeId>& found) { return "instances " + Numbers(found); }));
  }
}

}  // namespace

IndexDump DumpIndex(const Index& index) {
  IndexDump dump;
  dump.push_back(CountsLine(index.counts(), index.next_inode(), index.next_cookie()));
  dump.push_back(LineOf(index.Orphans(), [](const auto& v) { return "orphans " + Numbers(v); }));
  std::vector<InodeId> all, unfiled;
  const Status inodes = index.VisitInodes([&](const InodeRecord& r) {
    all.push_back(r.inode);
    return true;
  });
  dump.push_back(Visited(inodes, "inodes " + Numbers(all)));
  const Status filings = index.VisitUnfiled([&](const FilingRecord& r) {
    unfiled.push_back(r.inode);
    return true;
  });
  dump.push_back(Visited(filings, "unfiled " + Numbers(unfiled)));
  for (InodeId inode = kFirst; inode <= kLast; ++inode) DumpInode(index, inode, dump);
  for (InodeId folder = kFirstFolder; folder <= kLastFolder; ++folder)
    DumpFolder(index, folder, dump);
  for (const std::string& word : Words()) {
    for (const EntityKind kind : {EntityKind::kPatient, EntityKind::kStudy})
      dump.push_back(LineOfOptional(index.GetEntity(kind, word),
                                    [](const EntityRecord& r) { return Said(PutEntity{r}); }));
    dump.push_back(
        LineOfOptional(index.FindStudyKey(word), [](const Uuid& id) { return ToHex(id); }));
    dump.push_back(LineOf(index.StudyKeysOf(word), [](const std::vector<Uuid>& ids) {
      std::string keys = "keys ";
      for (const Uuid& id : ids) keys += ToHex(id) + " ";
      return keys;
    }));
    dump.push_back(LineOfOptional(index.GetShred(word), [](const PutShred& s) { return Said(s); }));
  }
  std::string wraps = "wraps ";
  const Status visited = index.VisitStudyKeys([&](const StudyKeyRecord& record) {
    wraps += Said(PutStudyKey{record}) + " ";
    return true;
  });
  dump.push_back(Visited(visited, wraps));
  dump.push_back(LineOf(index.GroupKeys(), [](const std::vector<GroupKeyRecord>& all_groups) {
    std::string groups = "groups ";
    for (const GroupKeyRecord& record : all_groups) groups += Said(PutGroupKey{record}) + " ";
    return groups;
  }));
  for (uint32_t gid = 0; gid < kGids; ++gid)
    dump.push_back(LineOfOptional(index.FindGroupKey(gid),
                                  [](const GroupKeyRecord& r) { return Said(PutGroupKey{r}); }));
  dump.push_back(LineOf(index.GetRenewals(), [](const PutRenewals& r) { return Said(r); }));
  dump.push_back(
      LineOfOptional(index.GetConfiguration(), [](const PutConfiguration& c) { return Said(c); }));
  dump.push_back(
      LineOfOptional(index.GetAuditQuote(), [](const QuoteAudit& q) { return Said(q); }));
  dump.push_back(LineOf(index.Holds(), [](const std::vector<HoldRecord>& holds) {
    std::string line = "holds ";
    for (const HoldRecord& hold : holds) line += Said(PutHold{hold}) + " ";
    return line;
  }));
  dump.push_back(LineOf(index.Emergencies(), [](const std::vector<EmergencyRecord>& grants) {
    std::string line = "emergencies ";
    for (const EmergencyRecord& grant : grants) line += Said(PutEmergency{grant}) + " ";
    return line;
  }));
  for (uint32_t number = 1; number <= kSessions; ++number)
    dump.push_back(
        LineOfOptional(index.GetSession(number), [](const Uuid& id) { return ToHex(id); }));
  return dump;
}

std::string Difference(const IndexDump& got, const IndexDump& expected, bool may_be_corrupt) {
  if (got.size() != expected.size()) return "another number of lines";
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i] || (may_be_corrupt && got[i] == kCorruptLine)) continue;
    return "line " + std::to_string(i) + ": got " + got[i] + ", expected " + expected[i];
  }
  return "";
}

}  // namespace leadglass
