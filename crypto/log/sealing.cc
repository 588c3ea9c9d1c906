// SPDX-License-Identifier: Apache-2.0
#include "crypto/log/sealing.h"

#include <cerrno>

#include "crypto/log/chain.h"

namespace leadglass {
namespace {

static_assert(kStreamPrefixBytes == kStreamPrefixSize && kTagBytes == kTagSize);
static_assert(kMaxSealedPlain == kMaxDataLength && kMaxSealedPlain == kMaxCommitLength);

ByteVector CommitAssociatedData(const Uuid& vault_id, const Digest& running, const Frame& frame) {
  ByteWriter w;
  w.Raw(AsBytes("leadglass.commit.1"));
  w.Raw(vault_id);
  w.Raw(running);
  w.Raw(FrameBeforeSealing(frame).span());
  return w.Take();
}

const Key* FindKey(const LogKeys& keys, uint32_t epoch) {
  for (const LogKeys::MetadataKey& key : keys.metadata)
    if (key.key_epoch == epoch) return &key.key;
  return nullptr;
}

}  // namespace

ByteVector DataAssociatedData(const Uuid& vault_id, uint64_t inode, uint32_t generation,
                              const DataRecord& record) {
  ByteWriter w;
  w.Raw(AsBytes("leadglass.data.1"));
  w.Raw(vault_id);
  w.U8(static_cast<uint8_t>(RecordKind::kData));
  w.U64(inode);
  w.U32(generation);
  w.U64(record.file_offset);
  w.U32(record.length);
  w.U8(record.chunk_log2);
  w.Raw(record.write_id.session);
  w.U64(record.write_id.counter);
  return w.Take();
}

ByteVector SealCommit(const LogKeys& keys, const Uuid& vault_id, const Digest& running,
                      ByteSpan payload, Frame& frame) {
  const LogKeys::MetadataKey& newest = keys.metadata.back();
  frame.kind = RecordKind::kCommit;
  frame.chunk_log2 = kCommitChunkLog2;
  frame.key_epoch = newest.key_epoch;
  frame.plain_length = static_cast<uint32_t>(payload.size());
  frame.record_length =
      static_cast<uint32_t>(RecordLength(frame.kind, frame.plain_length, frame.chunk_log2));
  ByteVector record(frame.record_length);
  const MutableByteSpan body = MutableByteSpan(record).subspan(
      frame.size(), BodyLength(frame.kind, frame.plain_length, frame.chunk_log2));
  frame.stream_prefix = SealStream(newest.key, payload, 1u << kCommitChunkLog2,
                                   CommitAssociatedData(vault_id, running, frame), body);
  DescribeBody(record, frame);
  frame.chain = ChainAfterCommit(running, frame);
  const EncodedFrame encoded = EncodeFrame(frame);
  std::memcpy(record.data(), encoded.bytes.data(), encoded.used);
  return record;
}

Result<ByteVector> OpenCommit(const LogKeys& keys, const Uuid& vault_id, const Digest& running,
                              const Frame& frame, ByteSpan record) {
  const Key* key = FindKey(keys, frame.key_epoch);
  if (key == nullptr)
    return Error(Errc::kAccessDenied,
                 "commit " + std::to_string(frame.commit_number) + " is of key epoch " +
                     std::to_string(frame.key_epoch) + ", and the vault file knows none after " +
                     std::to_string(keys.metadata.back().key_epoch) +
                     ": vault file and keyring are old ones, put back from before a passphrase was "
                     "removed or the keys were rotated; put the newest leadglass.vault and keyring "
                     "in place of both copies",
                 EKEYREVOKED);
  ByteVector plain(frame.plain_length);
  LG_RETURN_IF_ERROR(OpenStream(
      *key, frame.stream_prefix, 1u << frame.chunk_log2, frame.plain_length, 0,
      CommitAssociatedData(vault_id, running, frame),
      record.subspan(frame.size(), BodyLength(frame.kind, frame.plain_length, frame.chunk_log2)),
      plain));
  return plain;
}

}  // namespace leadglass
