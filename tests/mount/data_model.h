// SPDX-License-Identifier: Apache-2.0
#pragma once

// DataModel: what the files of one folder must hold, beside the files themselves. Every step does
// something to a file through the operating system and the same to plain memory; every byte that
// is read is compared. A difference ends the program, after the steps that led to it.
//
//   DataModel model(folder, seed);
//   for (uint64_t i = 0; i < steps; ++i) model.Step();
//   model.CompareAll();
//   model.Save(file);            // later, perhaps after a remount: DataModel::Verify(folder, file)
//
// Single-threaded. Aborts on any difference: it is a test.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "crypto/base/unique_fd.h"

namespace leadglass {

class DataModel {
 public:
  DataModel(std::string folder, uint64_t seed);
  ~DataModel();

  void Step();
  // Every byte of every file, by name and through every open handle.
  void CompareAll();
  // Writes what the folder must hold to `file`.
  void Save(const std::string& file) const;
  // Compares a folder, names included, with what Save() wrote.
  static void Verify(const std::string& folder, const std::string& file);

 private:
  static constexpr size_t kMaxFile = 2u << 20;
  static constexpr size_t kPage = 4096;

  using Bytes = std::vector<uint8_t>;
  struct Content {
    uint64_t number = 0;  // for messages
    Bytes bytes;
  };
  using ContentPtr = std::shared_ptr<Content>;
  // An open file.
  struct Handle {
    UniqueFd fd;
    ContentPtr content;
    bool append = false;
    // A shared mapping that lives over other steps.
    uint8_t* map = nullptr;
    size_t map_offset = 0;
    size_t map_length = 0;
  };

  explicit DataModel(std::string folder) : folder_(std::move(folder)), seed_(0) {}
  void Load(const std::string& file);

  // Steps, one an operation.
  void Pread();
  void SequentialRead();
  void Pwrite();
  void Append();
  void MapRead();
  void MapWrite();
  void MapKeep();
  void MapKeptAccess();
  void Truncate();
  void PunchHole();
  void ZeroRange();
  void Allocate();
  void CopyRange();
  void Reopen();
  void RenameOver();
  void HardLink();
  void Unlink();
  void SeekDataHole();
  void Sync();
  void CompareOne();

  uint64_t Below(uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  size_t PickLength();
  size_t PickOffset(const Bytes& bytes);
  Bytes RandomBytes(size_t length);
  Handle& AnyHandle() { return handles_[Below(handles_.size())]; }
  std::string AnyName();
  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }
  void OpenInto(Handle& handle, const std::string& name, int extra_flags);
  static void DropMap(Handle& handle);
  void Compare(const Content& content, size_t offset, const uint8_t* got, size_t length,
               const char* how);
  void CompareHandle(Handle& handle);
  void Note(const char* what, const Content& content, uint64_t offset, uint64_t length);
  // A system call that must succeed: the difference, if it did not.
  void Must(bool ok, const char* call);
  [[noreturn]] void Fail(const std::string& text);
  static void Fill(Bytes& bytes, size_t offset, size_t length, const uint8_t* data);

  std::string folder_;
  std::mt19937_64 random_;
  uint64_t seed_;
  uint64_t step_ = 0;
  uint64_t next_number_ = 1;
  std::map<std::string, ContentPtr> names_;
  std::array<Handle, 8> handles_;
  std::deque<std::string> notes_;  // the newest steps
};

}  // namespace leadglass
