// SPDX-License-Identifier: Apache-2.0
//
// Who may see a study: its group comes from the configuration's rules, holds for all of it, and
// changes at once.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <thread>

#include "index/posix_acl.h"
#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr uint32_t kRadiology = 3001, kCardio = 3002, kMammo = 3003, kOncology = 3004;

constexpr const char* kRules = R"(
default_group = "radiology"
[[rule]]
group = "mammo"
further = ["oncology"]
where.Modality = "MG"
[[rule]]
group = "cardio"
where.folder = "/archive/cath"
)";

class VaultAccess : public VaultTest {
 protected:
  void SetUp() override {
    VaultTest::SetUp();
    ASSERT_THAT(Configure(kRules), IsOk());
  }
  Result<uint32_t> Configure(const std::string& text) {
    return vault_->SetConfiguration(kOperator, text,
                                    {{"radiology", kRadiology},
                                     {"cardio", kCardio},
                                     {"mammo", kMammo},
                                     {"oncology", kOncology}});
  }
  NodeId Store(const std::string& name, const ImageSpec& spec, NodeId folder = kArchiveInode) {
    return WriteFile(folder, name, MakeImage(spec));
  }
  // The folder of the only study.
  NodeId Study() {
    for (const std::string& path : Tree(kPatientsInode))
      if (std::count(path.begin(), path.end(), '/') == 2 && path.ends_with('/'))
        return Walk("/patients/" + path.substr(0, path.size() - 1));
    return 0;
  }
  NodeId Series() {
    const NodeId study = Study();
    return Walk(PathOfStudy() + "/" + *Names(study).begin());
  }
  std::string PathOfStudy() {
    for (const std::string& path : Tree(kPatientsInode))
      if (std::count(path.begin(), path.end(), '/') == 2 && path.ends_with('/'))
        return "/patients/" + path.substr(0, path.size() - 1);
    return "";
  }
  // Group and permission bits, as "3001 0640".
  std::string AccessTo(NodeId node) {
    const auto attributes = vault_->GetAttributes(node);
    if (!attributes) return ToString(attributes.error());
    char text[32];
    std::snprintf(text, sizeof(text), "%u 0%o", attributes->gid, attributes->mode & 07777);
    return text;
  }
  Status Chmod(NodeId node, uint32_t mode) {
    AttributeChange change;
    change.mode = mode;
    return Change(node, change);
  }
  Status Chown(NodeId node, std::optional<uint32_t> uid, std::optional<uint32_t> gid) {
    AttributeChange change;
    change.uid = uid;
    change.gid = gid;
    return Change(node, change);
  }
  Status Chgrp(NodeId node, uint32_t gid) { return Chown(node, std::nullopt, gid); }

 private:
  Status Change(NodeId node, const AttributeChange& change) {
    const auto changed = vault_->SetAttributes(kRootUser, node, change, false);
    return changed ? Status() : Status(changed.error());
  }
};

TEST_F(VaultAccess, AStudyHasTheGroupOfTheRuleThatItsImageMatches) {
  const NodeId image = Store("a", {.modality = "MG"});
  EXPECT_EQ(AccessTo(Study()), "3003 0750");
  EXPECT_EQ(AccessTo(Series()), "3003 0750");
  EXPECT_EQ(AccessTo(image), "3003 0640");
  EXPECT_EQ(AccessTo(image | kViewBit), "3003 0640");
  EXPECT_EQ(AccessTo(Walk("/patients/Made Patient [MADE-1]")), "0 0755");
}

TEST_F(VaultAccess, WithoutARuleThatMatchesItHasTheDefaultGroup) {
  Store("a", {.modality = "CT"});
  EXPECT_EQ(AccessTo(Study()), "3001 0750");
}

TEST_F(VaultAccess, FurtherGroupsAreLetInByAnAccessList) {
  const NodeId image = Store("a", {.modality = "MG"});
  const ByteVector list = AclForGroups({kOncology});
  EXPECT_THAT(vault_->GetXattr(kRootUser, Study(), kAclAccessXattr), IsOkAndHolds(list));
  EXPECT_THAT(vault_->GetXattr(kRootUser, Series(), kAclAccessXattr), IsOkAndHolds(list));
  ASSERT_OK_AND_ASSIGN(const ByteVector of_file, AclOfFileIn(list, 0640));
  EXPECT_THAT(vault_->GetXattr(kRootUser, image, kAclAccessXattr), IsOkAndHolds(of_file));
  EXPECT_THAT(vault_->ListXattrs(image), IsOkAndHolds(Contains(std::string(kAclAccessXattr))));
}

TEST_F(VaultAccess, AFolderOfTheArchiveAndAllBelowItMatch) {
  Store("a", {}, Folder(Folder(kArchiveInode, "cath"), "2024"));
  EXPECT_EQ(AccessTo(Study()), "3002 0750");
}

TEST_F(VaultAccess, AFileThatWasMovedIsWhereItIs) {
  const NodeId cath = Folder(kArchiveInode, "cath");
  const auto made = vault_->Create(Root(), kArchiveInode, "a", 0640, O_RDWR);
  ASSERT_THAT(made, IsOk());
  ASSERT_THAT(vault_->Rename(kRootUser, kArchiveInode, "a", cath, "a", 0), IsOk());
  ASSERT_THAT(vault_->Write(*made->file, 0, MakeImage({}), false), IsOk());
  ASSERT_THAT(vault_->Flush(*made->file), IsOk());
  vault_->Release(made->file);
  EXPECT_EQ(AccessTo(Study()), "3002 0750");
}

// Whatever comes first: the rule with the lowest number that any image matches.
TEST_F(VaultAccess, TheOrderOfArrivalDoesNotMatter) {
  const NodeId cath = Folder(kArchiveInode, "cath");
  const NodeId first = Store("1", {.sop_uid = "2.25.1", .modality = "CT"});
  EXPECT_EQ(AccessTo(Study()), "3001 0750");
  Store("2", {.sop_uid = "2.25.2", .modality = "CT"}, cath);
  EXPECT_EQ(AccessTo(Study()), "3002 0750");
  Store("3", {.sop_uid = "2.25.3", .modality = "MG"});
  EXPECT_EQ(AccessTo(Study()), "3003 0750");
  EXPECT_THAT(vault_->GetXattr(kRootUser, Study(), kAclAccessXattr), IsOk());
  Store("4", {.sop_uid = "2.25.4", .modality = "CT"}, cath);
  Store("5", {.sop_uid = "2.25.5", .modality = "CT"});
  EXPECT_EQ(AccessTo(Study()), "3003 0750");
  EXPECT_EQ(AccessTo(first), "3003 0640");
}

TEST_F(VaultAccess, ALaterRuleTakesTheFurtherGroupsOfTheOneBeforeAway) {
  ASSERT_THAT(Configure("[[rule]]\ngroup = \"cardio\"\nwhere.Modality = \"US\"\n"
                        "[[rule]]\ngroup = \"mammo\"\nfurther = [\"oncology\"]\n"),
              IsOk());
  Store("1", {.sop_uid = "2.25.1", .modality = "CT"});
  EXPECT_EQ(AccessTo(Study()), "3003 0750");
  Store("2", {.sop_uid = "2.25.2", .modality = "US"});
  EXPECT_EQ(AccessTo(Study()), "3002 0750");
  EXPECT_THAT(vault_->GetXattr(kRootUser, Study(), kAclAccessXattr), FailsWithErrno(ENODATA));
}

TEST_F(VaultAccess, ChgrpOnAStudyHoldsForAllOfItAndForWhatArrivesLater) {
  const NodeId image = Store("1", {.sop_uid = "2.25.1", .modality = "CT"});
  ASSERT_THAT(Chgrp(Study(), kOncology), IsOk());
  EXPECT_EQ(AccessTo(Series()), "3004 0750");
  EXPECT_EQ(AccessTo(image), "3004 0640");
  // A person's choice outlives the rules.
  const NodeId later = Store("2", {.sop_uid = "2.25.2", .modality = "MG"});
  EXPECT_EQ(AccessTo(Study()), "3004 0750");
  EXPECT_EQ(AccessTo(later), "3004 0640");
}

TEST_F(VaultAccess, ChmodAndSetfaclOnAStudyHoldForAllOfIt) {
  const NodeId image = Store("1", {.modality = "CT"});
  ASSERT_THAT(Chmod(Study(), 0700), IsOk());
  EXPECT_EQ(AccessTo(image), "3001 0600");
  const ByteVector list = AclForGroups({kCardio});
  ASSERT_THAT(vault_->SetXattr(kRootUser, Study(), kAclAccessXattr, list, 0), IsOk());
  EXPECT_EQ(AccessTo(Study()), "3001 0750");
  EXPECT_EQ(AccessTo(image), "3001 0640");
  ASSERT_OK_AND_ASSIGN(const ByteVector of_file, AclOfFileIn(list, 0640));
  EXPECT_THAT(vault_->GetXattr(kRootUser, image, kAclAccessXattr), IsOkAndHolds(of_file));
}

// rsync -a, tar -x and cp -a set group, mode and list of each image; they must not fail, and must
// not open it to anybody.
TEST_F(VaultAccess, OnAnImageOrASeriesChangesSucceedAndAreClamped) {
  const NodeId image = Store("1", {.modality = "CT"});
  for (const NodeId node : {image, Series()}) {
    const std::string before = AccessTo(node);
    EXPECT_THAT(Chgrp(node, kOncology), IsOk());
    EXPECT_THAT(Chmod(node, 0777), IsOk());
    EXPECT_THAT(vault_->SetXattr(kRootUser, node, kAclAccessXattr, AclForGroups({kCardio}), 0),
                IsOk());
    EXPECT_EQ(AccessTo(node), before);
    EXPECT_THAT(vault_->GetXattr(kRootUser, node, kAclAccessXattr), FailsWithErrno(ENODATA));
  }
  ASSERT_THAT(Chmod(image, 0400), IsOk());
  EXPECT_EQ(AccessTo(image), "3001 0440");  // the owner's own bits are his
  ASSERT_THAT(Chown(image, 1234, std::nullopt), IsOk());
  EXPECT_EQ(vault_->GetAttributes(image)->uid, 1234u);
}

// `tar -x --acls` takes lists away from files that never had one, and fails where that fails.
TEST_F(VaultAccess, AListThatIsNotThereCanBeTakenAwayFromAFileOfNoStudy) {
  ASSERT_OK_AND_ASSIGN(const auto folder,
                       vault_->MakeFolder(kRootUser, kArchiveInode, "plain", 0755));
  for (const auto list : {kAclAccessXattr, kAclDefaultXattr})
    EXPECT_THAT(vault_->RemoveXattr(kRootUser, folder.node, list), IsOk());
  EXPECT_THAT(vault_->RemoveXattr(kRootUser, folder.node, "user.note"), FailsWithErrno(ENODATA));
}

// `chgrp -R`, `chmod -R` and `setfacl -R` of a study come past its images.
TEST_F(VaultAccess, ThroughAViewAnImageTakesGroupModeAndListAndStaysAsItIs) {
  const NodeId image = Store("1", {.modality = "CT"});
  const NodeId view = image | kViewBit;
  const std::string before = AccessTo(view);
  EXPECT_THAT(Chgrp(view, kOncology), IsOk());
  EXPECT_THAT(Chmod(view, 0444), IsOk());
  EXPECT_THAT(vault_->SetXattr(kRootUser, view, kAclAccessXattr, AclForGroups({kCardio}), 0),
              IsOk());
  EXPECT_THAT(vault_->RemoveXattr(kRootUser, view, kAclAccessXattr), IsOk());
  EXPECT_EQ(AccessTo(view), before);
  EXPECT_EQ(AccessTo(image), before);
  EXPECT_THAT(vault_->GetXattr(kRootUser, view, kAclAccessXattr), FailsWithErrno(ENODATA));
  // Nothing else is taken of a view.
  EXPECT_THAT(Chown(view, 1234, kOncology), FailsWithErrno(EROFS));
  EXPECT_THAT(vault_->SetXattr(kRootUser, view, "user.note", AsBytes(std::string_view("x")), 0),
              FailsWithErrno(EROFS));
  AttributeChange cut;
  cut.size = 0;
  cut.mode = 0600;
  EXPECT_THAT(vault_->SetAttributes(kRootUser, view, cut, false), FailsWithErrno(EROFS));
}

TEST_F(VaultAccess, APatientsFolderTakesAChangeAndStaysAsItIs) {
  Store("1", {});
  const NodeId patient = Walk("/patients/Made Patient [MADE-1]");
  const std::string before = AccessTo(patient);
  EXPECT_THAT(Chgrp(patient, kCardio), IsOk());
  EXPECT_THAT(Chmod(patient, 0700), IsOk());
  EXPECT_THAT(vault_->SetXattr(kRootUser, patient, kAclAccessXattr, AclForGroups({kCardio}), 0),
              IsOk());
  EXPECT_EQ(AccessTo(patient), before);
}

TEST_F(VaultAccess, WhatIsNoImageHasAnOrdinaryModeAndGetsItBackWhenItIsNoneAnyMore) {
  const NodeId text = WriteFile(kArchiveInode, "text", "no image");
  ASSERT_THAT(Chmod(text, 0604), IsOk());
  ASSERT_THAT(Chgrp(text, kCardio), IsOk());
  EXPECT_EQ(AccessTo(text), "3002 0604");
  const NodeId image = Store("image", {.modality = "MG"});
  ASSERT_THAT(Chmod(image, 0604), IsOk());
  ASSERT_THAT(Chgrp(image, kCardio), IsOk());
  EXPECT_EQ(AccessTo(image), "3003 0640");
  ASSERT_OK_AND_ASSIGN(OpenFile* const file, vault_->Open(kRootUser, image, O_RDWR | O_TRUNC));
  ASSERT_THAT(vault_->Write(*file, 0, AsBytes(std::string_view("a text now")), false), IsOk());
  ASSERT_THAT(vault_->Flush(*file), IsOk());
  vault_->Release(file);
  EXPECT_EQ(AccessTo(image), "3002 0604");
}

TEST_F(VaultAccess, OutlivesTheIndexAndASession) {
  const NodeId image = Store("1", {.sop_uid = "2.25.1", .modality = "MG"});
  ASSERT_THAT(vault_->Close(), IsOk());
  vault_.reset();
  ASSERT_THAT(Vault::Reindex(PosixFileSystem(), folder_, *keys_, {}, SystemClock()), IsOk());
  OpenVault();
  EXPECT_EQ(AccessTo(Study()), "3003 0750");
  EXPECT_EQ(AccessTo(image), "3003 0640");
  ASSERT_OK_AND_ASSIGN(const auto configuration, vault_->GetConfiguration());
  ASSERT_TRUE(configuration.has_value());
  EXPECT_EQ(configuration->text, kRules);
  EXPECT_EQ(configuration->version, 1u);
}

TEST_F(VaultAccess, NewRulesAreForStudiesThatComeAfterThem) {
  Store("1", {.study_uid = "2.25.10", .sop_uid = "2.25.1", .modality = "CT"});
  const NodeId old_study = Study();
  ASSERT_THAT(Configure("[[rule]]\ngroup = \"oncology\"\nwhere.Modality = \"CT\"\n"),
              IsOkAndHolds(2u));
  Store("2", {.study_uid = "2.25.10", .sop_uid = "2.25.2", .modality = "CT"});
  EXPECT_EQ(AccessTo(old_study), "3001 0750");
  const NodeId image = Store("3", {.study_uid = "2.25.11", .sop_uid = "2.25.3", .modality = "CT"});
  EXPECT_EQ(AccessTo(image), "3004 0640");
}

// What changes nothing about the rules leaves studies that are still growing as they were.
TEST_F(VaultAccess, AnotherVersionWithTheSameRulesGoesOnAsBefore) {
  Store("1", {.sop_uid = "2.25.1", .modality = "CT"});
  ASSERT_THAT(Configure(std::string("# another text\n") + kRules), IsOkAndHolds(2u));
  EXPECT_EQ((*vault_->GetConfiguration())->rules_version, 1u);
  Store("2", {.sop_uid = "2.25.2", .modality = "MG"});
  EXPECT_EQ(AccessTo(Study()), "3003 0750");
}

TEST_F(VaultAccess, AConfigurationThatNamesAnUnknownGroupIsRefusedAndTheOldOneStays) {
  const auto refused = Configure("default_group = \"nobody-has-it\"");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalidArgument);
  EXPECT_THAT(ToString(refused.error()), HasSubstr("nobody-has-it"));
  EXPECT_EQ((*vault_->GetConfiguration())->text, kRules);
}

TEST_F(VaultAccess, RulesCanBeAppliedToStudiesThatAreThere) {
  Store("ct", {.study_uid = "2.25.11", .series_uid = "2.25.12", .sop_uid = "2.25.13"});
  Store("mg", {.study_uid = "2.25.21",
               .series_uid = "2.25.22",
               .sop_uid = "2.25.23",
               .study_date = "20240202",
               .modality = "MG"});
  Store("us", {.study_uid = "2.25.31",
               .series_uid = "2.25.32",
               .sop_uid = "2.25.33",
               .study_date = "20240303",
               .modality = "US"});
  const auto access = [&](const std::string& date) -> std::string {
    const std::string patient = "Made Patient [MADE-1]";
    for (const std::string& name : Names(Walk("/patients/" + patient)))
      if (name.find(date) != std::string::npos)
        return AccessTo(Walk("/patients/" + patient + "/" + name));
    return "none";
  };
  ASSERT_EQ(access("2024-01-15"), "3001 0750");
  ASSERT_EQ(access("2024-02-02"), "3003 0750");
  // A person chose: no rule changes that.
  for (const std::string& name : Names(Walk("/patients/Made Patient [MADE-1]"))) {
    if (name.find("2024-03-03") == std::string::npos) continue;
    ASSERT_THAT(Chgrp(Walk("/patients/Made Patient [MADE-1]/" + name), 77), IsOk());
  }
  EXPECT_THAT(vault_->ApplyRules(kOperator, false), IsOkAndHolds(::testing::IsEmpty()));

  ASSERT_THAT(Configure("[[rule]]\ngroup = \"cardio\"\nfurther = [\"mammo\"]\nwhere.Modality = "
                        "[\"CT\", \"US\"]\n"),
              IsOk());
  ASSERT_OK_AND_ASSIGN(const auto would, vault_->ApplyRules(kOperator, false));
  ASSERT_EQ(would.size(), 2u);
  EXPECT_EQ(access("2024-01-15"), "3001 0750") << "it was only shown";
  ASSERT_OK_AND_ASSIGN(const auto made, vault_->ApplyRules(kOperator, true));
  ASSERT_EQ(made.size(), 2u);
  for (const StudyMove& move : made) {
    EXPECT_TRUE(move.path.starts_with("/patients/Made Patient [MADE-1]/")) << move.path;
    const bool is_ct = move.path.find("2024-01-15") != std::string::npos;
    EXPECT_EQ(move.old_gid, is_ct ? kRadiology : kMammo);
    EXPECT_EQ(move.new_gid, is_ct ? kCardio : 0u) << "the default is the group of /patients";
  }
  EXPECT_EQ(access("2024-01-15"), "3002 0750");
  EXPECT_EQ(access("2024-02-02"), "0 0750");
  EXPECT_EQ(access("2024-03-03"), "77 0750");
  EXPECT_THAT(vault_->ApplyRules(kOperator, true), IsOkAndHolds(::testing::IsEmpty()));
  // From then on it is counted by the new rules, also for images to come.
  ASSERT_THAT(Configure("default_group = \"oncology\"\n"), IsOk());
  ASSERT_THAT(vault_->ApplyRules(kOperator, true), IsOk());
  Reopen();
  EXPECT_EQ(access("2024-01-15"), "3004 0750");
  EXPECT_EQ(access("2024-02-02"), "3004 0750");
}

constexpr const char* kByProcedure = R"(
[[rule]]
group = "oncology"
where.RequestedProcedureDescription = { glob = "*Staging*" }
)";

TEST_F(VaultAccess, RulesMayAskForAnyKeyword) {
  ASSERT_THAT(Configure(kByProcedure), IsOk());
  const NodeId image = Store("a", {.procedure = "CT Staging"});
  EXPECT_EQ(AccessTo(Study()), "3004 0750");
  EXPECT_THAT(vault_->GetXattr(Root(), image, "user.dicom.RequestedProcedureDescription"), IsOk());
  // Also after a restart, where it is read from the log.
  Reopen();
  Store("b", {.study_uid = "2.25.21",
              .series_uid = "2.25.22",
              .sop_uid = "2.25.23",
              .study_date = "20240202",
              .procedure = "Staging"});
  EXPECT_EQ(AccessTo(Walk("/archive/b")), "3004 0640");
  Store("c", {.study_uid = "2.25.31",
              .series_uid = "2.25.32",
              .sop_uid = "2.25.33",
              .study_date = "20240303",
              .procedure = "Thorax"});
  EXPECT_EQ(AccessTo(Walk("/archive/c")), "0 0640");
}

TEST_F(VaultAccess, RulesThatAskForMoreAreAppliedToWhatWasFiledWithoutIt) {
  Store("a", {.procedure = "CT Staging"});
  Store("b", {.study_uid = "2.25.21",
              .series_uid = "2.25.22",
              .sop_uid = "2.25.23",
              .study_date = "20240202",
              .procedure = "Thorax"});
  ASSERT_THAT(Configure(std::string("default_group = \"radiology\"\n") + kByProcedure), IsOk());
  ASSERT_EQ(AccessTo(Walk("/archive/a")), "3001 0640");
  ASSERT_OK_AND_ASSIGN(const auto would, vault_->ApplyRules(kOperator, false));
  ASSERT_EQ(would.size(), 1u);
  EXPECT_EQ(would[0].new_gid, kOncology);
  EXPECT_EQ(would[0].stays, "");
  EXPECT_EQ(AccessTo(Walk("/archive/a")), "3001 0640");
  ASSERT_THAT(vault_->ApplyRules(kOperator, true), IsOk());
  EXPECT_EQ(AccessTo(Walk("/archive/a")), "3004 0640");
  EXPECT_EQ(AccessTo(Walk("/archive/b")), "3001 0640");
  EXPECT_THAT(vault_->ApplyRules(kOperator, true), IsOkAndHolds(::testing::IsEmpty()));
}

// What its header will be is not known while somebody writes it, and not guessed.
TEST_F(VaultAccess, AStudyWhoseImageIsBeingOverwrittenStaysUnderRulesThatAskForMore) {
  const NodeId image = Store("a", {.modality = "MG", .procedure = "Staging"});
  ASSERT_THAT(Configure(std::string("default_group = \"radiology\"\n") + kByProcedure), IsOk());
  ASSERT_OK_AND_ASSIGN(OpenFile* const open, vault_->Open(Root(), image, O_WRONLY));
  ASSERT_THAT(vault_->Write(*open, 0, AsBytes(std::string(2'000, 'x')), false), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto moves, vault_->ApplyRules(kOperator, true));
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_THAT(moves[0].stays, HasSubstr("cannot be read"));
  EXPECT_EQ(AccessTo(Study()), "3003 0750");
  vault_->Release(open);
}

// Images of two threads, and an administrator who changes the group meanwhile: in the end all of
// the study has what was set last.
TEST_F(VaultAccess, ChangesWhileImagesArriveHoldForAll) {
  Store("0", {.sop_uid = "2.25.1000", .modality = "CT"});
  const NodeId study = Study();
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < 2; ++writer)
    writers.emplace_back([this, writer] {
      for (int i = 0; i < 20; ++i) {
        const int number = 100 * (writer + 1) + i;
        Store(std::to_string(number),
              {.sop_uid = "2.25." + std::to_string(number), .modality = i % 2 == 0 ? "CT" : "MG"});
      }
    });
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Chgrp(study, i % 2 == 0 ? kCardio : kOncology), IsOk());
  writers.clear();
  for (const std::string& name : Names(kArchiveInode))
    EXPECT_EQ(AccessTo(Walk("/archive/" + name)), "3004 0640") << name;
}

}  // namespace
}  // namespace leadglass
