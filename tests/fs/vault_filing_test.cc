// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "tests/fs/vault_fixture.h"

namespace leadglass {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class VaultFiling : public VaultTest {
 protected:
  NodeId Store(const std::string& name, const ImageSpec& spec, NodeId folder = kArchiveInode) {
    return WriteFile(folder, name, MakeImage(spec));
  }
  // The files below /patients.
  std::vector<std::string> Images() {
    std::vector<std::string> images;
    for (const std::string& path : Tree(kPatientsInode))
      if (!path.ends_with('/')) images.push_back(path);
    return images;
  }
};

TEST_F(VaultFiling, ShowsAnImageUnderPatientStudyAndSeries) {
  Store("blob", {});
  EXPECT_THAT(Images(), ElementsAre("Made Patient [MADE-1]/2024-01-15 CT Made study [A1]/"
                                    "0001 CT Made series/0001.dcm"));
}

TEST_F(VaultFiling, SharesInodeAndBytesBetweenBothNames) {
  const NodeId node = Store("blob", {});
  const NodeId view = Walk("/patients/" + Images().at(0));
  ASSERT_NE(view, 0u);
  EXPECT_EQ(InodeOf(view), node);
  EXPECT_TRUE(IsViewNode(view));
  EXPECT_EQ(vault_->GetAttributes(view)->inode, node);
  EXPECT_EQ(vault_->GetAttributes(node)->nlink, 2u);
  const ByteVector image = MakeImage({});
  EXPECT_THAT(ReadFile(view), IsOkAndHolds(std::string(AsText(image))));
}

TEST_F(VaultFiling, ParsesOnceWhatIsSyncedAndThenClosed) {
  const uint64_t before = TestParser()->counters().parsed;
  const auto made = vault_->Create(Root(), kArchiveInode, "synced", 0640, O_RDWR);
  ASSERT_THAT(made, IsOk());
  ASSERT_THAT(vault_->Write(*made->file, 0, MakeImage({}), false), IsOk());
  ASSERT_THAT(vault_->Fsync(*made->file), IsOk());
  EXPECT_THAT(Images(), IsEmpty());
  ASSERT_THAT(vault_->Flush(*made->file), IsOk());
  EXPECT_THAT(Images(), SizeIs(1));
  EXPECT_EQ(TestParser()->counters().parsed, before + 1);
  vault_->Release(made->file);
}

TEST_F(VaultFiling, AsksTheParserWithTheFirstWrite) {
  Store("makes a parser warm", {.sop_uid = "2.25.1"});
  const auto before = TestParser()->counters();
  Store("asked ahead", {.sop_uid = "2.25.2"});
  EXPECT_EQ(TestParser()->counters().parsed, before.parsed + 1);
  EXPECT_EQ(TestParser()->counters().asked_ahead, before.asked_ahead + 1);
  EXPECT_THAT(Images(), SizeIs(2));
}

TEST_F(VaultFiling, FilesByTheWholeFileWhateverTheFirstWriteSaid) {
  Store("makes a parser warm", {.patient_id = "WARM", .sop_uid = "2.25.1"});
  const auto make = [&](const char* name) {
    const auto made = vault_->Create(Root(), kArchiveInode, name, 0640, O_RDWR);
    EXPECT_THAT(made, IsOk());
    return made->file;
  };
  const ByteVector early = MakeImage({.patient_id = "EARLY", .sop_uid = "2.25.2"});
  const ByteVector later = MakeImage({.patient_id = "LATER", .sop_uid = "2.25.3"});
  OpenFile* const overwritten = make("overwritten");
  ASSERT_THAT(vault_->Write(*overwritten, 0, early, false), IsOk());
  ASSERT_THAT(vault_->Write(*overwritten, 0, later, false), IsOk());
  ASSERT_THAT(vault_->Flush(*overwritten), IsOk());
  vault_->Release(overwritten);
  EXPECT_THAT(Images(), UnorderedElementsAre(HasSubstr("[WARM]"), HasSubstr("[LATER]")));

  // A write that ends inside the header: what the parser says of that part must not count.
  OpenFile* const pieces = make("in pieces");
  const ByteVector image = MakeImage({.patient_id = "PIECES", .sop_uid = "2.25.4"});
  ASSERT_THAT(vault_->Write(*pieces, 0, ByteSpan(image).first(400), false), IsOk());
  ASSERT_THAT(vault_->Write(*pieces, 400, ByteSpan(image).subspan(400), false), IsOk());
  ASSERT_THAT(vault_->Flush(*pieces), IsOk());
  vault_->Release(pieces);
  EXPECT_THAT(Images(), Contains(HasSubstr("[PIECES]")));
}

TEST_F(VaultFiling, FilesByWhatWasWrittenAfterAnFsync) {
  const auto made = vault_->Create(Root(), kArchiveInode, "changed", 0640, O_RDWR);
  ASSERT_THAT(made, IsOk());
  ASSERT_THAT(vault_->Write(*made->file, 0, MakeImage({.patient_id = "EARLY"}), false), IsOk());
  ASSERT_THAT(vault_->Fsync(*made->file), IsOk());
  ASSERT_THAT(vault_->Write(*made->file, 0, MakeImage({.patient_id = "LATER"}), false), IsOk());
  ASSERT_THAT(vault_->Flush(*made->file), IsOk());
  EXPECT_THAT(Images(), ElementsAre(::testing::HasSubstr("[LATER]")));
  vault_->Release(made->file);
}

TEST_F(VaultFiling, KeepsTheViewAcrossReopening) {
  Store("a", {});
  Store("b", {.sop_uid = "2.25.3002", .instance_number = "2"});
  const auto before = Tree(kPatientsInode);
  Reopen();
  EXPECT_EQ(Tree(kPatientsInode), before);
  EXPECT_THAT(Images(), SizeIs(2));
}

TEST_F(VaultFiling, ViewFoldersBelongToWhoeverTheFolderAboveBelongsTo) {
  AttributeChange change;
  change.uid = 1000;
  change.gid = 1001;
  ASSERT_THAT(vault_->SetAttributes(kRootUser, kPatientsInode, change, false), IsOk());
  Store("blob", {});
  const std::string path = Images().at(0);
  const NodeId series = Walk("/patients/" + path.substr(0, path.rfind('/')));
  EXPECT_EQ(vault_->GetAttributes(series)->uid, 1000u);
  EXPECT_EQ(vault_->GetAttributes(series)->gid, 1001u);
}

TEST_F(VaultFiling, ViewsAreReadOnly) {
  Store("blob", {});
  const NodeId view = Walk("/patients/" + Images().at(0));
  const NodeId series =
      vault_->Lookup(kRootUser, kPatientsInode, *Names(kPatientsInode).begin())->node;
  EXPECT_THAT(vault_->Open(kRootUser, view, O_RDWR), FailsWithErrno(EROFS));
  EXPECT_THAT(vault_->MakeFolder(Root(), series, "x", 0755), FailsWithErrno(EROFS));
  EXPECT_THAT(vault_->Create(Root(), series, "x", 0644, O_RDWR), FailsWithErrno(EROFS));
  EXPECT_THAT(vault_->Rename(kRootUser, kPatientsInode, *Names(kPatientsInode).begin(),
                             kArchiveInode, "x", 0),
              FailsWithErrno(EROFS));
}

TEST_F(VaultFiling, ImageLeavesTheViewWithItsLastArchiveName) {
  const NodeId node = Store("blob", {});
  ASSERT_THAT(vault_->Link(kRootUser, node, kArchiveInode, "second"), IsOk());
  ASSERT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "blob"), IsOk());
  EXPECT_THAT(Images(), SizeIs(1));
  ASSERT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "second"), IsOk());
  EXPECT_THAT(Tree(kPatientsInode), IsEmpty());
}

TEST_F(VaultFiling, ViewNamesOfArchivedImagesCannotBeDeleted) {
  Store("blob", {});
  const std::string path = Images().at(0);
  const NodeId series = Walk("/patients/" + path.substr(0, path.rfind('/')));
  EXPECT_THAT(vault_->Unlink(kRootUser, series, "0001.dcm"), FailsWithErrno(EROFS));
}

TEST_F(VaultFiling, FilesAgainWhenTheHeaderChanges) {
  Store("blob", {});
  OpenFile* const file = *vault_->Open(kRootUser, Walk("/archive/blob"), O_RDWR | O_TRUNC);
  const ByteVector corrected = MakeImage({.patient_id = "MADE-2"});
  ASSERT_THAT(vault_->Write(*file, 0, corrected, false), IsOk());
  ASSERT_THAT(vault_->Flush(*file), IsOk());
  vault_->Release(file);
  EXPECT_THAT(Names(kPatientsInode), UnorderedElementsAre("Made Patient [MADE-2]"));
  EXPECT_THAT(ReadFile(Walk("/archive/blob")), IsOkAndHolds(std::string(AsText(corrected))));
  EXPECT_EQ(vault_->GetAttributes(Walk("/archive/blob"))->nlink, 2u);
}

TEST_F(VaultFiling, KeepsTwoFilesOfOneSopInstanceUidAndMarksTheOlder) {
  Store("first", {.pixel_bytes = 100});
  const NodeId newest = Store("second", {.pixel_bytes = 200});
  EXPECT_THAT(Images(), SizeIs(2));
  const std::string series =
      "/patients/Made Patient [MADE-1]/2024-01-15 CT Made study [A1]/0001 CT Made series";
  EXPECT_EQ(InodeOf(Walk(series + "/0001.dcm")), newest);
  ASSERT_THAT(vault_->Unlink(kRootUser, kArchiveInode, "second"), IsOk());
  EXPECT_EQ(InodeOf(Walk(series + "/0001.dcm")), InodeOf(Walk("/archive/first")));
  EXPECT_THAT(Images(), SizeIs(1));
}

TEST_F(VaultFiling, KeepsImagesOfOneNumberApart) {
  Store("a", {});
  Store("b", {.sop_uid = "2.25.3002"});
  EXPECT_THAT(Images(), SizeIs(2));
}

TEST_F(VaultFiling, AnEmptyPatientIdNeverJoinsStrangers) {
  Store("a", {.patient_id = "", .study_uid = "2.25.1"});
  Store("b", {.patient_id = "", .study_uid = "2.25.2"});
  EXPECT_THAT(Names(kPatientsInode), SizeIs(2));
}

TEST_F(VaultFiling, KeepsStudiesOfOneUidUnderTwoPatientsApart) {
  Store("a", {.patient_id = "P1"});
  Store("b", {.patient_id = "P2"});
  EXPECT_THAT(Names(kPatientsInode), SizeIs(2));
  EXPECT_THAT(Images(), SizeIs(2));
}

TEST_F(VaultFiling, NewestStudyNamesThePatientAndOldNamesResolve) {
  Store("a", {.patient_name = "Maiden^Jane", .study_uid = "2.25.1", .study_date = "20200101"});
  Store("b", {.patient_name = "Married^Jane", .study_uid = "2.25.2", .study_date = "20230101"});
  EXPECT_THAT(Names(kPatientsInode), UnorderedElementsAre("Married Jane [MADE-1]"));
  EXPECT_EQ(Walk("/patients/Maiden Jane [MADE-1]"), Walk("/patients/Married Jane [MADE-1]"));
  Store("c", {.patient_name = "Older^Jane", .study_uid = "2.25.3", .study_date = "20190101"});
  EXPECT_THAT(Names(kPatientsInode), UnorderedElementsAre("Married Jane [MADE-1]"));
}

TEST_F(VaultFiling, NamesThatDifferInCaseOnlyAreToldApart) {
  Store("a", {.patient_id = "abc"});
  Store("b", {.patient_id = "ABC"});
  EXPECT_THAT(Names(kPatientsInode), SizeIs(2));
  EXPECT_EQ(Names(kPatientsInode).count("Made Patient [abc]"), 1u);
  EXPECT_EQ(Names(kPatientsInode).count("Made Patient [ABC]"), 0u);
}

TEST_F(VaultFiling, ListsWhatIsNoImageWithItsReason) {
  WriteFile(kArchiveInode, "notes.txt", "not a DICOM file");
  ASSERT_THAT(vault_->MakeNode(Root(), kArchiveInode, "empty", S_IFREG | 0644, 0), IsOk());
  Store("image", {});
  ASSERT_OK_AND_ASSIGN(const auto unfiled, vault_->Unfiled());
  ASSERT_THAT(unfiled, SizeIs(2));
  EXPECT_EQ(unfiled[0].path, "/archive/empty");
  EXPECT_EQ(unfiled[1].path, "/archive/notes.txt");
  EXPECT_FALSE(unfiled[1].reason.empty());
}

TEST_F(VaultFiling, ShowsHeaderValuesAsExtendedAttributes) {
  const NodeId node = Store("image", {});
  ASSERT_OK_AND_ASSIGN(const ByteVector value,
                       vault_->GetXattr(kRootUser, node, "user.dicom.PatientID"));
  EXPECT_EQ(AsText(value), "MADE-1");
  EXPECT_THAT(vault_->SetXattr(kRootUser, node, "user.dicom.PatientID", AsBytes("MADE-1"), 0),
              IsOk());
  EXPECT_THAT(vault_->SetXattr(kRootUser, node, "user.dicom.PatientID", AsBytes("X"), 0),
              FailsWithErrno(EPERM));
  ASSERT_OK_AND_ASSIGN(const auto names, vault_->ListXattrs(node | kViewBit));
  EXPECT_THAT(names, ::testing::Contains("user.dicom.StudyInstanceUID"));
}

TEST_F(VaultFiling, RemovingAnAttributeOfTheHeaderSucceedsAndChangesNothing) {
  const NodeId node = Store("a.dcm", {});
  ASSERT_OK_AND_ASSIGN(const Attributes before, vault_->GetAttributes(node));
  for (const NodeId either : {node, node | kViewBit}) {
    EXPECT_THAT(vault_->RemoveXattr(kRootUser, either, "user.dicom.PatientID"), IsOk());
    ASSERT_OK_AND_ASSIGN(const ByteVector value,
                         vault_->GetXattr(kRootUser, either, "user.dicom.PatientID"));
    EXPECT_EQ(AsText(value), "MADE-1");
    EXPECT_THAT(vault_->RemoveXattr(kRootUser, either, "user.dicom.NoSuchKeyword"),
                FailsWithErrno(ENODATA));
  }
  ASSERT_OK_AND_ASSIGN(const auto names, vault_->ListXattrs(node));
  EXPECT_THAT(names, ::testing::Contains("user.dicom.PatientID"));
  ASSERT_OK_AND_ASSIGN(const Attributes after, vault_->GetAttributes(node));
  EXPECT_EQ(after.ctime, before.ctime);
  const NodeId text = WriteFile(kArchiveInode, "notes.txt", "no image");
  EXPECT_THAT(vault_->RemoveXattr(kRootUser, text, "user.dicom.PatientID"),
              FailsWithErrno(ENODATA));
}

TEST_F(VaultFiling, IncomingFilesLeaveAfterTheirTimeAndLiveInTheView) {
  Vault::Options options;
  options.incoming_stay_nanos = 0;
  Reopen(options);
  const NodeId node = Store("drop.dcm", {}, kIncomingInode);
  for (int i = 0; i < 100 && !Names(kIncomingInode).empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_THAT(Names(kIncomingInode), IsEmpty());
  ASSERT_THAT(Images(), SizeIs(1));
  const std::string path = Images().at(0);
  EXPECT_EQ(InodeOf(Walk("/patients/" + path)), node);
  const NodeId series = Walk("/patients/" + path.substr(0, path.rfind('/')));
  EXPECT_THAT(vault_->Unlink(kRootUser, series, "0001.dcm"), IsOk());
  EXPECT_THAT(Tree(kPatientsInode), IsEmpty());
}

TEST_F(VaultFiling, DotFilesInIncomingWaitForTheirName) {
  Store(".tmp.x1", {}, kIncomingInode);
  EXPECT_THAT(Images(), IsEmpty());
  ASSERT_THAT(vault_->Rename(kRootUser, kIncomingInode, ".tmp.x1", kIncomingInode, "x.dcm", 0),
              IsOk());
  for (int i = 0; i < 100 && Images().empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_THAT(Images(), SizeIs(1));
}

TEST_F(VaultFiling, ResealsAFileWhoseHeaderCameLate) {
  const ByteVector image = MakeImage({});
  auto entry = vault_->Create(Root(), kArchiveInode, "slow", 0644, O_RDWR);
  ASSERT_THAT(entry, IsOk());
  // The pixels are durable before the header is there.
  ASSERT_THAT(vault_->Write(*entry->file, 200, ByteSpan(image).subspan(200), false), IsOk());
  ASSERT_THAT(vault_->Fsync(*entry->file), IsOk());
  ASSERT_THAT(vault_->Write(*entry->file, 0, ByteSpan(image).first(200), false), IsOk());
  ASSERT_THAT(vault_->Flush(*entry->file), IsOk());
  const NodeId node = entry->attributes.node;
  vault_->Release(entry->file);
  Reopen();
  EXPECT_THAT(ReadFile(node), IsOkAndHolds(std::string(AsText(image))));
  EXPECT_THAT(Images(), SizeIs(1));
}

}  // namespace
}  // namespace leadglass
