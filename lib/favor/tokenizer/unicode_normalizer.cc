#include "favor/tokenizer/unicode_normalizer.h"

#include <algorithm>
#include <vector>

#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

// A character of the result, and how many more of them there are than of those it stands for: 1 if it was inserted,
// -n if it stands for n characters more than one.
struct Mapped {
  char32_t c;
  int combining_class;
  int change;
};

// Characters that no others combine with, normalised by themselves.
class Segment {
 public:
  explicit Segment(NormalForm form)
      : composes_(form == NormalForm::kC || form == NormalForm::kKc),
        compatible_(form == NormalForm::kKc || form == NormalForm::kKd) {}

  void Add(char32_t c, TextRange source) {
    sources_.push_back(source);
    int change = 0;
    const auto append = [&](const auto& parts) {
      for (const char32_t part : parts) {
        decomposed_.push_back({part, CombiningClass(part), change});
        change = 1;
      }
    };
    if (compatible_) {
      append(CompatibilityDecomposition(c));
    } else {
      append(CanonicalDecomposition(c));
    }
  }

  // Appends the normal form of what was added, and forgets it.
  void Flush(NormalizedText* out) {
    SortMarks();
    if (composes_) Compose();
    // The reference does not move places along with characters: each takes as many as it stands for, in their order,
    // and inserted ones share the place of the one before.
    size_t next = 0;
    for (const Mapped& mapped : decomposed_) {
      AppendUtf8(mapped.c, &out->text);
      out->FillSources(sources_[mapped.change > 0 && next > 0 ? next - 1 : next]);
      next += static_cast<size_t>(1 - mapped.change);
    }
    decomposed_.clear();
    sources_.clear();
  }

 private:
  // Canonical order.
  void SortMarks() {
    for (auto begin = decomposed_.begin(); begin != decomposed_.end();) {
      if (begin->combining_class == 0) {
        ++begin;
        continue;
      }
      const auto end = std::find_if(begin, decomposed_.end(), [](const Mapped& m) { return m.combining_class == 0; });
      std::stable_sort(begin, end,
                       [](const Mapped& a, const Mapped& b) { return a.combining_class < b.combining_class; });
      begin = end;
    }
  }

  // Canonical composition: a character joins the last starter unless one between them has its class or a higher one.
  void Compose() {
    size_t kept = 0;
    Mapped* starter = nullptr;
    int last_class = -1;  // of what stands behind the starter
    for (const Mapped& next : decomposed_) {
      const bool blocked = last_class >= next.combining_class;
      if (starter != nullptr && !blocked) {
        if (const char32_t composed = Composition(starter->c, next.c); composed != 0) {
          starter->c = composed;
          starter->change += next.change - 1;
          continue;
        }
      }
      last_class = next.combining_class;
      decomposed_[kept++] = next;
      if (next.combining_class == 0) {
        starter = &decomposed_[kept - 1];
        last_class = -1;
      }
    }
    decomposed_.resize(kept);
  }

  bool composes_;
  bool compatible_;
  std::vector<Mapped> decomposed_;
  std::vector<TextRange> sources_;  // of the characters that were added
};

}  // namespace

void UnicodeNormalizer::Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const {
  normalized->text.reserve(normalized->text.size() + text.size());
  normalized->sources.reserve(normalized->sources.size() + text.size());
  const auto is_ascii = [&](size_t at) { return static_cast<unsigned char>(text[at]) < 0x80; };
  Segment segment(form_);
  for (size_t i = 0; i < text.size();) {
    const uint32_t begin = offset + static_cast<uint32_t>(i);
    // ASCII combines with what comes behind it alone.
    if (is_ascii(i)) segment.Flush(normalized);
    if (is_ascii(i) && (i + 1 == text.size() || is_ascii(i + 1))) {
      normalized->AppendByte(text[i++], {begin, begin + 1});
      continue;
    }
    const char32_t c = NextCharacter(text, &i);
    segment.Add(c, {begin, offset + static_cast<uint32_t>(i)});
  }
  segment.Flush(normalized);
}

}  // namespace favor
