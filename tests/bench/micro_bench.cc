// SPDX-License-Identifier: Apache-2.0
// micro_bench: what the parts below the mount cost by themselves (Google Benchmark): sealing and
// opening, appending to the log and making it durable, applying a commit to the index, parsing a
// header. Run by scripts/bench; files lie in a folder of their own in /var/tmp.

#include <benchmark/benchmark.h>

#include <filesystem>
#include <memory>
#include <string>

#include "crypto/log/sealed_log.h"
#include "index/index.h"
#include "index/parser_worker.h"
#include "tests/index/sample_operations.h"
#include "tests/support/make_dicom.h"

namespace leadglass {
namespace {

// Forked before any thread is started; the second replaces its worker after each file.
std::unique_ptr<HeaderParserPool> parser_pool, fresh_parser_pool;

[[noreturn]] void Die(const Error& error) {
  std::fprintf(stderr, "micro_bench: %s\n", ToString(error).c_str());
  std::abort();
}
template <typename T>
T Need(Result<T> result) {
  if (!result) Die(result.error());
  return std::move(result).value();
}
void Need(const Status& status) {
  if (!status) Die(status.error());
}

Key SomeKey() {
  Key key;
  key.ExposeForOpenSsl()[0] = 1;
  return key;
}

ByteVector SomeBytes(size_t size) {
  ByteVector bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 2654435761u >> 11);
  return bytes;
}

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = "/var/tmp/leadglass-micro.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

LogKeys SomeLogKeys() {
  LogKeys keys;
  keys.metadata.push_back({1, SomeKey()});
  return keys;
}

std::unique_ptr<SealedLog> NewLog(const std::string& folder) {
  auto log = Need(SealedLog::Create(PosixFileSystem(), folder, SampleUuid(9), SomeLogKeys(), {}));
  Need(log->Recover(std::nullopt, [](const CommitInfo&, ByteSpan) { return Status(); }));
  return log;
}

// Arguments of the two below: bytes, log2 of the chunk size.
void BM_SealStream(benchmark::State& state) {
  const Key key = SomeKey();
  const ByteVector plain = SomeBytes(static_cast<size_t>(state.range(0)));
  const auto chunk = uint32_t{1} << state.range(1);
  ByteVector sealed(static_cast<size_t>(StreamSealedSize(plain.size(), chunk)));
  for ([[maybe_unused]] auto _ : state) {
    SealStream(key, plain, chunk, {}, sealed);
    benchmark::DoNotOptimize(sealed.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SealStream)
    ->Args({4096, 14})
    ->Args({131072, 14})
    ->ArgsProduct({{1 << 20}, {12, 14, 16, 17}});

void BM_OpenStream(benchmark::State& state) {
  const Key key = SomeKey();
  const ByteVector plain = SomeBytes(static_cast<size_t>(state.range(0)));
  const auto chunk = uint32_t{1} << state.range(1);
  ByteVector sealed(static_cast<size_t>(StreamSealedSize(plain.size(), chunk)));
  const StreamPrefix prefix = SealStream(key, plain, chunk, {}, sealed);
  ByteVector out(plain.size());
  for ([[maybe_unused]] auto _ : state)
    Need(OpenStream(key, prefix, chunk, plain.size(), 0, {}, sealed, out));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_OpenStream)->Args({4096, 14})->ArgsProduct({{1 << 20}, {12, 14, 16, 17}});

// Arguments: bytes a record; records a sync (0: none is synced).
void BM_LogAppendData(benchmark::State& state) {
  const ScratchFolder scratch;
  const auto log = NewLog(scratch.path("log"));
  const Key key = SomeKey();
  const ByteVector plain = SomeBytes(static_cast<size_t>(state.range(0)));
  int64_t appended = 0;
  for ([[maybe_unused]] auto _ : state) {
    Need(log->AppendData({key, 1}, 100, 0, plain, 14));
    if (state.range(1) > 0 && ++appended % state.range(1) == 0) Need(log->Sync());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_LogAppendData)
    ->Args({4096, 0})
    ->Args({4096, 1})
    ->Args({524288, 0})
    ->Args({524288, 1})
    ->Iterations(500)
    ->UseRealTime();

void BM_LogCommit(benchmark::State& state) {
  const ScratchFolder scratch;
  const auto log = NewLog(scratch.path("log"));
  const ByteVector payload = SomeBytes(600);
  for ([[maybe_unused]] auto _ : state) Need(log->AppendCommit(payload));
}
BENCHMARK(BM_LogCommit)->Iterations(20000);

// One new image, as its filing commits it: the operations that a mount applies for it.
Operations NewImage(uint64_t number) {
  const InodeId inode = kFirstFreeInode + 10 + number;
  Operations operations;
  operations.emplace_back(PutInode{SampleInode(inode)});
  operations.emplace_back(PutExtent{inode, SampleExtent(0, 525'312, number)});
  operations.emplace_back(PutName{
      SampleName(kArchiveInode, "image" + std::to_string(number), inode, 100 + 2 * number)});
  operations.emplace_back(PutName{
      SampleName(kPatientsInode, std::to_string(number) + ".dcm", inode, 101 + 2 * number)});
  operations.emplace_back(
      PutFiling{SampleFiling(inode, kPatientsInode, "2.25." + std::to_string(number))});
  return operations;
}

void BM_IndexApply(benchmark::State& state) {
  const ScratchFolder scratch;
  const auto index =
      Need(Index::Open(PosixFileSystem(), scratch.path("index"), SomeKey(), SampleUuid(9), {}));
  uint64_t number = 0;
  for ([[maybe_unused]] auto _ : state) {
    CommitInfo commit;
    commit.head.commit_number = ++number;
    commit.end = {{1, 1}, number * 1000};
    Need(index->Apply(NewImage(number), commit));
  }
}
BENCHMARK(BM_IndexApply)->Iterations(50000);

void BM_IndexLookup(benchmark::State& state) {
  const ScratchFolder scratch;
  const auto index =
      Need(Index::Open(PosixFileSystem(), scratch.path("index"), SomeKey(), SampleUuid(9), {}));
  constexpr uint64_t kImages = 50'000;
  for (uint64_t number = 1; number <= kImages; ++number) {
    CommitInfo commit;
    commit.head.commit_number = number;
    commit.end = {{1, 1}, number * 1000};
    Need(index->Apply(NewImage(number), commit));
  }
  Need(index->Flush());
  uint64_t at = 0;
  for ([[maybe_unused]] auto _ : state) {
    at = (at * 31 + 7) % kImages;
    const auto name = Need(index->GetName(kArchiveInode, "image" + std::to_string(at + 1)));
    benchmark::DoNotOptimize(Need(index->GetInode(name->inode)));
  }
}
BENCHMARK(BM_IndexLookup);

void BM_ParseHeader(benchmark::State& state) {
  const ByteVector image = MakeImage({});
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(Need(parser_pool->Parse(image, image.size(), 0)));
}
BENCHMARK(BM_ParseHeader)->UseRealTime();

void BM_ParseHeaderInAFreshWorker(benchmark::State& state) {
  const ByteVector image = MakeImage({});
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(Need(fresh_parser_pool->Parse(image, image.size(), 0)));
}
BENCHMARK(BM_ParseHeaderInAFreshWorker)->UseRealTime();

}  // namespace
}  // namespace leadglass

int main(int argc, char** argv) {
  leadglass::parser_pool = leadglass::Need(leadglass::HeaderParserPool::Start());
  leadglass::HeaderParserPool::Options one_file;
  one_file.files_per_worker = 1;
  leadglass::fresh_parser_pool = leadglass::Need(leadglass::HeaderParserPool::Start(one_file));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  leadglass::fresh_parser_pool.reset();
  leadglass::parser_pool.reset();
  return 0;
}
