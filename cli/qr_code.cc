// SPDX-License-Identifier: Apache-2.0
#include "cli/qr_code.h"

#include <qrencode.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace leadglass {

namespace {

constexpr int kQuietZone = 4;  // modules around the code

struct FreeQrCode {
  void operator()(QRcode* code) const {
    internal::Wipe(code->data, static_cast<size_t>(code->width) * static_cast<size_t>(code->width));
    QRcode_free(code);  // lint: the one deleter of this type
  }
};

bool IsDark(const QRcode& code, int row, int column) {
  if (row < 0 || column < 0 || row >= code.width || column >= code.width) return false;
  return (code.data[row * code.width + column] & 1) != 0;
}

// Upper and lower module: none, the lower, the upper, both.
constexpr std::string_view kBlocks[] = {" ", "\xE2\x96\x84", "\xE2\x96\x80", "\xE2\x96\x88"};

}  // namespace

Status WriteQrCode(const SecretBytes& text, const std::string& indent, SecretOutput& out) {
  SecretBytes terminated(text.size() + 1);
  std::copy_n(text.ExposeForOpenSsl().begin(), text.size(), terminated.ExposeForOpenSsl().begin());
  const std::unique_ptr<QRcode, FreeQrCode> code(
      QRcode_encodeString(reinterpret_cast<const char*>(terminated.ExposeForOpenSsl().data()), 0,
                          QR_ECLEVEL_Q, QR_MODE_8, 1));
  if (!code) {
    return Error(Errc::kInternal,
                 std::string("the QR code could not be made: ") + std::strerror(errno));
  }
  const bool terminal = out.is_terminal();
  const int width = code->width + 2 * kQuietZone;
  SecretBytes line(static_cast<size_t>(width) * kBlocks[3].size());
  for (int row = -kQuietZone; row < code->width + kQuietZone; row += 2) {
    size_t size = 0;
    for (int column = -kQuietZone; column < code->width + kQuietZone; ++column) {
      const int shape =
          (IsDark(*code, row, column) ? 2 : 0) + (IsDark(*code, row + 1, column) ? 1 : 0);
      const std::string_view block = kBlocks[shape];
      std::copy(block.begin(), block.end(),
                line.ExposeForOpenSsl().begin() + static_cast<std::ptrdiff_t>(size));
      size += block.size();
    }
    out.Text(indent);
    if (terminal) out.Text("\x1b[30;107m");
    out.Secret(line.ExposeForOpenSsl().first(size));
    out.Text(terminal ? "\x1b[0m\n" : "\n");
  }
  return {};
}

}  // namespace leadglass
