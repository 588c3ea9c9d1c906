// SPDX-License-Identifier: Apache-2.0
#pragma once

// The JSON that the commands print and that they and the daemon's sockets exchange. One type for
// all of it, with members in the order in which they were given.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

// Compiled once, in json.cc, instead of in each command: half of a command's build.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace leadglass {

using Json = nlohmann::ordered_json;

// Text of one line, or indented by two. Bytes that are not UTF-8 become U+FFFD, so that a name in a
// broken character set never costs the whole answer.
std::string JsonLine(const Json& json);
std::string JsonText(const Json& json);

// What is not JSON gives a value whose is_discarded() is true; taking a member of that throws a
// Json::exception, as any other wrong type does.
Json ParseJson(std::string_view text);

}  // namespace leadglass
