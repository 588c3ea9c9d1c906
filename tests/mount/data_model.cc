// SPDX-License-Identifier: Apache-2.0
#include "tests/mount/data_model.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace leadglass {
namespace {

constexpr size_t kNames = 6;
constexpr size_t kNotesKept = 60;

}  // namespace

DataModel::DataModel(std::string folder, uint64_t seed)
    : folder_(std::move(folder)), random_(seed), seed_(seed) {
  for (Handle& handle : handles_) OpenInto(handle, AnyName(), O_CREAT);
}

DataModel::~DataModel() {
  for (Handle& handle : handles_) DropMap(handle);
}

void DataModel::Step() {
  ++step_;
  struct Choice {
    uint32_t weight;
    void (DataModel::*step)();
  };
  static constexpr Choice kChoices[] = {
      {180, &DataModel::Pread},    {40, &DataModel::SequentialRead}, {220, &DataModel::Pwrite},
      {60, &DataModel::Append},    {60, &DataModel::MapRead},        {60, &DataModel::MapWrite},
      {20, &DataModel::MapKeep},   {80, &DataModel::MapKeptAccess},  {50, &DataModel::Truncate},
      {40, &DataModel::PunchHole}, {30, &DataModel::ZeroRange},      {20, &DataModel::Allocate},
      {40, &DataModel::CopyRange}, {50, &DataModel::Reopen},         {8, &DataModel::RenameOver},
      {8, &DataModel::HardLink},   {4, &DataModel::Unlink},          {20, &DataModel::SeekDataHole},
      {3, &DataModel::Sync},       {2, &DataModel::CompareOne},
  };
  static constexpr uint32_t kTotal = [] {
    uint32_t total = 0;
    for (const Choice& choice : kChoices) total += choice.weight;
    return total;
  }();
  uint64_t pick = Below(kTotal);
  for (const Choice& choice : kChoices) {
    if (pick < choice.weight) return (this->*choice.step)();
    pick -= choice.weight;
  }
}

// Mostly small, as programs write; sometimes longer than a request to the daemon.
size_t DataModel::PickLength() {
  const uint64_t kind = Below(100);
  if (kind < 50) return 1 + Below(512);
  if (kind < 85) return 1 + Below(8192);
  if (kind < 98) return 1 + Below(48u << 10);
  return 1 + Below(300u << 10);
}

// Often at an edge: of a page, of a chunk of the log, of the file.
size_t DataModel::PickOffset(const Bytes& bytes) {
  const size_t size = bytes.size();
  size_t offset = Below(size + 1);
  if (OneIn(3)) offset = offset / kPage * kPage;
  if (OneIn(6)) offset = offset / 16384 * 16384;
  if (OneIn(8)) offset = size;
  if (OneIn(20)) offset = Below(kMaxFile);
  return offset;
}

DataModel::Bytes DataModel::RandomBytes(size_t length) {
  Bytes bytes(length);
  if (OneIn(20)) return bytes;  // zeros that are data
  for (size_t i = 0; i < length; i += 8) {
    const uint64_t word = random_();
    std::memcpy(bytes.data() + i, &word, std::min<size_t>(8, length - i));
  }
  return bytes;
}

std::string DataModel::AnyName() { return "file" + std::to_string(Below(kNames)); }

void DataModel::OpenInto(Handle& handle, const std::string& name, int extra_flags) {
  DropMap(handle);
  if (!names_.contains(name)) extra_flags |= O_CREAT | (OneIn(2) ? O_EXCL : 0);
  UniqueFd fd(::open(PathOf(name).c_str(), O_RDWR | O_CLOEXEC | extra_flags, 0644));
  Must(fd.get() >= 0, "open");
  ContentPtr& content = names_[name];
  if (!content) {
    content = std::make_shared<Content>();
    content->number = next_number_++;
  }
  if ((extra_flags & O_TRUNC) != 0) content->bytes.clear();
  Note((extra_flags & O_TRUNC) != 0 ? "open, truncating" : "open", *content, 0, 0);
  handle.fd = std::move(fd);
  handle.content = content;
  handle.append = (extra_flags & O_APPEND) != 0;
}

void DataModel::DropMap(Handle& handle) {
  if (handle.map != nullptr) ::munmap(handle.map, handle.map_length);
  handle.map = nullptr;
}

void DataModel::Compare(const Content& content, size_t offset, const uint8_t* got, size_t length,
                        const char* how) {
  if (length == 0 || std::memcmp(content.bytes.data() + offset, got, length) == 0) return;
  size_t at = 0;
  while (content.bytes[offset + at] == got[at]) ++at;
  size_t wrong = 0;
  for (size_t i = at; i < length; ++i) wrong += content.bytes[offset + i] != got[i] ? 1 : 0;
  char text[256];
  std::snprintf(text, sizeof(text),
                "%s of content %llu: byte %zu is 0x%02x, must be 0x%02x; %zu of %zu bytes differ, "
                "file size %zu",
                how, static_cast<unsigned long long>(content.number), offset + at, got[at],
                content.bytes[offset + at], wrong, length, content.bytes.size());
  Fail(text);
}

void DataModel::CompareHandle(Handle& handle) {
  const Bytes& bytes = handle.content->bytes;
  struct stat facts {};
  Must(::fstat(handle.fd.get(), &facts) == 0, "fstat");
  if (static_cast<size_t>(facts.st_size) != bytes.size())
    Fail("size of content " + std::to_string(handle.content->number) + " is " +
         std::to_string(facts.st_size) + ", must be " + std::to_string(bytes.size()));
  const auto links = std::count_if(names_.begin(), names_.end(),
                                   [&](const auto& n) { return n.second == handle.content; });
  if (static_cast<std::ptrdiff_t>(facts.st_nlink) != links)
    Fail("content " + std::to_string(handle.content->number) + " counts " +
         std::to_string(facts.st_nlink) + " links, must be " + std::to_string(links));
  Bytes got(bytes.size() + 1);
  size_t done = 0;
  for (;;) {
    const ssize_t n =
        ::pread(handle.fd.get(), got.data() + done, got.size() - done, static_cast<off_t>(done));
    Must(n >= 0, "pread");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  if (done != bytes.size()) Fail("a whole read gave " + std::to_string(done) + " bytes");
  Compare(*handle.content, 0, got.data(), done, "whole read");
}

void DataModel::CompareAll() {
  for (Handle& handle : handles_)
    if (handle.fd) CompareHandle(handle);
  for (const auto& [name, content] : names_) {
    Handle handle;
    handle.fd = UniqueFd(::open(PathOf(name).c_str(), O_RDONLY | O_CLOEXEC));
    Must(handle.fd.get() >= 0, "open to compare");
    handle.content = content;
    CompareHandle(handle);
  }
}

void DataModel::Note(const char* what, const Content& content, uint64_t offset, uint64_t length) {
  char text[160];
  std::snprintf(text, sizeof(text), "step %llu: %s, content %llu (size %zu) at %llu, %llu bytes",
                static_cast<unsigned long long>(step_), what,
                static_cast<unsigned long long>(content.number), content.bytes.size(),
                static_cast<unsigned long long>(offset), static_cast<unsigned long long>(length));
  notes_.emplace_back(text);
  if (notes_.size() > kNotesKept) notes_.pop_front();
}

void DataModel::Must(bool ok, const char* call) {
  if (!ok) Fail(std::string(call) + ": " + std::strerror(errno));
}

void DataModel::Fail(const std::string& text) {
  for (const std::string& note : notes_) std::fprintf(stderr, "  %s\n", note.c_str());
  std::fprintf(stderr, "FAILED at step %llu (--seed %llu): %s\n",
               static_cast<unsigned long long>(step_), static_cast<unsigned long long>(seed_),
               text.c_str());
  std::exit(1);
}

void DataModel::Fill(Bytes& bytes, size_t offset, size_t length, const uint8_t* data) {
  if (bytes.size() < offset + length) bytes.resize(offset + length);
  if (data == nullptr)
    std::memset(bytes.data() + offset, 0, length);
  else
    std::memcpy(bytes.data() + offset, data, length);
}

void DataModel::Save(const std::string& file) const {
  std::FILE* out = std::fopen(file.c_str(), "wb");
  bool ok = out != nullptr;
  for (const auto& [name, content] : names_) {
    if (!ok) break;
    std::fprintf(out, "%s %zu %llu\n", name.c_str(), content->bytes.size(),
                 static_cast<unsigned long long>(content->number));
    ok = std::fwrite(content->bytes.data(), 1, content->bytes.size(), out) == content->bytes.size();
  }
  if (out == nullptr || std::fclose(out) != 0 || !ok) {
    std::fprintf(stderr, "cannot write %s\n", file.c_str());
    std::exit(1);
  }
}

void DataModel::Load(const std::string& file) {
  std::FILE* in = std::fopen(file.c_str(), "rb");
  Must(in != nullptr, "open what was saved");
  std::map<uint64_t, ContentPtr> contents;
  char name[64];
  size_t size = 0;
  unsigned long long number = 0;
  while (std::fscanf(in, "%63s %zu %llu", name, &size, &number) == 3) {
    Must(std::fgetc(in) == '\n', "read what was saved");
    ContentPtr& content = contents[number];
    if (!content) content = std::make_shared<Content>();
    content->number = number;
    content->bytes.resize(size);
    Must(std::fread(content->bytes.data(), 1, size, in) == size, "read what was saved");
    names_[name] = content;
  }
  (void)std::fclose(in);
}

void DataModel::Verify(const std::string& folder, const std::string& file) {
  DataModel model(folder);
  model.Load(file);
  size_t names = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++names;
    if (!model.names_.contains(entry.path().filename().string()))
      model.Fail("a name that must not be there: " + entry.path().filename().string());
  }
  if (names != model.names_.size()) model.Fail("names are missing");
  model.CompareAll();
}

}  // namespace leadglass
