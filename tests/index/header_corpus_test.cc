// SPDX-License-Identifier: Apache-2.0

// Compares the parser with what pydicom reads of a folder of real and broken files:
//   LEADGLASS_CORPUS=folder ctest -R HeaderCorpus
// The folder holds expected.tsv, one line a file: path, readable, PatientID, IssuerOfPatientID,
// PatientName, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, Modality, StudyDate,
// StudyDescription. Where we differ on purpose stands below, and why in docs/corpus-notes.md.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "index/header_parser.h"
#include "index/identity_scan.h"

namespace leadglass {
namespace {

struct Expected {
  std::string path, readable;
  std::vector<std::string> values;
};

std::vector<std::string> SplitTabs(const std::string& line) {
  std::vector<std::string> parts(1);
  for (const char c : line) {
    if (c == '\t') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::vector<Expected> ReadTable(const std::string& folder) {
  std::ifstream file(folder + "/expected.tsv");
  std::vector<Expected> table;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> parts = SplitTabs(line);
    if (line.empty() || line[0] == '#' || parts.size() < 11 || parts[0] == "file") continue;
    table.push_back({parts[0], parts[1], {parts.begin() + 2, parts.end()}});
  }
  return table;
}

std::vector<std::string> Values(const DicomFacts& f) {
  return {f.patient_id,         f.issuer_of_patient_id, f.patient_name,
          f.study_instance_uid, f.series_instance_uid,  f.sop_instance_uid,
          f.modality,           f.study_date,           f.study_description};
}

// As the table writes values: "['a', 'b']" for several, tabs and line ends escaped.
std::string InTableForm(std::string value) {
  if (const size_t at = value.find('\\'); at != std::string::npos) {
    std::string list = "['";
    for (const char c : value) list += c == '\\' ? std::string("', '") : std::string(1, c);
    value = list + "']";
  }
  std::string out;
  for (const char c : value) {
    if (c == '\t') {
      out += "\\t";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string KindInTableForm(DicomFacts::Kind kind) {
  if (kind == DicomFacts::Kind::kDicomdir) return "dicomdir";
  return kind == DicomFacts::Kind::kImage ? "yes" : "no-uids";
}

// Where we differ, and how: each has its reason in docs/corpus-notes.md.
const std::map<std::string, std::string>& Differences() {
  static const std::map<std::string, std::string> table = {
      {"made/layout/deep-60.dcm", "too-deep"},
      {"made/layout/deflated-bomb.dcm", "deflate-too-large"},
      {"made/layout/deflated-zlib-header.dcm", "yes MADE-deflated"},
      {"made/layout/length-4gb.dcm", "truncated"},
      {"made/layout/length-over-end.dcm", "truncated"},
      {"made/layout/out-of-order.dcm", "yes LATE01"},
      {"made/layout/sq-length-over-end.dcm", "truncated"},
      {"made/notdicom/.DS_Store", "not-dicom"},
      {"made/notdicom/._IM0001.dcm", "not-dicom"},
      {"made/notdicom/Thumbs.db", "not-dicom"},
      {"made/notdicom/dicm-at-128.txt", "not-dicom"},
      {"made/notdicom/image.png", "not-dicom"},
      {"made/notdicom/random-1MiB.bin", "not-dicom"},
      {"made/notdicom/readme.txt", "not-dicom"},
      {"made/notdicom/report.json", "not-dicom"},
      {"made/notdicom/report.pdf", "not-dicom"},
      {"made/truncated/at-131-131.dcm", "not-dicom"},
      {"made/truncated/in-patient-group-900.dcm", "truncated"},
      {"made/truncated/in-preamble-100.dcm", "not-dicom"},
      {"made/values/pid-nul.dcm", std::string("yes AB\0CD", 9)},
      {"pydicom-debian/no_meta.dcm", "not-dicom"},
      {"pydicom-debian/zipMR.gz", "not-dicom"},
  };
  return table;
}

std::string InShort(const HeaderResult& result) {
  if (const auto* unparsed = std::get_if<Unparsed>(&result)) return UnparsedName(unparsed->reason);
  const auto& facts = std::get<DicomFacts>(result);
  return KindInTableForm(facts.kind) + " " + facts.patient_id;
}

// Reads as much as the parser asks for, beginning with its usual first step.
HeaderResult ParseLikeTheMount(const std::string& bytes) {
  size_t have = std::min(bytes.size(), kFirstHeaderBytes);
  while (true) {
    const ByteSpan prefix = AsBytes(bytes).first(have);
    HeaderResult result = ParseHeader(prefix, bytes.size());
    const auto* more = std::get_if<NeedMore>(&result);
    if (more == nullptr) {
      if (const auto* facts = std::get_if<DicomFacts>(&result)) {
        EXPECT_TRUE(ScanConfirms(*facts, prefix, bytes.size()));
        auto again = DecodeDicomFacts(EncodeDicomFacts(*facts));
        EXPECT_TRUE(again && *again == *facts);
      }
      return result;
    }
    EXPECT_GT(more->bytes, have);
    have = static_cast<size_t>(more->bytes);
  }
}

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

TEST(HeaderCorpus, AgreesWithPydicomButForWhatIsWrittenDown) {
  const char* folder = std::getenv("LEADGLASS_CORPUS");
  if (folder == nullptr) GTEST_SKIP() << "LEADGLASS_CORPUS names no folder";
  const std::vector<Expected> table = ReadTable(folder);
  ASSERT_FALSE(table.empty()) << "no expected.tsv in the folder";
  for (const Expected& file : table) {
    SCOPED_TRACE(file.path);
    const std::string bytes = Slurp(std::string(folder) + "/" + file.path);
    const HeaderResult result = ParseLikeTheMount(bytes);
    if (const auto ours = Differences().find(file.path); ours != Differences().end()) {
      EXPECT_EQ(InShort(result), ours->second);
      continue;
    }
    if (const auto* unparsed = std::get_if<Unparsed>(&result)) {
      EXPECT_EQ(file.readable, "no") << "unparsed: " << UnparsedText(unparsed->reason);
      continue;
    }
    const auto* facts = std::get_if<DicomFacts>(&result);
    ASSERT_NE(facts, nullptr);
    const std::vector<std::string> ours = Values(*facts);
    for (size_t i = 0; i < ours.size(); ++i) EXPECT_EQ(InTableForm(ours[i]), file.values[i]) << i;
    EXPECT_EQ(KindInTableForm(facts->kind), file.readable.substr(0, file.readable.find("-no-pre")));
  }
}

}  // namespace
}  // namespace leadglass
