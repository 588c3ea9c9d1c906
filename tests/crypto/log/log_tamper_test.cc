// SPDX-License-Identifier: Apache-2.0
//
// Every bit of a small log flipped, every length cut, every two records and segments exchanged: the
// log gives an error or exactly what was written, never anything else. Where a second copy exists
// it must serve: only the bytes of files exist once.
#include <algorithm>
#include <map>

#include "crypto/log/segment_scan.h"
#include "tests/crypto/log/log_fixture.h"
#include "tests/support/fault_step.h"

namespace leadglass {
namespace {

// One record's place in the log.
struct Place {
  SegmentId segment;
  uint64_t offset = 0;
  Frame frame;
};

// What can be seen of a log: an error, or commits and the data that read well.
struct View {
  Status status;
  std::vector<std::string> payloads;
  std::vector<bool> data_ok;
};

class LogTamper : public ::testing::Test {
 protected:
  // Three segments from two sessions, the second one after a kill; `closed` ends it with a footer.
  void Make(bool closed) {
    std::unique_ptr<SealedLog> log;
    ASSERT_OK_AND_ASSIGN(log, NewLog(fs_, SmallSegments(kSegmentSize)));
    Append(*log, 2);
    ASSERT_THAT(log->Sync(), IsOk());
    fs_.Crash(FaultFileSystem::Tear::kKeepAll);
    ASSERT_OK_AND_ASSIGN(log, OpenLog(fs_, SmallSegments(kSegmentSize)));
    ASSERT_THAT(RecoverAll(*log), IsOk());
    Append(*log, 4);
    head_ = log->head();
    if (closed) {
      ASSERT_THAT(log->Close(), IsOk());
    } else {
      fs_.Crash(FaultFileSystem::Tear::kKeepAll);
    }
    log.reset();
    ASSERT_OK_AND_ASSIGN(const SegmentListing listing, ListSegments(fs_, kLogFolder));
    ASSERT_EQ(listing.segments.size(), 3u);
    for (const SegmentId id : listing.segments) {
      original_[id] = FileBytes(fs_, SegmentFile(id));
      ASSERT_OK_AND_ASSIGN(const auto file, fs_.Open(SegmentFile(id), OpenMode::kRead));
      ASSERT_OK_AND_ASSIGN(
          const SegmentScan scan,
          ScanSegment(*file, LoadLe<uint64_t>(original_[id].data() + 88), std::nullopt));
      for (const ScannedRecord& record : scan.records)
        places_.push_back({id, record.offset, record.frame});
    }
    const View view = Look(true);
    ASSERT_THAT(view.status, IsOk());
    ASSERT_TRUE(Whole(view));
  }

  void Append(SealedLog& log, int commits) {
    for (int i = 0; i < commits; ++i) {
      const auto n = static_cast<uint32_t>(written_.size());
      ASSERT_OK_AND_ASSIGN(Written one, Write(log, n, Pattern(30 + 20 * n, n)));
      written_.push_back(std::move(one));
      payloads_.push_back("commit number " + std::to_string(n));
      ASSERT_THAT(log.AppendCommit(AsBytes(payloads_.back())), IsOk());
      if (i % 2 == 1) {
        ASSERT_THAT(log.Sync(), IsOk());
      }
    }
  }

  // Looks at the log as a reader does who remembers the newest head, or does not.
  View Look(bool remembers) {
    View view;
    SealedLog::Options options = SmallSegments(kSegmentSize);
    options.read_only = true;
    if (remembers) options.not_older_than = head_;
    auto log = OpenLog(fs_, options);
    if (!log) {
      view.status = log.error();
      return view;
    }
    Result<Seen> seen = RecoverAll(**log);
    if (!seen) {
      view.status = seen.error();
      return view;
    }
    view.payloads = std::move(seen->payloads);
    for (const Written& one : written_) {
      const Result<ByteVector> got = Read(**log, one);
      if (got) {
        EXPECT_EQ(*got, one.plain);
      }
      view.data_ok.push_back(got.has_value());
    }
    return view;
  }

  bool AllCommits(const View& view) const { return view.payloads == payloads_; }
  bool Whole(const View& view) const {
    return AllCommits(view) && std::count(view.data_ok.begin(), view.data_ok.end(), false) == 0;
  }
  bool IsPrefix(const View& view) const {
    return view.payloads.size() <= payloads_.size() &&
           std::equal(view.payloads.begin(), view.payloads.end(), payloads_.begin());
  }
  void Restore(SegmentId id) { Overwrite(fs_, SegmentFile(id), original_[id]); }
  // What the tampered log shows must be an error or the truth.
  void ExpectNothingSilent(const std::string& what) {
    const View remembering = Look(true);
    if (remembering.status) {
      EXPECT_TRUE(AllCommits(remembering)) << what;
    }
    const View forgetful = Look(false);
    if (forgetful.status) {
      EXPECT_TRUE(IsPrefix(forgetful)) << what;
    }
  }
  const Place* PlaceOf(SegmentId id, uint64_t offset) const {
    for (const Place& place : places_)
      if (place.segment == id && offset >= place.offset &&
          offset < place.offset + place.frame.record_length)
        return &place;
    return nullptr;
  }
  std::vector<SealedLog::Damage> Verify() {
    std::vector<SealedLog::Damage> damages;
    SealedLog::Options options = SmallSegments(kSegmentSize);
    options.read_only = true;
    auto log = OpenLog(fs_, options);
    if (!log || !RecoverAll(**log)) return {{{}, "not opened", false}};
    EXPECT_THAT((*log)->Verify([&](const SealedLog::Damage& d) { damages.push_back(d); },
                               [](uint64_t, uint64_t) {}, nullptr),
                IsOk());
    return damages;
  }

  static constexpr uint64_t kSegmentSize = 8000;
  FaultFileSystem fs_;
  Head head_;
  std::vector<Written> written_;
  std::vector<std::string> payloads_;
  std::map<SegmentId, ByteVector> original_;
  std::vector<Place> places_;
};

// The table of docs/threat-model.md: in a closed log one flipped bit costs one file or nothing.
TEST_F(LogTamper, OneFlippedBitCostsOneFileOrNothing) {
  Make(true);
  for (const auto& [id, bytes] : original_) {
    for (uint64_t at = 0; at < bytes.size(); ++at) {
      const Place* place = PlaceOf(id, at);
      const bool in_data = place != nullptr && place->frame.kind == RecordKind::kData;
      for (int bit = 0; bit < 8; ++bit) {
        // The zeros of a header are all alike.
        const bool zeros = at >= 1536 && at < kSegmentHeaderSize;
        if ((zeros || !kEveryBit) && bit != static_cast<int>(at % 8)) continue;
        fs_.FlipBits(SegmentFile(id), at, static_cast<uint8_t>(1 << bit));
        const View view = Look(false);
        const std::string where = ToString(Position{id, at}) + " bit " + std::to_string(bit);
        ASSERT_THAT(view.status, IsOk()) << where;
        ASSERT_TRUE(AllCommits(view)) << where;
        for (size_t i = 0; i < written_.size(); ++i) {
          const bool hit = in_data && written_[i].record.position == Position{id, place->offset};
          // The frame has a second copy. Padding is nobody's byte: Verify() alone notices.
          const uint64_t body = hit ? place->offset + kDataFrameSize : 0;
          const bool must_fail = hit && at >= body && at < body + written_[i].record.length + 16;
          ASSERT_EQ(view.data_ok[i], !must_fail) << where << " record " << i;
        }
        fs_.FlipBits(SegmentFile(id), at, static_cast<uint8_t>(1 << bit));
      }
    }
  }
}

TEST_F(LogTamper, VerifyFindsEveryFlippedByteAndSaysWhetherItIsHealed) {
  Make(true);
  ASSERT_TRUE(Verify().empty());
  for (const auto& [id, bytes] : original_) {
    for (uint64_t at = 0; at < bytes.size(); ++at) {
      fs_.FlipBits(SegmentFile(id), at, static_cast<uint8_t>(1u << (at % 8)));
      const auto damages = Verify();
      const std::string where = ToString(Position{id, at});
      ASSERT_EQ(damages.size(), 1u) << where;
      EXPECT_EQ(damages[0].position.segment, id) << where;
      const Place* place = PlaceOf(id, at);
      const bool in_data = place != nullptr && place->frame.kind == RecordKind::kData;
      const bool in_body = in_data && at >= place->offset + kDataFrameSize;
      EXPECT_EQ(damages[0].healed, !in_body) << where << ": " << damages[0].what;
      EXPECT_EQ(damages[0].position.offset, place == nullptr ? 0 : place->offset) << where;
      if (in_data) {
        EXPECT_EQ(damages[0].what, "data record");
      }
      fs_.FlipBits(SegmentFile(id), at, static_cast<uint8_t>(1u << (at % 8)));
    }
  }
}

TEST_F(LogTamper, OneFlippedBitInALogThatWasNotClosedIsNeverSilent) {
  Make(false);
  for (const auto& [id, bytes] : original_) {
    for (uint64_t at = 0; at < bytes.size(); ++at) {
      if (at >= 1536 && at < kSegmentHeaderSize) continue;
      fs_.FlipBits(SegmentFile(id), at, static_cast<uint8_t>(1u << (at % 8)));
      ExpectNothingSilent(ToString(Position{id, at}));
      fs_.FlipBits(SegmentFile(id), at, static_cast<uint8_t>(1u << (at % 8)));
    }
  }
}

TEST_F(LogTamper, ASegmentCutToAnyLengthIsNeverSilent) {
  Make(true);
  for (const auto& [id, bytes] : original_) {
    for (size_t length = 0; length < bytes.size(); ++length) {
      if (length < kSegmentHeaderSize && length % 61 != 0) continue;  // no header, whatever is left
      Overwrite(fs_, SegmentFile(id), ByteSpan(bytes).first(length));
      ExpectNothingSilent(ToString(id) + " cut to " + std::to_string(length));
    }
    Restore(id);
  }
}

TEST_F(LogTamper, ASegmentExtendedByAnythingIsNeverSilent) {
  Make(true);
  for (const auto& [id, bytes] : original_) {
    for (const auto& [other, tail] : original_) {
      for (const size_t from : {size_t{0}, kSegmentHeaderSize}) {
        ByteVector longer = bytes;
        longer.insert(longer.end(), tail.begin() + static_cast<ptrdiff_t>(from), tail.end());
        Overwrite(fs_, SegmentFile(id), longer);
        const View view = Look(true);
        if (view.status) {
          EXPECT_TRUE(Whole(view)) << ToString(id) << " + " << ToString(other);
        }
      }
    }
    Restore(id);
  }
}

TEST_F(LogTamper, AnyTwoRecordsExchangedAreNeverSilent) {
  Make(true);
  for (size_t i = 0; i < places_.size(); ++i) {
    for (size_t j = i + 1; j < places_.size(); ++j) {
      const Place& a = places_[i];
      const Place& b = places_[j];
      auto bytes = original_;
      const auto cut = [&](const Place& place) {
        const auto from = original_[place.segment].begin() + static_cast<ptrdiff_t>(place.offset);
        return ByteVector(from, from + place.frame.record_length);
      };
      const ByteVector first = cut(a);
      const ByteVector second = cut(b);
      // The later place first, so that the earlier offset stays right where both are in one file.
      const auto put = [&](const Place& place, const ByteVector& record) {
        ByteVector& file = bytes[place.segment];
        const auto from = file.begin() + static_cast<ptrdiff_t>(place.offset);
        file.erase(from, from + place.frame.record_length);
        file.insert(file.begin() + static_cast<ptrdiff_t>(place.offset), record.begin(),
                    record.end());
      };
      put(b, first);
      put(a, second);
      Overwrite(fs_, SegmentFile(a.segment), bytes[a.segment]);
      Overwrite(fs_, SegmentFile(b.segment), bytes[b.segment]);
      ExpectNothingSilent("records " + std::to_string(i) + " and " + std::to_string(j));
      Restore(a.segment);
      Restore(b.segment);
    }
  }
}

TEST_F(LogTamper, AnyRecordZeroedOrDoubledOrRemovedIsNeverSilent) {
  Make(true);
  for (const Place& place : places_) {
    const ByteVector& file = original_[place.segment];
    const auto from = static_cast<ptrdiff_t>(place.offset);
    const ptrdiff_t length = place.frame.record_length;
    ByteVector zeroed = file;
    std::fill_n(zeroed.begin() + from, length, uint8_t{0});
    Overwrite(fs_, SegmentFile(place.segment), zeroed);
    ExpectNothingSilent("zeroed " + ToString(Position{place.segment, place.offset}));
    if (place.frame.kind == RecordKind::kData) {
      const View view = Look(true);
      ASSERT_THAT(view.status, IsOk());
      EXPECT_EQ(std::count(view.data_ok.begin(), view.data_ok.end(), false), 1);
    }
    ByteVector doubled = file;
    doubled.insert(doubled.begin() + from, file.begin() + from, file.begin() + from + length);
    Overwrite(fs_, SegmentFile(place.segment), doubled);
    ExpectNothingSilent("doubled " + ToString(Position{place.segment, place.offset}));
    ByteVector removed = file;
    removed.erase(removed.begin() + from, removed.begin() + from + length);
    Overwrite(fs_, SegmentFile(place.segment), removed);
    ExpectNothingSilent("removed " + ToString(Position{place.segment, place.offset}));
    Restore(place.segment);
  }
}

TEST_F(LogTamper, WholeSegmentsExchangedDoubledZeroedOrDeletedAreNeverSilent) {
  Make(true);
  for (const auto& [a, a_bytes] : original_) {
    for (const auto& [b, b_bytes] : original_) {
      if (a == b) continue;
      Overwrite(fs_, SegmentFile(a), b_bytes);
      ExpectNothingSilent(ToString(a) + " replaced by " + ToString(b));
      Overwrite(fs_, SegmentFile(b), a_bytes);
      ExpectNothingSilent(ToString(a) + " exchanged with " + ToString(b));
      Restore(a);
      Restore(b);
    }
    Overwrite(fs_, SegmentFile(a), ByteVector(a_bytes.size()));
    ExpectNothingSilent(ToString(a) + " zeroed");
    ASSERT_THAT(fs_.Remove(SegmentFile(a)), IsOk());
    ExpectNothingSilent(ToString(a) + " deleted");
    Restore(a);
    const SegmentId next{1, original_.size() + 1};
    Overwrite(fs_, SegmentFile(next), a_bytes);
    ExpectNothingSilent(ToString(a) + " doubled as " + ToString(next));
    ASSERT_THAT(fs_.Remove(SegmentFile(next)), IsOk());
  }
}

TEST_F(LogTamper, AForgedNewestSegmentCannotCutCommitsOff) {
  Make(true);
  // An attacker without keys writes a well-formed segment that claims the log ended early.
  const SegmentId last = original_.rbegin()->first;
  ASSERT_OK_AND_ASSIGN(const DecodedSegmentHeader first,
                       DecodeSegmentHeader(original_.begin()->second));
  for (const SegmentId id : {SegmentId{1, last.number + 1}, SegmentId{2, last.number + 1}}) {
    SegmentHeader header = first.header;
    header.id = id;
    header.previous = first.header.id;
    header.previous_length = kSegmentHeaderSize;
    if (id.epoch == 2) {
      ASSERT_THAT(fs_.CreateFolder(EpochFolder(kLogFolder, 2)), IsOk());
    }
    Overwrite(fs_, SegmentFile(id), EncodeSegmentHeader(EncodeHeaderBlock(header), nullptr));
    const View view = Look(false);
    ASSERT_THAT(view.status, IsOk());
    EXPECT_TRUE(Whole(view));
    ASSERT_THAT(fs_.Remove(SegmentFile(id)), IsOk());
  }
}

TEST_F(LogTamper, AnotherVaultsSegmentIsRefused) {
  Make(true);
  FaultFileSystem other;
  ASSERT_THAT(other.CreateFolder("/vault"), IsOk());
  Uuid id{};
  id.fill(9);
  ASSERT_OK_AND_ASSIGN(auto log,
                       SealedLog::Create(other, kLogFolder, id, TestKeys(), SmallSegments()));
  ASSERT_THAT(RecoverAll(*log), IsOk());
  ASSERT_THAT(log->AppendCommit(AsBytes("foreign")), IsOk());
  log.reset();
  Overwrite(fs_, SegmentFile({1, 1}), FileBytes(other, SegmentFile({1, 1})));
  EXPECT_THAT(Look(false).status, FailsWith(Errc::kCorrupt));
}

}  // namespace
}  // namespace leadglass
