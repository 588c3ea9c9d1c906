// SPDX-License-Identifier: Apache-2.0
#include "fs/gathered_operations.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/index/index_fixture.h"
#include "tests/index/index_model.h"

namespace leadglass {
namespace {

void Add(GatheredOperations& gathered, const Operations& operations) {
  gathered.Add(operations, EncodeOperations(operations));
}

Operation Record(InodeId inode, uint64_t size) {
  InodeRecord record = SampleInode(inode);
  record.size = size;
  return PutInode{record};
}

TEST(GatheredOperations, SayAnInodeOnceAndAsItIsInTheEnd) {
  GatheredOperations gathered;
  EXPECT_TRUE(gathered.empty());
  Add(gathered, {Record(20, 1), EraseName{kArchiveInode, "a"}});
  Add(gathered, {Record(21, 5), Record(20, 2)});
  EXPECT_EQ(gathered.payload(),
            EncodeOperations({Record(20, 2), EraseName{kArchiveInode, "a"}, Record(21, 5)}));
  gathered.Clear();
  EXPECT_TRUE(gathered.empty());
  Add(gathered, {Record(20, 3)});
  EXPECT_EQ(gathered.payload(), EncodeOperations({Record(20, 3)}));
}

TEST(GatheredOperations, SayAnErasedInodeAnewWhereItComesBack) {
  GatheredOperations gathered;
  Add(gathered, {Record(20, 1), EraseInode{20}, Record(20, 2)});
  EXPECT_EQ(gathered.payload(), EncodeOperations({Record(20, 1), EraseInode{20}, Record(20, 2)}));
}

using GatheredInIndex = IndexFixture;

TEST_F(GatheredInIndex, MakeTheSameIndexAsOneAfterTheOther) {
  std::mt19937_64 random(1);
  uint64_t fresh_cookie = 16;
  IndexModel model;
  for (int commit = 0; commit < 60; ++commit) {
    GatheredOperations gathered;
    size_t added = 0;
    for (int batch = 0; batch < 8; ++batch) {
      const Operations operations = RandomOperations(random, 1 + random() % 20, fresh_cookie);
      model.Apply(operations);
      const ByteVector encoded = EncodeOperations(operations);
      added += encoded.size();
      gathered.Add(operations, encoded);
    }
    EXPECT_LE(gathered.payload().size(), added);
    ASSERT_OK_AND_ASSIGN(const Operations all, DecodeOperations(gathered.payload()));
    Apply(all);
    ASSERT_EQ(Difference(DumpIndex(*index_), model.Dump(), false), "") << commit;
  }
}

}  // namespace
}  // namespace leadglass
