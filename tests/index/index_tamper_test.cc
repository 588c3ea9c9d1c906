// SPDX-License-Identifier: Apache-2.0

// An attacker who may write to the index's folder. Whatever he does, the index is refused, or a
// lookup says kCorrupt, or it is right for the head that the index names; never wrong, never an
// absence that is none.

#include <algorithm>
#include <map>

#include "index/file_registry.h"
#include "tests/index/index_fixture.h"
#include "tests/index/index_model.h"

namespace leadglass {
namespace {

using Folder = std::map<std::string, ByteVector>;  // what lies in the index's folder

class IndexTamperTest : public IndexFixture {
 protected:
  // Three tables and more, with a picture of the folder after each.
  void BuildMoments(size_t moments, size_t operations = 25) {
    dumps_[0] = IndexModel().Dump();
    for (size_t i = 0; i < moments; ++i) {
      const Operations batch = RandomOperations(random_, operations, fresh_cookie_);
      Apply(batch);
      model_.Apply(batch);
      ASSERT_THAT(index_->Flush(), IsOk());
      dumps_[commits_] = model_.Dump();
      moments_.push_back(Picture());
    }
  }

  Folder Picture() {
    Folder folder;
    const auto names = fs_.List(kFolder);
    EXPECT_THAT(names, IsOk());
    for (const std::string& name : *names)
      if (name != "LOCK") folder[name] = *ReadWholeFile(fs_, Path(name), 1 << 26);
    return folder;
  }
  static std::string Path(const std::string& name) { return std::string(kFolder) + "/" + name; }

  // Puts that folder in place of the one that is there.
  void Lay(const Folder& folder) {
    index_.reset();
    ASSERT_THAT(Index::Destroy(fs_, kFolder), IsOk());
    ASSERT_THAT(fs_.CreateFolder(kFolder), IsOk());
    for (const auto& [name, bytes] : folder) {
      const auto file = fs_.Open(Path(name), OpenMode::kCreate);
      ASSERT_THAT(file, IsOk());
      ASSERT_THAT((*file)->WriteAt(0, bytes), IsOk());
    }
  }

  enum class Seen { kRefused, kDamageFound, kRight };
  // Opens what lies there and reads everything; fails the test when anything is wrong.
  Seen Look(const std::string& what) {
    const auto opened = TryOpen();
    if (!opened) {
      EXPECT_EQ(opened.error().code, Errc::kCorrupt) << what << ": " << ToString(opened.error());
      return Seen::kRefused;
    }
    const auto head = (*opened)->head();
    const uint64_t commit = head ? head->first.commit_number : 0;
    EXPECT_TRUE(dumps_.contains(commit)) << what << ": of no moment: commit " << commit;
    const IndexDump dump = DumpIndex(**opened);
    EXPECT_EQ(Difference(dump, dumps_[commit], true), "") << what;
    return std::count(dump.begin(), dump.end(), kCorruptLine) > 0 ? Seen::kDamageFound
                                                                  : Seen::kRight;
  }
  Seen LayAndLook(const Folder& folder, const std::string& what) {
    Lay(folder);
    return Look(what);
  }

  std::mt19937_64 random_{20251125};
  uint64_t fresh_cookie_ = 16;
  IndexModel model_;
  std::map<uint64_t, IndexDump> dumps_;  // by commit number
  std::vector<Folder> moments_;
};

TEST_F(IndexTamperTest, LeavesNoClearNameInAnyFile) {
  Apply({PutName{SampleName(300, "DOE^JANE^19700101", 20, 16)}});
  ASSERT_THAT(index_->Flush(), IsOk());
  const Folder folder = Picture();
  for (const auto& [name, bytes] : folder) {
    EXPECT_EQ(AsText(bytes).find("DOE^JANE"), std::string_view::npos) << name;
    const bool known = name == "FILES" || name.starts_with("MANIFEST-") || name.ends_with(".ldb");
    EXPECT_TRUE(known) << name << " should not be there";
  }
}

TEST_F(IndexTamperTest, AnUntouchedCopyIsRight) {
  BuildMoments(3);
  for (size_t i = 0; i < moments_.size(); ++i)
    EXPECT_EQ(LayAndLook(moments_[i], "moment " + std::to_string(i)), Seen::kRight);
}

TEST_F(IndexTamperTest, NoFlippedBitGoesUnnoticed) {
  BuildMoments(2, 6);
  const Folder& folder = moments_.back();
  std::map<std::string, size_t> right;
  for (const auto& [name, bytes] : folder) {
    // Every byte of the small files and of the ends of tables; the middle of tables sampled.
    const size_t step = bytes.size() > 1000 ? 1 + bytes.size() / 400 : 1;
    for (size_t at = 0; at < bytes.size(); at += step) {
      Folder changed = folder;
      changed[name][at] ^= static_cast<uint8_t>(1u << (at % 8));
      if (LayAndLook(changed, name + " byte " + std::to_string(at)) == Seen::kRight) ++right[name];
      if (HasFailure()) return;
    }
  }
  // What may pass is the newest record of the MANIFEST, which looks torn: an older head is right.
  for (const auto& [name, count] : right) {
    EXPECT_TRUE(name.starts_with("MANIFEST-")) << name << ": " << count << " flips not noticed";
  }
}

TEST_F(IndexTamperTest, NoTruncationGoesUnnoticed) {
  BuildMoments(2, 6);
  const Folder& folder = moments_.back();
  for (const auto& [name, bytes] : folder) {
    const size_t step = 1 + bytes.size() / 300;
    for (size_t keep = 0; keep < bytes.size(); keep += step) {
      Folder changed = folder;
      changed[name].resize(keep);
      const Seen seen = LayAndLook(changed, name + " cut to " + std::to_string(keep));
      if (!name.starts_with("MANIFEST-")) {
        EXPECT_EQ(seen, Seen::kRefused) << name << " cut to " << keep;
      }
      if (HasFailure()) return;
    }
  }
}

TEST_F(IndexTamperTest, NoExtensionOfATableGoesUnnoticed) {
  BuildMoments(1);
  for (const auto& [name, bytes] : moments_[0]) {
    Folder changed = moments_[0];
    changed[name].insert(changed[name].end(), bytes.begin(), bytes.end());
    const Seen seen = LayAndLook(changed, name + " doubled");
    if (!name.starts_with("MANIFEST-")) {
      EXPECT_EQ(seen, Seen::kRefused) << name;
    }
  }
}

TEST_F(IndexTamperTest, RefusesAMissingFile) {
  BuildMoments(3);
  for (const auto& [name, bytes] : moments_.back()) {
    Folder changed = moments_.back();
    changed.erase(name);
    EXPECT_EQ(LayAndLook(changed, name + " missing"), Seen::kRefused) << name;
  }
}

TEST_F(IndexTamperTest, RefusesTwoFilesThatChangedPlaces) {
  BuildMoments(3);
  const Folder& folder = moments_.back();
  for (const auto& [a, a_bytes] : folder)
    for (const auto& [b, b_bytes] : folder) {
      if (a >= b) continue;
      Folder changed = folder;
      std::swap(changed[a], changed[b]);
      EXPECT_EQ(LayAndLook(changed, a + " and " + b), Seen::kRefused);
    }
}

TEST_F(IndexTamperTest, NeverMixesMoments) {
  options_.write_buffer_bytes = 64 << 10;
  Reopen();
  BuildMoments(7);  // with level-0 tables enough for a compaction
  size_t right = 0;
  for (size_t a = 0; a < moments_.size(); ++a) {
    for (size_t b = 0; b < moments_.size(); ++b) {
      for (const auto& [name, bytes] : moments_[a]) {
        if (const auto it = moments_[b].find(name); it != moments_[b].end() && it->second == bytes)
          continue;
        Folder mixed = moments_[b];
        mixed[name] = bytes;
        const std::string what =
            name + " of moment " + std::to_string(a) + " in moment " + std::to_string(b);
        if (LayAndLook(mixed, what) == Seen::kRight) ++right;
        if (HasFailure()) return;
      }
    }
  }
  RecordProperty("consistent_mixtures", static_cast<int>(right));
}

TEST_F(IndexTamperTest, NeverMixesBranchesOfOneIndex) {
  // The folder is put back to an earlier moment, goes on from there, and then meets files of the
  // life it had before: LevelDB gave the same numbers twice.
  BuildMoments(3);
  const std::vector<Folder> first = moments_;
  Lay(first[0]);
  Reopen();
  model_ = IndexModel();
  std::mt19937_64 again(99);
  const Operations batch = RandomOperations(again, 25, fresh_cookie_);
  const uint64_t branch = 100;
  ASSERT_THAT(index_->Apply(batch, SampleCommit(branch)), IsOk());
  ASSERT_THAT(index_->Flush(), IsOk());
  dumps_[branch] = DumpIndex(*index_);
  const Folder second = Picture();
  const auto with = [](Folder folder, const std::string& name, const ByteVector& bytes) {
    folder[name] = bytes;
    return folder;
  };
  for (const Folder& old : first) {
    for (const auto& [name, bytes] : old) LayAndLook(with(second, name, bytes), name + " of old");
    for (const auto& [name, bytes] : second) LayAndLook(with(old, name, bytes), name + " of new");
  }
}

TEST_F(IndexTamperTest, RefusesAnotherVaultsIndex) {
  BuildMoments(1);
  Lay(moments_[0]);
  vault_id_ = SampleUuid(0x41);
  EXPECT_THAT(TryOpen(), FailsWith(Errc::kCorrupt));
}

TEST_F(IndexTamperTest, RefusesAnIndexOfAnotherKey) {
  BuildMoments(1);
  Lay(moments_[0]);
  key_.ExposeForOpenSsl()[0] ^= 1;
  EXPECT_THAT(TryOpen(), FailsWith(Errc::kCorrupt));
}

TEST_F(IndexTamperTest, RefusesFilesOfAnIndexThatWasThrownAway) {
  BuildMoments(2);
  const Folder old = moments_.back();
  index_.reset();
  ASSERT_THAT(Index::Destroy(fs_, kFolder), IsOk());
  Reopen();
  model_ = IndexModel();
  moments_.clear();
  BuildMoments(2);
  for (const auto& [name, bytes] : old) {
    Folder mixed = moments_.back();
    mixed[name] = bytes;
    const bool in_use = moments_.back().contains(name);
    const Seen seen = LayAndLook(mixed, name + " of the older index");
    if (in_use) {
      EXPECT_EQ(seen, Seen::kRefused) << name;
    }
  }
}

TEST_F(IndexTamperTest, IgnoresAWriteAheadLogThatSomebodyPutThere) {
  BuildMoments(1);
  Folder changed = moments_[0];
  for (const char* name : {"000003.log", "000099.log", "LOG", "CURRENT", "000100.ldb", "odd.txt"})
    changed[name] = ByteVector(100, 0x55);
  EXPECT_EQ(LayAndLook(changed, "strange files"), Seen::kRight);
}

TEST_F(IndexTamperTest, RefusesGarbage) {
  EXPECT_EQ(LayAndLook({{"odd.txt", {1, 2, 3}}}, "no list of files"), Seen::kRefused);
  EXPECT_EQ(LayAndLook({{"FILES", {}}}, "an empty list"), Seen::kRefused);
  EXPECT_EQ(LayAndLook({{"FILES", ByteVector(1000, 0)}}, "zeros"), Seen::kRefused);
  index_.reset();
  ASSERT_THAT(Index::Destroy(fs_, kFolder), IsOk());
  ASSERT_THAT(fs_.Open(kFolder, OpenMode::kCreate), IsOk());
  EXPECT_THAT(TryOpen(), FailsWith(Errc::kCorrupt));
  EXPECT_THAT(Index::Destroy(fs_, kFolder), IsOk());
  EXPECT_THAT(TryOpen(), IsOk());
}

TEST_F(IndexTamperTest, FindsDamageThatAppearsWhileItIsOpen) {
  options_.block_cache_bytes = 0;
  BuildMoments(3, 200);
  Reopen();
  const auto names = fs_.List(kFolder);
  ASSERT_THAT(names, IsOk());
  for (const std::string& name : *names) {
    if (!name.ends_with(".ldb")) continue;
    const size_t size = ReadWholeFile(fs_, Path(name), 1 << 26)->size();
    for (size_t at = 100; at < size; at += 512) fs_.FlipBits(Path(name), at);
  }
  const IndexDump dump = DumpIndex(*index_);
  EXPECT_EQ(Difference(dump, dumps_[commits_], true), "");
  EXPECT_GT(std::count(dump.begin(), dump.end(), kCorruptLine), 0);
}

}  // namespace
}  // namespace leadglass
