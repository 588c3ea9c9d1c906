// SPDX-License-Identifier: Apache-2.0
//
// What one flipped bit costs, structure by structure, and the same bit flipped in every copy. The
// table in docs/threat-model.md is what this test finds; LEADGLASS_UPDATE=1 writes it there.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <sstream>

#include "tests/fault/disk_parts.h"
#include "tests/fault/sample_vault.h"
#include "tests/support/matchers.h"
#include "tests/support/source_folder.h"

namespace leadglass {
namespace {

constexpr const char* kBegin = "<!-- unit of failure: begin -->\n";
constexpr const char* kEnd = "<!-- unit of failure: end -->";
constexpr const char* kNothing = "nothing is lost";
constexpr const char* kNamed = "nothing is lost, and it is named";
constexpr const char* kOneFile = "that file gives EIO, all else reads";
constexpr const char* kRefused = "the vault is not opened, and the message names the place";

// The inode of a path, from its facts.
std::string InodeOf(const Seen& seen) {
  std::istringstream facts(seen.facts);
  std::string node;
  std::string inode;
  facts >> node >> inode;
  return inode;
}

std::string OutcomeOf(const Sighting& seen) {
  const SampleVault& sample = SampleVault::Get();
  if (const std::string silent = Differences(sample.tree, seen); !silent.empty())
    return "SILENT: " + silent;
  if (seen.refused) {
    if (seen.refused->code == Errc::kCorrupt || seen.refused->code == Errc::kUnsupported)
      return kRefused;
    return "refused as " + ToString(*seen.refused);
  }
  std::set<std::string> inodes;
  for (const auto& [path, entry] : seen.tree)
    if (!entry.error.empty()) inodes.insert(InodeOf(entry));
  if (inodes.empty()) return seen.damage.empty() ? kNothing : kNamed;
  if (seen.damage.empty()) return "EIO that check does not see";
  return inodes.size() == 1 ? kOneFile : std::to_string(inodes.size()) + " files give EIO";
}

std::string Join(const std::set<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : "; or ") + text;
  return joined;
}

struct Row {
  std::set<size_t> copies;
  std::set<std::string> one;
  std::set<std::string> all;
};

// Where the other copies of a part lie: the pair's other file, or the same bytes in the log.
std::vector<DiskPart> AllCopies(const DiskImage& image, const DiskPart& part) {
  if (part.kind == "index file") return {part};
  return CopiesOf(image, part);
}

constexpr const char* kDead = "data record of bytes that were overwritten or deleted";

// True when nothing that can be read is lost with this part of a data record's body: its bytes were
// overwritten, or their file deleted.
bool IsDead(const DiskPart& part) {
  const SampleVault& sample = SampleVault::Get();
  DiskImage image = sample.newest;
  std::fill_n(image.files.at(part.path).begin() + static_cast<ptrdiff_t>(part.offset), part.length,
              uint8_t{0});
  return !Look(image, sample.new_passphrase, sample.head).any_error();
}

// The sealed chunks of a body: some of a record may have been overwritten, and others not.
std::vector<DiskPart> ChunksOf(const DiskPart& frame, const DiskPart& body) {
  const uint8_t chunk_log2 =
      SampleVault::Get().newest.files.at(frame.path).at(static_cast<size_t>(frame.offset) + 9);
  const size_t sealed = (size_t{1} << chunk_log2) + 16;  // docs/format.md
  std::vector<DiskPart> chunks;
  for (size_t at = 0; at < body.length; at += sealed) {
    DiskPart chunk = body;
    chunk.offset += at;
    chunk.length = std::min<size_t>(sealed, body.length - at);
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

std::map<std::string, std::vector<DiskPart>> PartsByKind() {
  std::map<std::string, std::vector<DiskPart>> by_kind;
  const std::vector<DiskPart> parts = PartsOf(SampleVault::Get().newest);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].kind != "data record, frame") {
      by_kind[parts[i].kind].push_back(parts[i]);
      continue;
    }
    // A frame stands right before its body.
    const DiskPart& frame = parts[i];
    const DiskPart& body = parts[++i];
    const bool dead = IsDead(body);
    by_kind[dead ? kDead : frame.kind].push_back(frame);
    for (const DiskPart& chunk : ChunksOf(frame, body))
      by_kind[dead || IsDead(chunk) ? kDead : body.kind].push_back(chunk);
  }
  return by_kind;
}

std::map<std::string, Row> Findings() {
  const SampleVault& sample = SampleVault::Get();
  const auto by_kind = PartsByKind();
  std::mt19937_64 random(4);
  std::map<std::string, Row> rows;
  for (const auto& [kind, parts] : by_kind) {
    Row& row = rows[kind];
    // Every part: how many there are of a kind varies with the machine's speed, the findings do
    // not.
    for (size_t i = 0; i < std::max<size_t>(8, parts.size()); ++i) {
      const DiskPart& part = parts[i % parts.size()];
      const uint64_t bit = random() % (part.length * 8);
      DiskImage image = sample.newest;
      FlipBit(image, part.path, part.offset * 8 + bit);
      row.one.insert(OutcomeOf(Examine(image, sample.new_passphrase, sample.head)));
      const auto copies = AllCopies(sample.newest, part);
      row.copies.insert(copies.size());
      image = sample.newest;
      for (const DiskPart& copy : copies) FlipBit(image, copy.path, copy.offset * 8 + bit);
      row.all.insert(OutcomeOf(Examine(image, sample.new_passphrase, sample.head)));
    }
  }
  return rows;
}

std::string TableOf(const std::map<std::string, Row>& rows) {
  std::string table =
      "| structure | copies | one flipped bit | the same bit flipped in every copy |\n"
      "| --- | --- | --- | --- |\n";
  for (const auto& [kind, row] : rows) {
    const std::string least = std::to_string(*row.copies.begin());
    const std::string most = std::to_string(*row.copies.rbegin());
    table += "| " + kind + " | " + (least == most ? least : least + " to " + most) + " | " +
             Join(row.one) + " | " + (most == "1" ? "the same" : Join(row.all)) + " |\n";
  }
  return table;
}

std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(UnitOfFailure, OneFlippedBitCostsAtMostOneFile) {
  const auto rows = Findings();
  const std::string table = TableOf(rows);
  ASSERT_EQ(rows.count("data record, body"), 1u);
  ASSERT_EQ(rows.count("commit, body"), 1u);
  for (const auto& [kind, row] : rows) {
    if (kind == "data record, body")
      EXPECT_EQ(row.one, std::set<std::string>{kOneFile});
    else if (kind == "index file")
      EXPECT_EQ(row.one, std::set<std::string>{kNothing});
    else
      EXPECT_EQ(row.one, std::set<std::string>{kNamed}) << kind;
    for (const std::string& outcome : row.all)
      EXPECT_TRUE(outcome == kOneFile || outcome == kRefused || outcome == kNothing ||
                  outcome == kNamed)
          << kind << ": " << outcome;
  }
  const std::string path = SourceFolder() + "/docs/threat-model.md";
  std::string page = ReadText(path);
  const size_t begin = page.find(kBegin);
  const size_t end = page.find(kEnd);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos)
      << "the page has no place for the table:\n"
      << table;
  const size_t at = begin + std::string(kBegin).size();
  if (std::getenv("LEADGLASS_UPDATE") != nullptr) {
    page.replace(at, end - at, table);
    std::ofstream(path) << page;
  } else {
    EXPECT_EQ(page.substr(at, end - at), table) << "LEADGLASS_UPDATE=1 writes it";
  }
}

}  // namespace
}  // namespace leadglass
