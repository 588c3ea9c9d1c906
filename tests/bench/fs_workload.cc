// SPDX-License-Identifier: Apache-2.0
// fs_workload NAME FOLDER [--writers N] [--images FOLDER] ...: one workload of the benchmark on one
// folder, timed, as one line of JSON on standard output:
//   {"seconds": 1.25, "count": 200, "bytes": 105000000, "median_us": 91.5, "max_us": 1403.2}
// What it writes is real DICOM files from --images, held in memory, so that no source disk is
// timed; what it reads it compares with them. tests/bench/run_bench.py calls it for one file system
// after the other, and drops the caches in between.
//
// Exit codes: 0 done; 1 the file system failed a call or gave other bytes; 2 usage.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/bench/workload_files.h"

namespace leadglass::bench {
namespace {

struct Options {
  std::string name;
  std::string folder;
  std::string images;
  std::string paths;
  size_t workers = 1;
  size_t count = 0;
  size_t seed = 1;
};

// What is timed: every call's time, and the whole.
class Measurement {
 public:
  void Note(Clock::time_point start, size_t bytes) {
    const double us = SecondsSince(start) * 1e6;
    const std::lock_guard lock(mutex_);
    calls_.push_back(us);
    bytes_ += bytes;
  }
  void Print(double seconds) {
    std::sort(calls_.begin(), calls_.end());
    nlohmann::json line{{"seconds", seconds}, {"count", calls_.size()}, {"bytes", bytes_}};
    if (!calls_.empty()) {
      line["median_us"] = calls_[calls_.size() / 2];
      line["p99_us"] = calls_[calls_.size() * 99 / 100];
      line["max_us"] = calls_.back();
    }
    std::puts(line.dump().c_str());
  }

 private:
  std::mutex mutex_;
  std::vector<double> calls_;
  size_t bytes_ = 0;
};

// Items 0 to count-1, shared out to the workers as they come; gives the seconds that all took.
double Share(size_t workers, size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const auto run = [&] {
    try {
      for (size_t i = next++; i < count && !failed; i = next++) work(i);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "fs_workload: %s\n", error.what());
      failed = true;
    }
  };
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (size_t i = 1; i < workers; ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  const double seconds = SecondsSince(start);
  if (failed) throw std::runtime_error("a worker failed");
  return seconds;
}

void MakeParents(const Options& options, const std::vector<Image>& images) {
  for (const Image& image : images)
    std::filesystem::create_directories(
        std::filesystem::path(options.folder + "/" + image.path).parent_path());
}

// 64 MiB and 1 GiB files: bytes that do not compress, of which every page is its own.
Bytes Noise(size_t size, size_t seed) {
  Bytes noise(size);
  std::mt19937_64 random(seed);
  for (size_t at = 0; at + 8 <= size; at += 8) {
    const uint64_t word = random();
    std::memcpy(noise.data() + at, &word, 8);
  }
  return noise;
}

// Copies of a file as cp(1) makes them: whole writes of 128 KiB, close.
void Import(const Options& options, bool sync, size_t piece) {
  const auto images = LoadImages(options.images, options.seed);
  MakeParents(options, images);
  Measurement measured;
  const double seconds = Share(options.workers, images.size(), [&](size_t i) {
    const auto start = Clock::now();
    const Bytes& bytes = images[i].bytes;
    Fd file(options.folder + "/" + images[i].path, O_WRONLY | O_CREAT | O_EXCL);
    for (size_t at = 0; at < bytes.size(); at += piece)
      file.Write(bytes.data() + at, std::min(piece, bytes.size() - at), static_cast<off_t>(at));
    if (sync) file.Sync();
    file.Close();
    measured.Note(start, bytes.size());
  });
  measured.Print(seconds);
}

// Where the images are read: below the folder as they were written, or where --paths says, one path
// a line, in the order of the images' own.
std::vector<std::string> PlacesOf(const Options& options, const std::vector<Image>& images) {
  std::vector<std::string> places;
  if (options.paths.empty()) {
    for (const Image& image : images) places.push_back(options.folder + "/" + image.path);
    return places;
  }
  std::ifstream list(options.paths);
  for (std::string line; std::getline(list, line);) places.push_back(line);
  if (places.size() != images.size())
    throw std::runtime_error(options.paths + ": not a path for each image");
  return places;
}

void ReadStudy(const Options& options) {
  const auto images = LoadImages(options.images, options.seed);
  const auto places = PlacesOf(options, images);
  Measurement measured;
  const double seconds = Share(options.workers, images.size(), [&](size_t i) {
    thread_local Bytes buffer(kMiB);
    const auto start = Clock::now();
    const Bytes& bytes = images[i].bytes;
    const Fd file(places[i], O_RDONLY);
    size_t at = 0;
    while (const size_t got = file.Read(buffer.data(), 128 << 10, static_cast<off_t>(at))) {
      if (at + got > bytes.size()) throw std::runtime_error(images[i].path + ": too long");
      // A line of each page, so that the comparison is no part of the figure; all of it below.
      for (size_t page = 0; page < got; page += kPage)
        RequireEqual(buffer.data() + page, bytes.data() + at + page,
                     std::min<size_t>(64, got - page), images[i].path);
      at += got;
    }
    if (at != bytes.size()) throw std::runtime_error(images[i].path + ": too short");
    measured.Note(start, at);
  });
  measured.Print(seconds);
  Bytes whole;
  for (size_t i = 0; i < images.size(); ++i) {
    const Image& image = images[i];
    whole.resize(image.bytes.size());
    const Fd file(places[i], O_RDONLY);
    if (file.Read(whole.data(), whole.size(), 0) != whole.size())
      throw std::runtime_error(image.path + ": too short");
    RequireEqual(whole.data(), image.bytes.data(), whole.size(), image.path);
  }
}

void OpenFirstPage(const Options& options) {
  const auto images = LoadImages(options.images, options.seed);
  const auto places = PlacesOf(options, images);
  Measurement measured;
  const double seconds = Share(1, images.size(), [&](size_t i) {
    Bytes buffer(kPage);
    const auto start = Clock::now();
    const Fd file(places[i], O_RDONLY);
    const size_t got = file.Read(buffer.data(), kPage, 0);
    measured.Note(start, got);
    RequireEqual(buffer.data(), images[i].bytes.data(), got, images[i].path);
  });
  measured.Print(seconds);
}

std::string BigFile(const Options& options) { return options.folder + "/big"; }

void WriteBig(const Options& options) {
  const size_t size = options.count * kMiB;
  const Bytes noise = Noise(size, options.seed);
  Measurement measured;
  const double seconds = Share(1, 1, [&](size_t) {
    const auto start = Clock::now();
    Fd file(BigFile(options), O_WRONLY | O_CREAT | O_TRUNC);
    for (size_t at = 0; at < size; at += kMiB)
      file.Write(noise.data() + at, kMiB, static_cast<off_t>(at));
    file.Sync();
    file.Close();
    measured.Note(start, size);
  });
  measured.Print(seconds);
}

void ReadBig(const Options& options) {
  const size_t size = options.count * kMiB;
  const Bytes noise = Noise(size, options.seed);
  Measurement measured;
  const double seconds = Share(1, 1, [&](size_t) {
    Bytes buffer(kMiB);
    const auto start = Clock::now();
    const Fd file(BigFile(options), O_RDONLY);
    for (size_t at = 0; at < size; at += kMiB) {
      if (file.Read(buffer.data(), kMiB, static_cast<off_t>(at)) != kMiB)
        throw std::runtime_error("big: too short");
      RequireEqual(buffer.data(), noise.data() + at, kMiB, "big");
    }
    measured.Note(start, size);
  });
  measured.Print(seconds);
}

void ReadRandomPages(const Options& options) {
  const size_t size = static_cast<size_t>(std::filesystem::file_size(BigFile(options)));
  const Bytes noise = Noise(size, options.seed);
  std::mt19937_64 random(options.seed + 77);
  const Fd file(BigFile(options), O_RDONLY);
  Measurement measured;
  Bytes buffer(kPage);
  const double seconds = Share(1, options.count, [&](size_t) {
    const size_t at = random() % (size / kPage) * kPage;
    const auto start = Clock::now();
    const size_t got = file.Read(buffer.data(), kPage, static_cast<off_t>(at));
    measured.Note(start, got);
    RequireEqual(buffer.data(), noise.data() + at, kPage, "big");
  });
  measured.Print(seconds);
}

// A PACS's database: pages of a 64 MiB file replaced in place, each made durable.
void Overwrite(const Options& options) {
  constexpr size_t kSize = 64 * kMiB;
  Bytes noise = Noise(kSize, options.seed);
  const std::string path = options.folder + "/database";
  if (!std::filesystem::exists(path)) {
    Fd file(path, O_WRONLY | O_CREAT);
    for (size_t at = 0; at < kSize; at += kMiB)
      file.Write(noise.data() + at, kMiB, static_cast<off_t>(at));
    file.Sync();
    file.Close();
  }
  std::mt19937_64 random(options.seed + 78);
  const Fd file(path, O_RDWR);
  if (file.Read(noise.data(), kSize, 0) != kSize) throw std::runtime_error("database: too short");
  Measurement measured;
  const double seconds = Share(1, options.count, [&](size_t i) {
    const size_t at = random() % (kSize / kPage) * kPage;
    std::memcpy(noise.data() + at, &i, sizeof(i));
    const auto start = Clock::now();
    file.Write(noise.data() + at, kPage, static_cast<off_t>(at));
    file.Sync();
    measured.Note(start, kPage);
  });
  measured.Print(seconds);
  Bytes now(kSize);
  if (file.Read(now.data(), kSize, 0) != kSize) throw std::runtime_error("database: too short");
  RequireEqual(now.data(), noise.data(), kSize, "database");
}

void CreateSmall(const Options& options) {
  const Bytes noise = Noise(1024, options.seed);
  Measurement measured;
  const double seconds = Share(options.workers, options.count, [&](size_t i) {
    const auto start = Clock::now();
    Fd file(options.folder + "/s" + std::to_string(i), O_WRONLY | O_CREAT | O_EXCL);
    file.Write(noise.data(), noise.size(), 0);
    file.Close();
    measured.Note(start, noise.size());
  });
  measured.Print(seconds);
}

// What `ls -lR` asks: every name and its attributes.
size_t ListTree(const std::string& folder) {
  DIR* const stream = ::opendir(folder.c_str());
  if (stream == nullptr) Fail("opendir " + folder);
  std::vector<std::string> folders;
  size_t names = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat attributes {};
    if (::fstatat(::dirfd(stream), name.c_str(), &attributes, AT_SYMLINK_NOFOLLOW) != 0)
      Fail("stat " + name);
    ++names;
    if (S_ISDIR(attributes.st_mode)) folders.push_back(folder + "/" + name);
  }
  ::closedir(stream);
  for (const std::string& below : folders) names += ListTree(below);
  return names;
}

void List(const Options& options) {
  Measurement measured;
  size_t names = 0;
  const double seconds = Share(1, 1, [&](size_t) {
    const auto start = Clock::now();
    names = ListTree(options.folder);
    measured.Note(start, 0);
  });
  if (options.count > 0 && names != options.count)
    throw std::runtime_error(std::to_string(names) + " names, expected " +
                             std::to_string(options.count));
  measured.Print(seconds);
}

void MakeTree(const Options& options) {
  for (size_t i = 0; i < options.count; ++i) {
    const std::string folder = options.folder + "/" + std::to_string(i);
    if (::mkdir(folder.c_str(), 0750) != 0) Fail("mkdir");
    for (size_t k = 0; k < options.workers; ++k) {
      Fd file(folder + "/" + std::to_string(k), O_WRONLY | O_CREAT | O_EXCL);
      file.Close();
    }
  }
  Measurement().Print(0);
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("One workload of the benchmark on one folder.");
  app.add_option("workload", options.name)->required();
  app.add_option("folder", options.folder)->required();
  app.add_option("--images", options.images, "folder of DICOM files that are written or expected");
  app.add_option("--paths", options.paths, "file of the paths where the images are read");
  app.add_option("--workers", options.workers, "at the same time");
  app.add_option("--count", options.count, "files, pages, MiB or names");
  app.add_option("--seed", options.seed, "of the noise in files, and of the images' UIDs");
  CLI11_PARSE(app, argc, argv);
  const std::vector<std::pair<std::string, std::function<void()>>> workloads = {
      {"import", [&] { Import(options, false, 128 << 10); }},
      {"import-fsync", [&] { Import(options, true, 128 << 10); }},
      {"orthanc", [&] { Import(options, true, kPage); }},
      {"read", [&] { ReadStudy(options); }},
      {"open", [&] { OpenFirstPage(options); }},
      {"big-write", [&] { WriteBig(options); }},
      {"big-read", [&] { ReadBig(options); }},
      {"random-read", [&] { ReadRandomPages(options); }},
      {"overwrite", [&] { Overwrite(options); }},
      {"create", [&] { CreateSmall(options); }},
      {"make-tree", [&] { MakeTree(options); }},
      {"list", [&] { List(options); }},
  };
  for (const auto& [name, run] : workloads) {
    if (name != options.name) continue;
    try {
      std::filesystem::create_directories(options.folder);
      run();
      return 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "fs_workload: %s in %s: %s\n", name.c_str(), options.folder.c_str(),
                   error.what());
      return 1;
    }
  }
  std::fprintf(stderr, "fs_workload: there is no workload %s\n", options.name.c_str());
  return 2;
}

}  // namespace
}  // namespace leadglass::bench

int main(int argc, char** argv) { return leadglass::bench::Main(argc, argv); }
