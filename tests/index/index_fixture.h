// SPDX-License-Identifier: Apache-2.0
#pragma once

// An Index in a file system in memory, with commits numbered as they are applied.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "index/index.h"
#include "tests/index/sample_operations.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/matchers.h"

namespace leadglass {

// A commit number and what belongs to it, all derived from the number.
inline CommitInfo SampleCommit(uint64_t number) {
  CommitInfo commit;
  commit.head.epoch = 1;
  commit.head.commit_number = number;
  StoreLe(commit.head.chain.data(), number * 0x9e3779b97f4a7c15u);
  commit.start = {{1, 1}, number * 1000};
  commit.end = {{1, 1}, number * 1000 + 500};
  return commit;
}

class IndexFixture : public ::testing::Test {
 protected:
  static constexpr const char* kFolder = "/vault/index";

  void SetUp() override {
    ASSERT_THAT(fs_.CreateFolder("/vault"), IsOk());
    ASSERT_THAT(fs_.SyncFolder("/"), IsOk());
    key_.ExposeForOpenSsl()[0] = 1;
    Reopen();
  }

  Result<std::unique_ptr<Index>> TryOpen() {
    return Index::Open(fs_, kFolder, key_, vault_id_, options_);
  }
  void Reopen() {
    index_.reset();
    auto opened = TryOpen();
    ASSERT_THAT(opened, IsOk());
    index_ = std::move(*opened);
  }
  void Apply(const Operations& operations) {
    ASSERT_THAT(index_->Apply(operations, SampleCommit(++commits_)), IsOk());
  }

  FaultFileSystem fs_;
  Key key_;
  Uuid vault_id_ = SampleUuid(0x40);
  Index::Options options_;
  std::unique_ptr<Index> index_;
  uint64_t commits_ = 0;
};

}  // namespace leadglass
