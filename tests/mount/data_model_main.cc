// SPDX-License-Identifier: Apache-2.0
//
// data_model --dir DIR [--ops N] [--seed S] [--state FILE]: N random operations on files in DIR,
// every byte compared with a model in memory; FILE gets what DIR must hold afterwards.
// data_model --dir DIR --verify-only FILE: compares DIR with such a FILE.

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "tests/mount/data_model.h"

namespace {

struct Arguments {
  std::string dir;
  std::string state;
  std::string verify;
  uint64_t ops = 20000;
  uint64_t seed = std::random_device()();
};

bool Parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    uint64_t number = 0;
    std::from_chars(value, value + std::strlen(value), number);
    if (name == "--dir")
      arguments.dir = value;
    else if (name == "--state")
      arguments.state = value;
    else if (name == "--verify-only")
      arguments.verify = value;
    else if (name == "--ops")
      arguments.ops = number;
    else if (name == "--seed")
      arguments.seed = number;
    else
      return false;
  }
  return argc % 2 == 1 && !arguments.dir.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) {
    std::fputs(
        "usage: data_model --dir DIR [--ops N] [--seed S] [--state FILE]\n"
        "       data_model --dir DIR --verify-only FILE\n",
        stderr);
    return 2;
  }
  if (!arguments.verify.empty()) {
    leadglass::DataModel::Verify(arguments.dir, arguments.verify);
    std::puts("the folder holds what was saved");
    return 0;
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(arguments.seed));
  std::fflush(stdout);
  const auto start = std::chrono::steady_clock::now();
  leadglass::DataModel model(arguments.dir, arguments.seed);
  for (uint64_t i = 1; i <= arguments.ops; ++i) {
    model.Step();
    if (i % 20000 == 0) model.CompareAll();
  }
  model.CompareAll();
  if (!arguments.state.empty()) model.Save(arguments.state);
  const auto took = std::chrono::steady_clock::now() - start;
  std::printf(
      "%llu operations, no difference, %lld ms\n", static_cast<unsigned long long>(arguments.ops),
      static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  return 0;
}
