// SPDX-License-Identifier: Apache-2.0
#include "crypto/scrypt.h"

#include <unistd.h>

#include "crypto/openssl_ptr.h"

namespace leadglass {
namespace {

uint64_t PhysicalMemory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_size = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_size <= 0) return UINT64_MAX;
  return static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_size);
}

}  // namespace

Result<Key> Scrypt(const SecretBytes& passphrase, const ScryptSalt& salt, uint32_t log2_n) {
  if (log2_n < kMinScryptLog2N || log2_n > kMaxScryptLog2N)
    return Error(Errc::kInvalidArgument, "scrypt cost 2^" + std::to_string(log2_n) +
                                             " is outside 2^" + std::to_string(kMinScryptLog2N) +
                                             " to 2^" + std::to_string(kMaxScryptLog2N));
  const uint64_t n = uint64_t{1} << log2_n;
  // V, X and T of RFC 7914, and some room for the implementation.
  const uint64_t memory = 128 * kScryptR * (n + 4) + (1u << 20);
  const Error too_large(Errc::kUnavailable,
                        "scrypt cost 2^" + std::to_string(log2_n) + " needs " +
                            std::to_string(memory >> 20) +
                            " MiB of memory, more than this machine has to give; unlock on a "
                            "larger one");
  if (memory > PhysicalMemory()) return too_large;
  const ByteSpan bytes = passphrase.ExposeForOpenSsl();
  Key key;
  if (EVP_PBE_scrypt(reinterpret_cast<const char*>(bytes.data()), bytes.size(), salt.data(),
                     salt.size(), n, kScryptR, kScryptP, memory, key.ExposeForOpenSsl().data(),
                     Key::kSize) != 1)
    return too_large;
  return key;
}

}  // namespace leadglass
