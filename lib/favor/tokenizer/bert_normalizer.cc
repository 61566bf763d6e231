#include "favor/tokenizer/bert_normalizer.h"

#include <algorithm>
#include <vector>

#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

// The steps for characters that are not ASCII, one character at a time.
class Steps {
 public:
  Steps(const BertNormalizerOptions& options, NormalizedText* out) : options_(options), out_(*out) {}

  void Add(char32_t c, TextRange source) {
    if (options_.clean_text && IsDroppedByCleaning(c)) return;
    if (options_.clean_text && IsBlankedByCleaning(c)) c = ' ';
    const bool apart = options_.handle_chinese_chars && IsChinese(c);
    if (apart) Decompose(' ', source);
    Decompose(c, source);
    if (apart) Decompose(' ', source);
  }

  // Ends a run of combining characters. Must be called before anything else is appended, and at the end.
  void Flush() {
    if (!run_.empty()) SortRun();
  }

 private:
  struct Combining {
    char32_t c;
    int combining_class;
    bool inserted;  // not the first character of a decomposition
  };

  void Decompose(char32_t c, TextRange source) {
    if (!options_.strip_accents) return Write(c, source);
    bool inserted = false;
    for (const char32_t part : CanonicalDecomposition(c)) {
      if (const int combining_class = CombiningClass(part); combining_class != 0) {
        run_.push_back({part, combining_class, inserted});
        if (!inserted) run_sources_.push_back(source);
      } else {
        Flush();
        last_source_ = source;
        if (!IsNonspacingMark(part)) Write(part, source);
      }
      inserted = true;
    }
  }

  // Canonical order. The reference does not move the places along with the characters: the first character is said to
  // come from the first place, and so on, where inserted ones share the place of the character before them.
  void SortRun() {
    std::stable_sort(run_.begin(), run_.end(),
                     [](const Combining& a, const Combining& b) { return a.combining_class < b.combining_class; });
    size_t next_source = 0;
    for (const Combining& combining : run_) {
      if (!combining.inserted) last_source_ = run_sources_[next_source++];
      if (!IsNonspacingMark(combining.c)) Write(combining.c, last_source_);
    }
    run_.clear();
    run_sources_.clear();
  }

  void Write(char32_t c, TextRange source) {
    if (options_.lowercase) {
      for (const char32_t lower : LowerCase(c)) AppendUtf8(lower, &out_.text);
    } else {
      AppendUtf8(c, &out_.text);
    }
    out_.FillSources(source);
  }

  const BertNormalizerOptions& options_;
  NormalizedText& out_;
  std::vector<Combining> run_;
  std::vector<TextRange> run_sources_;  // of the characters of run_ that are not inserted
  TextRange last_source_;
};

}  // namespace

BertNormalizer::BertNormalizer(const BertNormalizerOptions& options) : options_(options) {
  for (size_t i = 0; i < ascii_.size(); ++i) {
    const char c = static_cast<char>(i);
    ascii_[i] = c;
    if (options.lowercase && c >= 'A' && c <= 'Z') ascii_[i] = static_cast<char>(c - 'A' + 'a');
    if (options.clean_text && IsBlankedByCleaning(c)) ascii_[i] = ' ';
    if (options.clean_text && IsDroppedByCleaning(c)) ascii_[i] = kDropped;
  }
}

void BertNormalizer::Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const {
  normalized->text.reserve(normalized->text.size() + text.size());
  normalized->sources.reserve(normalized->sources.size() + text.size());
  Steps steps(options_, normalized);
  for (size_t i = 0; i < text.size();) {
    const uint32_t begin = offset + static_cast<uint32_t>(i);
    if (const auto byte = static_cast<unsigned char>(text[i]); byte < 0x80) {
      ++i;
      if (ascii_[byte] == kDropped) continue;
      steps.Flush();
      normalized->AppendByte(ascii_[byte], {begin, begin + 1});
      continue;
    }
    const char32_t c = NextCharacter(text, &i);
    steps.Add(c, {begin, offset + static_cast<uint32_t>(i)});
  }
  steps.Flush();
}

std::unique_ptr<Normalizer> MakeLowercase() {
  return std::make_unique<BertNormalizer>(BertNormalizerOptions{
      .clean_text = false, .handle_chinese_chars = false, .strip_accents = false, .lowercase = true});
}

}  // namespace favor
