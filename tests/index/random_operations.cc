// SPDX-License-Identifier: Apache-2.0
#include <random>

#include "tests/index/index_model.h"
#include "tests/index/sample_operations.h"
#include "tests/index/small_universe.h"

namespace leadglass {

Operations RandomOperations(std::mt19937_64& random, size_t count, uint64_t& fresh_cookie) {
  const auto below = [&](uint64_t n) { return random() % n; };
  const auto inode = [&] { return kFirst + below(kLast - kFirst + 1); };
  const auto folder = [&] { return kFirstFolder + below(kLastFolder - kFirstFolder + 1); };
  const auto word = [&] { return Words()[below(Words().size())]; };
  const auto kind = [&] { return below(2) == 0 ? EntityKind::kPatient : EntityKind::kStudy; };
  Operations operations;
  // Extents name sessions, which must be known.
  for (uint32_t number = 1; number <= kSessions; ++number)
    operations.push_back(PutSession{number, SampleUuid(static_cast<uint8_t>(number))});
  while (operations.size() < count + kSessions) {
    switch (below(30)) {
      case 0:
      case 1:
      case 2: {
        InodeRecord r = SampleInode(inode());
        r.nlink = static_cast<uint32_t>(below(3));
        r.size = below(1000);
        r.mtime = static_cast<int64_t>(random());
        r.ctime = static_cast<int64_t>(random());
        operations.push_back(PutInode{r});
        break;
      }
      case 3: operations.push_back(EraseInode{inode()}); break;
      case 4:
      case 5:
      case 6: {
        const uint64_t cookie = below(10) == 0 ? 16 + below(fresh_cookie - 15) : fresh_cookie++;
        NameRecord r = SampleName(folder(), word(), inode(), cookie);
        if (below(4) == 0) r.flags = kNameAlias;
        operations.push_back(PutName{r});
        break;
      }
      case 7: operations.push_back(EraseName{folder(), word()}); break;
      case 8:
      case 9:
      case 10:
      case 11: {
        const uint64_t from = below(kFileEnd);
        const auto length = static_cast<uint32_t>(1 + below(kFileEnd - from));
        Extent e =
            below(3) == 0 ? SampleHole(from, length) : SampleExtent(from, length, random() % 1000);
        e.session = e.hole ? 0 : static_cast<uint32_t>(1 + below(kSessions));
        operations.push_back(PutExtent{inode(), e});
        break;
      }
      case 12: operations.push_back(CutExtents{inode(), below(kFileEnd + 10)}); break;
      case 13: operations.push_back(PutXattr{inode(), word(), ByteVector(below(50), 0x41)}); break;
      case 14: operations.push_back(EraseXattr{inode(), word()}); break;
      case 15:
        operations.push_back(PutFileKey{{inode(), static_cast<uint32_t>(below(2)),
                                         SampleUuid(static_cast<uint8_t>(below(9))),
                                         ByteVector(72, static_cast<uint8_t>(random()))}});
        break;
      case 16: {
        StudyKeyRecord r;
        r.study_key_id = SampleUuid(static_cast<uint8_t>(below(5)));
        r.study_identity = word();
        r.group = 1 + below(3);
        operations.push_back(PutStudyKey{r});
        break;
      }
      case 21:
        operations.push_back(
            EraseStudyKey{SampleUuid(static_cast<uint8_t>(below(5))), 1 + below(3)});
        break;
      case 22: {
        // A pair stands for one Unix group for good.
        GroupKeyRecord r;
        r.group = 1 + below(9);
        r.gid = static_cast<uint32_t>(r.group % kGids);
        r.public_key.fill(static_cast<uint8_t>(random()));
        operations.push_back(PutGroupKey{r});
        break;
      }
      case 23:
        operations.push_back(PutRenewals{{{static_cast<uint32_t>(below(9)), random() % 9}}});
        break;
      case 24: {
        PutShred shred;
        shred.study_identity = word();
        shred.study_keys = {SampleUuid(static_cast<uint8_t>(below(9)))};
        shred.keyring_version = below(9);
        operations.push_back(shred);
        break;
      }
      case 17:
        if (below(3) == 0) {
          operations.push_back(EraseEntity{kind(), word()});
        } else {
          // A folder has one entity: it follows from the identity, or nearly so.
          operations.push_back(PutEntity{SampleEntity(kind(), word(), folder())});
        }
        break;
      case 18: {
        FilingRecord r = SampleFiling(inode(), folder(), word());
        r.state = static_cast<FilingState>(1 + below(4));
        operations.push_back(PutFiling{r});
        break;
      }
      case 19:
        operations.push_back(PutConfiguration{static_cast<uint32_t>(1 + below(9)),
                                              1,
                                              word(),
                                              {{"group", static_cast<uint32_t>(below(9))}}});
        break;
      case 20: {
        QuoteAudit quote;
        quote.head = {1, 1 + random() % 99, {}};
        quote.end = {{1, 1 + random() % 9}, random() % 9'999};
        operations.push_back(quote);
        break;
      }
      case 25:
        operations.push_back(PutHold{{word(), static_cast<uint32_t>(1 + below(3)), "1.2", word(),
                                      static_cast<uint32_t>(below(9)), word(), 1}});
        break;
      case 26: operations.push_back(EraseHold{word(), static_cast<uint32_t>(1 + below(3))}); break;
      case 27: {
        EmergencyRecord grant;
        grant.id = static_cast<uint32_t>(1 + below(3));
        grant.uid = static_cast<uint32_t>(below(9));
        grant.kind = kind();
        grant.identity = word();
        grant.reason = word();
        operations.push_back(PutEmergency{std::move(grant)});
        break;
      }
      case 28:
        operations.push_back(EraseEmergency{word(), static_cast<uint32_t>(1 + below(3))});
        break;
      default: operations.push_back(EraseFiling{inode()}); break;
    }
  }
  return operations;
}

}  // namespace leadglass
