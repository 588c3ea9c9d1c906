// SPDX-License-Identifier: Apache-2.0
// fill_vault VAULT PASSPHRASE-FILE --images N: fills a vault with so many small images, straight
// through the vault object, without a mount: what a vault of millions of images costs depends on
// their metadata, not on their pixels. A vault that holds some already is filled up to N.
//
// Layout: /archive/<study>/<number>, 500 images a study, 2 studies a patient; every 2,000th study
// has 5,000 images. With --groups N instead: one image a study, one study a patient; half of the
// studies belong to groups 20000 to 20000 + N - 1 in turns, by rules of a configuration, the others
// to root's group. Headers are parsed in this process: the files are our own. Prints one line of
// JSON at each power of ten and at the end:
//   {"images": 100000, "images_per_second": 9000.1, "rss_bytes": ..., "index_bytes": ...,
//   "log_bytes": ...}
// images_per_second is that of the last tenth before the mark.

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "crypto/vault_keys.h"
#include "fs/vault.h"
#include "index/parser_worker.h"
#include "tests/support/make_dicom.h"

namespace leadglass {
namespace {

using SteadyClock = std::chrono::steady_clock;

class ParserInThisProcess final : public HeaderParserPool {
 public:
  Result<ParseOutcome> Parse(const ReadAt& read, uint64_t file_size, uint32_t) override {
    ByteVector prefix(static_cast<size_t>(std::min<uint64_t>(file_size, kFirstHeaderBytes)));
    LG_ASSIGN_OR_RETURN(const size_t got, read(0, prefix));
    prefix.resize(got);
    HeaderResult result = ParseHeader(prefix, file_size);
    if (auto* facts = std::get_if<DicomFacts>(&result)) return ParseOutcome(std::move(*facts));
    if (auto* unparsed = std::get_if<Unparsed>(&result)) return ParseOutcome(*unparsed);
    return Error(Errc::kInternal, "a header longer than the images made here have");
  }
  // Nothing is asked ahead: there is no other process that could read meanwhile.
  std::shared_ptr<const Asked> AskAhead(ByteSpan, uint64_t, uint32_t) override { return nullptr; }
  Result<ParseOutcome> ParseAsked(const Asked& asked, const ReadAt&, uint32_t uid) override {
    return HeaderParserPool::Parse(ByteSpan(asked.prefix), asked.file_size, uid);
  }
  void Drop(const Asked&) override {}
  void SetFurther(const FurtherElements&) override {}  // no rules here
  Counters counters() const override { return {}; }
};

template <typename T>
T Need(Result<T> result) {
  if (!result) throw std::runtime_error(ToString(result.error()));
  return std::move(result).value();
}
void Need(const Status& status) {
  if (!status) throw std::runtime_error(ToString(status.error()));
}

constexpr uint64_t kStudy = 500;
constexpr uint64_t kLargeStudy = 5000;
constexpr uint64_t kLargeEvery = 2000;  // studies

// Where image `number` goes: studies come in blocks of one large and kLargeEvery - 1 ordinary ones.
struct Place {
  uint64_t study = 0;
  uint64_t instance = 0;
};
Place PlaceOf(uint64_t number, uint64_t groups) {
  if (groups > 0) return {number, 0};
  constexpr uint64_t kBlock = kLargeStudy + (kLargeEvery - 1) * kStudy;
  const uint64_t block = number / kBlock, in_block = number % kBlock;
  if (in_block < kLargeStudy) return {block * kLargeEvery, in_block};
  const uint64_t rest = in_block - kLargeStudy;
  return {block * kLargeEvery + 1 + rest / kStudy, rest % kStudy};
}

constexpr uint32_t kFirstGid = 20'000;

std::string GroupName(uint64_t group) { return "group" + std::to_string(group); }

// A rule for each group, by the accession number that its studies have.
void SetRules(Vault& vault, uint64_t groups) {
  std::string rules = "default_group = \"root\"\n";
  std::vector<ConfiguredGroup> known = {{"root", 0}};
  for (uint64_t group = 0; group < groups; ++group) {
    rules += "[[rule]]\ngroup = \"" + GroupName(group) + "\"\nwhere.AccessionNumber = \"" +
             GroupName(group) + "\"\n";
    known.push_back({GroupName(group), kFirstGid + static_cast<uint32_t>(group)});
  }
  const Person root{Caller{0, 0, 1, 022}, "root", {}, true};
  Need(vault.SetConfiguration(root, std::move(rules), std::move(known)));
}

ByteVector ImageOf(const Place& place, uint64_t groups) {
  ImageSpec spec;
  const std::string study = std::to_string(place.study);
  spec.patient_id = "PATIENT-" + std::to_string(place.study / 2);
  spec.patient_name = "Synthetic^Patient " + std::to_string(place.study / 2);
  spec.study_uid = "2.25.1000000" + study;
  spec.series_uid = spec.study_uid + "." + std::to_string(place.instance / 100);
  spec.sop_uid = spec.series_uid + "." + std::to_string(place.instance);
  spec.accession = "ACC" + study;
  if (groups > 0) {
    spec.patient_id = "PATIENT-" + study;
    spec.patient_name = "Synthetic^Patient " + study;
    if (place.study % 2 == 0) spec.accession = GroupName(place.study / 2 % groups);
  }
  spec.series_number = std::to_string(place.instance / 100 + 1);
  spec.instance_number = std::to_string(place.instance % 100 + 1);
  spec.pixel_bytes = 64;
  return MakeImage(spec);
}

uint64_t FolderBytes(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() != "reserve")
      bytes += entry.file_size(gone);
  return bytes;
}

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

class Filler {
 public:
  Filler(Vault& vault, std::string folder, uint64_t groups)
      : vault_(vault), folder_(std::move(folder)), groups_(groups) {}

  void Fill(uint64_t from, uint64_t to) {
    uint64_t mark = 10'000;
    while (mark <= from) mark *= 10;
    auto tenth_began = SteadyClock::now();
    uint64_t tenth_from = from;
    for (uint64_t number = from; number < to; ++number) {
      if (number == mark - mark / 10 && number > from) {
        tenth_began = SteadyClock::now();
        tenth_from = number;
      }
      Store(number);
      if (number + 1 != mark && number + 1 != to) continue;
      const double seconds =
          std::chrono::duration<double>(SteadyClock::now() - tenth_began).count();
      Print(number + 1, static_cast<double>(number + 1 - tenth_from) / seconds);
      if (number + 1 == mark) mark *= 10;
    }
  }

 private:
  static Caller Root() { return Caller{0, 0, 1, 022}; }

  void Store(uint64_t number) {
    const Place place = PlaceOf(number, groups_);
    if (study_folder_ == 0 || place.instance == 0) OpenStudy(place.study);
    const auto made = Need(vault_.Create(Root(), study_folder_, std::to_string(place.instance),
                                         0640, O_WRONLY | O_CREAT | O_EXCL));
    Need(vault_.Write(*made.file, 0, ImageOf(place, groups_), false));
    Need(vault_.Flush(*made.file));
    vault_.Release(made.file);
    vault_.Forget(made.attributes.node);
  }

  void OpenStudy(uint64_t study) {
    const std::string name = std::to_string(study);
    if (const auto known = vault_.Lookup(Root(), kArchiveInode, name)) {
      study_folder_ = known->node;
    } else {
      study_folder_ = Need(vault_.MakeFolder(Root(), kArchiveInode, name, 0750)).node;
    }
  }

  void Print(uint64_t images, double rate) const {
    const nlohmann::json line{{"images", images},
                              {"images_per_second", rate},
                              {"rss_bytes", ResidentBytes()},
                              {"index_bytes", FolderBytes(folder_ + "/index")},
                              {"log_bytes", FolderBytes(folder_ + "/log")}};
    std::puts(line.dump().c_str());
    std::fflush(stdout);
  }

  Vault& vault_;
  const std::string folder_;
  const uint64_t groups_;
  NodeId study_folder_ = 0;
};

SecretBytes ReadPassphrase(const std::string& path) {
  std::ifstream in(path);
  std::string text;
  std::getline(in, text);
  SecretBytes passphrase(text.size());
  std::copy(text.begin(), text.end(), passphrase.ExposeForOpenSsl().begin());
  return passphrase;
}

void Run(const std::string& folder, const std::string& passphrase_file, uint64_t images,
         uint64_t groups) {
  const SecretBytes passphrase = ReadPassphrase(passphrase_file);
  FileSystem& fs = PosixFileSystem();
  const bool is_new = !std::filesystem::exists(folder + "/keyring");
  std::unique_ptr<VaultKeys> keys;
  if (is_new) {
    std::filesystem::create_directories(folder);
    keys = Need(VaultKeys::Create(fs, folder, passphrase, 10, SystemClock()));
    Need(Vault::Format(fs, folder, *keys, {}, SystemClock()));
  } else {
    keys = Need(VaultKeys::Unlock(fs, folder, passphrase));
  }
  ParserInThisProcess parser;
  const auto vault = Need(Vault::Open(fs, folder, *keys, &parser, {}, SystemClock()));
  const uint64_t present = Need(vault->GetStatus()).filed;
  if (is_new && groups > 0) SetRules(*vault, groups);
  Filler(*vault, folder, groups).Fill(present, images);
  Need(vault->Close());
}

}  // namespace
}  // namespace leadglass

int main(int argc, char** argv) {
  std::string folder, passphrase_file;
  uint64_t images = 10'000, groups = 0;
  CLI::App app("Fills a vault with small images.");
  app.add_option("vault", folder)->required();
  app.add_option("passphrase-file", passphrase_file)->required();
  app.add_option("--images", images, "that the vault holds in the end");
  app.add_option("--groups", groups, "that half of the studies belong to; at most 1000");
  CLI11_PARSE(app, argc, argv);
  try {
    leadglass::Run(folder, passphrase_file, images, groups);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fill_vault: %s\n", error.what());
    return 1;
  }
  return 0;
}
