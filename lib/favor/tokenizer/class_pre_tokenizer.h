#ifndef FAVOR_TOKENIZER_CLASS_PRE_TOKENIZER_H_
#define FAVOR_TOKENIZER_CLASS_PRE_TOKENIZER_H_

#include <cstdint>
#include <vector>

#include "favor/tokenizer/pipeline.h"

namespace favor {

// Pre-tokenizers of Hugging Face whose words are runs of characters of one class.
enum class WordClasses : uint8_t {
  kWhitespace,        // `Whitespace`: word characters or what is neither these nor white space, which is dropped
  kDigits,            // `Digits`: numbers or others
  kIndividualDigits,  // the same, every number by itself
  kPunctuation,       // `Punctuation` with behavior Isolated: every punctuation character by itself, others
  kPunctuationRuns,   // with behavior Contiguous
};

class ClassPreTokenizer : public PreTokenizer {
 public:
  explicit ClassPreTokenizer(WordClasses classes) : classes_(classes) {}

  absl::Status Split(NormalizedText* text, std::vector<TextRange>* words) const override;
  bool CutsBeforeSpaces() const override { return classes_ == WordClasses::kWhitespace; }

 private:
  WordClasses classes_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_CLASS_PRE_TOKENIZER_H_
