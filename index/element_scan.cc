// SPDX-License-Identifier: Apache-2.0
#include "index/element_scan.h"

#include <algorithm>
#include <optional>

#include "index/header_parser.h"

namespace leadglass {
namespace {

constexpr uint32_t kUndefined = 0xFFFFFFFF;
constexpr uint32_t kItem = 0xFFFEE000;
constexpr uint32_t kItemEnd = 0xFFFEE00D;
constexpr uint32_t kSequenceEnd = 0xFFFEE0DD;
constexpr uint32_t kPixelData = 0x7FE00010;
constexpr size_t kOpen = SIZE_MAX;  // "until its delimiter"

constexpr uint16_t Vr(char a, char b) {
  return static_cast<uint16_t>(static_cast<uint8_t>(a) << 8 | static_cast<uint8_t>(b));
}

bool LongForm(uint16_t vr) {
  switch (vr) {
    case Vr('O', 'B'):
    case Vr('O', 'D'):
    case Vr('O', 'F'):
    case Vr('O', 'L'):
    case Vr('O', 'V'):
    case Vr('O', 'W'):
    case Vr('S', 'Q'):
    case Vr('S', 'V'):
    case Vr('U', 'C'):
    case Vr('U', 'N'):
    case Vr('U', 'R'):
    case Vr('U', 'T'):
    case Vr('U', 'V'): return true;
    default: return false;
  }
}

bool ShortForm(uint16_t vr) {
  switch (vr) {
    case Vr('A', 'E'):
    case Vr('A', 'S'):
    case Vr('A', 'T'):
    case Vr('C', 'S'):
    case Vr('D', 'A'):
    case Vr('D', 'S'):
    case Vr('D', 'T'):
    case Vr('F', 'D'):
    case Vr('F', 'L'):
    case Vr('I', 'S'):
    case Vr('L', 'O'):
    case Vr('L', 'T'):
    case Vr('P', 'N'):
    case Vr('S', 'H'):
    case Vr('S', 'L'):
    case Vr('S', 'S'):
    case Vr('S', 'T'):
    case Vr('T', 'M'):
    case Vr('U', 'I'):
    case Vr('U', 'L'):
    case Vr('U', 'S'): return true;
    default: return false;
  }
}

bool Letters(uint16_t vr) {
  const auto upper = [](int c) { return c >= 'A' && c <= 'Z'; };
  return upper(vr >> 8) && upper(vr & 0xFF);
}

struct Element {
  uint32_t tag = 0;
  uint16_t vr = 0;  // 0 in implicit form
  uint32_t length = 0;
  size_t value = 0;  // offset of the value
  bool implicit = false;
};

// Reads element headers at offsets of one data set.
class HeaderReader {
 public:
  HeaderReader(ByteSpan bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  bool Has(size_t at, size_t n) const { return at <= bytes_.size() && bytes_.size() - at >= n; }
  uint16_t U16(size_t at) const {
    return big_endian_ ? LoadBe<uint16_t>(&bytes_[at]) : LoadLe<uint16_t>(&bytes_[at]);
  }
  uint32_t U32(size_t at) const {
    return big_endian_ ? LoadBe<uint32_t>(&bytes_[at]) : LoadLe<uint32_t>(&bytes_[at]);
  }
  // Needs four bytes at `at`.
  uint32_t TagAt(size_t at) const { return static_cast<uint32_t>(U16(at)) << 16 | U16(at + 2); }
  // Nothing when the bytes end inside the header.
  std::optional<Element> Read(size_t at, bool implicit) const {
    if (!Has(at, 8)) return std::nullopt;
    Element e;
    e.tag = TagAt(at);
    const uint16_t vr = LoadBe<uint16_t>(&bytes_[at + 4]);
    e.implicit = implicit || (e.tag >> 16) == 0xFFFE || !Letters(vr);
    if (e.implicit) {
      e.length = U32(at + 4);
      e.value = at + 8;
      return e;
    }
    e.vr = vr;
    if (!LongForm(vr)) {
      e.length = U16(at + 6);
      e.value = at + 8;
      return e;
    }
    if (!Has(at, 12)) return std::nullopt;
    e.length = U32(at + 8);
    e.value = at + 12;
    return e;
  }
  size_t size() const { return bytes_.size(); }

 private:
  ByteSpan bytes_;
  bool big_endian_;
};

enum class Walk { kOk, kCut, kBroken, kTooDeep };

// Walks over the content of one sequence, however deep, with a stack of its own.
class NestedWalk {
 public:
  explicit NestedWalk(const HeaderReader& reader) : reader_(reader) {}

  // `at` is the first item; `end` is kOpen or where the sequence ends. kOk: end() is behind it.
  // kBroken also for content that reaches out of its container.
  Walk Run(size_t at, size_t end, bool implicit) {
    at_ = at;
    stack_.assign(1, Frame{end, end, false, implicit});
    while (!stack_.empty()) {
      const Frame top = stack_.back();
      if (at_ == top.end) {
        stack_.pop_back();
        continue;
      }
      if (at_ > top.limit) return Walk::kBroken;
      if (!reader_.Has(at_, 8)) return Cut(at_ + 8);
      const Walk step = top.item ? InItem(top) : InSequence(top);
      if (step != Walk::kOk) return step;
    }
    return Walk::kOk;
  }
  size_t end() const { return at_; }
  uint64_t needed() const { return needed_; }

 private:
  struct Frame {
    size_t end;    // kOpen, or the offset behind the last byte
    size_t limit;  // the nearest known end of a container
    bool item;
    bool implicit;
  };

  Walk Cut(uint64_t needed) {
    needed_ = needed;
    return Walk::kCut;
  }

  // Pushes a container of `length` bytes at at_.
  Walk Enter(const Frame& parent, uint32_t length, bool item, bool implicit) {
    if (stack_.size() > 2 * static_cast<size_t>(kMaxNesting)) return Walk::kTooDeep;
    const size_t end = length == kUndefined ? kOpen : at_ + length;
    if (end != kOpen && end > parent.limit) return Walk::kBroken;
    stack_.push_back(Frame{end, end == kOpen ? parent.limit : end, item, implicit});
    return Walk::kOk;
  }

  Walk InSequence(const Frame& top) {
    const uint32_t tag = reader_.TagAt(at_);
    const uint32_t length = reader_.U32(at_ + 4);
    at_ += 8;
    if (tag == kSequenceEnd) {
      stack_.pop_back();
      return Walk::kOk;
    }
    if (tag != kItem) return Walk::kBroken;
    return Enter(top, length, true, top.implicit);
  }

  Walk InItem(const Frame& top) {
    const auto element = reader_.Read(at_, top.implicit);
    if (!element) return Cut(at_ + 12);
    if (element->tag == kItemEnd) {
      at_ = element->value;
      stack_.pop_back();
      return Walk::kOk;
    }
    if (element->tag == kSequenceEnd) {  // the item's own delimiter is missing: seen in the wild
      stack_.pop_back();
      return Walk::kOk;
    }
    const bool open = element->length == kUndefined;
    const size_t end = open ? 0 : element->value + element->length;
    if (end > top.limit) return Walk::kBroken;
    at_ = element->value;
    const bool starts_with_item =
        element->length >= 8 && reader_.Has(at_, 4) && reader_.TagAt(at_) == kItem;
    if (open || element->vr == Vr('S', 'Q') || (element->implicit && starts_with_item)) {
      return Enter(top, element->length, false,
                   top.implicit || element->implicit || element->vr == Vr('U', 'N'));
    }
    if (end > reader_.size()) return Cut(end);
    at_ = end;
    return Walk::kOk;
  }

  const HeaderReader& reader_;
  size_t at_ = 0;
  uint64_t needed_ = 0;
  std::vector<Frame> stack_;
};

// The walk over the top level.
class TopWalk {
 public:
  TopWalk(ByteSpan data_set, const DicomLayout& layout, std::span<const uint32_t> wanted,
          std::span<const size_t> must_have)
      : bytes_(data_set),
        reader_(data_set, layout.big_endian),
        implicit_(layout.implicit),
        wanted_(wanted),
        must_have_(must_have) {
    result_.values.resize(wanted.size());
    result_.found.resize(wanted.size());
  }

  ScanResult Run() {
    while (!ended_) Step();
    return std::move(result_);
  }

 private:
  void End(ScanEnd how, uint64_t needed = 0) {
    result_.end = how;
    result_.end_offset = at_;
    result_.needed_bytes = needed;
    ended_ = true;
  }

  bool HaveAll() const {
    return std::all_of(must_have_.begin(), must_have_.end(),
                       [this](size_t i) { return result_.found[i]; });
  }

  void Step() {
    if (at_ == bytes_.size()) return End(ScanEnd::kDataEnd);
    const auto element = reader_.Read(at_, implicit_);
    if (!element) return End(ScanEnd::kCut, at_ + 12);
    past_ = past_ || element->tag > wanted_.back();
    if (past_ && HaveAll()) return End(ScanEnd::kDone);
    // Padding, zeros, and other bytes behind the data set.
    if (element->tag == 0xFFFCFFFC || (element->tag >> 16) == 0) return End(ScanEnd::kDataEnd);
    if ((element->tag >> 16) == 0x0004) result_.has_directory = true;
    if (element->implicit && !implicit_ && (element->tag >> 16) != 0xFFFE) result_.mixed = true;
    ++result_.elements;
    if (element->length == kUndefined) {
      StepOverUndefined(*element);
    } else {
      StepOverDefined(*element);
    }
    if (!ended_ && !past_) result_.sound_bytes = at_;
  }

  void StepOverUndefined(const Element& element) {
    if (element.tag == kPixelData) return End(ScanEnd::kDataEnd);
    if (element.tag == kItem || element.tag == kItemEnd) return End(ScanEnd::kMalformed);
    NestedWalk walk(reader_);
    switch (walk.Run(element.value, kOpen, element.implicit || element.vr == Vr('U', 'N'))) {
      case Walk::kOk: at_ = walk.end(); break;
      case Walk::kCut: End(ScanEnd::kCut, walk.needed()); break;
      case Walk::kBroken: End(ScanEnd::kMalformed); break;
      case Walk::kTooDeep: End(ScanEnd::kTooDeep); break;
    }
  }

  void StepOverDefined(const Element& element) {
    const uint64_t end = static_cast<uint64_t>(element.value) + element.length;
    if (end > bytes_.size()) {
      result_.cut_in_pixels = element.tag == kPixelData;
      return End(ScanEnd::kCut, end);
    }
    const ByteSpan value = bytes_.subspan(element.value, element.length);
    if (!Note(element.tag, value) && HoldsItems(element, value)) {
      NestedWalk walk(reader_);
      const Walk how = walk.Run(element.value, end, element.implicit);
      if (how == Walk::kTooDeep) return End(ScanEnd::kTooDeep);
      if (how != Walk::kOk) result_.sound = false;
    }
    at_ = end;
  }

  bool HoldsItems(const Element& element, ByteSpan value) const {
    if (value.size() < 8) return false;
    return element.vr == Vr('S', 'Q') ||
           (element.implicit && reader_.TagAt(element.value) == kItem);
  }

  // Keeps the value of a wanted element.
  bool Note(uint32_t tag, ByteSpan value) {
    const auto it = std::lower_bound(wanted_.begin(), wanted_.end(), tag);
    if (it == wanted_.end() || *it != tag) return false;
    const auto i = static_cast<size_t>(it - wanted_.begin());
    result_.duplicate = result_.duplicate || result_.found[i];
    result_.values[i] = value;
    result_.found[i] = true;
    return true;
  }

  ByteSpan bytes_;
  HeaderReader reader_;
  bool implicit_;
  std::span<const uint32_t> wanted_;
  std::span<const size_t> must_have_;
  ScanResult result_;
  size_t at_ = 0;
  bool past_ = false;
  bool ended_ = false;
};

std::string Trimmed(ByteSpan value) {
  std::string text(AsText(value));
  const auto padding = [](char c) { return c == ' ' || c == '\0'; };
  while (!text.empty() && padding(text.back())) text.pop_back();
  while (!text.empty() && padding(text.front())) text.erase(0, 1);
  return text;
}

}  // namespace

DicomLayout FindLayout(ByteSpan bytes) {
  DicomLayout layout;
  layout.has_preamble = bytes.size() >= 132 && AsText(bytes.subspan(128, 4)) == "DICM";
  size_t at = layout.has_preamble ? 132 : 0;
  const HeaderReader reader(bytes, false);
  // The group length is not needed: it is often wrong or missing. The group ends where another
  // begins.
  while (true) {
    layout.data_set_offset = at;
    if (at == bytes.size()) break;
    const auto element = reader.Read(at, false);
    if (!element) return layout;
    if ((element->tag >> 16) != 0x0002) break;
    if (element->length == kUndefined) break;
    const uint64_t end = static_cast<uint64_t>(element->value) + element->length;
    if (end > bytes.size()) return layout;
    const ByteSpan value = bytes.subspan(element->value, element->length);
    if (element->tag == 0x00020010) layout.transfer_syntax_uid = Trimmed(value);
    if (element->tag == 0x00020016) layout.source_ae_title = Trimmed(value);
    if (element->tag == 0x00020002) layout.media_sop_class_uid = Trimmed(value);
    layout.has_meta = true;
    at = end;
  }
  layout.meta_complete = true;
  layout.implicit = layout.transfer_syntax_uid == "1.2.840.10008.1.2";
  layout.big_endian = layout.transfer_syntax_uid == "1.2.840.10008.1.2.2";
  layout.deflated = layout.transfer_syntax_uid == "1.2.840.10008.1.2.1.99";
  return layout;
}

void CorrectLayout(DicomLayout& layout, ByteSpan data_set) {
  if (data_set.size() < 8) return;
  const auto little = LoadLe<uint16_t>(data_set.data());
  const auto big = LoadBe<uint16_t>(data_set.data());
  // Data sets begin with a small group number; read the wrong way round it is a large one.
  if (little >= 0x100 && big < 0x100) layout.big_endian = true;
  if (big >= 0x100 && little < 0x100) layout.big_endian = false;
  const auto vr = LoadBe<uint16_t>(data_set.data() + 4);
  if (LongForm(vr) || ShortForm(vr)) {
    layout.implicit = false;
  } else if (!Letters(vr)) {
    layout.implicit = true;
  }
}

ScanResult ScanElements(ByteSpan data_set, const DicomLayout& layout,
                        std::span<const uint32_t> wanted, std::span<const size_t> must_have) {
  return TopWalk(data_set, layout, wanted, must_have).Run();
}

}  // namespace leadglass
