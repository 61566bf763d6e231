#ifndef FAVOR_TOKENIZER_PRE_TOKENIZER_SEQUENCE_H_
#define FAVOR_TOKENIZER_PRE_TOKENIZER_SEQUENCE_H_

#include <memory>
#include <utility>
#include <vector>

#include "favor/tokenizer/pipeline.h"

namespace favor {

// `Sequence` of Hugging Face: every step splits the words of the one before it. There is at least one.
class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps) : steps_(std::move(steps)) {}

  absl::Status Split(NormalizedText* text, std::vector<TextRange>* words) const override;
  // The later steps see nothing but words.
  bool CutsBeforeSpaces() const override { return steps_.front()->CutsBeforeSpaces(); }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_PRE_TOKENIZER_SEQUENCE_H_
