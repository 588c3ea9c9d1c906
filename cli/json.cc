// SPDX-License-Identifier: Apache-2.0
#include "cli/json.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace leadglass {

namespace {

std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string JsonLine(const Json& json) { return Dump(json, -1); }

std::string JsonText(const Json& json) { return Dump(json, 2); }

Json ParseJson(std::string_view text) {
  return Json::parse(text.begin(), text.end(), nullptr, false);
}

}  // namespace leadglass
