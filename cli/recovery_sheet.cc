// SPDX-License-Identifier: Apache-2.0
#include "cli/recovery_sheet.h"

#include "cli/output.h"
#include "cli/qr_code.h"

namespace leadglass {

namespace {

constexpr const char* kSheetIndent = "    ";

// No line of a sheet but the code's own begins with LGR1: who reads a sheet in as a file finds the
// code by that.
void WriteGroups(const SecretBytes& code, SecretOutput& out) {
  const ByteSpan text = code.ExposeForOpenSsl();
  constexpr size_t kPrefix = kRecoveryCodeSize - kRecoveryGroups * (1 + kRecoveryGroupSize);
  for (size_t group = 0; group < kRecoveryGroups; ++group) {
    if (group % kRecoveryGroupsInALine == 0) {
      out.Text(group == 0 ? kSheetIndent : "\n        ");
      if (group == 0) out.Secret(text.first(kPrefix));
    }
    out.Text("  ");
    out.Secret(text.subspan(kPrefix + group * (1 + kRecoveryGroupSize) + 1, kRecoveryGroupSize));
  }
  out.Text("\n");
}

std::string HeadOfSheet(const SheetFacts& facts, const RecoveryCode& code) {
  std::string text = "LEADGLASS RECOVERY ";
  if (code.is_share()) {
    text += "SHARE " + std::to_string(code.number) + " OF " + std::to_string(code.shares) + "\n\n";
    text += "    Share  " + std::to_string(code.number) + " of " + std::to_string(code.shares) +
            "; any " + std::to_string(code.threshold) + " together open the vault\n";
  } else {
    text += "KEY\n\n";
  }
  text += "    Vault  " + ToHex(facts.vault_id) + "\n    Kit    " + KitName(code.kit) +
          "\n    Made   " + IsoTime(facts.made_unix_seconds) + "\n\n";
  return text;
}

constexpr const char* kKeyIs =
    "This is a key to an encrypted vault of medical images. It opens the vault\n"
    "without any passphrase: WHOEVER HOLDS THIS SHEET, OR A PICTURE OF IT, HOLDS\n"
    "THE VAULT. Keep it in a safe, away from the machine that has the vault. It\n"
    "takes the place of a passphrase, not of the vault's files.\n\n";

std::string ShareIs(const RecoveryCode& code) {
  const std::string needed = std::to_string(code.threshold);
  return "This is a part of a key to an encrypted vault of medical images. Alone it\n"
         "opens nothing. WHOEVER HOLDS " +
         needed +
         " OF THESE SHEETS, OR PICTURES OF THEM, HOLDS\n"
         "THE VAULT, without any passphrase. Keep each sheet in another place, or with\n"
         "another person, and none at the machine that has the vault.\n\n";
}

constexpr const char* kTyping =
    "   Small letters are as good as capitals, spaces and hyphens do not matter.\n"
    "   There is no letter I, L, O or U in the groups. If one is mistyped, the\n"
    "   program says which. The QR code holds the same text.\n";

std::string UseOfSheet(const RecoveryCode& code) {
  if (!code.is_share()) {
    return "HOW TO OPEN THE VAULT WITH IT\n\n"
           "1. On a machine that has leadglass and the vault's folder, run the command\n"
           "   that you need, such as: leadglass mount VAULT MOUNTPOINT\n"
           "2. Where it asks for the passphrase, type the code: the first word and all\n"
           "   16 groups, in one line. It is not shown.\n" +
           std::string(kTyping) +
           "   Or scan it into the first line of a file that only you can read, and\n"
           "   give --passphrase-file FILE; remove the file afterwards.\n"
           "3. Set a passphrase again: leadglass passphrase add VAULT\n";
  }
  return "HOW TO OPEN THE VAULT WITH IT\n\n"
         "1. Bring " +
         std::to_string(code.threshold) +
         " of these sheets together, at a machine that has leadglass and the\n"
         "   vault's folder.\n"
         "2. Run: leadglass recovery combine --output KEYFILE\n"
         "   It asks for one share after the other. Type the code: the first word and\n"
         "   all 16 groups, in one line. It is not shown.\n" +
         std::string(kTyping) +
         "   Sheets that are files can be named instead:\n"
         "   leadglass recovery combine --output KEYFILE SHEET SHEET ...\n"
         "3. Run the command that you need with --passphrase-file KEYFILE, such as:\n"
         "   leadglass mount VAULT MOUNTPOINT --passphrase-file KEYFILE\n"
         "4. Set a passphrase again: leadglass passphrase add VAULT\n"
         "   and remove KEYFILE.\n";
}

std::string RevocationOf(const RecoveryCode& code) {
  return "\nHOW TO MAKE IT USELESS\n\n" +
         std::string(code.is_share() ? "If sheets of this kit are lost, or were seen by others:\n"
                                     : "If this sheet is lost, or was seen by others:\n") +
         "`leadglass passphrase list VAULT` shows the slot of kit " + KitName(code.kit) +
         ",\n`leadglass passphrase remove VAULT SLOT` removes it, and\n"
         "`leadglass recovery export VAULT` makes a new kit. A copy of the vault from\n"
         "before the removal still opens with the old one.\n";
}

}  // namespace

Status WriteRecoverySheet(const SheetFacts& facts, const RecoveryCode& code, SecretOutput& out) {
  const SecretBytes text = EncodeRecoveryCode(code);
  out.Text(HeadOfSheet(facts, code));
  out.Text(code.is_share() ? ShareIs(code) : kKeyIs);
  WriteGroups(text, out);
  LG_RETURN_IF_ERROR(WriteQrCode(text, kSheetIndent, out));
  out.Text(UseOfSheet(code));
  out.Text(RevocationOf(code));
  return {};
}

}  // namespace leadglass
