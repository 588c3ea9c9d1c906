// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/staged_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <random>
#include <thread>

#include "tests/crypto/log/log_fixture.h"

namespace leadglass {
namespace {

using Call = FaultFileSystem::Call;
using Lasts = FaultFileSystem::Lasts;
using ::testing::Each;
using ::testing::SizeIs;

constexpr uint64_t kRoom = 64u << 20;

class StagedFileTest : public ::testing::TestWithParam<StagedFile::Flushing> {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/f", OpenMode::kCreateExclusive));
    ASSERT_THAT(file->Allocate(0, kRoom), IsOk());
    ASSERT_THAT(file->Sync(), IsOk());
    ASSERT_THAT(fs_.SyncFolder("/"), IsOk());
    staged_ = std::make_unique<StagedFile>(std::move(file), kRoom, buffers_, GetParam());
  }
  ByteVector Beneath(uint64_t offset, size_t size) {
    ByteVector bytes(size);
    const auto file = fs_.Open("/f", OpenMode::kRead);
    EXPECT_THAT((*file)->ReadAt(offset, bytes), IsOkAndHolds(size));
    return bytes;
  }
  ByteVector Seen(uint64_t offset, size_t size) {
    ByteVector bytes(size);
    EXPECT_THAT(staged_->ReadAt(offset, bytes), IsOkAndHolds(size));
    return bytes;
  }

  FaultFileSystem fs_;
  WriteBuffers buffers_;
  std::unique_ptr<StagedFile> staged_;
};

TEST_P(StagedFileTest, ShowsWhatIsNotInTheFileYet) {
  const ByteVector bytes = Pattern(10'000, 1);
  ASSERT_THAT(staged_->WriteAt(0, bytes), IsOk());
  EXPECT_THAT(Beneath(0, 10'000), Each(0)) << "too little to be written by itself";
  EXPECT_EQ(Seen(0, 10'000), bytes);
  EXPECT_EQ(Seen(5000, 100), ByteVector(bytes.begin() + 5000, bytes.begin() + 5100));
  ByteVector longer = bytes;
  longer.resize(20'000);
  EXPECT_EQ(Seen(0, 20'000), longer) << "what is behind it is the file's";
}

TEST_P(StagedFileTest, ShowsAPartThatIsInTheFileAndOneThatIsNot) {
  const ByteVector first = Pattern(300'001, 1), second = Pattern(70'000, 2);
  ASSERT_THAT(staged_->WriteAt(0, first), IsOk());
  ASSERT_THAT(staged_->WriteAt(first.size(), second), IsOk());
  if (GetParam() == StagedFile::Flushing::kByWriters) {
    EXPECT_EQ(Beneath(0, 200'000), ByteVector(first.begin(), first.begin() + 200'000));
  }
  ByteVector all = first;
  all.insert(all.end(), second.begin(), second.end());
  EXPECT_EQ(Seen(0, all.size()), all);
}

TEST_P(StagedFileTest, ShowsWhatHasArrivedBeforeThatWhichStandsBeforeIt) {
  const ByteVector bytes = Pattern(10'000, 1);
  ASSERT_THAT(staged_->WriteAt(0, Pattern(100, 2)), IsOk());
  ASSERT_THAT(staged_->WriteAt(5000, bytes), IsOk());
  ASSERT_THAT(staged_->WriteAt(2u << 20, bytes), IsOk());
  EXPECT_EQ(Seen(5000, bytes.size()), bytes);
  EXPECT_EQ(Seen(2u << 20, bytes.size()), bytes);
  ASSERT_THAT(staged_->Sync(), IsOk());
  EXPECT_EQ(Seen(5000, bytes.size()), bytes);
}

TEST_P(StagedFileTest, IsDurableOnceSynced) {
  const ByteVector bytes = Pattern(3'000'017, 1);
  uint64_t at = 0;
  for (const size_t size : {5u, 4091u, 1u, 700'000u, 1'000'000u, 16u, 1'295'904u}) {
    ASSERT_THAT(staged_->WriteAt(at, ByteSpan(bytes).subspan(at, size)), IsOk());
    at += size;
    if (size % 2 != 0) continue;
    ASSERT_THAT(staged_->Sync(), IsOk());
  }
  ASSERT_EQ(at, bytes.size());
  ASSERT_THAT(staged_->Sync(), IsOk());
  fs_.Crash(FaultFileSystem::Tear::kLoseAll);
  EXPECT_EQ(Beneath(0, bytes.size()), bytes);
  EXPECT_THAT(Beneath(bytes.size(), 100'000), Each(0));
}

TEST_P(StagedFileTest, WritesNothingTwiceButTheLastBlock) {
  ASSERT_THAT(staged_->WriteAt(0, Pattern(5000, 1)), IsOk());
  fs_.FailFrom(1000, EIO, Lasts::kForOneCall, {Call::kWrite});
  ASSERT_THAT(staged_->Sync(), IsOk());
  EXPECT_EQ(fs_.calls(), 1u);
  ASSERT_THAT(staged_->Sync(), IsOk());
  EXPECT_EQ(fs_.calls(), 1u) << "nothing is new";
  ASSERT_THAT(staged_->WriteAt(5000, Pattern(1, 1)), IsOk());
  ASSERT_THAT(staged_->Sync(), IsOk());
  EXPECT_EQ(fs_.calls(), 2u);
}

TEST_P(StagedFileTest, IsFilledInAnyOrder) {
  const ByteVector bytes = Pattern(2'000'000, 3);
  std::vector<std::pair<size_t, size_t>> parts;
  for (size_t at = 0; at < bytes.size();) {
    const size_t n = std::min<size_t>(1 + at % 90'001, bytes.size() - at);
    parts.emplace_back(at, n);
    at += n;
  }
  std::shuffle(parts.begin(), parts.end(), std::mt19937(1));
  for (const auto& [at, n] : parts) {
    ASSERT_THAT(staged_->WriteAt(at, ByteSpan(bytes).subspan(at, n)), IsOk());
  }
  EXPECT_EQ(Seen(0, bytes.size()), bytes);
  ASSERT_THAT(staged_->Sync(), IsOk());
  EXPECT_EQ(Beneath(0, bytes.size()), bytes);
}

// Records of all sizes, some as long as the window, by several threads; a reader looks at what is
// written, another thread syncs.
TEST_P(StagedFileTest, ManyThreadsFillIt) {
  const ByteVector bytes = Pattern(static_cast<size_t>(StagedFile::kWindow + (8u << 20)), 5);
  std::mutex mutex;
  std::mt19937 random(7);
  size_t taken = 0;
  std::vector<std::pair<size_t, size_t>> done;
  std::atomic<bool> ended = false;
  const auto write = [&] {
    while (true) {
      size_t at = 0, n = 0;
      {
        std::lock_guard lock(mutex);
        n = random() % 20 == 0 ? StagedFile::kWindow / 4 : 1 + random() % 600'000;
        at = taken;
        n = std::min(n, bytes.size() - at);
        taken += n;
      }
      if (n == 0) return;
      EXPECT_THAT(staged_->WriteAt(at, ByteSpan(bytes).subspan(at, n)), IsOk());
      std::lock_guard lock(mutex);
      done.emplace_back(at, n);
    }
  };
  std::thread reader([&] {
    std::mt19937 choice(9);
    while (!ended) {
      std::pair<size_t, size_t> part;
      {
        std::lock_guard lock(mutex);
        if (done.empty()) continue;
        part = done[done.size() - 1 - choice() % std::min<size_t>(done.size(), 10)];
      }
      ByteVector got(part.second);
      EXPECT_THAT(staged_->ReadAt(part.first, got), IsOkAndHolds(got.size()));
      EXPECT_TRUE(
          std::equal(got.begin(), got.end(), bytes.begin() + static_cast<ptrdiff_t>(part.first)));
    }
  });
  std::thread syncer([&] {
    while (!ended) {
      EXPECT_THAT(staged_->Sync(), IsOk());
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) writers.emplace_back(write);
  for (std::thread& writer : writers) writer.join();
  ended = true;
  reader.join();
  syncer.join();
  ASSERT_THAT(staged_->Sync(), IsOk());
  EXPECT_EQ(Beneath(0, bytes.size()), bytes);
}

TEST_P(StagedFileTest, AFailureIsForGood) {
  for (const Call call : {Call::kWrite, Call::kSync}) {
    ASSERT_OK_AND_ASSIGN(auto file, fs_.Open("/g", OpenMode::kCreate));
    ASSERT_THAT(file->Allocate(0, kRoom), IsOk());
    StagedFile staged(std::move(file), kRoom, buffers_, GetParam());
    const ByteVector bytes = Pattern(5000, 1);
    ASSERT_THAT(staged.WriteAt(0, bytes), IsOk());
    fs_.FailFrom(1, EIO, Lasts::kForOneCall, {call});
    EXPECT_THAT(staged.Sync(), FailsWith(Errc::kInternal));
    fs_.Heal();
    EXPECT_THAT(staged.Sync(), FailsWith(Errc::kInternal)) << "what is in the file is not known";
    EXPECT_THAT(staged.WriteAt(5000, bytes), FailsWith(Errc::kInternal));
    ByteVector got(bytes.size());
    EXPECT_THAT(staged.ReadAt(0, got), IsOkAndHolds(got.size()));
    EXPECT_EQ(got, bytes);
  }
}

TEST_P(StagedFileTest, WhoWaitsForRoomHearsOfAFailure) {
  fs_.FailFrom(1, EIO, Lasts::kForEver, {Call::kWrite});
  std::thread far([&] {
    EXPECT_THAT(staged_->WriteAt(StagedFile::kWindow + 4096, Pattern(10, 1)),
                FailsWith(Errc::kInternal));
  });
  // In the background it fails after the call.
  (void)staged_->WriteAt(0, Pattern(1u << 20, 1));
  far.join();
  EXPECT_THAT(staged_->WriteAt(1u << 20, Pattern(1, 1)), FailsWith(Errc::kInternal));
}

TEST_P(StagedFileTest, EndsWhereItIsCut) {
  const ByteVector bytes = Pattern(10'000, 1);
  ASSERT_THAT(staged_->WriteAt(0, bytes), IsOk());
  ASSERT_THAT(staged_->Truncate(bytes.size()), IsOk());
  EXPECT_EQ(Seen(0, bytes.size()), bytes);
  ASSERT_THAT(staged_->Sync(), IsOk());
  EXPECT_THAT(FileBytes(fs_, "/f"), SizeIs(bytes.size()));
  EXPECT_EQ(Beneath(0, bytes.size()), bytes);
}

TEST_P(StagedFileTest, LeavesWhatItHasInTheFile) {
  const ByteVector bytes = Pattern(10'000, 1);
  ASSERT_THAT(staged_->WriteAt(0, bytes), IsOk());
  staged_.reset();
  EXPECT_EQ(Beneath(0, bytes.size()), bytes);
}

INSTANTIATE_TEST_SUITE_P(InBackground, StagedFileTest,
                         ::testing::Values(StagedFile::Flushing::kInBackground));
INSTANTIATE_TEST_SUITE_P(ByWriters, StagedFileTest,
                         ::testing::Values(StagedFile::Flushing::kByWriters));

TEST(WriteBuffers, AreUsedAgain) {
  WriteBuffers buffers;
  auto first = buffers.Take();
  const auto second = buffers.Take();
  EXPECT_NE(first, second);
  const uint8_t* was = first.get();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(was) % WriteBuffers::kAlignment, 0u);
  first.reset();
  EXPECT_EQ(buffers.Take().get(), was);
}

TEST(WriteBuffers, MayOutliveTheirPool) {
  auto buffers = std::make_unique<WriteBuffers>();
  const auto held = buffers->Take();
  buffers.reset();
  held.get()[WriteBuffers::kSize - 1] = 1;
}

}  // namespace
}  // namespace leadglass
