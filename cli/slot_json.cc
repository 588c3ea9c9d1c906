// SPDX-License-Identifier: Apache-2.0
#include "cli/slot_json.h"

#include "cli/output.h"

namespace leadglass {

Json SlotJson(const SlotInfo& slot) {
  Json json = {{"id", slot.id},
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

std::string SlotText(const Json& json) {
  const std::string made = ", made " + json.value("created", std::string("?"));
  if (json.contains("kit")) return "recovery kit " + json.value("kit", std::string()) + made;
  return "passphrase, " + json.value("kdf", std::string()) + " 2^" +
         JsonLine(json.value("scrypt_log2_n", Json())) + made;
}

}  // namespace leadglass
