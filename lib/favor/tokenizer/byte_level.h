#ifndef FAVOR_TOKENIZER_BYTE_LEVEL_H_
#define FAVOR_TOKENIZER_BYTE_LEVEL_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/pipeline.h"

namespace favor {

// The visible character, in UTF-8, that stands for a byte: itself where it is printable ASCII or Latin-1, else the next
// free one from U+0100 on (Radford et al. 2019, `bytes_to_unicode`).
absl::string_view VisibleByte(char byte);

struct ByteLevelOptions {
  bool add_prefix_space = true;  // in front of a text that does not start with one
  bool split = true;             // into words: contractions, letters, numbers, other signs, white space
};

// `ByteLevel` of Hugging Face, as GPT-2 and RoBERTa have it: words, a space in front of one being part of it, whose
// bytes become visible characters.
class ByteLevel : public PreTokenizer {
 public:
  explicit ByteLevel(ByteLevelOptions options) : options_(options) {}

  absl::Status Split(NormalizedText* text, std::vector<TextRange>* words) const override;
  // What starts with a space gets no other one.
  bool CutsBeforeSpaces() const override { return options_.split; }

 private:
  ByteLevelOptions options_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_BYTE_LEVEL_H_
