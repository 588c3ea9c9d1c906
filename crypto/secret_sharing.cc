// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret_sharing.h"

#include <algorithm>

#include "crypto/internal/gf256.h"

namespace leadglass {

void InterpolateShares(std::span<const SharePoint> points, uint8_t x, MutableByteSpan out) {
  std::fill(out.begin(), out.end(), uint8_t{0});
  for (const SharePoint& point : points) {
    // Lagrange's polynomial of this point: 1 at its own x, 0 at the others'. Plus and minus are the
    // same here.
    uint8_t weight = 1;
    for (const SharePoint& other : points) {
      if (other.x == point.x) continue;
      const auto above = static_cast<uint8_t>(x ^ other.x);
      const auto below = static_cast<uint8_t>(point.x ^ other.x);
      weight =
          internal::GfMultiply(weight, internal::GfMultiply(above, internal::GfInverse(below)));
    }
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<uint8_t>(out[i] ^ internal::GfMultiply(weight, point.values[i]));
  }
}

Result<std::vector<SecretShare>> SplitSecret(const Key& secret, uint32_t threshold,
                                             uint32_t shares) {
  if (threshold < 2 || threshold > shares || shares > kMaxShares)
    return Error(Errc::kInvalidArgument, "a key is split so that 2 or more of at most " +
                                             std::to_string(kMaxShares) + " shares give it, not " +
                                             std::to_string(threshold) + " of " +
                                             std::to_string(shares));
  // The first threshold - 1 shares are random, which is the same as random coefficients; with the
  // secret at 0 they determine the rest.
  std::vector<SecretShare> out;
  out.reserve(shares);
  for (uint32_t number = 1; number < threshold; ++number)
    out.push_back({static_cast<uint8_t>(number), NewKey()});
  std::vector<SharePoint> points = {{0, secret.ExposeForOpenSsl()}};
  for (const SecretShare& share : out)
    points.push_back({share.number, share.value.ExposeForOpenSsl()});
  for (uint32_t number = threshold; number <= shares; ++number) {
    SecretShare share{static_cast<uint8_t>(number), Key()};
    InterpolateShares(points, share.number, share.value.ExposeForOpenSsl());
    out.push_back(std::move(share));
  }
  return out;
}

}  // namespace leadglass
