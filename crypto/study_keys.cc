// SPDX-License-Identifier: Apache-2.0
#include "crypto/study_keys.h"

#include <algorithm>
#include <bit>

#include "crypto/internal/algorithms.h"
#include "crypto/internal/public_wrap.h"
#include "crypto/vault_keys.h"

namespace leadglass {
namespace {

// What a wrap begins with. A reader that does not know one of the numbers stops.
using WrapHeader = std::array<uint8_t, 4>;
constexpr WrapHeader kStudyHeader = {1, kKemX25519, kAeadXaes, 0};
constexpr WrapHeader kFileHeader = {1, kKemNone, kAeadXaes, 0};

ByteVector StudyData(std::string_view layer, const Uuid& vault_id, const Uuid& study_key_id,
                     uint64_t group_id, const PublicKey& group_public) {
  ByteWriter aad;
  aad.Bytes8(AsBytes(layer));
  aad.Raw(kStudyHeader);
  aad.Raw(vault_id);
  aad.Raw(study_key_id);
  aad.U64(group_id);
  aad.Raw(group_public);
  return aad.Take();
}

ByteVector FileData(const Uuid& vault_id, const Uuid& study_key_id, uint64_t inode,
                    uint32_t generation) {
  ByteWriter aad;
  aad.Bytes8(AsBytes("file key"));
  aad.Raw(kFileHeader);
  aad.Raw(vault_id);
  aad.Raw(study_key_id);
  aad.U64(inode);
  aad.U32(generation);
  return aad.Take();
}

constexpr std::string_view kInnerLayer = "study key";
constexpr std::string_view kOuterLayer = "study key, erasable";

// Strips the header that `wrap` must begin with.
Result<ByteSpan> AfterHeader(ByteSpan wrap, const WrapHeader& expected, const char* what) {
  if (wrap.size() < expected.size())
    return Error(Errc::kCorrupt, std::string(what) + " wrap is shorter than its header");
  if (!std::equal(expected.begin(), expected.end(), wrap.begin()))
    return Error(Errc::kUnsupported, std::string(what) +
                                         " wrap names algorithms this version does not know: " +
                                         ToHex(wrap.first(expected.size())));
  return wrap.subspan(expected.size());
}

}  // namespace

GroupKeyPair NewGroupKeyPair() {
  GroupKeyPair pair;
  pair.private_key = NewKey();
  pair.public_key = internal::X25519PublicOf(pair.private_key);
  return pair;
}

uint32_t ErasurePage(const Uuid& study_key_id) {
  const Digest hash = Sha256(study_key_id);
  static_assert(std::has_single_bit(VaultKeys::kErasureSecrets));
  return LoadLe<uint32_t>(hash.data()) % VaultKeys::kErasureSecrets;
}

ByteVector WrapStudyKey(const Uuid& vault_id, const Uuid& study_key_id, uint64_t group_id,
                        const PublicKey& group_public, const Key& erasure_secret,
                        const Key& study_key) {
  const ByteVector inner = internal::WrapToPublic(
      group_public, {}, study_key,
      StudyData(kInnerLayer, vault_id, study_key_id, group_id, group_public));
  ByteWriter out;
  out.Raw(kStudyHeader);
  out.Raw(Seal(erasure_secret, inner,
               StudyData(kOuterLayer, vault_id, study_key_id, group_id, group_public)));
  return out.Take();
}

Result<Key> UnwrapStudyKey(const Uuid& vault_id, const Uuid& study_key_id, uint64_t group_id,
                           const GroupKeyPair& group, const Key& erasure_secret, ByteSpan wrap) {
  LG_ASSIGN_OR_RETURN(const ByteSpan outer, AfterHeader(wrap, kStudyHeader, "study key"));
  LG_ASSIGN_OR_RETURN(const ByteVector inner, Open(erasure_secret, outer,
                                                   StudyData(kOuterLayer, vault_id, study_key_id,
                                                             group_id, group.public_key)));
  return internal::UnwrapWithPrivate(
      group.private_key, group.public_key, {}, inner,
      StudyData(kInnerLayer, vault_id, study_key_id, group_id, group.public_key));
}

Result<ByteVector> MoveToSecret(const Uuid& vault_id, const Uuid& study_key_id, uint64_t group_id,
                                const PublicKey& group_public, std::span<const Key> secrets,
                                const Key& new_secret, ByteSpan wrap) {
  LG_ASSIGN_OR_RETURN(const ByteSpan outer, AfterHeader(wrap, kStudyHeader, "study key"));
  const ByteVector data = StudyData(kOuterLayer, vault_id, study_key_id, group_id, group_public);
  for (const Key& secret : secrets) {
    const auto inner = Open(secret, outer, data);
    if (!inner) continue;
    ByteWriter out;
    out.Raw(kStudyHeader);
    out.Raw(Seal(new_secret, *inner, data));
    return out.Take();
  }
  return Error(Errc::kCorrupt, "the wrap of study key " + ToHex(study_key_id) +
                                   " opens under no erasure secret of its page");
}

ByteVector WrapFileKey(const Uuid& vault_id, const Uuid& study_key_id, uint64_t inode,
                       uint32_t generation, const Key& study_key, const Key& file_key) {
  ByteWriter out;
  out.Raw(kFileHeader);
  out.Raw(WrapKey(study_key, file_key, FileData(vault_id, study_key_id, inode, generation)));
  return out.Take();
}

Result<Key> UnwrapFileKey(const Uuid& vault_id, const Uuid& study_key_id, uint64_t inode,
                          uint32_t generation, const Key& study_key, ByteSpan wrap) {
  LG_ASSIGN_OR_RETURN(const ByteSpan sealed, AfterHeader(wrap, kFileHeader, "file key"));
  return UnwrapKey(study_key, sealed, FileData(vault_id, study_key_id, inode, generation));
}

}  // namespace leadglass
