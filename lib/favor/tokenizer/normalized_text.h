#ifndef FAVOR_TOKENIZER_NORMALIZED_TEXT_H_
#define FAVOR_TOKENIZER_NORMALIZED_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace favor {

// A range of bytes.
struct TextRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Text after normalisation, and where each of its bytes comes from.
struct NormalizedText {
  std::string text;
  std::vector<TextRange> sources;  // [text.size()], bytes of the original text
  uint32_t begin = 0;              // where in the original the text begins, even if nothing of it is left

  void clear() {
    text.clear();
    sources.clear();
  }

  void AppendByte(char byte, TextRange source) {
    text.push_back(byte);
    sources.push_back(source);
  }

  // What was appended to `text` since it was `sources.size()` long comes from `source`.
  void FillSources(TextRange source) { sources.resize(text.size(), source); }

  // The original bytes of [begin, end), which is not empty.
  TextRange Source(size_t begin, size_t end) const { return {sources[begin].begin, sources[end - 1].end}; }

  // The bytes of `range`, which is not empty.
  NormalizedText Slice(TextRange range) const {
    return {text.substr(range.begin, range.end - range.begin),
            {sources.begin() + range.begin, sources.begin() + range.end},
            sources[range.begin].begin};
  }
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_NORMALIZED_TEXT_H_
