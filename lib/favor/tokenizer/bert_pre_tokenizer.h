#ifndef FAVOR_TOKENIZER_BERT_PRE_TOKENIZER_H_
#define FAVOR_TOKENIZER_BERT_PRE_TOKENIZER_H_

#include <vector>

#include "favor/tokenizer/pipeline.h"

namespace favor {

// `BertPreTokenizer` of Hugging Face: words are what lies between white space, every punctuation character by itself.
// Without punctuation it is `WhitespaceSplit`.
class BertPreTokenizer : public PreTokenizer {
 public:
  explicit BertPreTokenizer(bool isolate_punctuation = true) : isolate_punctuation_(isolate_punctuation) {}

  absl::Status Split(NormalizedText* text, std::vector<TextRange>* words) const override;
  bool CutsBeforeSpaces() const override { return true; }

 private:
  bool isolate_punctuation_;
};

// Every character is a word.
class CharacterPreTokenizer : public PreTokenizer {
 public:
  absl::Status Split(NormalizedText* text, std::vector<TextRange>* words) const override;
  bool CutsBeforeSpaces() const override { return true; }
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_BERT_PRE_TOKENIZER_H_
