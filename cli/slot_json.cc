// SPDX-License-Identifier: Apache-2.0
#include "cli/slot_json.h"

#include "cli/output.h"

namespace leadglass {

nlohmann::ordered_json SlotJson(const SlotInfo& slot) {
  nlohmann::ordered_json json = {{"id", slot.id},
                                 {"kind", slot.recovery_kit ? "recovery" : "passphrase"},
                                 {"kdf", slot.kdf},
                                 {"scrypt_log2_n", nullptr},
                                 {"created", IsoTime(slot.created_unix_seconds)}};
  if (slot.recovery_kit) {
    json["kit"] = KitName(*slot.recovery_kit);
  } else {
    json["scrypt_log2_n"] = slot.scrypt_log2_n;
  }
  return json;
}

std::string SlotText(const nlohmann::ordered_json& json) {
  const std::string made = ", made " + json.value("created", std::string("?"));
  if (json.contains("kit")) return "recovery kit " + json.value("kit", std::string()) + made;
  return "passphrase, " + json.value("kdf", std::string()) + " 2^" +
         json.value("scrypt_log2_n", nlohmann::ordered_json()).dump() + made;
}

}  // namespace leadglass
