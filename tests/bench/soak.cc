// SPDX-License-Identifier: Apache-2.0
// soak FOLDER --images FOLDER --seconds N: what a PACS does to a file system all day, in short.
//
// Importers write study after study, and delete their oldest ones; readers read images of complete
// studies at random, and compare every byte. Each call is timed by its kind. On standard output, a
// line of JSON at the end:
//   {"seconds": 1800.1, "images": 512000, "bytes_written": ..., "bytes_read": ...,
//    "calls": {"write": {"count": ..., "p50_ms": 0.05, "p999_ms": 1.8, "max_ms": 31.0,
//                        "over_250_ms": 0}, ...}}
// tests/bench/run_soak.py runs it on a mount and watches the daemon.
//
// Exit codes: 0 done; 1 the file system failed a call or gave other bytes; 2 usage.

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <thread>

#include "tests/bench/workload_files.h"

namespace leadglass::bench {
namespace {

constexpr size_t kPiece = 128 << 10;  // as cp(1)

struct Options {
  std::string folder;
  std::string images;
  double seconds = 60;
  size_t importers = 4;
  size_t readers = 4;
  size_t keep = 3;  // complete studies of each importer
};

// Times of one kind of call in a histogram of a tenth of a power of two, so that hours fit.
class Latencies {
 public:
  void Note(double ms) {
    const double place = 10 * (std::log2(std::max(ms, 1e-4)) - kLeastLog2);
    ++buckets_[static_cast<size_t>(std::clamp(place, 0.0, double{kBuckets - 1}))];
    ++count_;
    over_ += ms > 250 ? 1 : 0;
    max_ = std::max(max_, ms);
  }
  void Add(const Latencies& other) {
    for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    over_ += other.over_;
    max_ = std::max(max_, other.max_);
  }
  nlohmann::json ToJson() const {
    return {{"count", count_},
            {"p50_ms", Quantile(0.5)},
            {"p999_ms", Quantile(0.999)},
            {"max_ms", max_},
            {"over_250_ms", over_}};
  }

 private:
  static constexpr double kLeastLog2 = -13;  // about 0.1 us
  static constexpr size_t kBuckets = 300;

  double Quantile(double q) const {
    size_t below = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      below += buckets_[i];
      if (static_cast<double>(below) >= q * static_cast<double>(count_))
        return std::min(max_, std::exp2((static_cast<double>(i) + 1) / 10 + kLeastLog2));
    }
    return max_;
  }

  std::array<size_t, kBuckets> buckets_{};
  size_t count_ = 0;
  size_t over_ = 0;
  double max_ = 0;
};

// One thread's figures.
struct Figures {
  std::map<std::string, Latencies> calls;
  size_t images = 0;
  size_t written = 0;
  size_t read = 0;

  template <typename Call>
  auto Timed(const char* kind, const Call& call) {
    const auto start = Clock::now();
    struct Noter {
      Figures& figures;
      const char* kind;
      Clock::time_point start;
      ~Noter() { figures.calls[kind].Note(SecondsSince(start) * 1e3); }
    } noter{*this, kind, start};
    return call();
  }
  void Add(const Figures& other) {
    for (const auto& [kind, latencies] : other.calls) calls[kind].Add(latencies);
    images += other.images;
    written += other.written;
    read += other.read;
  }
};

struct Study {
  std::string folder;
  size_t seed = 0;
};

class Soak {
 public:
  explicit Soak(const Options& options)
      : options_(options), images_(LoadImages(options.images, 0)), until_(Clock::now() + Span()) {}

  void Run() {
    const auto start = Clock::now();
    std::vector<std::thread> threads;
    for (size_t i = 0; i < options_.importers; ++i)
      threads.emplace_back([this, i] { Guard([&](Figures& figures) { ImportAll(i, figures); }); });
    for (size_t i = 0; i < options_.readers; ++i)
      threads.emplace_back([this, i] { Guard([&](Figures& figures) { ReadAll(i, figures); }); });
    for (std::thread& thread : threads) thread.join();
    if (failed_) throw std::runtime_error("a thread failed");
    nlohmann::json line{{"seconds", SecondsSince(start)},
                        {"images", total_.images},
                        {"bytes_written", total_.written},
                        {"bytes_read", total_.read}};
    for (const auto& [kind, latencies] : total_.calls) line["calls"][kind] = latencies.ToJson();
    std::puts(line.dump().c_str());
  }

 private:
  std::chrono::nanoseconds Span() const {
    return std::chrono::nanoseconds(static_cast<int64_t>(options_.seconds * 1e9));
  }
  bool Over() const { return failed_ || Clock::now() >= until_; }

  void Guard(const std::function<void(Figures&)>& work) {
    Figures figures;
    try {
      work(figures);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "soak: %s\n", error.what());
      failed_ = true;
    }
    const std::lock_guard lock(mutex_);
    total_.Add(figures);
  }

  static Bytes HeaderOf(const Image& image, size_t seed) {
    Bytes header(image.bytes.begin(), image.bytes.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                image.bytes.size(), kPage)));
    MakeOwnStudy(header, seed);
    return header;
  }

  void ImportAll(size_t importer, Figures& figures) {
    std::deque<Study> mine;
    for (size_t number = 0; !Over(); ++number) {
      const Study study{
          options_.folder + "/" + std::to_string(importer) + "-" + std::to_string(number),
          1 + importer + number * options_.importers};
      for (const Image& image : images_) {
        if (Over()) break;
        WriteImage(study, image, figures);
      }
      mine.push_back(study);
      if (Over()) break;
      {
        const std::lock_guard lock(mutex_);
        complete_.push_back(study);
      }
      if (mine.size() <= options_.keep) continue;
      Delete(mine.front(), figures);
      mine.pop_front();
    }
    for (const Study& study : mine) Delete(study, figures);
  }

  void WriteImage(const Study& study, const Image& image, Figures& figures) {
    const std::string path = study.folder + "/" + image.path;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    const Bytes header = HeaderOf(image, study.seed);
    Fd file = figures.Timed("create", [&] { return Fd(path, O_WRONLY | O_CREAT | O_EXCL); });
    for (size_t at = 0; at < image.bytes.size(); at += kPiece) {
      Bytes piece(image.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  image.bytes.begin() +
                      static_cast<std::ptrdiff_t>(std::min(at + kPiece, image.bytes.size())));
      if (at == 0) std::copy(header.begin(), header.end(), piece.begin());
      figures.Timed("write",
                    [&] { file.Write(piece.data(), piece.size(), static_cast<off_t>(at)); });
    }
    figures.Timed("close after writing", [&] { file.Close(); });
    ++figures.images;
    figures.written += image.bytes.size();
  }

  void Delete(const Study& study, Figures& figures) {
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(complete_, [&](const Study& other) { return other.folder == study.folder; });
    }
    std::error_code ignored;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(study.folder, ignored)) {
      if (!entry.is_regular_file(ignored)) continue;
      figures.Timed("unlink", [&] {
        if (::unlink(entry.path().c_str()) != 0) Fail("unlink");
      });
    }
    std::filesystem::remove_all(study.folder);
  }

  bool IsComplete(const Study& study) {
    const std::lock_guard lock(mutex_);
    return std::any_of(complete_.begin(), complete_.end(),
                       [&](const Study& other) { return other.folder == study.folder; });
  }

  void ReadAll(size_t reader, Figures& figures) {
    std::mt19937_64 random(reader + 1);
    while (!Over()) {
      std::optional<Study> study;
      {
        const std::lock_guard lock(mutex_);
        if (!complete_.empty()) study = complete_[random() % complete_.size()];
      }
      if (!study) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        continue;
      }
      const Image& image = images_[random() % images_.size()];
      try {
        ReadImage(*study, image, figures);
      } catch (const std::system_error& error) {
        // Deleted between the choice and the open.
        if (error.code().value() != ENOENT || IsComplete(*study)) throw;
      }
    }
  }

  void ReadImage(const Study& study, const Image& image, Figures& figures) {
    const Bytes header = HeaderOf(image, study.seed);
    const Fd file =
        figures.Timed("open", [&] { return Fd(study.folder + "/" + image.path, O_RDONLY); });
    Bytes buffer(kPiece);
    for (size_t at = 0; at < image.bytes.size();) {
      const size_t got = figures.Timed("read", [&] {
        return file.Read(buffer.data(), std::min(kPiece, image.bytes.size() - at),
                         static_cast<off_t>(at));
      });
      if (got == 0) throw std::runtime_error(image.path + ": too short");
      const size_t changed = at == 0 ? header.size() : 0;
      RequireEqual(buffer.data(), header.data(), changed, image.path);
      RequireEqual(buffer.data() + changed, image.bytes.data() + at + changed, got - changed,
                   image.path);
      at += got;
      figures.read += got;
    }
  }

  const Options options_;
  const std::vector<Image> images_;
  const Clock::time_point until_;
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::vector<Study> complete_;  // that nobody deletes yet
  Figures total_;
};

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Importers and readers on one folder, for a while.");
  app.add_option("folder", options.folder)->required();
  app.add_option("--images", options.images, "folder of DICOM files that are written")->required();
  app.add_option("--seconds", options.seconds);
  app.add_option("--importers", options.importers);
  app.add_option("--readers", options.readers);
  app.add_option("--keep", options.keep, "complete studies that each importer leaves to read");
  CLI11_PARSE(app, argc, argv);
  try {
    Soak(options).Run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soak: %s\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace leadglass::bench

int main(int argc, char** argv) { return leadglass::bench::Main(argc, argv); }
