// SPDX-License-Identifier: Apache-2.0
#include "cli/head_json.h"

#include <string>

namespace leadglass {

namespace {

std::optional<Digest> DigestFromHex(const std::string& text) {
  Digest digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const auto digit = [](char c) {
      if (c >= '0' && c <= '9') return c - '0';
      return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return digest;
}

}  // namespace

Json HeadJson(const Head& head) {
  return {{"epoch", head.epoch}, {"commit", head.commit_number}, {"chain", ToHex(head.chain)}};
}

std::optional<Head> HeadFromJson(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const auto epoch = json.value("epoch", Json());
  const auto commit = json.value("commit", Json());
  const auto chain = json.value("chain", Json());
  if (!epoch.is_number_unsigned() || !commit.is_number_unsigned() || !chain.is_string())
    return std::nullopt;
  const auto digest = DigestFromHex(chain.get<std::string>());
  if (!digest) return std::nullopt;
  return Head{epoch.get<uint32_t>(), commit.get<uint64_t>(), *digest};
}

}  // namespace leadglass
